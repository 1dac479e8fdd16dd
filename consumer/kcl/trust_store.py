"""A Java trust store from AWS_CA_BUNDLE, so that the JVM trusts whom every other AWS SDK here trusts.

Java reads no PEM bundle. Its JKS format needs nothing but a hash, so no keytool (a JRE may lack it) and no package:
magic, version 2, count, then for each certificate: tag 2, alias, milliseconds, "X.509", DER; at the end
SHA-1(password in UTF-16BE, "Mighty Aphrodite", all before). OpenJDK: sun/security/provider/JavaKeyStore.java.
The password only guards against damage: a trust store holds nothing secret.
"""

from __future__ import annotations

import hashlib
import re
import ssl
import struct
from pathlib import Path

from consumer.errors import ConfigurationError, Fault

PASSWORD = "changeit"
_MAGIC, _VERSION, _TRUSTED = 0xFEEDFEED, 2, 2
_WHITENER = b"Mighty Aphrodite"
CERTIFICATE = re.compile(r"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)


def write_trust_store(bundle: Path, target: Path) -> None:
    """Write the certificates of a PEM file as a JKS trust store. ConfigurationError when it cannot be read."""
    try:
        text = bundle.read_text(encoding="utf-8", errors="replace")
        certificates = [ssl.PEM_cert_to_DER_cert(match) for match in CERTIFICATE.findall(text)]
    except (OSError, ValueError) as error:
        raise _fault(bundle, str(error)) from error
    if not certificates:
        raise _fault(bundle, "it holds no certificate")
    content = struct.pack(">III", _MAGIC, _VERSION, len(certificates))
    for number, certificate in enumerate(certificates):
        alias = f"bundle-{number}".encode()
        content += struct.pack(">IH", _TRUSTED, len(alias)) + alias + struct.pack(">Q", 0)
        content += struct.pack(">H", 5) + b"X.509" + struct.pack(">I", len(certificate)) + certificate
    seal = hashlib.sha1(PASSWORD.encode("utf-16-be") + _WHITENER + content, usedforsecurity=False).digest()
    target.write_bytes(content + seal)


def trust_store_flags(store: Path) -> list[str]:
    """JVM flags that make it trust the store's certificates only."""
    return [
        f"-Djavax.net.ssl.trustStore={store}",
        "-Djavax.net.ssl.trustStoreType=JKS",
        f"-Djavax.net.ssl.trustStorePassword={PASSWORD}",
    ]


def _fault(bundle: Path, problem: str) -> ConfigurationError:
    return ConfigurationError(
        [Fault("AWS_CA_BUNDLE", str(bundle), problem, "name a PEM file of certificates, or unset it")]
    )

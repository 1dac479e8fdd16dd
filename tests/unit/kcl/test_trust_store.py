"""The Java trust store, read back by Java's own keytool."""

from __future__ import annotations

import ssl
import subprocess
from pathlib import Path

import pytest

from consumer.demo.certificate import write_certificate
from consumer.errors import ConfigurationError
from consumer.kcl.java import find_java
from consumer.kcl.trust_store import CERTIFICATE, PASSWORD, trust_store_flags, write_trust_store


def two_certificates(folder: Path) -> Path:
    text = ""
    for name in ("one", "two"):
        (folder / name).mkdir()
        text += f"# {name}\n" + write_certificate(folder / name)[0].read_text()
    bundle = folder / "bundle.pem"
    bundle.write_text(text)
    return bundle


def test_java_reads_every_certificate_of_the_bundle(tmp_path: Path) -> None:
    bundle, store = two_certificates(tmp_path), tmp_path / "trust.jks"
    write_trust_store(bundle, store)
    keytool = find_java().with_name("keytool")
    answer = subprocess.run(
        [keytool, "-list", "-rfc", "-keystore", store, "-storetype", "JKS", "-storepass", PASSWORD],
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
    )
    read_back = set(CERTIFICATE.findall(answer.stdout.replace("\r", "")))
    assert read_back == set(CERTIFICATE.findall(bundle.read_text()))


def test_each_certificate_lies_in_the_store_whole(tmp_path: Path) -> None:
    bundle, store = two_certificates(tmp_path), tmp_path / "trust.jks"
    write_trust_store(bundle, store)
    content = store.read_bytes()
    certificates = ssl.create_default_context(cafile=str(bundle)).get_ca_certs(binary_form=True)
    assert len(certificates) == 2
    assert all(len(each).to_bytes(4, "big") + each in content for each in certificates)
    assert content[:12] == bytes.fromhex("feedfeed0000000200000002")


def test_flags_name_the_store() -> None:
    assert "-Djavax.net.ssl.trustStore=/x/trust.jks" in trust_store_flags(Path("/x/trust.jks"))


@pytest.mark.parametrize(
    "content", [None, "no certificate in here", "-----BEGIN CERTIFICATE-----\nA\n-----END CERTIFICATE-----"]
)
def test_a_bundle_that_cannot_be_used_is_a_configuration_fault(tmp_path: Path, content: str | None) -> None:
    bundle = tmp_path / "bundle.pem"
    if content is not None:
        bundle.write_text(content)
    with pytest.raises(ConfigurationError) as caught:
        write_trust_store(bundle, tmp_path / "trust.jks")
    assert caught.value.faults[0].key == "AWS_CA_BUNDLE"

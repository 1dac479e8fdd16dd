"""The way to AWS through a proxy, for the JVM the same as for boto3: HTTPS_PROXY and NO_PROXY.

The SDK inside the KCL (2.33) asks its environment for HTTP_PROXY whatever it connects to, because "scheme" there is the
proxy's own (netty-nio-client, ProxyConfiguration). boto3 asks HTTPS_PROXY. So the JVM is told by properties, in a file
that only we can read, because a proxy's password would stand in everybody's list of processes otherwise.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from urllib.parse import unquote, urlsplit

from consumer.errors import ConfigurationError, Fault

_NAMES = ("HTTPS_PROXY", "https_proxy")
_EXCEPTIONS = ("NO_PROXY", "no_proxy")
_NEVER = ("localhost", "127.*", "[::1]", "169.254.169.254", "169.254.170.2")
"""This machine, and where EC2 and ECS hand out credentials."""
_FORGOTTEN = ("HTTP_PROXY", "http_proxy")
"""Variables that the JVM must not read for itself. HTTPS_PROXY stays: our credential_process goes to STS by it."""


def proxy_arguments(environment: Mapping[str, str], file: Path) -> list[str]:
    """Arguments of the JVM; writes `file` when there is a proxy. ConfigurationError when the URL is none."""
    url = next((environment[name] for name in _NAMES if environment.get(name)), "")
    if not url:
        file.unlink(missing_ok=True)
        return []
    file.touch(mode=0o600)
    file.chmod(0o600)
    lines = [f"-D{name}={_quoted(value)}" for name, value in _properties(url, environment).items()]
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return [f"@{file}"]


def without_proxy(environment: Mapping[str, str]) -> dict[str, str]:
    """The JVM's environment: what `proxy_arguments` said counts, and nothing else."""
    return {name: value for name, value in environment.items() if name not in _FORGOTTEN}


def _properties(url: str, environment: Mapping[str, str]) -> dict[str, str]:
    try:
        parts = urlsplit(url if "://" in url else f"http://{url}")
        port = parts.port or (443 if parts.scheme == "https" else 80)
        if not parts.hostname or parts.scheme not in ("http", "https"):
            raise ValueError("not a URL of a proxy")
    except ValueError as error:
        shown = url.rpartition("@")[2]
        raise ConfigurationError(
            [
                Fault(
                    "HTTPS_PROXY", shown, str(error), "write http://HOST:PORT, with USER:PASSWORD@ before it if it asks"
                )
            ]
        ) from None
    given = {"proxyHost": parts.hostname, "proxyPort": str(port)}
    if parts.username:
        given |= {"proxyUser": unquote(parts.username), "proxyPassword": unquote(parts.password or "")}
    direct = next((environment[name] for name in _EXCEPTIONS if environment.get(name)), "")
    hosts = [pattern for entry in direct.split(",") for pattern in _patterns(entry.strip())]
    return {
        **{f"http.{name}": value for name, value in given.items()},
        "http.nonProxyHosts": "|".join((*_NEVER, *hosts)),
    }


def _patterns(entry: str) -> tuple[str, ...]:
    """One entry of NO_PROXY as Java writes it: a host is also the domain of hosts, `.suffix` is only that."""
    if not entry:
        return ()
    if entry == "*":
        return ("*",)
    if entry.startswith("."):
        return (f"*{entry}",)
    return (entry, f"*.{entry}")


def _quoted(value: str) -> str:
    """For an argument file (java(1), "java Command-Line Argument Files")."""
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'

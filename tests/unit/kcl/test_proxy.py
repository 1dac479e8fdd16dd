"""HTTPS_PROXY and NO_PROXY in the JVM's words."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from consumer.errors import ConfigurationError
from consumer.kcl.proxy import proxy_arguments, without_proxy


def lines(folder: Path, **environment: str) -> list[str]:
    file = folder / "proxy.arguments"
    assert proxy_arguments(environment, file) == [f"@{file}"]
    return file.read_text().splitlines()


def test_without_a_proxy_nothing_is_said_and_an_old_file_goes(tmp_path: Path) -> None:
    file = tmp_path / "proxy.arguments"
    file.write_text("old")
    assert proxy_arguments({"HTTP_PROXY": "http://not-for-https:1"}, file) == []
    assert not file.exists()


def test_host_and_port_become_properties(tmp_path: Path) -> None:
    assert lines(tmp_path, HTTPS_PROXY="http://proxy.example:3128")[:2] == [
        '-Dhttp.proxyHost="proxy.example"',
        '-Dhttp.proxyPort="3128"',
    ]


def test_a_password_stands_in_a_file_of_ours_only_as_it_was_meant(tmp_path: Path) -> None:
    said = lines(tmp_path, https_proxy='http://me:p%40ss"w\\d@proxy.example:3128')

    assert '-Dhttp.proxyUser="me"' in said
    assert '-Dhttp.proxyPassword="p@ss\\"w\\\\d"' in said
    assert stat.S_IMODE((tmp_path / "proxy.arguments").stat().st_mode) == 0o600


def test_hosts_that_are_reached_directly_are_handed_on(tmp_path: Path) -> None:
    (said,) = [
        line
        for line in lines(tmp_path, HTTPS_PROXY="proxy:1", NO_PROXY="vpce.example, .internal,")
        if "nonProxyHosts" in line
    ]

    hosts = said.partition("=")[2].strip('"').split("|")
    assert hosts[-3:] == ["vpce.example", "*.vpce.example", "*.internal"]
    assert {"localhost", "127.*", "169.254.169.254"} <= set(hosts)


@pytest.mark.parametrize("url", ["socks5://proxy:1080", "http://proxy:port", "http://"])
def test_what_is_no_proxy_is_a_fault_without_the_password(tmp_path: Path, url: str) -> None:
    url = url.replace("//", "//me:secret@")
    with pytest.raises(ConfigurationError) as caught:
        proxy_arguments({"HTTPS_PROXY": url}, tmp_path / "proxy.arguments")
    assert "HTTPS_PROXY" in str(caught.value.faults[0])
    assert "secret" not in str(caught.value.faults[0])


def test_the_jvm_does_not_take_a_proxy_that_boto3_would_not_take() -> None:
    environment = {"HTTP_PROXY": "http://a:1", "http_proxy": "http://a:1", "HTTPS_PROXY": "http://b:2", "PATH": "/bin"}
    assert without_proxy(environment) == {"HTTPS_PROXY": "http://b:2", "PATH": "/bin"}

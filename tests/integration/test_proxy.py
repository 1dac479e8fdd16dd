"""The real daemon and boto3 behind a proxy: both go to AWS by it and by nothing else."""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from socketserver import StreamRequestHandler, ThreadingTCPServer

import pytest

from consumer.aws.operations import GET_CALLER_IDENTITY
from consumer.aws.roles import Target
from consumer.aws.sessions import Sessions
from consumer.aws.settings import AwsSettings
from consumer.errors import VpcflowError
from consumer.kcl.launch import prepare_launch
from consumer.kcl.properties import Placement
from consumer.kcl.settings import KclSettings, StreamSettings
from consumer.kcl.tether import tethered

SEEN_SECONDS = 90.0
"""About 6 s were seen on two busy cores."""
KEYS = {
    "AWS_ACCESS_KEY_ID": "none",
    "AWS_SECRET_ACCESS_KEY": "none",
    "AWS_EC2_METADATA_DISABLED": "true",
}


class Proxy(ThreadingTCPServer):
    """Notes where it is asked to go, and refuses."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Asked)
        self.asked: dict[str, str] = {}
        """host:port → Proxy-Authorization."""

    @property
    def url(self) -> str:
        return f"http://me:secret@127.0.0.1:{self.server_address[1]}"


class _Asked(StreamRequestHandler):
    def handle(self) -> None:
        first = self.rfile.readline().decode("latin-1").split()
        headers = {}
        while line := self.rfile.readline().decode("latin-1").strip():
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        assert isinstance(self.server, Proxy)
        if first and first[0] == "CONNECT":
            self.server.asked[first[1]] = headers.get("proxy-authorization", "")
        refusal = "403 Forbidden" if "proxy-authorization" in headers else "407 Proxy Authentication Required"
        self.wfile.write(f"HTTP/1.1 {refusal}\r\nContent-Length: 0\r\n\r\n".encode())


@contextmanager
def proxy_running() -> Iterator[Proxy]:
    with Proxy() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def test_boto3_goes_by_the_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    with proxy_running() as proxy:
        for name, value in {**KEYS, "HTTPS_PROXY": proxy.url}.items():
            monkeypatch.setenv(name, value)
        with pytest.raises(VpcflowError):
            Sessions(AwsSettings(region="eu-west-1", attempts=1)).call(GET_CALLER_IDENTITY, Target(None, "eu-west-1"))

        assert set(proxy.asked) == {"sts.eu-west-1.amazonaws.com:443"}


@pytest.mark.jvm
def test_the_daemon_goes_by_the_same_proxy_and_its_password_is_in_no_list_of_processes(tmp_path: Path) -> None:
    stream = StreamSettings(name="flow", region="eu-west-1")
    placement = Placement(executable="/bin/true", worker_id="w", first_start=1)
    with proxy_running() as proxy:
        environment = {"PATH": "/usr/bin:/bin", **KEYS, "HTTPS_PROXY": proxy.url, "HTTP_PROXY": "http://127.0.0.1:9"}
        launch = prepare_launch(KclSettings(), stream, tmp_path, placement, environment)
        assert "secret" not in " ".join(launch.command)
        daemon = subprocess.Popen(
            tethered(launch.command),
            env=dict(launch.environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            deadline = time.monotonic() + SEEN_SECONDS
            while not proxy.asked and time.monotonic() < deadline:
                assert daemon.poll() is None, "the daemon ended"
                time.sleep(0.05)
        finally:
            daemon.kill()
            daemon.wait()

    assert set(proxy.asked) <= {"dynamodb.eu-west-1.amazonaws.com:443", "kinesis.eu-west-1.amazonaws.com:443"}
    assert proxy.asked, "the daemon asked nobody"

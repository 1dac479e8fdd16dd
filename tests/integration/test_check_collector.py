"""`vpcflow check collector` as its users run it, with real sockets."""

from __future__ import annotations

import socket
import subprocess
import sys
from typing import Any

import orjson
import pytest

from consumer.collect.listen import Listener
from consumer.collect.look import MARK, SOURCE
from consumer.collect.names import known_elements
from consumer.collect.session import CollectingProcess
from consumer.export.settings import Destination
from tests.support.udp import unused_port


def check(address: str, *options: str) -> subprocess.CompletedProcess[bytes]:
    argv = [sys.executable, "-m", "consumer.cli", "check", "collector", address, *options]
    return subprocess.run(argv, capture_output=True, timeout=300, check=False)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost"])
def test_a_collector_that_listens_gets_the_flow_and_the_command_succeeds(host: str) -> None:
    with Listener(Destination("127.0.0.1" if host == "localhost" else host, 0)) as listener:
        done = check(str(Destination(host, listener.port)), "--pen", "64999")
        process = CollectingProcess(known_elements(64_999))
        received = [process.read(*datagram) for datagram in listener.take(60.0)]
    assert done.returncode == 0, done.stderr
    report: dict[str, Any] = orjson.loads(done.stdout)
    assert report["is_there"]
    assert report["warnings"] == []
    assert report["messages"] == listener.received == 2
    (record,) = [record for message in received for record in message.records]
    assert record.values["sourceIPv4Address"] == SOURCE
    assert record.values["sourceName"] == MARK


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("no-such-collector.invalid:4739", b"does not resolve"),
        ("255.255.255.255:4739", b"cannot be reached"),
        ("127.0.0.1:PORT", b"nobody listens"),
    ],
)
def test_what_is_wrong_is_named_and_the_command_fails(address: str, words: bytes) -> None:
    done = check(address.replace("PORT", str(unused_port())))
    assert done.returncode == 1
    assert words in done.stdout
    assert b"32473" in done.stdout


def test_a_faulty_command_line_is_no_failed_check() -> None:
    done = check("collector", "--message-size", "5")
    assert done.returncode == 2
    assert b"2 faults" in done.stderr
    assert done.stdout == b""


def test_each_check_uses_a_port_of_its_own_and_leaves_none_bound() -> None:
    """A second check right after the first is a new session: no collector mixes their templates up."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listener:
        listener.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{listener.getsockname()[1]}"
        senders = set()
        for _ in range(2):
            assert check(address, "--profile", "core").returncode == 0
            senders |= {listener.recvfrom(65_535)[1] for _ in range(2)}
    for _, port in senders:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as again:
            again.bind(("127.0.0.1", port))

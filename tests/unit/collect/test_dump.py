"""`dump` as a function: what is printed of what arrives."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import orjson
import pytest

from consumer.collect.dump import parse_listen, run_dump
from consumer.errors import ConfigurationError
from tests.support.ipfix import VARIABLE, ipfix_set, message, options_template, template, variable
from tests.support.udp import unused_port

PEN = 32473
TEMPLATE = template(300, (0, 8, 4), (0, 12, 4), (0, 4, 1), (0, 11, 2), (PEN, 1101, VARIABLE), (PEN, 9999, 1))
RECORD = bytes([10, 0, 0, 1, 10, 0, 0, 2, 6, 1, 187]) + variable(b"web-1") + b"\xfe"
OPTIONS = options_template(400, [(0, 149, 4)], (0, 41, 8))


@contextmanager
def sending(port: int, *datagrams: bytes) -> Iterator[None]:
    """Send again and again until the test has seen enough: nobody knows when the listener is up."""
    over = threading.Event()

    def repeat() -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            while not over.wait(0.01):
                for datagram in datagrams:
                    sender.sendto(datagram, ("127.0.0.1", port))

    thread = threading.Thread(target=repeat)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def test_json_lines_hold_flow_verdict_and_every_element(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    port = unused_port()
    with sending(port, message(ipfix_set(2, TEMPLATE), ipfix_set(300, RECORD))):
        assert run_dump(f"127.0.0.1:{port}", count=1, seconds=120) == 0
    captured = capfdbinary.readouterr()
    line = orjson.loads(captured.out.splitlines()[0])
    assert line.pop("exporter").startswith("127.0.0.1:")
    assert line == {
        "observationDomain": 7,
        "exportTime": 1_700_000_000,
        "template": 300,
        "flow": "web-1 → 10.0.0.2:443",
        "verdict": "",
        "sourceIPv4Address": "10.0.0.1",
        "destinationIPv4Address": "10.0.0.2",
        "protocolIdentifier": 6,
        "destinationTransportPort": 443,
        "sourceName": "web-1",
        "9999/32473": "0xfe",
    }
    assert f"listening on 127.0.0.1:{port} (UDP)" in captured.err.decode()


def test_options_are_printed_and_not_counted_as_flows(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    port = unused_port()
    options = message(ipfix_set(3, OPTIONS), ipfix_set(400, bytes(12)))
    with sending(port, options, message(ipfix_set(2, TEMPLATE), ipfix_set(300, RECORD), sequence=1)):
        run_dump(f"127.0.0.1:{port}", count=1, seconds=120)
    lines = [orjson.loads(line) for line in capfdbinary.readouterr().out.splitlines()]
    assert {line.get("isOptions", False) for line in lines} == {True, False}


def test_without_a_count_it_ends_after_its_seconds_and_says_what_came(
    capfdbinary: pytest.CaptureFixture[bytes],
) -> None:
    port = unused_port()
    began_at = time.monotonic()
    with sending(port, b"no ipfix at all"):
        assert run_dump(f"127.0.0.1:{port}", seconds=0.5) == 0
    assert 0.5 <= time.monotonic() - began_at < 10
    captured = capfdbinary.readouterr()
    assert captured.out == b""
    assert "0 flows, 0 options records" in captured.err.decode()
    assert "× too_short" in captured.err.decode()


def test_on_a_terminal_it_is_a_table(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    port = unused_port()
    with sending(port, message(ipfix_set(2, TEMPLATE), ipfix_set(300, RECORD))):
        run_dump(f"127.0.0.1:{port}", count=3, seconds=120, as_json=False)
    shown = capfd.readouterr().out
    assert "flows by name" in shown
    assert "web-1 → 10.0.0.2:443" in shown


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_with_the_totals(number: signal.Signals) -> None:
    argv = [sys.executable, "-m", "consumer.cli", "dump", "--listen", "127.0.0.1:0"]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr is not None
            assert process.stderr.readline().startswith("listening on 127.0.0.1:")
            process.send_signal(number)
            assert process.stderr.readline() == "0 flows, 0 options records, 0 messages\n"
            assert process.wait(90) == 0
        finally:
            process.kill()


@pytest.mark.parametrize("text", ["4739", "localhost", "127.0.0.1:99999", "::1:4739"])
def test_an_address_that_is_none_is_refused_with_the_mend(text: str) -> None:
    with pytest.raises(ConfigurationError, match=r"write "):
        parse_listen(text)


def test_port_zero_lets_the_kernel_choose() -> None:
    assert parse_listen("[::1]:0").port == 0

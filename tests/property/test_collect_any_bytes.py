"""No bytes make the collecting process fail, and what it keeps stays bounded."""

from __future__ import annotations

import random
import re
import resource
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consumer.collect import session as session_module
from consumer.collect.flow import read_flow
from consumer.collect.names import known_elements
from consumer.collect.session import CollectingProcess
from consumer.collect.show import flow_line
from tests.golden.ipfix_vectors import VECTORS, read_vector
from tests.support.ipfix import VARIABLE, ipfix_set, message, options_template, template

PEN = 32473
SENDER = ("192.0.2.1", 50_000)

FIELDS = st.tuples(
    st.sampled_from([0, 0, PEN, 4711]),
    st.one_of(st.sampled_from([1, 4, 7, 8, 12, 27, 56, 82, 152, 210, 1006, 1101]), st.integers(0, 0x7FFF)),
    st.one_of(st.sampled_from([0, 1, 2, 4, 8, 16, VARIABLE]), st.integers(0, 65_535)),
)
CONTENT = st.binary(max_size=80)
SETS = st.one_of(
    st.builds(ipfix_set, st.integers(0, 0xFFFF), CONTENT),
    st.builds(ipfix_set, st.just(300), CONTENT),
    st.builds(lambda fields: ipfix_set(2, template(300, *fields)), st.lists(FIELDS, max_size=6)),
    st.builds(
        lambda scope, fields: ipfix_set(3, options_template(300, scope, *fields)),
        st.lists(FIELDS, max_size=2),
        st.lists(FIELDS, max_size=3),
    ),
)


def consume(collecting: CollectingProcess, datagram: bytes) -> int:
    """Everything `dump` does with a datagram; the records it held."""
    received = collecting.read(datagram, SENDER)
    for record in received.records:
        orjson.dumps(record.values)
        flow = read_flow(record.values)
        if flow is not None:
            assert flow_line(flow).isprintable()
    return len(received.records)


@given(st.lists(st.binary(max_size=200), max_size=5))
def test_any_bytes_are_read_without_an_error(datagrams: list[bytes]) -> None:
    collecting = CollectingProcess(known_elements(PEN))
    for datagram in datagrams:
        consume(collecting, datagram)


@settings(max_examples=300)
@given(st.lists(st.builds(lambda sets: message(*sets), st.lists(SETS, max_size=4)), max_size=5))
def test_any_templates_and_any_data_are_read_without_an_error(datagrams: list[bytes]) -> None:
    collecting = CollectingProcess(known_elements(PEN))
    for datagram in datagrams:
        assert consume(collecting, datagram) <= len(datagram)


def test_mutated_messages_are_read_without_an_error_and_keep_memory_bounded() -> None:
    """Our own messages, with octets changed, cut out, doubled; the long run of a million is below (`make soak`)."""
    assert fuzz(20_000, seed=1) > 0


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_a_million_mutated_messages_are_read_in_bounded_memory() -> None:
    fuzz(20_000, seed=3)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began = time.monotonic()
    records = fuzz(1_000_000, seed=2)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    print(
        f"1,000,000 mutated messages, {records:,} records, {time.monotonic() - began:.0f} s, {grown:,} KB more memory"
    )
    assert records > 0
    assert grown < 128 << 10


@pytest.mark.soak
@pytest.mark.timeout(600)
def test_a_dump_that_was_sent_a_hundred_thousand_mutated_messages_shows_the_next_flow(tmp_path: Path) -> None:
    """Through its socket, about as fast as it reads; what its buffer drops is no concern here."""
    chance = random.Random(4)
    whole = [message for name in VECTORS for message in messages_in(read_vector(name))]
    printed = tmp_path / "printed"
    with running_dump(printed) as (process, port), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.connect(("127.0.0.1", port))
        for number in range(100_000):
            sender.send(mutated(chance, chance.choice(whole)))
            if number % 20 == 0:
                time.sleep(0.002)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as honest:  # a session of its own, with its templates
            honest.connect(("127.0.0.1", port))
            exporter = f"127.0.0.1:{honest.getsockname()[1]}".encode()
            give_up_at = time.monotonic() + 60
            while exporter not in printed.read_bytes():
                assert process.poll() is None, "dump has ended"
                assert time.monotonic() < give_up_at, "the honest exporter's flows never show"
                for message in whole:
                    honest.send(message)
                time.sleep(0.5)
        memory_kb = int(re.findall(r"VmHWM:\s+(\d+)", Path(f"/proc/{process.pid}/status").read_text())[0])
    print(f"100,000 mutated messages, {printed.read_bytes().count(10):,} lines printed, {memory_kb:,} KB at most")
    assert memory_kb < 200 << 10


@contextmanager
def running_dump(printed: Path) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """`vpcflow dump` and its port; ended by a signal."""
    command = [sys.executable, "-m", "consumer.cli", "dump", "--json", "--listen", "127.0.0.1:0"]
    with printed.open("wb") as out:
        process = subprocess.Popen(command, stdout=out, stderr=subprocess.PIPE, text=True)
    assert process.stderr
    try:
        yield process, int(process.stderr.readline().split(":")[1].split()[0])
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def fuzz(count: int, seed: int) -> int:
    """Read `count` mutated messages; how many records they held."""
    chance = random.Random(seed)
    vectors = [read_vector(name) for name in VECTORS]
    collecting = CollectingProcess(known_elements(PEN))
    records = 0
    for number in range(count):
        if number % 50 == 0:  # the templates must be known again, or nothing behind them is ever reached
            for vector in vectors:
                for whole in messages_in(vector):
                    consume(collecting, whole)
        records += consume(collecting, mutated(chance, chance.choice(messages_in(chance.choice(vectors)))))
        assert collecting._kept_fields <= session_module.MAX_KEPT_FIELDS
        assert len(collecting._expected) <= session_module.MAX_KEPT_DOMAINS
    return records


def messages_in(stream: bytes) -> list[bytes]:
    """Messages back to back."""
    found = []
    while stream:
        length = int.from_bytes(stream[2:4], "big")
        found.append(stream[:length])
        stream = stream[length:]
    return found


def mutated(chance: random.Random, data: bytes) -> bytes:
    """Between one and four changes; mostly the lengths are mended so that the change is reached."""
    content = bytearray(data)
    for _ in range(chance.randint(1, 4)):
        place = chance.randrange(2, max(3, len(content)))
        kind = chance.randrange(4)
        if kind == 0:
            content[place : place + 1] = bytes([chance.choice((0, 1, 127, 128, 254, 255, chance.randrange(256)))])
        elif kind == 1:
            del content[place : place + chance.randint(1, 8)]
        elif kind == 2:
            content[place:place] = content[place : place + chance.randint(1, 8)]
        else:
            content[place : place + 2] = chance.randrange(65_536).to_bytes(2, "big")
    if chance.random() < 0.7 and len(content) >= 20:
        content[2:4] = len(content).to_bytes(2, "big")
        content[18:20] = (len(content) - 16).to_bytes(2, "big")
    return bytes(content)

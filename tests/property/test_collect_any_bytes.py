"""No bytes make the collecting process fail, and what it keeps stays bounded."""

from __future__ import annotations

import random

import orjson
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
    """Our own messages, with octets changed, cut out, doubled; the long run of a million is `python -m` this file."""
    assert fuzz(20_000, seed=1) > 0


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


if __name__ == "__main__":
    print(f"{fuzz(1_000_000, seed=2):,} records out of 1,000,000 mutated messages")

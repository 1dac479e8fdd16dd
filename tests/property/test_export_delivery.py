"""Whatever is sent, in bursts or not, and however often the collector goes away: every record once, numbers gapless."""

from __future__ import annotations

import threading
from typing import Literal

import hypothesis.strategies as st
import numpy as np
from hypothesis import given, settings

from consumer.collect.names import known_elements
from consumer.collect.session import CollectingProcess
from consumer.encode.encoder import Encoder
from consumer.encode.message import HEADERS_BYTES
from consumer.encode.settings import EncodingSettings
from consumer.encode.template import TemplateNumbers
from consumer.export.collector import Collector
from consumer.export.process import ExportingProcess
from consumer.export.settings import CollectorSettings
from tests.property.test_encode_round_trip import batches
from tests.support.clock import ManualClock
from tests.support.udp import Message, Receiver, message_batch, receiver
from tests.unit.encode.building import Row, batch_of, joined_of

_NEVER = threading.Event()
_sizes = st.lists(st.sampled_from([1, 2, 20, 20, 20, 20, 170]), min_size=1, max_size=70)
_steps = st.lists(st.tuples(st.integers(7, 8), _sizes, st.none() | st.integers(0, 3)), min_size=1, max_size=8)
"""(observation domain, records of each message, None or the waits that the collector is away before the batch)."""


@settings(deadline=None, max_examples=60)
@given(
    steps=_steps,
    rate=st.sampled_from([0, 0, 10_000]),
    burst_messages=st.integers(1, 64),
    may_offload=st.booleans(),
    refresh=st.integers(1, 100),
)
def test_every_record_arrives_once_under_its_own_number(
    steps: list[tuple[int, list[int], int | None]], rate: int, burst_messages: int, may_offload: bool, refresh: int
) -> None:
    clock, opened = ManualClock(), Receiver()
    chosen = CollectorSettings(
        address=opened.address,
        rate=rate,
        burst_messages=burst_messages,
        segmentation_offload=may_offload,
        template_refresh_messages=refresh,
    )
    process = ExportingProcess([Collector(chosen, clock)], clock)
    found: list[Message] = []
    sent: list[int] = []
    for domain, record_counts, waits_away in steps:
        back: list[Receiver] = []
        if waits_away is not None:
            found += opened.messages()
            opened.close()
            back = come_back(clock, opened.port, waits_away)
        process.send({None: message_batch(record_counts, domain=domain, first_value=len(sent))}, _NEVER)
        opened = back[0] if back else opened
        sent += range(len(sent), len(sent) + sum(record_counts))
        found += opened.messages()
    process.close()
    opened.close()
    assert [value for message in found if not message.is_template for value in message.values] == sent
    assert_gapless(found)


def come_back(clock: ManualClock, port: int, waits_away: int) -> list[Receiver]:
    """The collector listens again, in the list returned, when the sender has waited so often and once more."""
    back: list[Receiver] = []
    listens_after = len(clock.waited) + waits_away

    def look(seconds: float) -> None:
        if not back and len(clock.waited) > listens_after:
            back.append(Receiver(port=port))

    clock.on_wait = look
    return back


def assert_gapless(messages: list[Message]) -> None:
    """Sequence number = data records before it in its domain; templates, which count nothing, before any data."""
    expected: dict[int, int] = {}
    explained: set[int] = set()
    for message in messages:
        assert message.sequence == expected.get(message.domain, 0)
        if message.is_template:
            explained.add(message.domain)
        else:
            assert message.domain in explained
            expected[message.domain] = message.sequence + len(message.values)


@settings(deadline=None, max_examples=60)
@given(
    batch=batches(),
    copies=st.integers(1, 30),
    profile=st.sampled_from(["core", "iana", "full"]),
    message_size=st.integers(596, 8900),
    pads=st.booleans(),
)
def test_our_collecting_process_reads_the_batch_back_from_datagrams_within_the_limit(
    batch: tuple[tuple[str, ...], list[Row]],
    copies: int,
    profile: Literal["core", "iana", "full"],
    message_size: int,
    pads: bool,
) -> None:
    fields, rows = batch
    flows = batch_of(fields, rows)
    order = np.tile(np.arange(len(rows), dtype=np.int64), copies)
    encoding = EncodingSettings(profile=profile, message_size=message_size, pads_messages=pads)
    encoded = Encoder(encoding, TemplateNumbers()).encode(flows, order, joined_of(len(rows)), 7)
    collecting = CollectingProcess(known_elements(encoding.private_enterprise_number))
    with receiver() as opened:
        chosen = CollectorSettings(address=opened.address, rate=0, message_size=message_size, segmentation_offload=pads)
        clock = ManualClock()
        ExportingProcess([Collector(chosen, clock)], clock).send({None: encoded}, _NEVER)
        octets: list[int] = []
        while True:
            try:
                datagram, sender = opened.socket.recvfrom(65_535)
            except BlockingIOError:
                break
            assert HEADERS_BYTES < len(datagram) <= message_size
            received = collecting.read(datagram, sender)
            assert (received.lost, received.problems) == (0, {})
            octets += [int(record.values["octetDeltaCount"]) for record in received.records]
    assert sorted(octets) == sorted(int(row.get("bytes") or 0) for row in rows for _ in range(copies))

"""The exporting process on real UDP sockets of this machine; only time is made by hand."""

from __future__ import annotations

import errno
import socket
import struct
import sys
import threading
from collections.abc import Callable, Hashable, Iterator
from dataclasses import replace

import numpy as np
import pytest

from consumer.clock import SystemClock
from consumer.errors import ConfigurationError, Stopped
from consumer.export import link
from consumer.export.backlog import QUEUE_BYTES
from consumer.export.collector import Collector
from consumer.export.process import ExportingProcess
from consumer.export.settings import CollectorSettings, OptionKind
from consumer.export.status import CollectorCounts, CollectorStatus
from consumer.export.udp import Bounce, UdpSocket, _knows_segments
from consumer.export.vectors import Vectors
from consumer.model.messages import MessageBatch
from tests.support.clock import ManualClock
from tests.support.udp import Message, Receiver, message_batch, read_message, receiver, unused_port

_SO_NO_CHECK = 11
"""Linux's number: send without UDP checksum (socket(7) names it, Python does not)."""


class Remembering:
    """An observer that keeps what it was told."""

    def __init__(self) -> None:
        self.statuses: list[CollectorStatus] = []

    def changed(self, status: CollectorStatus) -> None:
        self.statuses.append(status)

    def counted(self, name: str, counts: CollectorCounts) -> None:
        assert counts.messages >= 0


class Bench:
    """An exporting process over collectors given by address, with a manual clock."""

    def __init__(self, *settings: CollectorSettings) -> None:
        self.clock = ManualClock()
        self.observer = Remembering()
        self.stop = threading.Event()
        self.collectors = [Collector(item, self.clock, observer=self.observer) for item in settings]
        self.process = ExportingProcess(self.collectors, self.clock)

    def send(self, batch: MessageBatch) -> None:
        self.process.send({None: batch}, self.stop)

    def when_waiting(self, act: Callable[[int], None]) -> None:
        """Call `act(n)` in the n-th wait from now, n = 1, 2, …"""
        before = len(self.clock.waited)
        self.clock.on_wait = lambda _: act(len(self.clock.waited) - before)


@pytest.fixture(params=[True, False], ids=["offload", "plain"], autouse=True)
def offload(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Everything here holds with bursts and without: `settings` gives this unless told otherwise."""
    monkeypatch.setitem(_DEFAULTS, "segmentation_offload", request.param)
    return bool(request.param)


_DEFAULTS: dict[str, object] = {"rate": 0, "template_lead_ms": 0}


def settings(address: str, **others: object) -> CollectorSettings:
    return CollectorSettings.model_validate({"address": address, **_DEFAULTS, **others})


@pytest.fixture
def listening() -> Iterator[Receiver]:
    with receiver() as opened:
        yield opened


def data(messages: list[Message]) -> list[Message]:
    return [message for message in messages if not message.is_template]


def values(messages: list[Message]) -> list[int]:
    return [value for message in data(messages) for value in message.values]


def assert_numbered(messages: list[Message], start: int = 0) -> None:
    """Sequence number = data records before it, per domain; templates count nothing."""
    expected: dict[int, int] = {}
    for message in messages:
        assert message.sequence == expected.get(message.domain, start)
        expected[message.domain] = message.sequence + (0 if message.is_template else len(message.values))


# Numbers and templates.


def test_templates_go_first_and_messages_are_numbered_by_records_in_each_domain(listening: Receiver) -> None:
    bench = Bench(settings(listening.address))
    bench.send(message_batch([3, 2, 4], domain=7))
    bench.send(message_batch([5, 1], domain=8))
    bench.send(message_batch([2], domain=7))
    messages = listening.messages()
    assert [(message.domain, message.is_template) for message in messages] == [
        (7, True), (7, False), (7, False), (7, False), (8, True), (8, False), (8, False), (7, False),
    ]  # fmt: skip
    assert_numbered(messages)
    assert {message.export_time for message in messages} == {1_700_000_000}


def test_options_records_count_in_the_sequence_but_not_as_records(listening: Receiver) -> None:
    bench = Bench(settings(listening.address))
    bench.send(message_batch([2], is_options=True))
    bench.send(message_batch([3]))
    messages = listening.messages()
    assert [message.set_id for message in messages] == [3, 300, 2, 300]
    assert [message.sequence for message in messages] == [0, 0, 2, 2]
    counts = bench.collectors[0].counts
    assert (counts.records, counts.option_records, counts.messages, counts.template_messages) == (3, 2, 4, 2)


def test_the_sequence_number_wraps_at_two_to_the_thirty_second(listening: Receiver) -> None:
    bench = Bench(settings(listening.address))
    bench.send(message_batch([1]))
    bench.collectors[0]._session.sequences[7] = 0xFFFF_FFFE
    bench.send(message_batch([3, 3]))
    assert [message.sequence for message in data(listening.messages())] == [0, 0xFFFF_FFFE, 1]


def test_what_a_collector_keeps_has_its_own_numbers_though_another_got_the_same_batch(listening: Receiver) -> None:
    with receiver() as other:
        bench = Bench(*(settings(each.address) for each in (listening, other)))
        first, second = bench.collectors
        ExportingProcess([first], bench.clock).send({None: message_batch([4])}, bench.stop)
        bench.send(message_batch([2, 2]))
    for collector, numbers in ((first, [0, 4, 6]), (second, [0, 2])):
        kept = collector._session.rewind([], bench.clock.monotonic())
        assert [read_message(bytes(sent.message)).sequence for sent in kept] == numbers


def test_templates_are_repeated_in_the_middle_of_a_batch_when_their_count_is_reached(listening: Receiver) -> None:
    bench = Bench(settings(listening.address, template_refresh_messages=2))
    bench.send(message_batch([1] * 5))
    assert [message.is_template for message in listening.messages()] == [
        True,
        False,
        False,
        True,
        False,
        False,
        True,
        False,
    ]


def test_data_wait_for_a_template_the_collector_did_not_know_and_never_again(listening: Receiver) -> None:
    """Pacing off: only the head start makes anything wait."""
    bench = Bench(settings(listening.address, template_lead_ms=20))
    arrived: list[list[bool]] = []
    bench.when_waiting(lambda _: arrived.append([message.is_template for message in listening.messages()]))
    bench.send(message_batch([3, 2]))
    assert arrived == [[True]]
    assert bench.clock.waited == [pytest.approx(0.02)]
    assert [message.is_template for message in listening.messages()] == [False, False]
    bench.send(message_batch([3, 2] * 300))
    assert len(bench.clock.waited) == 1


def test_options_of_all_kinds_share_one_head_start_and_flows_have_their_own(listening: Receiver) -> None:
    class TwoKinds:
        def build(self, kind: OptionKind, *_: object) -> MessageBatch:
            number = {"selector": 256, "types": 257}[kind]
            return replace(message_batch([1], is_options=True), templates={number: struct.pack("!H", number) + b"..."})

    bench = Bench(settings(listening.address, template_lead_ms=20, options=["selector", "types"]))
    ExportingProcess(bench.collectors, bench.clock, TwoKinds()).send({None: message_batch([3])}, bench.stop)
    messages = listening.messages()
    assert [message.set_id for message in messages] == [3, 300, 300, 2, 300]
    assert len(messages[0].body) == 10
    assert bench.clock.waited == [pytest.approx(0.02)] * 2


def test_a_template_refreshed_by_count_holds_nothing_up(listening: Receiver) -> None:
    bench = Bench(settings(listening.address, template_lead_ms=20, template_refresh_messages=2))
    bench.send(message_batch([1] * 5))
    assert len(bench.clock.waited) == 1
    assert sum(message.is_template for message in listening.messages()) == 3


# Several collectors.


def test_each_collector_has_its_own_numbers_and_one_that_is_late_starts_at_zero(listening: Receiver) -> None:
    with receiver() as second:
        bench = Bench(settings(listening.address, name="first"), settings(second.address, name="second"))
        ExportingProcess([bench.collectors[0]], bench.clock).send({None: message_batch([4])}, bench.stop)
        bench.send(message_batch([2, 2]))
        assert [message.sequence for message in data(listening.messages())] == [0, 4, 6]
        assert [message.sequence for message in data(second.messages())] == [0, 2]


def test_collectors_wait_side_by_side_not_one_after_the_other(listening: Receiver) -> None:
    with receiver() as second:
        bench = Bench(settings(listening.address, rate=100), settings(second.address, name="second", rate=100))
        bench.send(message_batch([10] * 11))
        assert bench.clock.elapsed == pytest.approx(1.0)
        assert len(values(listening.messages())) == len(values(second.messages())) == 110


def test_a_required_collector_that_refuses_holds_the_delivery_but_not_the_other_collector(
    listening: Receiver,
) -> None:
    bench = Bench(settings(listening.address), settings(f"127.0.0.1:{unused_port()}", name="gone"))
    received: list[int] = []

    def look(count: int) -> None:
        received.extend(values(listening.messages()))
        if count == 3:
            bench.stop.set()

    bench.when_waiting(look)
    with pytest.raises(Stopped, match=r"gone: nobody listens at 127\.0\.0\.1"):
        bench.send(message_batch([5, 5]))
    assert len(received) == 10


def test_a_collector_that_is_not_required_holds_nobody_and_its_drops_are_counted(listening: Receiver) -> None:
    gone = settings(f"127.0.0.1:{unused_port()}", name="gone", required=False)
    bench = Bench(settings(listening.address), gone)
    batch = message_batch([150] * 1000)
    batches = QUEUE_BYTES // len(batch.buffer) + 3
    for _ in range(batches):
        bench.send(batch)
        listening.messages()
    assert bench.clock.waited == []
    assert bench.collectors[1].counts.dropped_records == 3 * 150_000
    bench.process.close()
    assert bench.collectors[1].counts.dropped_records == batches * 150_000
    assert bench.collectors[1].counts.records == 0


def test_a_collector_that_is_not_required_gets_everything_its_rate_can_take(listening: Receiver) -> None:
    with receiver() as second:
        bench = Bench(settings(listening.address), settings(second.address, name="second", required=False, rate=1000))
        bench.send(message_batch([10] * 5))
        assert (len(values(listening.messages())), len(values(second.messages()))) == (50, 0)
        bench.process.close()
        assert len(values(second.messages())) == 50
        assert bench.collectors[1].counts.dropped_records == 0


# Options.


class Talkative:
    """An OptionsSource that has two records to say of each kind."""

    def build(
        self, kind: OptionKind, encoding_key: Hashable, domain: int, message_limit: int, counts: CollectorCounts
    ) -> MessageBatch | None:
        return message_batch([2], domain=domain, is_options=True) if kind != "types" else None


def test_options_go_before_the_data_at_the_data_s_pace(listening: Receiver) -> None:
    bench = Bench(settings(listening.address, rate=100, options=["selector", "types"]))
    process = ExportingProcess(bench.collectors, bench.clock, Talkative())
    process.send({None: message_batch([3, 3])}, bench.stop)
    messages = listening.messages()
    assert [message.set_id for message in messages] == [3, 300, 2, 300, 300]
    assert_numbered(messages)
    assert bench.clock.elapsed == pytest.approx(0.05)
    assert (bench.collectors[0].counts.option_records, bench.collectors[0].counts.records) == (2, 6)


def test_a_collector_that_came_back_is_told_the_options_again() -> None:
    with receiver() as first:
        bench = Bench(settings(first.address, options=["selector"]))
        process = ExportingProcess(bench.collectors, bench.clock, Talkative())
        process.send({None: message_batch([1])}, bench.stop)
        process.send({None: message_batch([1])}, bench.stop)
        assert [message.set_id for message in first.messages()] == [3, 300, 2, 300, 300]
    opened: list[Receiver] = []
    bench.when_waiting(lambda count: opened.append(Receiver(port=first.port)) if count == 1 else None)
    process.send({None: message_batch([1])}, bench.stop)
    process.send({None: message_batch([1])}, bench.stop)
    assert [message.set_id for message in data(opened[0].messages())] == [300, 300, 300]
    assert bench.collectors[0].counts.option_records == 4
    opened[0].close()


def test_options_that_a_collector_cannot_take_are_no_lost_flows() -> None:
    bench = Bench(settings(f"127.0.0.1:{unused_port()}", required=False))
    options = message_batch([1], is_options=True)
    bench.collectors[0]._backlog._octets = QUEUE_BYTES
    bench.collectors[0].offer(options)
    assert bench.collectors[0].counts.dropped_records == 0


# Pacing.


def test_pacing_spreads_messages_and_says_so(listening: Receiver) -> None:
    bench = Bench(settings(listening.address, rate=1000))
    arrivals: list[int] = []
    bench.when_waiting(lambda _: arrivals.append(len(data(listening.messages()))))
    bench.send(message_batch([10] * 21))
    assert bench.clock.elapsed == pytest.approx(0.2)
    assert arrivals == [1] * 20
    assert bench.collectors[0].status().state == "pacing"
    assert "1000 records/s" in bench.collectors[0].status().reason
    assert bench.collectors[0].counts.paced_seconds == pytest.approx(0.2)
    bench.clock.advance(2)
    assert bench.collectors[0].status().state == "ok"


def test_a_stop_ends_pacing_in_the_middle_of_a_batch(listening: Receiver) -> None:
    bench = Bench(settings(listening.address, rate=10))
    bench.when_waiting(lambda count: bench.stop.set() if count == 2 else None)
    with pytest.raises(Stopped):
        bench.send(message_batch([10] * 10))
    assert len(data(listening.messages())) == 2


# Nobody there.


def test_an_agent_that_lost_its_slot_in_the_middle_of_a_batch_sends_no_further_message(listening: Receiver) -> None:
    bench = Bench(settings(listening.address, rate=100))
    asked = iter([True] * 4 + [False] * 100)
    bench.process.may_send = lambda: next(asked)
    with pytest.raises(Stopped, match="slot is lost"):
        bench.send(message_batch([10] * 50))

    assert 0 < len(data(listening.messages())) <= 5


def test_a_collector_that_is_not_there_costs_no_record_and_is_probed_every_second() -> None:
    port = unused_port()
    bench = Bench(settings(f"127.0.0.1:{port}"))
    opened: list[Receiver] = []
    bench.when_waiting(lambda count: opened.append(Receiver(port=port)) if count == 4 else None)
    bench.send(message_batch([5, 5, 5]))
    assert bench.clock.waited == [1.0] * 4
    messages = opened[0].messages()
    opened[0].close()
    assert [message.is_template for message in messages] == [True, False, False, False]
    assert_numbered(messages)
    counts = bench.collectors[0].counts
    assert (counts.records, counts.repeated_messages, counts.errors["refused"]) == (15, 0, 4)


def test_holding_is_said_with_reason_and_moment_and_so_is_its_end() -> None:
    port = unused_port()
    bench = Bench(settings(f"127.0.0.1:{port}"))
    opened: list[Receiver] = []
    bench.when_waiting(lambda count: opened.append(Receiver(port=port)) if count == 3 else None)
    bench.send(message_batch([1]))
    opened[0].close()
    assert [(status.state, status.since) for status in bench.observer.statuses] == [
        ("holding", 1_700_000_000.0),
        ("ok", 1_700_000_003.0),
    ]
    assert bench.observer.statuses[0].reason == (
        f"nobody listens at 127.0.0.1:{port} (port unreachable); trying again every second"
    )


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_what_was_sent_to_a_collector_that_had_just_died_is_sent_again_under_its_old_number(
    host: str, offload: bool
) -> None:
    with receiver(host) as first:
        bench = Bench(settings(first.address))
        bench.send(message_batch([5, 5]))
        before = first.messages()
    opened: list[Receiver] = []
    bench.when_waiting(lambda count: opened.append(Receiver(host, first.port)) if count == 2 else None)
    bench.send(message_batch([5, 5, 5], first_value=100))
    after = opened[0].messages()
    opened[0].close()
    assert values(before) == list(range(10))
    assert values(after) == list(range(100, 115))
    assert_numbered(after, start=10)
    assert after[0].is_template
    assert bench.collectors[0].counts.repeated_messages == (3 if offload else 1)


def test_the_last_message_of_a_delivery_is_not_lost_either() -> None:
    """It is refused after it was sent; the delivery is not over before that was looked at."""
    with receiver() as first:
        bench = Bench(settings(first.address))
        bench.send(message_batch([1]))
    opened: list[Receiver] = []
    bench.when_waiting(lambda count: opened.append(Receiver(port=first.port)) if count == 1 else None)
    bench.send(message_batch([5], first_value=50))
    assert values(opened[0].messages()) == list(range(50, 55))
    opened[0].close()


def test_after_idle_time_templates_go_first_so_that_a_new_collector_can_read_at_once(listening: Receiver) -> None:
    bench = Bench(settings(listening.address))
    bench.send(message_batch([1]))
    bench.clock.advance(200)
    bench.send(message_batch([1]))
    bench.send(message_batch([1]))
    assert [message.is_template for message in listening.messages()] == [True, False, True, False, False]


def test_a_collector_that_goes_away_between_deliveries_is_noticed_by_tending() -> None:
    with receiver() as first:
        bench = Bench(settings(first.address))
        bench.send(message_batch([1]))
    bench.clock.advance(11)
    assert bench.collectors[0].advance(None) == 1.0
    assert bench.collectors[0].status().state == "holding"
    with receiver(port=first.port) as again:
        bench.clock.advance(1)
        assert bench.collectors[0].advance(None) is None
        assert bench.collectors[0].status().state == "ok"
        assert [message.is_template for message in again.messages()] == [True]


def test_on_refused_send_goes_on_sending_and_counts(offload: bool) -> None:
    bench = Bench(settings(f"127.0.0.1:{unused_port()}", on_refused="send"))
    bench.send(message_batch([5, 5, 5]))
    assert bench.clock.waited == []
    counts = bench.collectors[0].counts
    assert (counts.records, counts.repeated_messages) == (15, 0)
    assert counts.errors["refused"] >= (2 if offload else 3)
    assert bench.collectors[0]._session.sequences == {7: 15}


def test_a_stop_ends_holding_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the machine's own clock: the wait itself must hear the stop, or this test runs into its time limit."""
    monkeypatch.setattr(link, "PROBE_SECONDS", 3600.0)
    collector = Collector(settings(f"127.0.0.1:{unused_port()}"), SystemClock())
    process = ExportingProcess([collector], SystemClock())
    stop = threading.Event()
    threading.Timer(0.05, stop.set).start()
    with pytest.raises(Stopped, match="nobody listens"):
        process.send({None: message_batch([1])}, stop)


# Names.


def answers(*outcomes: object) -> Callable[..., object]:
    """A getaddrinfo that gives `outcomes` one after the other to look-ups of names, the last one for ever."""
    left = list(outcomes)
    real = socket.getaddrinfo

    def answer(host: str, port: int, *arguments: int, flags: int = 0) -> object:
        if flags == socket.AI_NUMERICHOST:
            return real(host, port, flags=flags, type=socket.SOCK_DGRAM)
        outcome = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(outcome, OSError):
            raise outcome
        return outcome

    return answer


def found(*hosts: str, port: int) -> list[tuple[socket.AddressFamily, int, int, str, tuple[str, int]]]:
    return [(socket.AF_INET, socket.SOCK_DGRAM, 17, "", (host, port)) for host in hosts]


def test_a_name_that_does_not_resolve_holds_and_is_looked_up_again(
    monkeypatch: pytest.MonkeyPatch, listening: Receiver
) -> None:
    unknown = socket.gaierror(socket.EAI_NONAME, "Name or service not known")
    monkeypatch.setattr(socket, "getaddrinfo", answers(unknown, unknown, found("127.0.0.1", port=listening.port)))
    bench = Bench(settings("collector.example:4739"))
    bench.send(message_batch([3]))
    assert values(listening.messages()) == [0, 1, 2]
    assert bench.observer.statuses[0].reason == (
        "the name collector.example does not resolve: Name or service not known; trying again every second"
    )
    assert bench.collectors[0].counts.errors["unresolved"] == 2
    assert bench.collectors[0].status().state == "ok"


def test_of_several_addresses_the_next_is_tried_at_once(monkeypatch: pytest.MonkeyPatch, listening: Receiver) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", answers(found("127.0.0.2", "127.0.0.1", port=listening.port)))
    bench = Bench(settings("collector.example:4739"))
    bench.send(message_batch([3]))
    assert values(listening.messages()) == [0, 1, 2]
    assert 1.0 not in bench.clock.waited


def test_a_name_that_moves_to_another_address_is_followed_with_a_new_session(
    monkeypatch: pytest.MonkeyPatch, listening: Receiver
) -> None:
    with receiver("127.0.0.2", listening.port) as second:
        here, there = (found(host, port=listening.port) for host in ("127.0.0.1", "127.0.0.2"))
        monkeypatch.setattr(socket, "getaddrinfo", answers(here, there))
        bench = Bench(settings("collector.example:4739"))
        bench.send(message_batch([3]))
        bench.clock.advance(61)
        while not (moved := second.messages()):  # the look-up runs beside us; until it ends the old address is used
            bench.send(message_batch([1]))
        assert moved[0].is_template
        assert_numbered(moved)


# The socket.


def test_the_source_port_is_kept_and_a_clash_is_a_configuration_error(listening: Receiver) -> None:
    first = Bench(settings(listening.address))
    first.send(message_batch([1]))
    port = first.collectors[0].source_port
    with pytest.raises(ConfigurationError, match=r"source_port.*already in use.*another source_port"):
        Bench(settings(listening.address, source_port=port)).process.start()
    first.process.close()
    second = Bench(settings(listening.address, source_port=port))
    second.send(message_batch([1]))
    listening.messages()
    assert set(listening.senders) == {("127.0.0.1", port)}


def test_a_clash_found_only_when_the_name_resolves_holds_with_the_mend(
    monkeypatch: pytest.MonkeyPatch, listening: Receiver
) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", answers(found("127.0.0.1", port=listening.port)))
    with receiver() as taken:
        bench = Bench(settings("collector.example:4739", source_port=taken.port))
        bench.when_waiting(lambda _: taken.close() if len(bench.observer.statuses) == 1 else None)
        bench.send(message_batch([2]))
    assert "another source_port" in bench.observer.statuses[0].reason
    assert values(listening.messages()) == [0, 1]


def test_closing_does_not_wait_for_a_collector_that_owes_nothing() -> None:
    bench = Bench(settings(f"127.0.0.1:{unused_port()}"))
    bench.when_waiting(lambda _: bench.stop.set())
    with pytest.raises(Stopped):
        bench.send(message_batch([1]))
    before = bench.clock.elapsed
    bench.process.close()
    assert bench.clock.elapsed == before


def test_the_source_address_is_bound(listening: Receiver) -> None:
    bench = Bench(settings(listening.address, source_address="127.0.0.3"))
    bench.send(message_batch([1]))
    listening.messages()
    assert {host for host, _ in listening.senders} == {"127.0.0.3"}


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_datagrams_carry_the_dscp(host: str) -> None:
    """One octet of IPv4 (RFC 2474), in IPv6 the low one of a number."""
    told = (socket.IPPROTO_IPV6, socket.IPV6_RECVTCLASS) if ":" in host else (socket.IPPROTO_IP, socket.IP_RECVTOS)
    with receiver(host) as opened:
        opened.socket.setsockopt(*told, 1)
        Bench(settings(opened.address, dscp=10)).send(message_batch([1]))
        _, ancillary, _, _ = opened.socket.recvmsg(2000, 64)
    assert [int.from_bytes(content, sys.byteorder) >> 2 for _, _, content in ancillary] == [10]


def test_a_destination_the_kernel_does_not_allow_holds_with_its_words() -> None:
    bench = Bench(settings("255.255.255.255:4739"))
    bench.when_waiting(lambda count: bench.stop.set() if count == 2 else None)
    with pytest.raises(Stopped, match="cannot be reached: Permission denied"):
        bench.send(message_batch([1]))
    assert bench.collectors[0].counts.errors["unreachable"] == 2


def test_a_message_no_datagram_can_hold_is_reported_and_nothing_dies(listening: Receiver) -> None:
    bench = Bench(settings(listening.address))
    bench.when_waiting(lambda count: bench.stop.set() if count == 2 else None)
    with pytest.raises(Stopped, match=r"too large .* lower message_size"):
        bench.send(message_batch([65_512 // 8]))
    assert bench.collectors[0].counts.errors["too_large"] >= 2


def test_a_full_device_queue_is_waited_for_and_costs_nothing(
    monkeypatch: pytest.MonkeyPatch, listening: Receiver
) -> None:
    """Loopback has no queue that fills, so the error is put in front of the real socket."""
    real, real_many = UdpSocket.sender, UdpSocket.send_many
    failures = [errno.ENOBUFS, errno.EAGAIN]

    def sender(self: UdpSocket) -> Callable[[memoryview], int]:
        send = real(self)

        def fail_first(message: memoryview) -> int:
            if failures:
                raise OSError(failures.pop(), "full")
            return send(message)

        return fail_first

    def send_many(self: UdpSocket, messages: Vectors) -> int:
        if failures:
            raise OSError(failures.pop(), "full")
        return real_many(self, messages)

    bench = Bench(settings(listening.address))
    bench.send(message_batch([1]))
    monkeypatch.setattr(UdpSocket, "sender", sender)
    monkeypatch.setattr(UdpSocket, "send_many", send_many)
    bench.send(message_batch([2, 2], first_value=10))
    assert values(listening.messages()) == [0, 10, 11, 12, 13]
    assert bench.collectors[0].counts.errors == {"no_buffer": 2}
    assert all(0 < wait < 0.1 for wait in bench.clock.waited)


# The path.


def test_auto_takes_what_the_path_takes_up_to_what_collectors_read(listening: Receiver) -> None:
    bench = Bench(settings(listening.address, message_size="auto"))
    assert bench.process.message_limit(None) == 1400, "the path is not known before it is connected"
    with bench.process:
        assert bench.process.message_limit(None) == 8900, "loopback takes 65,536"


def test_a_collector_never_gets_more_than_its_setting(listening: Receiver) -> None:
    with receiver() as second:
        bench = Bench(settings(listening.address, message_size=600), settings(second.address, name="second"))
        bench.send(message_batch([1]))
        assert [collector.message_limit for collector in bench.collectors] == [600, 1400]
        assert bench.process.message_limit(None) == 600, "one encoding serves both, so the narrower counts"


class Path:
    """Plays a path that gets narrower: real sockets of one machine have none. `room`: octets of a datagram."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.room = 1452
        self.known_room = self.room
        self.refused = 0
        real, real_bounces = UdpSocket.sender, UdpSocket.bounces
        bounced: list[Bounce] = []

        def sender(udp: UdpSocket) -> Callable[[memoryview], int]:
            send = real(udp)

            def send_or_bounce(message: memoryview) -> int:
                if bounced:
                    raise OSError(errno.EMSGSIZE, "Message too long")
                if len(message) > self.room and self.known_room > self.room:
                    # A router drops it and says so: the next call fails. From then on the kernel makes fragments.
                    self.known_room = self.room
                    self.refused += 1
                    bounced.append(Bounce(errno.EMSGSIZE, bytes(message[:40]), self.room))
                    return len(message)
                return send(message)

            return send_or_bounce

        def bounces(udp: UdpSocket) -> list[Bounce]:
            found = [*real_bounces(udp), *bounced]
            bounced.clear()
            return found

        def path_room(udp: UdpSocket) -> int:
            udp.room = self.known_room
            return udp.room

        monkeypatch.setattr(UdpSocket, "sender", sender)
        monkeypatch.setattr(UdpSocket, "bounces", bounces)
        monkeypatch.setattr(UdpSocket, "path_room", path_room)


def test_a_path_that_gets_narrower_costs_no_record_and_lowers_the_size_of_what_follows(
    monkeypatch: pytest.MonkeyPatch, listening: Receiver
) -> None:
    path = Path(monkeypatch)
    bench = Bench(settings(listening.address, segmentation_offload=False))
    bench.send(message_batch([100]))
    path.room = 700
    bench.send(message_batch([100, 100, 50], first_value=1000))
    assert bench.process.message_limit(None) == 700
    messages = listening.messages()
    assert values(messages) == [*range(100), *range(1000, 1250)]
    assert_numbered(messages)
    assert (path.refused, bench.collectors[0].counts.errors["too_large"]) == (1, 1)
    assert bench.clock.waited == []


def test_a_path_that_gets_wider_again_is_used_by_auto(monkeypatch: pytest.MonkeyPatch, listening: Receiver) -> None:
    path = Path(monkeypatch)
    bench = Bench(settings(listening.address, message_size="auto"))
    bench.send(message_batch([1]))
    path.known_room = path.room = 8973
    bench.clock.advance(1)
    bench.collectors[0].advance(None)
    assert bench.process.message_limit(None) == 8900


# Bursts.


@pytest.fixture
def bursts(monkeypatch: pytest.MonkeyPatch) -> list[list[int]]:
    """Messages of each burst that was handed to the kernel, call by call; calls without bursts are left out."""
    found: list[list[int]] = []
    real = UdpSocket.send_many

    def send_many(self: UdpSocket, messages: Vectors) -> int:
        counts = np.diff(messages.ends[: messages.entry_count + 1])
        if counts.max() > 1:
            found.append(counts.tolist())
        return real(self, messages)

    monkeypatch.setattr(UdpSocket, "send_many", send_many)
    return found


def test_equal_messages_go_as_bursts_in_one_call_and_arrive_as_they_would_one_by_one(
    listening: Receiver, bursts: list[list[int]]
) -> None:
    batch = message_batch([170] * 100 + [3])
    received = []
    for may_offload in (True, False):
        Bench(settings(listening.address, segmentation_offload=may_offload)).send(batch)
        received.append(listening.messages())
    assert received[0] == received[1]
    assert_numbered(received[0])
    assert bursts == [[47, 47, 7]]


def test_unequal_messages_make_no_burst(listening: Receiver, bursts: list[list[int]]) -> None:
    Bench(settings(listening.address)).send(message_batch(list(range(1, 60))))
    assert values(listening.messages()) == list(range(sum(range(60))))
    assert bursts == []


def test_bursts_and_single_messages_share_a_call(listening: Receiver, bursts: list[list[int]], offload: bool) -> None:
    Bench(settings(listening.address)).send(message_batch([1, 2, 2, 2, 3, 3, 4]))
    assert_numbered(listening.messages())
    assert bursts == [[1, 3, 2, 1]] * offload


def test_a_way_that_takes_no_bursts_is_asked_once_and_gets_message_by_message(
    listening: Receiver, bursts: list[list[int]], offload: bool
) -> None:
    """Without UDP checksums the kernel refuses bursts (EINVAL), as it does over IPsec or a small MTU."""
    bench = Bench(settings(listening.address))
    bench.send(message_batch([2]))
    opened = bench.collectors[0]._link.udp._socket
    assert opened is not None
    opened.setsockopt(socket.SOL_SOCKET, _SO_NO_CHECK, 1)
    for start in (10, 20):
        bench.send(message_batch([2] * 5, first_value=start))
    messages = listening.messages()
    assert values(messages) == [0, 1, *range(10, 30)]
    assert_numbered(messages)
    assert bursts == [[5]] * offload
    assert not bench.collectors[0].counts.errors


def test_a_kernel_without_offload_is_found_out_when_the_socket_is_opened() -> None:
    """TCP has no such option, so it answers as an old kernel does."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as other, socket.socket(type=socket.SOCK_DGRAM) as udp:
        assert (_knows_segments(other), _knows_segments(udp)) == (False, True)


def test_under_a_rate_limit_no_more_go_at_once_than_was_allowed(listening: Receiver, bursts: list[list[int]]) -> None:
    bench = Bench(settings(listening.address, rate=1000, burst_messages=4))
    arrivals: list[int] = []
    bench.when_waiting(lambda _: arrivals.append(len(data(listening.messages()))))
    bench.send(message_batch([10] * 21))
    assert arrivals == [4] * 5
    assert bench.clock.elapsed == pytest.approx(0.2)
    assert all(call == [4] for call in bursts)


def test_a_rate_limit_alone_means_message_by_message(listening: Receiver, bursts: list[list[int]]) -> None:
    Bench(settings(listening.address, rate=1_000_000)).send(message_batch([10] * 5))
    assert len(data(listening.messages())) == 5
    assert bursts == []


# Threads.


def test_messages_of_many_threads_keep_one_gapless_numbering(listening: Receiver) -> None:
    collector = Collector(settings(listening.address, rate=200_000), SystemClock())
    process = ExportingProcess([collector], SystemClock())
    never = threading.Event()

    def work(first_value: int) -> None:
        for step in range(5):
            process.send({None: message_batch([4] * 10, first_value=first_value + 40 * step)}, never)

    threads = [threading.Thread(target=work, args=(1000 * number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    messages = listening.messages()
    assert_numbered(messages)
    assert sorted(values(messages)) == sorted(1000 * n + i for n in range(4) for i in range(200))


def test_started_and_closed_it_leaves_no_thread_and_no_port(listening: Receiver) -> None:
    before = set(threading.enumerate())  # some of an earlier test may end meanwhile
    collector = Collector(settings(listening.address), SystemClock())
    with ExportingProcess([collector], SystemClock()) as process:
        process.send({None: message_batch([2])}, threading.Event())
        port = collector.source_port
    assert set(threading.enumerate()) <= before
    with receiver(port=port):
        assert len(values(listening.messages())) == 2

"""Many datagrams in one call arrive as they would one by one, and their errors are told."""

from __future__ import annotations

import errno
import threading
from typing import Literal

import numpy as np
import pytest

from consumer.export import transmission, udp, vectors
from consumer.export.collector import Collector
from consumer.export.process import ExportingProcess
from consumer.export.settings import CollectorSettings
from consumer.export.vectors import BURST_MESSAGES, Vectors
from consumer.model.messages import MessageBatch
from tests.support.clock import ManualClock
from tests.support.udp import Message, Receiver, message_batch, receiver, unused_port

UNEQUAL = message_batch([1 + number % 7 for number in range(300)])
IN_BURSTS = message_batch([5] * 200 + [3] + [9] * 100)
"""Of 64 messages at most; the fourth ends in the shorter one."""


def exporting(
    clock: ManualClock, address: str, on_refused: Literal["hold", "send"] = "hold", *, has_offload: bool = False
) -> ExportingProcess:
    settings = CollectorSettings(
        address=address, rate=0, template_lead_ms=0, segmentation_offload=has_offload, on_refused=on_refused
    )
    return ExportingProcess([Collector(settings, clock)], clock)


def open_in_the_first_wait(clock: ManualClock, port: int) -> list[Receiver]:
    """A receiver on `port` from the first wait on."""
    opened: list[Receiver] = []

    def open_once(_: float) -> None:
        if not opened:
            opened.append(Receiver(port=port))

    clock.on_wait = open_once
    return opened


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """How many messages each call was given, and how many went (the error's number, negative, when none did)."""
    found: list[tuple[int, int]] = []
    real = Vectors.send

    def send(laid_out: Vectors, descriptor: int) -> int:
        first, last = (int(laid_out.ends[entry]) for entry in (0, laid_out.entry_count))
        try:
            reached = real(laid_out, descriptor)
        except OSError as error:
            found.append((last - first, -(error.errno or 0)))
            raise
        found.append((last - first, reached - first))
        return reached

    monkeypatch.setattr(Vectors, "send", send)
    return found


def data(messages: list[Message]) -> list[Message]:
    return [message for message in messages if not message.is_template]


def assert_all_came_once(messages: list[Message], batch: MessageBatch = UNEQUAL) -> None:
    """Every record, in order, under gapless numbers."""
    assert [value for message in messages for value in message.values] == list(range(batch.record_count))
    assert [message.sequence for message in messages] == np.cumsum([0, *batch.record_counts[:-1]]).tolist()


def test_messages_of_all_lengths_go_in_one_call_and_arrive_whole(calls: list[tuple[int, int]]) -> None:
    with receiver() as opened:
        exporting(ManualClock(), opened.address).send({None: UNEQUAL}, threading.Event())
        assert_all_came_once(data(opened.messages()))
    assert calls == [(300, 300)]


def test_few_messages_go_one_by_one(calls: list[tuple[int, int]]) -> None:
    with receiver() as opened:
        exporting(ManualClock(), opened.address).send({None: message_batch([1, 2, 3])}, threading.Event())
        assert len(data(opened.messages())) == 3
    assert calls == []


def test_what_was_sent_in_one_call_to_a_collector_that_had_just_died_is_sent_again(
    calls: list[tuple[int, int]],
) -> None:
    """The call ends early and says nothing; the socket's error queue does."""
    clock, stop = ManualClock(), threading.Event()
    with receiver() as opened:
        process = exporting(clock, opened.address)
        process.send({None: message_batch([])}, stop)
    reopened = open_in_the_first_wait(clock, opened.port)
    process.send({None: UNEQUAL}, stop)
    assert_all_came_once(data(reopened[0].messages()))
    reopened[0].close()
    assert calls[0] == (300, 1)
    assert process.collectors[0].counts.errors == {"refused": 1}


def test_bursts_sent_in_one_call_to_a_collector_that_had_just_died_are_sent_again(
    calls: list[tuple[int, int]],
) -> None:
    clock, stop = ManualClock(), threading.Event()
    with receiver() as opened:
        process = exporting(clock, opened.address, has_offload=True)
        process.send({None: message_batch([])}, stop)
    reopened = open_in_the_first_wait(clock, opened.port)
    process.send({None: IN_BURSTS}, stop)
    assert_all_came_once(data(reopened[0].messages()), IN_BURSTS)
    reopened[0].close()
    assert calls[0] == (301, 64), "one burst of the vector"
    assert process.collectors[0].counts.errors == {"refused": 1}


@pytest.mark.parametrize("has_offload", [True, False])
def test_a_call_that_ends_early_for_no_reason_goes_on_where_it_ended(
    monkeypatch: pytest.MonkeyPatch, *, has_offload: bool
) -> None:
    """As when a buffer was full for a moment."""
    real, ended = Vectors.send, []

    def send(laid_out: Vectors, descriptor: int) -> int:
        laid_out.entry_count = (laid_out.entry_count + 1) // 2
        ended.append(reached := real(laid_out, descriptor))
        return reached

    monkeypatch.setattr(Vectors, "send", send)
    with receiver() as opened:
        process = exporting(ManualClock(), opened.address, has_offload=has_offload)
        process.send({None: IN_BURSTS}, threading.Event())
        assert_all_came_once(data(opened.messages()), IN_BURSTS)
    assert len(ended) > 2
    assert not process.collectors[0].counts.errors


@pytest.mark.parametrize("code", [errno.EINVAL, errno.EIO, errno.EMSGSIZE])
def test_a_way_that_ceases_to_take_bursts_within_a_call_gets_the_rest_message_by_message(
    monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    real, refused = Vectors.send, []

    def send(laid_out: Vectors, descriptor: int) -> int:
        if not laid_out.begins_with_burst:
            return real(laid_out, descriptor)
        if laid_out.ends[0] > 0:
            refused.append(code)
            raise OSError(code, "no bursts")
        laid_out.entry_count = 2
        return real(laid_out, descriptor)

    monkeypatch.setattr(Vectors, "send", send)
    with receiver() as opened:
        process = exporting(ManualClock(), opened.address, has_offload=True)
        process.send({None: IN_BURSTS}, threading.Event())
        assert_all_came_once(data(opened.messages()), IN_BURSTS)
    assert refused == [code]
    assert not process.collectors[0].counts.errors


def test_who_sends_all_the_same_is_done_and_has_counted(calls: list[tuple[int, int]]) -> None:
    process = exporting(ManualClock(), f"127.0.0.1:{unused_port()}", on_refused="send")
    process.send({None: UNEQUAL}, threading.Event())
    (collector,) = process.collectors
    assert collector.counts.records == UNEQUAL.record_count
    assert collector.counts.errors["refused"] > 100
    assert calls[0] == (300, 1)


@pytest.mark.parametrize("has_offload", [True, False])
def test_without_the_call_messages_go_one_by_one(
    monkeypatch: pytest.MonkeyPatch, calls: list[tuple[int, int]], *, has_offload: bool
) -> None:
    for module in (transmission, udp):
        monkeypatch.setattr(module, "HAS_VECTORS", False)
    with receiver() as opened:
        process = exporting(ManualClock(), opened.address, has_offload=has_offload)
        process.send({None: IN_BURSTS}, threading.Event())
        assert_all_came_once(data(opened.messages()), IN_BURSTS)
    assert calls == []


@pytest.mark.parametrize(("code", "has_call"), [(errno.EBADF, True), (errno.ENOSYS, False), (errno.EPERM, False)])
def test_a_kernel_or_sandbox_without_the_call_is_found_out_at_the_start(
    monkeypatch: pytest.MonkeyPatch, code: int, *, has_call: bool
) -> None:
    """It says so of any socket, even of none."""
    monkeypatch.setattr("ctypes.get_errno", lambda: code)
    assert (vectors._find_call() is not None) == has_call


def test_the_error_of_the_first_message_is_raised() -> None:
    laid_out = Vectors(2)
    laid_out.lay_out(np.zeros(8, dtype=np.uint8), np.array([0, 4, 8], dtype=np.int64), 0, 2, 1)
    with pytest.raises(OSError, match="Bad file descriptor"):
        laid_out.send(-1)


@pytest.mark.parametrize(
    ("record_counts", "expected"),
    [
        ([5, 5, 5], [3]),
        ([5, 5, 3], [3]),
        ([5, 5, 3, 3, 3], [3, 2]),
        ([5, 5, 9, 9, 1, 1], [2, 3, 1]),
        ([1, 2, 3], [1, 1, 1]),
        ([3, 2, 1], [2, 1]),
        ([4], [1]),
        ([1] * 150, [64, 64, 22]),
        ([1000] * 20, [8, 8, 4]),
    ],
)
def test_a_burst_is_of_one_size_but_for_a_shorter_last_one_and_no_longer_than_the_kernel_takes(
    record_counts: list[int], expected: list[int]
) -> None:
    batch, laid_out = message_batch(record_counts), Vectors(len(record_counts))
    laid_out.lay_out(batch.buffer, batch.starts, 0, batch.message_count, BURST_MESSAGES)
    assert np.diff(laid_out.ends[: laid_out.entry_count + 1]).tolist() == expected


def test_nobody_there_is_found_out_without_a_call(calls: list[tuple[int, int]]) -> None:
    clock, stop = ManualClock(), threading.Event()
    port = unused_port()
    reopened = open_in_the_first_wait(clock, port)
    exporting(clock, f"127.0.0.1:{port}").send({None: UNEQUAL}, stop)
    assert_all_came_once(data(reopened[0].messages()))
    reopened[0].close()
    assert calls == [(300, 300)]

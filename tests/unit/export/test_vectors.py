"""Many datagrams in one call arrive as they would one by one, and their errors are told."""

from __future__ import annotations

import errno
import threading
from typing import Literal

import numpy as np
import pytest

from consumer.export.collector import Collector
from consumer.export.process import ExportingProcess
from consumer.export.settings import CollectorSettings
from consumer.export.vectors import Vectors
from tests.support.clock import ManualClock
from tests.support.udp import Message, Receiver, message_batch, receiver, unused_port

UNEQUAL = message_batch([1 + number % 7 for number in range(300)])


def exporting(clock: ManualClock, address: str, on_refused: Literal["hold", "send"] = "hold") -> ExportingProcess:
    settings = CollectorSettings(
        address=address, rate=0, template_lead_ms=0, segmentation_offload=False, on_refused=on_refused
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

    def send(vectors: Vectors, descriptor: int, first: int, end: int) -> int:
        try:
            sent = real(vectors, descriptor, first, end)
        except OSError as error:
            found.append((end - first, -(error.errno or 0)))
            raise
        found.append((end - first, sent))
        return sent

    monkeypatch.setattr(Vectors, "send", send)
    return found


def data(messages: list[Message]) -> list[Message]:
    return [message for message in messages if not message.is_template]


def assert_all_came_once(messages: list[Message]) -> None:
    """Every record of UNEQUAL, in order, under gapless numbers."""
    assert [value for message in messages for value in message.values] == list(range(UNEQUAL.record_count))
    assert [message.sequence for message in messages] == np.cumsum([0, *UNEQUAL.record_counts[:-1]]).tolist()


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


def test_who_sends_all_the_same_is_done_and_has_counted(calls: list[tuple[int, int]]) -> None:
    process = exporting(ManualClock(), f"127.0.0.1:{unused_port()}", on_refused="send")
    process.send({None: UNEQUAL}, threading.Event())
    (collector,) = process.collectors
    assert collector.counts.records == UNEQUAL.record_count
    assert collector.counts.errors["refused"] > 100
    assert calls[0] == (300, 1)


def test_a_kernel_without_the_call_is_asked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    def unknown(vectors: Vectors, descriptor: int, first: int, end: int) -> int:
        asked.append(end - first)
        raise OSError(errno.ENOSYS, "Function not implemented")

    monkeypatch.setattr(Vectors, "send", unknown)
    with receiver() as opened:
        process = exporting(ManualClock(), opened.address)
        process.send({None: UNEQUAL}, threading.Event())
        assert_all_came_once(data(opened.messages()))
        process.send({None: UNEQUAL}, threading.Event())
    assert asked == [300]


def test_the_error_of_the_first_message_is_raised() -> None:
    vectors = Vectors(memoryview(bytearray(8)), np.array([0, 4, 8], dtype=np.int64))
    with pytest.raises(OSError, match="Bad file descriptor"):
        vectors.send(-1, 0, 2)


def test_nobody_there_is_found_out_without_a_call(calls: list[tuple[int, int]]) -> None:
    clock, stop = ManualClock(), threading.Event()
    port = unused_port()
    reopened = open_in_the_first_wait(clock, port)
    exporting(clock, f"127.0.0.1:{port}").send({None: UNEQUAL}, stop)
    assert_all_came_once(data(reopened[0].messages()))
    reopened[0].close()
    assert calls == [(300, 300)]

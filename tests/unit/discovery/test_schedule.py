"""When discovery runs."""

from __future__ import annotations

import threading
from datetime import datetime

from consumer.discovery.schedule import Schedule
from tests.support.clock import ManualClock


def at(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def test_the_next_moment_is_the_one_the_expression_names() -> None:
    clock = ManualClock()

    assert Schedule("*/30 * * * *", clock).next_after(at("2026-11-21T10:05:12")) == at("2026-11-21T10:30:00")
    assert Schedule("15 4 * * 1", clock).next_after(at("2026-11-21T10:05:12")) == at("2026-11-23T04:15:00")


def test_waiting_ends_at_that_moment() -> None:
    clock = ManualClock(at("2026-11-21T10:29:12"))

    assert Schedule("*/30 * * * *", clock).wait(threading.Event()) is False
    assert clock.now() == at("2026-11-21T10:30:00")


def test_a_call_ends_the_wait_at_once_and_only_that_one() -> None:
    clock = ManualClock(at("2026-11-21T10:00:00"))
    schedule = Schedule("0 0 1 1 *", clock)
    clock.on_wait = lambda _: schedule.call() if clock.elapsed == 3 else None
    schedule.wait(threading.Event())
    assert clock.elapsed == 3

    clock.on_wait = lambda _: schedule.call() if clock.elapsed == 10 else None
    schedule.wait(threading.Event())
    assert clock.elapsed == 10


def test_a_stop_ends_the_wait() -> None:
    clock = ManualClock(at("2026-11-21T10:00:00"))
    stop = threading.Event()
    clock.on_wait = lambda _: stop.set()

    assert Schedule("0 0 1 1 *", clock).wait(stop) is True

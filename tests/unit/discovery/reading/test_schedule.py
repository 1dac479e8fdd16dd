"""When discovery runs."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from datetime import datetime
from itertools import pairwise

import pytest

from consumer.discovery.reading.schedule import Schedule
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


@pytest.fixture
def berlin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Clocks go from 03:00 back to 02:00 on 2026-10-25 at 01:00 UTC, and on from 02:00 to 03:00 on 2026-03-29."""
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.usefixtures("berlin")
@pytest.mark.parametrize("start", ["2026-10-25T00:00+00:00", "2026-10-25T01:10+00:00", "2026-03-29T00:00+00:00"])
def test_when_clocks_are_changed_no_moment_comes_twice_and_none_lies_behind(start: str) -> None:
    clock = ManualClock(at(start))
    schedule, stop, moments = Schedule("*/30 * * * *", clock), threading.Event(), list[float]()
    while clock.elapsed < 4 * 3600:
        schedule.wait(stop)
        moments.append(clock.now())
        clock.advance(1)
    gaps = [later - earlier for earlier, later in pairwise(moments)]
    assert min(gaps) >= 1800 - 2
    assert max(gaps) <= 5400 + 2, "at most the hour that is told twice is waited for"

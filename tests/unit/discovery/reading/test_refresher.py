"""When the estate is read again after something failed."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from typing import cast

import pytest

from consumer.discovery.estate.problem import Problem
from consumer.discovery.reading.holder import InventoryHolder
from consumer.discovery.reading.keeper import Refresh
from consumer.discovery.reading.refresher import First, Refresher, Then
from consumer.discovery.reading.schedule import Schedule
from consumer.errors import ConfigurationError, RetryableError
from consumer.model.inventory import Inventory, empty_inventory
from consumer.telemetry.health import Health
from consumer.telemetry.metrics import Metrics
from tests.support.clock import ManualClock

HOUR = 3600
THROTTLED = Problem("111111111111/eu-west-1", "ec2:DescribeVpcs throttled", 0.0, may_pass=True)
DENIED = Problem("111111111111/eu-west-1", "ec2:DescribeVpcs denied", 0.0)


class PlayedHolder:
    """Reads nothing; each reading brings what `answer` says at that moment (seconds since the start)."""

    ranges_made_at = 0.0
    ranges_problem = ""

    def __init__(self, clock: ManualClock, answer: Callable[[float], tuple[Problem, ...]]) -> None:
        self._clock = clock
        self._answer = answer
        self.inventory: Inventory = empty_inventory()
        self.read_at: list[int] = []

    def restore(self) -> bool:
        return False

    def refresh(self, stop: threading.Event) -> Refresh:
        self.read_at.append(round(self._clock.elapsed))
        return Refresh(self.inventory, self._answer(self._clock.elapsed), {})

    def look_up(self, unknown: object, stop: threading.Event) -> int:
        return 0


def refresher_of(holder: PlayedHolder, clock: ManualClock, then: Then, *first: First) -> Refresher:
    """Its schedule names the whole and the half hour."""
    schedule = Schedule("*/30 * * * *", clock)
    return Refresher(cast("InventoryHolder", holder), schedule, clock, Metrics(), Health(clock.now), then, *first)


def readings_of_an_hour(
    answer: Callable[[float], tuple[Problem, ...]], missed_by_the_survey: tuple[Problem, ...] = ()
) -> list[int]:
    """When the estate was read, in seconds; the schedule names the whole and the half hour."""
    clock, stop, ended = ManualClock(HOUR * 400_000.0), threading.Event(), threading.Event()
    holder = PlayedHolder(clock, answer)

    def look(_: float) -> None:
        if clock.elapsed > HOUR:
            stop.set()
            ended.set()

    clock.on_wait = look
    refresher_of(holder, clock, lambda refresh, _: (*refresh.problems, *missed_by_the_survey)).start(stop)
    assert ended.wait(60)
    return holder.read_at


def raising(error: Exception) -> tuple[Problem, ...]:
    raise error


def test_what_succeeds_is_read_again_when_the_schedule_says() -> None:
    assert readings_of_an_hour(lambda _: ()) == [0, 1800, 3600]


def test_a_bad_minute_is_over_two_minutes_later_and_not_at_the_next_half_hour() -> None:
    assert readings_of_an_hour(lambda at: (THROTTLED,) if at < 60 else ()) == [0, 120, 1800, 3600]


def test_what_stays_bad_is_read_again_after_twice_as_long_each_time_and_by_the_schedule() -> None:
    assert readings_of_an_hour(lambda _: (THROTTLED,)) == [0, 120, 360, 840, 1800, 3600]


def test_the_next_bad_minute_begins_with_the_shortest_pause_again() -> None:
    found = readings_of_an_hour(lambda at: (THROTTLED,) if at < 200 or 1700 < at < 1850 else ())

    assert found == [0, 120, 360, 1800, 1920, 3600]


def test_health_says_how_old_is_what_is_used_in_place_of_what_failed_and_the_age_of_aws_ranges() -> None:
    clock, stop, was_read = ManualClock(HOUR * 400_000.0), threading.Event(), threading.Event()
    holder = PlayedHolder(clock, lambda _: (replace(DENIED, kept_from=HOUR * 399_999.0),))
    holder.ranges_made_at = HOUR * 399_990.0
    health, metrics = Health(clock.now), Metrics()

    def then(refresh: Refresh, _: threading.Event) -> tuple[Problem, ...]:
        was_read.set()
        return refresh.problems

    schedule = Schedule("*/30 * * * *", clock)
    Refresher(cast("InventoryHolder", holder), schedule, clock, metrics, health, then).start(stop)
    assert was_read.wait(60)
    stop.set()

    condition = health.snapshot()["inventory"]
    assert condition.state == "waiting"
    assert "ec2:DescribeVpcs denied; it stays as it was at 2015-08-19 15:00 UTC" in condition.reason
    assert "AWS's address ranges of 2015-08-19" in condition.reason


def test_what_only_a_person_can_mend_is_not_asked_for_again_and_again() -> None:
    assert readings_of_an_hour(lambda _: (DENIED,)) == [0, 1800, 3600]


def test_what_the_survey_could_not_ask_counts_too() -> None:
    assert readings_of_an_hour(lambda _: (), (THROTTLED,)) == [0, 120, 360, 840, 1800, 3600]


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (RetryableError("nobody answers"), [0, 120, 360, 840, 1800, 3600]),
        (ConfigurationError([]), [0, 1800, 3600]),
    ],
)
def test_a_reading_that_fails_as_a_whole_is_repeated_when_it_may_pass(error: Exception, expected: list[int]) -> None:
    assert readings_of_an_hour(lambda _: raising(error)) == expected


def test_what_must_be_known_before_the_first_reading_is_done_first() -> None:
    clock, stop, done = ManualClock(), threading.Event(), threading.Event()
    steps: list[str] = []
    holder = PlayedHolder(clock, lambda _: steps.append("reading") or ())  # type: ignore[func-returns-value]

    def end(refresh: Refresh, stop: threading.Event) -> tuple[Problem, ...]:
        steps.append("then")
        stop.set()
        done.set()
        return ()

    refresher_of(holder, clock, end, lambda _: steps.append("first")).start(stop)

    assert done.wait(60)
    assert steps == ["first", "reading", "then"]

"""Polling a log group on a manual clock: late events, paging, throttling, denials, restarts."""

from __future__ import annotations

import itertools
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest

from consumer.errors import PermissionDeniedError, RefusedError, RetryableError, Stopped
from consumer.model.delivery import Delivery
from consumer.model.place import LogGroupKey
from consumer.sources.cloudwatch.budget import Budget
from consumer.sources.cloudwatch.settings import PollingSettings
from consumer.sources.cloudwatch.source import CloudWatchSource, Outcome, State
from consumer.state.cursors import Cursors, Position
from tests.support.clock import ManualClock
from tests.support.polled_logs import LogEvent, PolledLogs, Receiver

GROUP = LogGroupKey("123456789012", "eu-central-1", "/vpc/flow")


@dataclass
class Seen:
    """Implements PollingObserver."""

    states: list[tuple[State, str]] = field(default_factory=list)
    outcomes: list[Outcome] = field(default_factory=list)
    intervals: list[float] = field(default_factory=list)
    until: float = 0.0

    def state(self, state: State, reason: str) -> None:
        if not self.states or self.states[-1] != (state, reason):
            self.states.append((state, reason))

    def called(self, outcome: Outcome) -> None:
        self.outcomes.append(outcome)

    def passed(self, page_count: int, seconds: float, interval_seconds: float) -> None:
        self.intervals.append(interval_seconds)

    def exported(self, until: float) -> None:
        self.until = until


class Polling:
    """A source, what it asks, and who takes what it delivers; `run(seconds)` lets so much time pass."""

    def __init__(
        self, folder: Path | None = None, *, remember_seconds: float | None = None, **settings: object
    ) -> None:
        self.clock = ManualClock()
        self.logs = PolledLogs(self.clock)
        self.receiver = Receiver(self.clock, remember_seconds)
        self.seen = Seen()
        self.settings = PollingSettings.model_validate(settings)
        self.path = folder / "cursors.sqlite" if folder else None
        self.cursors = Cursors(self.path, self.clock)
        self.source = self.make()

    def make(self) -> CloudWatchSource:
        rate = self.settings.calls_per_second
        share = Budget(rate, rate, self.clock).share(GROUP.name)
        return CloudWatchSource(
            GROUP, self.logs, self.settings, self.cursors, share, self.clock, self.seen, jitter=lambda: 0.5
        )

    def run(self, seconds: float, until: Callable[[], bool] = lambda: False) -> None:
        stop = threading.Event()
        end = self.clock.elapsed + seconds

        def look(_: float) -> None:
            if self.clock.elapsed >= end or until():
                stop.set()

        self.clock.on_wait = look
        self.source.run(self.receiver.process, stop)

    def restart(self, *, is_killed: bool = True) -> None:
        """A new process with the same state folder."""
        if not is_killed:
            self.cursors.close()
        self.cursors = Cursors(self.path, self.clock)
        self.source = self.make()

    def put(self, number: int, *, late_seconds: float = 0.0, at: float = 0.0, stream: str = "eni-0-all") -> None:
        """An event that arrives `at` seconds from now, that much behind its timestamp."""
        arrival = self.clock.now() + at
        self.logs.events.append(LogEvent(number, arrival - late_seconds, arrival, stream))


@pytest.fixture
def polling(tmp_path: Path) -> Polling:
    return Polling(tmp_path)


def test_events_are_exported_once_each_however_often_they_are_read(polling: Polling) -> None:
    for number in range(500):
        polling.put(number, at=number, late_seconds=number % 300)
    polling.run(3_000)

    assert polling.receiver.exported == dict.fromkeys(range(500), 1)
    assert polling.seen.states == [("ok", "polling")]


def test_a_first_start_begins_now_and_leaves_history_alone(polling: Polling) -> None:
    polling.put(1, at=-900, late_seconds=60)
    polling.put(2, at=5, late_seconds=600)
    polling.run(60)

    assert polling.receiver.exported == {2: 1}


@pytest.mark.parametrize("since", ["2h", "7200s", "2023-11-14T20:13:20Z"], ids=["hours", "seconds", "moment"])
def test_a_first_start_may_go_back_to_a_moment(since: str) -> None:
    polling = Polling(since=since)
    polling.put(1, at=-7_000)
    polling.put(2, at=-9_000)
    polling.run(60)

    assert polling.receiver.exported == {1: 1}
    assert all(end - start <= 3_600 for _, start, end, _ in polling.logs.windows if end is not None)


def test_an_event_that_arrives_as_late_as_the_look_back_allows_is_not_lost(polling: Polling) -> None:
    for number in range(40):
        polling.put(number, at=number * 97.3, late_seconds=1_190)
    polling.run(6_000)

    assert polling.receiver.exported == dict.fromkeys(range(40), 1)


def test_one_event_from_the_future_hides_nothing(polling: Polling) -> None:
    polling.put(0, at=1, late_seconds=-7_000)
    for number in range(1, 100):
        polling.put(number, at=number * 30, late_seconds=400)
    polling.run(4_000)

    assert polling.receiver.exported == dict.fromkeys(range(100), 1)


@pytest.mark.parametrize("jump", [3_600.0, -3_600.0], ids=["ahead", "behind"])
def test_a_clock_that_is_an_hour_wrong_for_a_while_loses_and_repeats_nothing(polling: Polling, jump: float) -> None:
    truth = polling.clock.now()
    for number in range(300):
        polling.logs.events.append(LogEvent(number, truth + number * 30 - 200, truth + number * 30 + 5))
    for shift in (0.0, jump, -jump):
        polling.clock.started_at += shift
        polling.logs.ahead_seconds -= shift
        polling.run(3_000)
        polling.restart()
    polling.run(100)

    assert polling.receiver.exported == dict.fromkeys(range(300), 1)


def test_a_night_in_which_clocks_are_changed_is_like_any_other(
    polling: Polling, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    polling.clock.started_at = datetime(2026, 10, 25, 0, 30, tzinfo=UTC).timestamp()
    for number in range(200):
        polling.put(number, at=number * 30, late_seconds=600)
    polling.run(3_000)
    polling.restart()
    polling.run(4_000)
    monkeypatch.undo()
    time.tzset()

    assert polling.receiver.exported == dict.fromkeys(range(200), 1)


def test_a_busy_group_is_swept_now_and_then_and_asked_for_the_newest_in_between() -> None:
    polling = Polling(sweep_page_count=1)
    polling.logs.page_size = 50
    for number in range(2_000):
        polling.put(number, at=number, late_seconds=100)
    polling.run(2_000)
    starts = [polling.logs.now() - start for _, start, _, token in polling.logs.windows if token is None]
    sweeps = [pair for pair in itertools.pairwise(starts) if pair[0] - pair[1] > 600]

    assert set(range(1_950)) <= set(polling.receiver.exported)
    assert max(polling.receiver.exported.values()) == 1
    assert 4 <= len(sweeps) <= 8, "a sweep every five minutes"
    lateness = sorted(
        polling.receiver.exported_at[number] - polling.clock.started_at - number for number in range(1_900)
    )
    assert lateness[-1] <= 45, "fast passes see what is in order"


def test_an_empty_page_with_a_token_is_not_the_end(polling: Polling) -> None:
    polling.logs.gives_empty_pages = True
    polling.put(1, at=1)
    polling.run(60)

    assert polling.receiver.exported == {1: 1}
    assert all(b'"events": []' not in delivery.payloads[0] for delivery in polling.receiver.deliveries)


def test_a_throttled_page_is_asked_for_again_with_the_same_token(polling: Polling) -> None:
    polling.logs.page_size = 10
    for number in range(35):
        polling.put(number, at=1)
    refusals = iter([False, True, True, True] + [False, True] * 50 + [False] * 10_000)

    def fault(operation: str) -> None:
        if next(refusals):
            raise RetryableError("ThrottlingException: Rate exceeded")

    polling.run(2)
    polling.logs.fault = fault
    polling.logs.windows.clear()
    polling.run(120)
    tokens = [token for _, _, _, token in polling.logs.windows]

    assert polling.receiver.exported == dict.fromkeys(range(35), 1)
    assert tokens[0] is None
    assert tokens[1] is not None
    assert tokens[1:5] == [tokens[1]] * 4, "asked again where it was, not from the start"
    assert "later" in polling.seen.outcomes


def test_a_pass_that_takes_longer_than_the_interval_makes_it_longer() -> None:
    polling = Polling(interval_seconds=10, calls_per_second=100)
    polling.logs.page_size = 5
    polling.logs.call_seconds = 1.0
    for number in range(200):
        polling.put(number, at=1)
    polling.run(300)

    assert max(polling.seen.intervals) >= 40
    assert polling.receiver.exported == dict.fromkeys(range(200), 1)


def test_nothing_moves_before_the_last_page_of_a_sweep_is_exported(polling: Polling) -> None:
    polling.logs.page_size = 10
    for number in range(25):
        polling.put(number, at=-1)
    first_start = Position.at(polling.clock.now() - 100)
    polling.cursors.advance("log_group", GROUP.label(), first_start)

    def stop_at_second(delivery: Delivery) -> None:
        if len(polling.receiver.deliveries) == 2:
            raise Stopped("asked to")

    polling.receiver.on_delivery = stop_at_second
    polling.run(10)
    assert polling.cursors.get("log_group", GROUP.label()) == first_start
    polling.receiver.on_delivery = lambda delivery: None
    polling.run(10)

    assert polling.receiver.exported == dict.fromkeys(range(25), 1)


def test_a_catch_up_is_kept_hour_by_hour(polling: Polling) -> None:
    now = polling.clock.now()
    polling.cursors.advance("log_group", GROUP.label(), Position.at(now - 10 * 3_600))
    for number in range(20):
        polling.put(number, at=-number * 1_800)
    kept: list[float] = []
    polling.receiver.on_delivery = lambda delivery: kept.append(_kept(polling).exported_until)
    polling.run(60)

    assert polling.receiver.exported == dict.fromkeys(range(20), 1)
    assert kept == sorted(kept)
    assert len(set(kept)) >= 9
    assert _kept(polling).exported_until <= polling.logs.now()


def test_after_a_restart_polling_goes_on_where_it_was_kept(tmp_path: Path) -> None:
    polling = Polling(tmp_path)
    polling.put(1, at=10)
    polling.run(100)
    polling.cursors.close()
    polling.clock.advance(5_000)
    polling.put(2, at=-4_000, late_seconds=500)
    polling.restart()
    polling.run(60)

    assert polling.receiver.exported == {1: 1, 2: 1}


def test_what_another_way_exported_is_not_sent_again(polling: Polling) -> None:
    for number in range(100):
        polling.put(number, at=-1_000 + number * 10, late_seconds=300)
    polling.cursors.advance("log_group", GROUP.label(), Position.at(polling.clock.now() - 100))
    polling.run(60)

    assert set(polling.receiver.exported) == set(range(61, 100)), "from 300 s before that moment on"


def test_a_group_whose_filter_is_denied_is_read_stream_by_stream(polling: Polling) -> None:
    def fault(operation: str) -> None:
        if operation == "FilterLogEvents":
            raise PermissionDeniedError("logs:FilterLogEvents", "polling", "logs:FilterLogEvents")

    polling.logs.fault = fault
    polling.logs.page_size = 7
    for number in range(60):
        polling.put(number, at=number * 5, late_seconds=number * 10, stream=f"eni-{number % 4}-all")
    polling.run(900)

    assert polling.receiver.exported == dict.fromkeys(range(60), 1)
    assert {delivery.origin.log_stream for delivery in polling.receiver.deliveries} == {
        f"eni-{n}-all" for n in range(4)
    }
    assert polling.seen.states[-1] == ("ok", "polling stream by stream, for logs:FilterLogEvents is denied")
    shared = Counter((one.origin.log_stream, id(one.equal_lines)) for one in polling.receiver.deliveries)
    assert len({stream for _, stream in shared}) == len(shared), "each log stream counts its equal lines by itself"
    assert max(shared.values()) > 1, "and on over its pages"
    assert all(one.equal_lines is not None for one in polling.receiver.deliveries)


@pytest.mark.parametrize(
    ("error", "group_class", "words"),
    [
        (RefusedError("logs:FilterLogEvents", "ResourceNotFoundException", "x"), "", "does not exist"),
        (RefusedError("logs:FilterLogEvents", "InvalidOperationException", "x"), "INFREQUENT_ACCESS", "class INFREQ"),
        (PermissionDeniedError("logs:GetLogEvents", "polling", "logs:GetLogEvents"), "", "logs:GetLogEvents denied"),
    ],
    ids=["gone", "infrequent", "denied"],
)
def test_a_group_that_cannot_be_read_says_why_and_is_tried_again(
    polling: Polling, error: Exception, group_class: str, words: str
) -> None:
    def fault(operation: str) -> None:
        raise error

    polling.logs.fault = fault
    polling.logs.group_class = group_class
    polling.run(100)
    state, reason = polling.seen.states[-1]
    assert state == "failing"
    assert words in reason
    assert len(polling.seen.outcomes) <= 6, "no hurry"
    polling.logs.fault = lambda operation: None
    polling.put(1, at=1)
    polling.run(100)

    assert polling.receiver.exported == {1: 1}
    assert polling.seen.states[-1][0] == "ok"


def test_polling_waits_while_another_agent_has_the_group(polling: Polling, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = iter([False, False, True])
    monkeypatch.setattr(polling.cursors, "acquire", lambda key: next(answers))
    holds = iter([True] * 3 + [False] * 1_000)
    monkeypatch.setattr(polling.cursors, "holds", lambda key: next(holds))
    polling.put(1, at=1)

    with pytest.raises(StopIteration):
        polling.run(600)
    assert polling.seen.states[0] == ("waiting", "another agent polls this log group")
    assert len(polling.logs.windows) <= 3, "nothing is asked for once the group is lost"


def _kept(polling: Polling) -> Position:
    kept = polling.cursors.get("log_group", GROUP.label())
    assert kept is not None
    return kept

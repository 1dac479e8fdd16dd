"""Source 2: a log group of CloudWatch Logs, polled.

Belongs here: when to ask for which window of time, and how far everything is exported. Does not: the calls
(aws/log_events.py), reading events (decode/), removing what several windows share (select/, by arrival and by id).

Events arrive minutes behind their timestamp and are asked for by timestamp, so no window may trust that what lies
behind it stays as it is. A *sweep* asks for everything since the position minus the look-back, and the position then
becomes the moment at which the sweep began, on AWS's clock: whatever arrives later has, by the look-back's promise, a
timestamp within the next sweep. Between sweeps of busy groups, *fast passes* ask for the newest events only and move
nothing. The position is one of arrival, as Kinesis has it, so each way can go on where the other ended.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Literal, Protocol

from consumer.aws.log_events import LogStream, Page
from consumer.clock import Clock
from consumer.errors import PermissionDeniedError, RefusedError, RetryableError, Stopped
from consumer.model.delivery import Delivery, EqualLines, Origin, SourceKind
from consumer.model.place import LogGroupKey
from consumer.sources.base import Process
from consumer.sources.cloudwatch.budget import Share
from consumer.sources.cloudwatch.settings import PollingSettings, moment
from consumer.state.cursors import Position, Positions
from consumer.telemetry.logs import get_logger

CHUNK_SECONDS = 3600.0
"""The most that is asked for at once while catching up; the position is kept after each."""
REFUSED_SECONDS = 60.0
"""Between two tries at a group that is gone or denied: somebody has to change something first."""
TURN_SECONDS = 1.0
"""Between two questions whether a group that another agent reads has become free."""
_FIRST_DELAY_SECONDS, _LONGEST_DELAY_SECONDS = 1.0, 60.0
_CLOCK_SECONDS = 1.0
"""AWS says its time in whole seconds."""
_STREAM_LAG_SECONDS = 7200.0
"""`lastIngestionTime` of a log stream may lag by an hour (API reference, LogStream); twice that is waited."""

log = get_logger("cloudwatch")

State = Literal["ok", "waiting", "failing"]
Outcome = Literal["answered", "later", "refused"]


class GroupCalls(Protocol):
    """What can be asked of a log group; aws/log_events.py says what of it."""

    def filter(self, start: float, end: float | None, token: str | None) -> Page: ...
    def of_stream(self, stream: str, start: float, end: float | None, token: str | None) -> Page: ...
    def streams(self) -> Iterator[LogStream]: ...
    def storage_class(self) -> str: ...


class PollingObserver(Protocol):
    """Who hears how one log group is doing; called on the source's thread."""

    def state(self, state: State, reason: str) -> None:
        """The group as a whole; also called when it did not change."""

    def called(self, outcome: Outcome) -> None:
        """One call for a page was answered, put off (throttling, time-outs), or refused."""

    def passed(self, page_count: int, seconds: float, interval_seconds: float) -> None:
        """A pass is over; the next one begins `interval_seconds` after it did."""

    def exported(self, until: float) -> None:
        """All that had arrived until then (Unix seconds) is exported."""


@dataclass(frozen=True, slots=True)
class Window:
    """start ≤ timestamp < end, Unix seconds; None = whatever there is, future timestamps included."""

    start: float
    end: float | None


def windows(start: float, now: float) -> Iterator[Window]:
    """Everything since `start` in pieces of at most an hour; only the last one is open."""
    while start + CHUNK_SECONDS < now:
        yield Window(start, start + CHUNK_SECONDS)
        start += CHUNK_SECONDS
    yield Window(start, None)


class LostGroupError(Exception):
    """Another agent has the group now."""


class CloudWatchSource:
    """One log group; inert until `run`. `positions` keep where it is, `share` is its own of its region's budget.

    `margin_seconds`: how much of what arrived before the last sweep may still come again; repeats in it are told by
    their ids. `jitter` gives numbers in [0, 1).
    """

    def __init__(
        self,
        group: LogGroupKey,
        calls: GroupCalls,
        settings: PollingSettings,
        positions: Positions,
        share: Share,
        clock: Clock,
        observer: PollingObserver,
        *,
        margin_seconds: float = 300.0,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self.name = f"cloudwatch {group.label()}"
        self._group = group
        self._calls = calls
        self._settings = settings
        self._positions = positions
        self._share = share
        self._clock = clock
        self._observer = observer
        self._margin_seconds = margin_seconds
        self._jitter = jitter
        self._key = group.label()
        self._ahead: float | None = None
        """AWS's clock minus our monotonic one."""
        self._newest = 0.0
        self._sweep_pages = 0
        self._swept_at = float("-inf")
        self._may_filter = True
        self._interval = settings.interval_seconds

    def run(self, process: Process, stop: threading.Event) -> None:
        """Poll until `stop`; blocks. What AWS refuses is reported and tried again, never raised."""
        try:
            while not stop.is_set():
                if not self._positions.acquire(self._key):
                    self._observer.state("waiting", "another agent polls this log group")
                    self._clock.wait(stop, TURN_SECONDS)
                    continue
                try:
                    self._poll(process, stop)
                except LostGroupError:
                    log.warning("log group lost to another agent", log_group=self._key)
        except Stopped:
            pass
        finally:
            self._positions.release(self._key)

    def _poll(self, process: Process, stop: threading.Event) -> None:
        position = self._positions.get("log_group", self._key) or self._first_position()
        self._swept_at = float("-inf")
        while not stop.is_set():
            began = self._clock.monotonic()
            rest_seconds = 0.0
            try:
                position = self._pass(position, process, stop)
            except PermissionDeniedError as error:
                rest_seconds = self._refused(str(error))
            except RefusedError as error:
                rest_seconds = self._refused(self._why(error))
            except RetryableError as error:  # the list of streams; pages are asked for again where they failed
                self._observer.state("waiting", str(error))
            elapsed = self._clock.monotonic() - began
            self._interval = max(self._settings.interval_seconds, elapsed * 1.1, rest_seconds)
            self._clock.wait(stop, max(0.0, self._interval * (0.9 + 0.2 * self._jitter()) - elapsed))

    def _first_position(self) -> Position:
        """Where a group that nobody has read yet begins, kept at once: what arrives while the first sweep fails must
        not lie before the beginning of the next start."""
        return self._advance(Position.at(moment(self._settings.since, self._now())))

    def _pass(self, position: Position, process: Process, stop: threading.Event) -> Position:
        """One pass, and the position after it."""
        began = self._clock.monotonic()
        is_due = began >= self._swept_at + self._settings.sweep_seconds or not self._may_filter
        if is_due or self._sweep_pages <= self._settings.sweep_page_count:
            position, page_count = self._sweep(position, process, stop)
            self._swept_at, self._sweep_pages = began, page_count
        else:
            now = self._now()
            start = min(self._newest or now, now) - self._settings.fast_seconds
            window = Window(max(start, position.exported_until - self._settings.look_back_seconds), None)
            page_count = sum(1 for _ in self._delivered(window, position, process, stop))
        elapsed = self._clock.monotonic() - began
        self._observer.passed(page_count, elapsed, max(self._settings.interval_seconds, elapsed * 1.1))
        way = "polling" if self._may_filter else "polling stream by stream, for logs:FilterLogEvents is denied"
        self._observer.state("ok", way)
        return position

    def _sweep(self, position: Position, process: Process, stop: threading.Event) -> tuple[Position, int]:
        """Everything since the position, in chunks; the position moves after each, and wholly after the last."""
        began = self._clock.monotonic()
        start = min(position.exported_until, self._now()) - self._settings.look_back_seconds
        page_count, began_at = 0, 0.0
        for window in windows(start, self._now()):
            page_count += sum(1 for _ in self._delivered(window, position, process, stop))
            # As AWS's clock showed it when the sweep began: known only once it has answered.
            began_at = began_at or self._now() - (self._clock.monotonic() - began) - _CLOCK_SECONDS
            if window.end is not None:
                position = self._advance(Position(min(window.end, began_at), min(position.swept_until, began_at)))
        return self._advance(Position.at(began_at)), page_count

    def _advance(self, position: Position) -> Position:
        self._positions.advance("log_group", self._key, position)
        self._observer.exported(position.exported_until)
        return position

    def _delivered(self, window: Window, position: Position, process: Process, stop: threading.Event) -> Iterator[None]:
        """Hand over every page of a window; one step a page. Raises Stopped and LostGroupError between two."""
        arrived_after = min(position.swept_until, self._now()) - self._margin_seconds
        for page, stream, equal_lines in self._pages(window, stop):
            self._newest = max(self._newest, page.newest(self._now()))
            if not page.is_empty:
                self._check(stop)
                origin = Origin(
                    SourceKind.CLOUDWATCH,
                    account=self._group.account,
                    region=self._group.region,
                    log_group=self._group.name,
                    log_stream=stream,
                )
                process(
                    Delivery(origin, (page.body,), self._now(), arrived_after=arrived_after, equal_lines=equal_lines)
                )
            yield

    def _pages(self, window: Window, stop: threading.Event) -> Iterator[tuple[Page, str | None, EqualLines | None]]:
        """Each page, with its log stream and what tells equal lines apart, where all of it is of one stream."""
        if self._may_filter:
            try:
                yield from ((page, None, None) for page in self._follow(self._calls.filter, window, stop))
            except PermissionDeniedError as error:
                log.warning("log group is read stream by stream", log_group=self._key, reason=str(error))
                self._may_filter = False
            else:
                return
        streams = list(self._calls.streams())
        for stream in streams:
            if not stream.last_ingestion_at or stream.last_ingestion_at + _STREAM_LAG_SECONDS >= window.start:
                ask = partial(self._calls.of_stream, stream.name)
                equal_lines = EqualLines()
                yield from ((page, stream.name, equal_lines) for page in self._follow(ask, window, stop))

    def _follow(
        self, ask: Callable[[float, float | None, str | None], Page], window: Window, stop: threading.Event
    ) -> Iterator[Page]:
        """Page after page; a call that is put off is made again with the same token, later each time."""
        token: str | None = None
        delay = _FIRST_DELAY_SECONDS
        while True:
            if not self._share.take(stop):
                raise Stopped("asked to stop")
            self._check(stop)
            try:
                page = ask(window.start, window.end, token)
            except RetryableError as error:
                self._share.throttled()
                self._observer.called("later")
                self._observer.state("waiting", f"{error}; it goes on where it was")
                self._clock.wait(stop, delay * (0.5 + self._jitter()))
                delay = min(_LONGEST_DELAY_SECONDS, delay * 2)
                continue
            except (PermissionDeniedError, RefusedError):
                self._observer.called("refused")
                raise
            delay = _FIRST_DELAY_SECONDS
            self._share.answered()
            self._observer.called("answered")
            if page.answered_at is not None:
                self._ahead = page.answered_at - self._clock.monotonic()
            yield page
            if page.token is None:
                return
            token = page.token

    def _check(self, stop: threading.Event) -> None:
        if stop.is_set():
            raise Stopped("asked to stop")
        if not self._positions.holds(self._key):
            raise LostGroupError

    def _now(self) -> float:
        """AWS's clock, as its last answer showed it; ours until it has answered."""
        return self._clock.now() if self._ahead is None else self._clock.monotonic() + self._ahead

    def _refused(self, reason: str) -> float:
        log.error("log group cannot be polled", log_group=self._key, reason=reason)
        self._observer.state("failing", f"{reason}; tried again every {REFUSED_SECONDS:.0f} s")
        return REFUSED_SECONDS

    def _why(self, error: RefusedError) -> str:
        if error.code == "ResourceNotFoundException":
            return f"the log group does not exist (any more): {error}"
        if self._calls.storage_class() == "INFREQUENT_ACCESS":
            return (
                "a log group of class INFREQUENT_ACCESS can neither be polled nor subscribed to: "
                f"let the flow logs write into one of class STANDARD, or to S3 ({error})"
            )
        return str(error)

"""What is known of a stream beside its records: whether it is being read, and up to when all of it is exported.

Belongs here: the figures that fallback decides by. Does not: deciding (select/fallback.py), health and metrics
(report.py). Moments of arrival are AWS's; our own clock may jump, so "now" is AWS's clock carried on by our monotonic
one, set anew by records that cannot have waited.
"""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass, field

from consumer.clock import Clock
from consumer.sources.kinesis.status import State, StreamObserver

SHARD_ENDED = "shard ended"
"""What a child says that has exported its shard to its end (kcl/child.py)."""
FLOOR_SECONDS = 300.0
"""How long a shard that we read no more holds the watermark: its successors, or another agent, take over within it."""
QUEUED_CALLS = 5
"""KCL reads ahead by three calls (maxPendingProcessRecordsInput), so what a call says was true at the latest when the
fourth before it was made, however long an export in between took."""
PROMPT_SECONDS = 5.0
"""Calls this close together were not held up."""


@dataclass(slots=True)
class _Shard:
    """`until`: arrival up to which it is exported. `called_at`: monotonic; None = not since its child came. `calls`:
    the moments of the last ones."""

    until: float
    called_at: float | None = None
    is_busy: bool = False
    was_idle: bool = False
    calls: deque[float] = field(default_factory=lambda: deque(maxlen=QUEUED_CALLS))


@dataclass(frozen=True, slots=True)
class StreamState:
    """`trouble`: why it is not being read, empty = it is. `exported_until`, `now`: Unix seconds of AWS's clock.
    `has_shards`: some are ours, read or not. `since`: when the trouble began (monotonic), where it is known later."""

    trouble: str
    exported_until: float
    now: float
    has_shards: bool = False
    since: float | None = None


class StreamWatch:
    """Implements StreamObserver, tells `inner` everything, and answers `look` from any thread.

    `silent_seconds`: how long a shard may go without a call. `exported_until`: the watermark of the last run.
    It outlives a restart of its source.
    """

    def __init__(
        self, inner: StreamObserver, clock: Clock, silent_seconds: float, exported_until: float | None = None
    ) -> None:
        self._inner = inner
        self._clock = clock
        self._silent_seconds = silent_seconds
        self._lock = threading.Lock()
        self._shards: dict[str, _Shard] = {}
        self._floors: list[tuple[float, float]] = []
        """(arrival, monotonic moment at which it is forgotten)."""
        self._ahead = clock.now() - clock.monotonic()
        self._until = self._now() if exported_until is None else exported_until
        self._down = "the daemon has not started yet"

    def tell(self, inner: StreamObserver) -> None:
        """Its source was made anew; another one hears what it says."""
        with self._lock:
            self._inner = inner

    def failed(self, reason: str) -> None:
        """The source itself ended by a fault; it is tried again."""
        with self._lock:
            self._down = reason
            for one in self._shards.values():
                one.called_at, one.is_busy = None, False

    def look(self) -> StreamState:
        """How it fares at this moment."""
        with self._lock:
            self._until = max(self._until, self._watermark())
            return StreamState(self._trouble(), self._until, self._now(), bool(self._shards))

    def lost(self) -> None:
        """All its shards are leased to other agents: those that nobody reads here are not ours any more. What the
        others have not exported yet, KCL gives to whoever comes after them."""
        with self._lock:
            self._shards = {name: one for name, one in self._shards.items() if one.called_at is not None}
            if not self._shards:
                self._until = max(self._until, self._now())

    def state(self, state: State, reason: str) -> None:
        if state == "failing":
            with self._lock:
                self._down = reason
        self._inner.state(state, reason)

    def came(self, shard: str) -> None:
        with self._lock:
            known = self._shards.get(shard)
            if known is None:
                self._shards[shard] = _Shard(self._watermark())
            else:
                known.called_at, known.is_busy, known.was_idle = None, False, False
                known.calls.clear()
        self._inner.came(shard)

    def called(self, shard: str, behind_ms: int | None, at: float) -> None:
        with self._lock:
            one = self._shards.setdefault(shard, _Shard(self._watermark()))
            one.called_at, one.is_busy = self._clock.monotonic(), True
            one.calls.append(one.called_at)
        self._inner.called(shard, behind_ms, at)

    def exported(self, shard: str, first: float, last: float, *, is_caught_up: bool) -> None:
        with self._lock:
            one = self._shards.get(shard)
            if one is not None:
                self._note(one, first, last, is_caught_up=is_caught_up)
        self._inner.exported(shard, first, last, is_caught_up=is_caught_up)

    def left(self, shard: str, reason: str | None) -> None:
        with self._lock:
            one = self._shards.get(shard)
            if one is not None and reason is None:  # its child died: the shard is still ours to export
                one.called_at, one.is_busy = None, False
            elif one is not None:
                del self._shards[shard]
                self._floors.append((one.until, self._clock.monotonic() + FLOOR_SECONDS))
                if reason != SHARD_ENDED and not self._shards:
                    self._down = f"no shard is leased to this agent ({reason})"
        self._inner.left(shard, reason)

    def restarted(self, reason: str) -> None:
        with self._lock:
            self._down = reason
            for one in self._shards.values():
                one.called_at, one.is_busy = None, False
        self._inner.restarted(reason)

    def _note(self, one: _Shard, first: float, last: float, *, is_caught_up: bool) -> None:
        """A call is answered; its records arrived from `first` to `last`, 0 = it brought none."""
        if one.called_at is None:  # its child died meanwhile: what went out counts, and the shard waits for a reader
            one.until = max(one.until, last)
            return
        if first and one.was_idle and one.called_at - one.calls[0] < PROMPT_SECONDS * len(one.calls):
            # The call before found nothing, so this record arrived a moment ago: that is what AWS's clock shows.
            self._ahead = first - one.called_at
        one.was_idle = is_caught_up and not first
        one.until = max(one.until, last)
        if is_caught_up and len(one.calls) == QUEUED_CALLS:
            one.until = max(one.until, one.calls[0] + self._ahead)
        one.called_at, one.is_busy = self._clock.monotonic(), False

    def _watermark(self) -> float:
        """The earliest of all shards that are, or were, ours to export."""
        now = self._clock.monotonic()
        self._floors = [(until, end) for until, end in self._floors if end > now]
        known = [one.until for one in self._shards.values()] + [until for until, _ in self._floors]
        return min(known, default=self._until)

    def _trouble(self) -> str:
        if not self._shards:
            return self._down
        waiting = sorted(name for name, one in self._shards.items() if one.called_at is None)
        if waiting:
            return f"{waiting[0]} has no reader: {self._down}" if self._down else f"{waiting[0]} has no reader"
        now = self._clock.monotonic()
        silent = sorted(
            name
            for name, one in self._shards.items()
            if not one.is_busy and one.called_at is not None and now - one.called_at > self._silent_seconds
        )
        return f"nothing comes for {silent[0]}, not even an empty answer" if silent else ""

    def _now(self) -> float:
        return self._clock.monotonic() + self._ahead

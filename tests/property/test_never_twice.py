"""Fallback, polling's windows, the time rule and the filter of repeats together, under any order of what can happen.

A model of AWS (events that arrive late, a stream that stalls and goes back to its checkpoint, sweeps that end in the
middle) drives the real state machine, the real cut-off and the real table. Whatever happens: every event goes out, and
it goes out once, but for the batches that were under way when the agent was killed.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from consumer.model.delivery import Origin, SourceKind
from consumer.select.arrival import newly_arrived
from consumer.select.fallback import Mode, Rules, Seen, Unit, step
from consumer.select.plan import CutOff, PlanReporting
from consumer.select.repeats import CONTROL_WORDS, RING_WORDS, RepeatTable
from tests.support.flows import flow_batch

MARGIN, LOOK_BACK, FAILOVER_AFTER, CHECKPOINT_SECONDS, SWEEP = 30, 120, 10, 10, 5
"""Seconds; as in production the look-back is longer than the margin, and events are late by less than it."""
PLACE = ("123456789012", "/vpc")
BY_KINESIS = Origin(SourceKind.KINESIS, account=PLACE[0], log_group=PLACE[1])
BY_POLLING = Origin(SourceKind.CLOUDWATCH, account=PLACE[0], log_group=PLACE[1])


@dataclass(frozen=True)
class Event:
    """`timestamp`: what it says; `arrival`: when the log group had it; `in_stream`: when the stream had it."""

    number: int
    timestamp: int
    arrival: int
    in_stream: int


class KilledError(Exception):
    """The agent dies in the middle of a batch."""


class NeverTwice(RuleBasedStateMachine):
    @initialize()
    def begin(self) -> None:
        self.now = 100_000
        self.events: list[Event] = []
        self.exported: Counter[int] = Counter()
        self.may_repeat: Counter[int] = Counter()
        self.known_until: Counter[int] = Counter()
        self.control = np.zeros(CONTROL_WORDS, dtype=np.uint64)
        self.ring = np.zeros((4096, RING_WORDS), dtype=np.uint64)
        self.is_up = True
        self.read = self.checkpoint = 0
        self.stream_until = float(self.now)
        self.swept_until: float | None = None
        self.unit = Unit()
        self.when = Rules(FAILOVER_AFTER, MARGIN)
        self.start_agent()

    def start_agent(self) -> None:
        """What outlives a death is kept: the table's file, positions, and the state machine's."""
        self.table = RepeatTable(self.control, self.ring)
        self.read = self.checkpoint
        self.reported = 0  # the memory of each shard (sources/kinesis/shard_memory.py) is of one life
        kept = self.unit
        self.unit = Unit(
            mode=Mode.POLLING if kept.is_polled else Mode.STREAM,
            began_from=kept.began_from,
            swept_until=kept.swept_until,
            hold_seconds=kept.hold_seconds,
        )

    # What AWS does.

    @rule(count=st.integers(1, 6), late=st.integers(0, LOOK_BACK - 1), lag=st.integers(0, 5))
    def events_arrive(self, count: int, late: int, lag: int) -> None:
        for _ in range(count):
            self.events.append(Event(len(self.events) + 1, self.now - late, self.now, self.now + lag))
        self.events.sort(key=lambda event: event.in_stream)

    @rule(seconds=st.sampled_from([1, 2, 5, 11, 35, 200]))
    def time_passes(self, seconds: int) -> None:
        self.now += seconds
        if self.is_up and seconds >= CHECKPOINT_SECONDS:
            self.checkpoint = self.read  # the child is called every second, and checkpoints on its interval
        self.look()

    @rule(is_up=st.booleans())
    def stream_fails_or_recovers(self, is_up: bool) -> None:
        self.is_up = is_up
        self.read = self.checkpoint if not is_up else self.read

    # What the agent does.

    @precondition(lambda self: self.is_up)
    @rule(limit=st.integers(1, 20), dies_at=st.none() | st.integers(0, 5), checkpoints=st.booleans())
    def stream_delivers(self, limit: int, dies_at: int | None, checkpoints: bool) -> None:
        self.read = max(self.read, self.reported)
        waiting = [event for event in self.events[self.read :] if event.in_stream <= self.now]
        for event in waiting[:limit]:
            try:
                self.deliver([event], BY_KINESIS, event.in_stream, float("-inf"), dies_at)
            except KilledError:
                self.start_agent()
                return
            dies_at = dies_at - 1 if dies_at else dies_at
            self.read += 1
            self.reported = self.read
            self.stream_until = max(self.stream_until, float(event.in_stream) - 1)
        if len(waiting) <= limit:
            self.stream_until = max(self.stream_until, float(self.now) - 6)
        if checkpoints:
            self.checkpoint = self.read
        self.look()

    @precondition(lambda self: self.unit.is_polled)
    @rule(page=st.integers(1, 10), ends_after=st.none() | st.integers(0, 3), dies_at=st.none() | st.integers(0, 5))
    def polling_sweeps(self, page: int, ends_after: int | None, dies_at: int | None) -> None:
        assert self.unit.began_from is not None
        position = self.swept_until if self.swept_until is not None else self.unit.began_from
        seen = [event for event in self.events if event.arrival <= self.now and event.timestamp >= position - LOOK_BACK]
        seen.sort(key=lambda event: (event.timestamp, event.number))
        for number, at in enumerate(range(0, len(seen), page)):
            if number == ends_after:
                return  # throttled, stopped, or lost to another agent: the position stays
            try:
                self.deliver(seen[at : at + page], BY_POLLING, self.now, position - MARGIN, dies_at)
            except KilledError:
                self.start_agent()
                return
            dies_at = None
        self.swept_until = float(self.now - 1)
        self.look()

    def look(self) -> None:
        """A turn of the conductor."""
        trouble = "" if self.is_up else "its daemon is down"
        swept = self.swept_until if self.unit.is_polled else None
        before = self.unit.mode
        seen = Seen(float(self.now), trouble, self.stream_until, swept)
        self.unit, _ = step(self.unit, seen, self.when)
        if before is Mode.STREAM and self.unit.is_polled:
            self.swept_until = self.unit.began_from

    def deliver(
        self, events: list[Event], origin: Origin, arrived_at: float, arrived_after: float, dies_at: int | None
    ) -> None:
        """The select step and the export of one batch; `dies_at`: killed after so many rows were sent."""
        batch = flow_batch([{"start": str(event.timestamp)} for event in events])
        rows = np.arange(len(events), dtype=np.int64)
        times = np.array([1000 * event.arrival for event in events], dtype=np.int64)
        if origin.kind is SourceKind.CLOUDWATCH:
            rows = newly_arrived(batch.line_numbers, rows, times, arrived_after).rows
        rows = PlanReporting(cut_offs=self.cut_offs()).rows(batch, rows, origin, arrived_at).rows
        identities = np.zeros((len(rows), RING_WORDS), dtype=np.uint64)
        identities[:, 0] = [events[row].number for row in rows.tolist()]
        identities[:, 3] = 1
        remember = MARGIN + FAILOVER_AFTER + 2 if origin.kind is SourceKind.KINESIS else MARGIN + 2 * SWEEP
        self.allow_for_forgotten(events)
        claimed = self.table.claim(identities, self.now, self.now + remember)
        assert claimed.blocked_by < 0
        new = rows[claimed.new].tolist()
        self.note_known([events[row] for row in rows.tolist() if row not in new], remember)
        for count, row in enumerate(new):
            if count == dies_at:
                raise KilledError
            self.exported[events[row].number] += 1
            if dies_at is not None:
                self.may_repeat[events[row].number] += 1
        if dies_at is not None and len(claimed.new):
            raise KilledError  # sent whole, and not told
        if claimed.claim >= 0:
            self.table.commit(claimed.claim)
        self.note_known([events[row] for row in new], remember)

    def note_known(self, events: list[Event], remember: int) -> None:
        """Only what was seen to be known, or was told to be: what a death interrupts is not."""
        for event in events:
            self.known_until[event.number] = max(self.known_until[event.number], self.now + remember)

    def allow_for_forgotten(self, events: list[Event]) -> None:
        """Documented: where neither times nor a remembered id tell it, an event may come again. An id is forgotten when
        nothing was read or polled for longer than ids are remembered."""
        began, until = self.unit.began_from, self.swept_until
        after, up_to = (began, until - MARGIN) if began is not None and until is not None else (0.0, 0.0)
        for event in events:
            is_told_by_time = after < event.arrival <= event.in_stream <= up_to
            if self.exported[event.number] and self.known_until[event.number] <= self.now and not is_told_by_time:
                self.may_repeat[event.number] = max(self.may_repeat[event.number], self.exported[event.number])

    def cut_offs(self) -> MappingProxyType[tuple[str, str], CutOff]:
        """As Failover.cut_offs makes them."""
        span = self.unit.exported_by_polling()
        if span is None:
            return MappingProxyType({})
        after, until = span
        return MappingProxyType({PLACE: CutOff(after, until - MARGIN, after - LOOK_BACK)})

    # What must hold.

    @invariant()
    def nothing_comes_twice_while_the_agent_lives(self) -> None:
        for number, count in getattr(self, "exported", Counter()).items():
            assert count <= 1 + self.may_repeat[number], f"event {number} went out {count} times"

    def teardown(self) -> None:
        """AWS recovers, and everything that is still missing comes."""
        if not hasattr(self, "events"):
            return
        self.is_up = True
        for _ in range(6):
            self.now += 100
            self.stream_delivers(10_000, None, True)
            if self.unit.is_polled:
                self.polling_sweeps(1000, None, None)
        missing = [event.number for event in self.events if not self.exported[event.number]]
        assert not missing, f"lost: {missing}"
        self.nothing_comes_twice_while_the_agent_lives()


pytestmark = pytest.mark.timeout(600)
TestNeverTwice = NeverTwice.TestCase
TestNeverTwice.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)

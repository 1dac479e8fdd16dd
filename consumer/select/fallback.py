"""When a log group is polled in place of its stream, and when it is not any more: one state machine a (group, stream).

Belongs here: the decision. Pure: it takes the time and what was seen, and returns the next state with the reason. Does
not: seeing (sources/kinesis/watch.py, probing.py) or doing (steering.py).

    STREAM ──unhealthy for failover_after──▶ POLLING ◀──unhealthy again──┐
       ▲                                        │ healthy                │
       │                                        ▼                        │
       └──one more complete sweep── LEAVING ◀── RETURNING ───────────────┘
                                     caught up past the overlap, and well for the hold-down

Both ways may run at once without loss or repeats: polling goes on until Kinesis has passed what polling exported, and
what both bring is told apart by time and by id (select/plan.py, select/repeats.py). So leaving late costs calls only.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

from consumer.model.place import LogGroupKey

LONGEST_HOLD_SECONDS = 1800.0
FLAP_FACTOR = 10.0
"""A failure within this many hold-downs after polling ended is flapping: the next hold-down is twice as long."""


class Mode(StrEnum):
    """Who reports a log group: its stream, or polling in one of three phases."""

    STREAM = "stream"
    POLLING = "polling"
    RETURNING = "returning"
    LEAVING = "leaving"


@dataclass(frozen=True, slots=True)
class Pair:
    """A log group and the stream (its task's key) that reports it."""

    group: LogGroupKey
    stream: str


@dataclass(frozen=True, slots=True)
class Rules:
    """`failover_after_seconds`: how long Kinesis must be unhealthy, and at least well again. `margin_seconds`: how far
    arrival in CloudWatch and in Kinesis may lie apart."""

    failover_after_seconds: float = 60.0
    margin_seconds: float = 300.0


@dataclass(frozen=True, slots=True)
class Seen:
    """What is known at this moment. `now`: monotonic seconds; the other moments are arrivals, Unix seconds of AWS.

    `trouble`: why Kinesis does not deliver this group, empty = it does. `exported_until`: what arrived until then is
    exported, by Kinesis. `swept_until`: the same by polling's last complete sweep, None = there was none. `since`: when
    the trouble began (monotonic), where it is known later than that.
    """

    now: float
    trouble: str
    exported_until: float
    swept_until: float | None = None
    since: float | None = None


@dataclass(frozen=True, slots=True)
class Unit:
    """One (log group, stream). `began_from`: arrival from which polling reports in this outage; None = never polled.

    `swept_until`: up to where it did. `hold_seconds`: how long Kinesis must be well before polling ends this time.
    """

    mode: Mode = Mode.STREAM
    trouble_since: float | None = None
    well_since: float | None = None
    left_at: float | None = None
    hold_seconds: float = 0.0
    began_from: float | None = None
    swept_until: float | None = None
    swept_before_leaving: float | None = None

    @property
    def is_polled(self) -> bool:
        return self.mode is not Mode.STREAM

    def exported_by_polling(self) -> tuple[float, float] | None:
        """What arrived after the first moment and up to the second was exported by polling; None = nothing was."""
        if self.began_from is None or self.swept_until is None or self.swept_until <= self.began_from:
            return None
        return self.began_from, self.swept_until


@dataclass(frozen=True, slots=True)
class Switch:
    """A change of mode, with its reason in words."""

    before: Mode
    after: Mode
    reason: str


def step(unit: Unit, seen: Seen, rules: Rules) -> tuple[Unit, Switch | None]:
    """The unit after this moment, and the switch, if there is one. Call about once a second."""
    unit = _noted(unit, seen)
    following, reason = _decide(unit, seen, rules)
    return following, Switch(unit.mode, following.mode, reason) if following.mode is not unit.mode else None


def _noted(unit: Unit, seen: Seen) -> Unit:
    """How long it has been well or not, and how far polling got."""
    if seen.trouble:
        known = seen.now if unit.trouble_since is None else unit.trouble_since
        since = known if seen.since is None else min(known, seen.since)
        unit = replace(unit, trouble_since=since, well_since=None)
    else:
        since = seen.now if unit.well_since is None else unit.well_since
        unit = replace(unit, trouble_since=None, well_since=since)
    if unit.is_polled and unit.began_from is not None and seen.swept_until is not None:
        swept = max(unit.swept_until or unit.began_from, seen.swept_until)
        unit = replace(unit, swept_until=swept)
    return unit


def _decide(unit: Unit, seen: Seen, rules: Rules) -> tuple[Unit, str]:
    if seen.trouble:
        return _in_trouble(unit, seen, rules)
    if unit.mode is Mode.POLLING:
        return replace(unit, mode=Mode.RETURNING), "Kinesis is read again and catches up"
    if unit.mode is Mode.RETURNING:
        is_steady = unit.well_since is not None and seen.now - unit.well_since >= unit.hold_seconds
        has_passed = unit.swept_until is None or seen.exported_until >= unit.swept_until - rules.margin_seconds
        if is_steady and has_passed:
            leaving = replace(unit, mode=Mode.LEAVING, swept_before_leaving=unit.swept_until)
            return leaving, "Kinesis has passed what was polled; one more complete sweep"
    if unit.mode is Mode.LEAVING:
        has_swept = unit.swept_until != unit.swept_before_leaving
        well_for = seen.now - (unit.well_since if unit.well_since is not None else seen.now)
        if has_swept or well_for >= 2 * unit.hold_seconds + rules.failover_after_seconds:
            words = "the last sweep is complete" if has_swept else "polling completes no sweep, and Kinesis is well"
            return replace(unit, mode=Mode.STREAM, left_at=seen.now), f"{words}: Kinesis reports again"
    return unit, ""


def _in_trouble(unit: Unit, seen: Seen, rules: Rules) -> tuple[Unit, str]:
    assert unit.trouble_since is not None, "noted before"
    if unit.mode in (Mode.RETURNING, Mode.LEAVING):
        return replace(unit, mode=Mode.POLLING), f"Kinesis again: {seen.trouble}"
    if unit.mode is Mode.STREAM and seen.now - unit.trouble_since >= rules.failover_after_seconds:
        began = replace(
            unit,
            mode=Mode.POLLING,
            hold_seconds=hold_seconds(unit.hold_seconds, unit.left_at, seen.now, rules),
            began_from=seen.exported_until,
            swept_until=None,
        )
        return began, f"Kinesis for {rules.failover_after_seconds:g} s: {seen.trouble}"
    return unit, ""


def hold_seconds(last_hold_seconds: float, left_at: float | None, now: float, rules: Rules) -> float:
    """Twice as long as the last time where the last one is not long ago."""
    first = rules.failover_after_seconds
    if left_at is None or now - left_at > FLAP_FACTOR * max(last_hold_seconds, first):
        return first
    return min(LONGEST_HOLD_SECONDS, max(first, 2 * last_hold_seconds))

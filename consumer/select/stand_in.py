"""When the flows of a log group are reported from S3, and when they are not any more: one state machine a log group.

Belongs here: the decision. Pure. Does not: who may stand in (discovery/plan/stand_ins.py), which rows (plan.py here),
carrying out (agent/standing_in.py).

The third choice, after the stream and polling: neither delivers, for a missing permission or a group that is gone. Rows
that start from the switch on are reported from S3 then, and what else there is of the group, should any come, still is.
When the group's own source works again it brings all it had not exported, so what S3 told meanwhile comes again:
nothing is lost, and no exactness is promised.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from consumer.select.fallback import Rules, hold_seconds


@dataclass(frozen=True, slots=True)
class StandIn:
    """Of one log group. `since`: start of flows (Unix seconds) from which S3 reports, None = it does not.

    The other moments are monotonic seconds, as in fallback.Unit.
    """

    since: float | None = None
    trouble_since: float | None = None
    well_since: float | None = None
    left_at: float | None = None
    hold_seconds: float = 0.0

    @property
    def is_standing(self) -> bool:
        return self.since is not None


def step(unit: StandIn, now: float, unix_now: float, trouble: str, rules: Rules) -> tuple[StandIn, str]:
    """The unit after this moment, and the reason where it changed sides. Call about once a second.

    `trouble`: why neither way delivers the group, empty = one does.
    """
    if trouble:
        since = now if unit.trouble_since is None else unit.trouble_since
        unit = replace(unit, trouble_since=since, well_since=None)
        if unit.since is None and now - since >= rules.failover_after_seconds:
            hold = hold_seconds(unit.hold_seconds, unit.left_at, now, rules)
            return replace(unit, since=unix_now, hold_seconds=hold), (
                f"nothing delivers it for {rules.failover_after_seconds:g} s: {trouble}"
            )
        return unit, ""
    since = now if unit.well_since is None else unit.well_since
    unit = replace(unit, trouble_since=None, well_since=since)
    if unit.since is not None and now - since >= max(unit.hold_seconds, rules.failover_after_seconds):
        return replace(unit, since=None, left_at=now), "its own source delivers it again"
    return unit, ""

"""When S3 stands in for a log group that nothing else delivers, and when not any more."""

from __future__ import annotations

from consumer.select.fallback import Rules
from consumer.select.stand_in import StandIn, step

RULES = Rules(failover_after_seconds=60.0, margin_seconds=300.0)
START = 1_700_000_000.0


class Story:
    """One group through time, second by second; every change of sides is kept with its moment and reason."""

    def __init__(self) -> None:
        self.unit = StandIn()
        self.now = 0.0
        self.changes: list[tuple[float, str]] = []

    def passes(self, seconds: int, trouble: str = "") -> None:
        for _ in range(seconds):
            self.now += 1
            self.unit, reason = step(self.unit, self.now, START + self.now, trouble, RULES)
            if reason:
                self.changes.append((self.now, reason))

    def is_standing(self) -> bool:
        return self.unit.is_standing


def test_a_group_that_is_delivered_is_never_reported_from_s3() -> None:
    story = Story()
    story.passes(1000)
    for _ in range(10):
        story.passes(60, "denied")
        story.passes(1)
    assert story.changes == []


def test_after_failover_after_rows_that_start_from_then_on_are_reported_from_s3() -> None:
    story = Story()
    story.passes(100)
    story.passes(61, "logs:FilterLogEvents denied")
    assert story.unit.since == START + 161
    story.passes(500, "logs:FilterLogEvents denied")
    assert story.unit.since == START + 161, "the switch does not move"
    assert story.changes == [(161, "nothing delivers it for 60 s: logs:FilterLogEvents denied")]


def test_it_goes_back_once_its_own_source_was_well_for_the_hold_down_and_flapping_is_damped() -> None:
    story = Story()
    story.passes(100, "denied")
    story.passes(60)
    assert story.is_standing()
    story.passes(1)
    assert not story.is_standing()
    assert story.changes[-1][1] == "its own source delivers it again"
    story.passes(100, "denied")
    story.passes(119)
    assert story.is_standing(), "twice as long the second time"
    story.passes(2)
    assert not story.is_standing()

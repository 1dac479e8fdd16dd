"""When a log group is polled in place of its stream, and when not any more."""

from __future__ import annotations

from consumer.select.fallback import LONGEST_HOLD_SECONDS, Mode, Rules, Seen, Switch, Unit, step

RULES = Rules(failover_after_seconds=60.0, margin_seconds=300.0)


class Story:
    """One unit through time; every switch is kept."""

    def __init__(self) -> None:
        self.unit = Unit()
        self.now = 0.0
        self.watermark = 10_000.0
        self.swept: float | None = None
        self.switches: list[Switch] = []

    def passes(self, seconds: float, trouble: str = "") -> Mode:
        """Second by second; Kinesis exports up to the present while it is well."""
        for _ in range(int(seconds)):
            self.now += 1
            if not trouble:
                self.watermark = 10_000.0 + self.now
            self.unit, switch = step(self.unit, Seen(self.now, trouble, self.watermark, self.swept), RULES)
            if switch is not None:
                self.switches.append(switch)
        return self.unit.mode

    def sweep(self) -> None:
        """Polling completes a sweep that began just now."""
        self.swept = 10_000.0 + self.now

    def comes_back(self) -> None:
        """Kinesis is well, and polling sweeps, until polling has ended."""
        while self.passes(30) is not Mode.STREAM:
            self.sweep()


def test_a_stream_that_is_well_is_never_polled() -> None:
    assert Story().passes(1000) is Mode.STREAM


def test_a_short_trouble_is_waited_out() -> None:
    story = Story()
    for _ in range(5):
        assert story.passes(59, "down") is Mode.STREAM
        story.passes(1)
    assert story.switches == []


def test_a_trouble_that_is_known_late_counts_from_when_it_began() -> None:
    began = Unit()
    unit, switch = step(began, Seen(100.0, "nobody holds the lease", 10_000.0, since=39.0), RULES)
    assert (unit.mode, unit.trouble_since) == (Mode.POLLING, 39.0)
    assert switch is not None
    unit, switch = step(began, Seen(100.0, "nobody holds the lease", 10_000.0, since=41.0), RULES)
    assert switch is None


def test_after_failover_after_the_group_is_polled_from_what_was_exported() -> None:
    story = Story()
    story.passes(100)
    assert story.passes(60, "the daemon is down") is Mode.STREAM
    assert story.passes(1, "the daemon is down") is Mode.POLLING
    assert story.unit.began_from == 10_100.0
    assert story.unit.exported_by_polling() is None, "no sweep is complete"
    (switch,) = story.switches
    assert switch == Switch(Mode.STREAM, Mode.POLLING, "Kinesis for 60 s: the daemon is down")


def test_polling_ends_after_kinesis_has_passed_it_was_well_for_long_and_one_more_sweep_is_complete() -> None:
    story = Story()
    story.passes(61, "down")
    story.passes(100, "down")
    story.sweep()
    assert story.passes(1) is Mode.RETURNING
    assert story.passes(58) is Mode.RETURNING, "well, but not for long"
    assert story.passes(5) is Mode.LEAVING
    story.sweep()
    assert story.passes(1) is Mode.STREAM
    assert [switch.after for switch in story.switches] == [Mode.POLLING, Mode.RETURNING, Mode.LEAVING, Mode.STREAM]
    assert story.unit.exported_by_polling() == (10_000.0, story.swept)


def test_polling_goes_on_while_kinesis_is_still_behind_what_was_polled() -> None:
    story = Story()
    story.passes(1000, "down")
    story.sweep()
    for _ in range(500):
        story.now += 1
        story.watermark = 10_600.0
        story.unit, _ = step(story.unit, Seen(story.now, "", story.watermark, story.swept), RULES)
    assert story.unit.mode is Mode.RETURNING
    story.watermark = 10_700.0
    story.unit, _ = step(story.unit, Seen(story.now, "", story.watermark, story.swept), RULES)
    assert story.unit.mode is Mode.LEAVING


def test_trouble_while_returning_or_leaving_goes_back_to_polling_and_keeps_what_was_exported() -> None:
    story = Story()
    story.passes(61, "down")
    story.sweep()
    story.passes(5)
    assert story.passes(1, "down again") is Mode.POLLING
    assert story.unit.began_from == 10_000.0
    story.passes(70)
    assert story.unit.mode is Mode.LEAVING
    assert story.passes(1, "down again") is Mode.POLLING
    assert story.switches[-1].reason == "Kinesis again: down again"


def test_flapping_doubles_the_hold_down_up_to_a_bound_and_a_long_peace_forgets_it() -> None:
    story = Story()
    holds = []
    for _ in range(8):
        story.passes(61, "down")
        holds.append(story.unit.hold_seconds)
        story.sweep()
        story.comes_back()
    assert holds == [60, 120, 240, 480, 960, 1800, 1800, 1800]
    story.passes(11 * LONGEST_HOLD_SECONDS)
    story.passes(61, "down")
    assert story.unit.hold_seconds == 60


def test_polling_that_completes_no_sweep_does_not_keep_kinesis_from_coming_back() -> None:
    story = Story()
    story.passes(61, "down")
    story.passes(300)
    assert story.unit.mode is Mode.STREAM
    assert story.unit.exported_by_polling() is None

"""Whether a stream is read, and up to when it is exported, whatever our own clock does."""

from __future__ import annotations

import pytest

from consumer.sources.kinesis.watch import FLOOR_SECONDS, QUEUED_CALLS, StreamWatch
from tests.support.clock import ManualClock

START = 1_700_000_000.0


class Deaf:
    def state(self, state: str, reason: str) -> None:
        return None

    def came(self, shard: str) -> None:
        return None

    def called(self, shard: str, behind_ms: int | None, at: float) -> None:
        return None

    def exported(self, shard: str, first: float, last: float, *, is_caught_up: bool) -> None:
        return None

    def left(self, shard: str, reason: str | None) -> None:
        return None

    def restarted(self, reason: str) -> None:
        return None


class Scene:
    def __init__(self, until: float | None = START - 3600) -> None:
        self.clock = ManualClock(START)
        self.watch = StreamWatch(Deaf(), self.clock, 10.0, until)

    def call(self, shard: str = "a", first: float = 0, last: float = 0, *, caught_up: bool = True) -> None:
        """One call and its answer, then a second passes."""
        self.watch.called(shard, 0 if caught_up else 5000, self.clock.now())
        self.watch.exported(shard, first, last, is_caught_up=caught_up)
        self.clock.advance(1)

    @property
    def trouble(self) -> str:
        return self.watch.look().trouble

    @property
    def until(self) -> float:
        return self.watch.look().exported_until


def test_a_stream_without_a_reader_is_in_trouble_and_its_watermark_stays() -> None:
    scene = Scene()
    assert scene.trouble == "the daemon has not started yet"
    scene.watch.restarted("the daemon ended by exit 1")
    assert scene.trouble == "the daemon ended by exit 1"
    scene.watch.came("a")
    assert scene.trouble.startswith("a has no reader")
    assert scene.until == START - 3600
    scene.call()
    assert scene.trouble == ""


def test_an_idle_shard_that_is_caught_up_is_exported_up_to_a_moment_ago() -> None:
    scene = Scene()
    scene.watch.came("a")
    for _ in range(QUEUED_CALLS + 3):
        scene.call()
    assert scene.clock.now() - 6 <= scene.until < scene.clock.now()


def test_a_shard_that_is_behind_is_exported_up_to_its_last_record_and_the_slowest_counts() -> None:
    scene = Scene()
    for shard in "ab":
        scene.watch.came(shard)
        scene.call(shard, START - 2000, START - 1900, caught_up=False)
    scene.call("a", START - 1800, START - 1700, caught_up=False)
    assert scene.until == START - 1900


def test_after_an_export_that_was_held_up_calls_that_were_read_ahead_prove_nothing_of_the_present() -> None:
    scene = Scene()
    scene.watch.came("a")
    for _ in range(10):
        scene.call()
    before = scene.until
    scene.watch.called("a", 0, scene.clock.now())
    scene.clock.advance(1000)  # a collector holds
    assert scene.trouble == "", "held up by ourselves is not unhealthy"
    scene.watch.exported("a", 0, 0, is_caught_up=True)
    scene.call()
    assert scene.until < before + 10


@pytest.mark.parametrize("jump", [3600.0, -3600.0])
def test_a_jump_of_our_own_clock_does_not_move_the_watermark(jump: float) -> None:
    scene = Scene()
    scene.watch.came("a")
    for _ in range(10):
        scene.call()
    scene.clock.started_at += jump
    for _ in range(10):
        scene.call()
    assert abs(scene.until - (scene.clock.now() - jump)) < 10


def test_a_clock_that_was_wrong_from_the_start_is_set_by_a_record_that_cannot_have_waited() -> None:
    scene = Scene()
    scene.watch.came("a")
    for _ in range(10):
        scene.call()
    aws_now = scene.clock.now() + 500
    scene.call("a", aws_now, aws_now)
    for _ in range(10):
        scene.call()
    assert abs(scene.until - (scene.clock.now() + 500)) < 10


def test_silence_is_trouble_after_a_while_and_names_the_shard() -> None:
    scene = Scene()
    scene.watch.came("a")
    scene.call()
    scene.clock.advance(8)
    assert scene.trouble == ""
    scene.clock.advance(2)
    assert scene.trouble == "nothing comes for a, not even an empty answer"


def test_a_dead_child_is_trouble_until_its_shard_is_called_again() -> None:
    scene = Scene()
    scene.watch.came("a")
    scene.call()
    scene.watch.left("a", None)
    scene.watch.restarted("the child of a died")
    assert scene.trouble == "a has no reader: the child of a died"
    scene.watch.came("a")
    scene.call()
    assert scene.trouble == ""


def test_a_finished_shard_holds_the_watermark_until_its_successors_have_come() -> None:
    scene = Scene()
    for shard in "ab":
        scene.watch.came(shard)
    scene.call("a", START - 600, START - 500, caught_up=False)
    for _ in range(10):
        scene.call("b")
    scene.watch.left("a", "shard ended")
    assert scene.until == START - 500
    scene.watch.came("c")
    scene.call("b")
    assert scene.until == START - 500, "its successor begins where it ended"
    for _ in range(int(FLOOR_SECONDS)):
        scene.call("b")
        scene.call("c")
    assert scene.until > START


def test_a_source_that_fails_altogether_is_trouble_with_its_words() -> None:
    scene = Scene()
    scene.watch.came("a")
    scene.call()
    scene.watch.failed("no Java was found")
    assert "no Java was found" in scene.trouble


def test_a_call_that_is_exported_after_its_child_died_counts_and_leaves_the_shard_without_a_reader() -> None:
    scene = Scene()
    scene.watch.came("a")
    scene.call()
    scene.watch.called("a", 5000, scene.clock.now())
    scene.watch.left("a", None)
    scene.watch.exported("a", START - 20, START - 10, is_caught_up=False)
    assert scene.until == START - 10
    assert scene.trouble.startswith("a has no reader")

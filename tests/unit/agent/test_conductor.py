"""Sources start when they are wanted, stop when they are not, and do not disturb each other."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

from consumer.agent.conductor import FIRST_DELAY_SECONDS, Conductor, Made, Task
from consumer.model.delivery import SourceKind
from consumer.sources.base import Process
from consumer.telemetry.health import Health
from tests.support.clock import ManualClock
from tests.support.estate import wait_until


@dataclass
class Waiting:
    """A source that does nothing until it is stopped; `hold` keeps it from ending."""

    name: str
    started: threading.Event = field(default_factory=threading.Event)
    hold: threading.Event = field(default_factory=threading.Event)

    def run(self, process: Process, stop: threading.Event) -> None:
        self.started.set()
        stop.wait(30)
        self.hold.wait(30)


class Stage:
    """A conductor over sources that wait; `made` holds every source it asked for, in order."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.health = Health(self.clock.now)
        self.made: list[Waiting] = []
        self.forgotten: list[str] = []
        self.broken: set[str] = set()
        self.conductor = Conductor({SourceKind.KINESIS: self._make}, lambda delivery: None, self.clock, self.health)

    def _make(self, what: str) -> Made:
        if what in self.broken:
            raise OSError(f"{what} is broken")
        source = Waiting(what)
        source.hold.set()
        self.made.append(source)
        return Made(source, lambda: self.forgotten.append(what))

    def alive(self) -> list[str]:
        return [row["source"] for row in self.conductor.status() if row["state"] == "reading"]


def task(key: str, what: str = "") -> Task:
    return Task(SourceKind.KINESIS, key, what or key, f"because of {key}")


def keep_until(stage: Stage, tasks: list[Task], alive: list[str]) -> None:
    def is_so() -> bool:
        stage.conductor.keep(tasks)
        return stage.alive() == alive

    wait_until(is_so, f"{alive} are read", 30)


def test_a_source_is_started_once_and_the_others_go_on_when_it_stops() -> None:
    stage = Stage()
    keep_until(stage, [task("a"), task("b")], ["kinesis a", "kinesis b"])
    keep_until(stage, [task("b")], ["kinesis b"])

    def is_forgotten() -> bool:
        stage.conductor.keep([task("b")])
        return stage.forgotten == ["a"]

    wait_until(is_forgotten, "a is forgotten", 30)
    assert [source.name for source in stage.made] == ["a", "b"]
    stage.conductor.end()


def test_other_settings_under_the_same_key_mean_another_source_after_the_first_has_ended() -> None:
    stage = Stage()
    keep_until(stage, [task("a", "old")], ["kinesis a"])
    stage.made[0].hold.clear()
    for _ in range(3):
        stage.conductor.keep([task("a", "new")])
    assert [source.name for source in stage.made] == ["old"], "two under one key would read the same twice"
    stage.made[0].hold.set()

    def is_new() -> bool:
        stage.conductor.keep([task("a", "new")])
        return [source.name for source in stage.made] == ["old", "new"]

    wait_until(is_new, "the new one runs", 30)
    stage.conductor.end()


def test_a_source_that_fails_is_seen_and_tried_again_later_while_the_others_run() -> None:
    stage = Stage()
    stage.broken.add("a")
    keep_until(stage, [task("a"), task("b")], ["kinesis b"])
    stage.conductor.keep([task("a"), task("b")])

    assert stage.health.snapshot()["kinesis a"].reason == "a is broken"
    assert stage.conductor.error is None, "one is read"
    stage.broken.clear()
    stage.conductor.keep([task("a"), task("b")])
    assert stage.alive() == ["kinesis b"], "not at once"
    stage.clock.advance(FIRST_DELAY_SECONDS)
    keep_until(stage, [task("a"), task("b")], ["kinesis a", "kinesis b"])
    stage.conductor.end()


def test_nothing_wanted_is_no_error_and_everything_failing_is() -> None:
    stage = Stage()
    stage.conductor.keep([])
    assert stage.conductor.error is None

    stage.broken.add("a")
    stage.conductor.keep([task("a")])
    stage.conductor.keep([task("a")])
    assert str(stage.conductor.error) == "a is broken"
    stage.conductor.end()

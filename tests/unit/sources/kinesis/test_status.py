"""What the observer hears when daemons and children come and go."""

from __future__ import annotations

import socket

import pytest

from consumer.kcl.channel import Child
from consumer.sources.kinesis.status import StreamStatus
from tests.support.clock import ManualClock


class Observer:
    def __init__(self) -> None:
        self.states: list[tuple[str, str]] = []
        self.calls: list[tuple[str, int | None, float]] = []
        self.gone: list[str] = []
        self.restarts: list[str] = []

    def state(self, state: str, reason: str) -> None:
        self.states.append((state, reason))

    def called(self, shard: str, behind_ms: int | None, at: float) -> None:
        self.calls.append((shard, behind_ms, at))

    def came(self, shard: str) -> None:
        return None

    def exported(self, shard: str, first: float, last: float, *, is_caught_up: bool) -> None:
        return None

    def left(self, shard: str, reason: str | None) -> None:
        self.gone.append(shard)

    def restarted(self, reason: str) -> None:
        self.restarts.append(reason)


class Scene:
    def __init__(self) -> None:
        self.observer = Observer()
        self.clock = ManualClock(now=1_000.0)
        self.status = StreamStatus("flow", self.observer, self.clock)

    def child(self, shard: str = "shard-1") -> Child:
        child = Child(socket.socket(socket.AF_UNIX), shard, "LATEST", 10, 9)
        self.status.child_came(child)
        return child


def test_a_stream_is_ok_once_a_shard_is_called_and_says_so_once() -> None:
    scene = Scene()
    scene.status.daemon_started(9)
    child = scene.child()
    scene.status.called(child, 40)
    scene.clock.advance(1)
    scene.status.called(child, None)
    assert [state for state, _ in scene.observer.states] == ["waiting", "ok"]
    assert scene.observer.calls == [("shard-1", 40, 1_000.0), ("shard-1", None, 1_001.0)]


def test_a_daemons_end_carries_the_last_error_it_logged() -> None:
    scene = Scene()
    scene.status.daemon_started(9)
    scene.status.daemon_said("WARN|Scheduler|something")
    scene.status.daemon_said("ERROR|Scheduler|User is not authorized to perform: dynamodb:UpdateTable / at com.x.Y")
    scene.status.daemon_ended("the daemon ended by exit 1", 4.0)
    assert scene.observer.restarts == [
        "the daemon ended by exit 1; it said: User is not authorized to perform: dynamodb:UpdateTable"
    ]
    assert scene.observer.states[-1][0] == "failing"
    assert "started again in 4 s" in scene.observer.states[-1][1]


def test_a_new_daemon_does_not_repeat_the_old_ones_error() -> None:
    scene = Scene()
    scene.status.daemon_said("ERROR|Scheduler|old")
    scene.status.daemon_started(9)
    scene.status.daemon_ended("the daemon ended by exit 1", 0.0)
    assert scene.observer.restarts == ["the daemon ended by exit 1"]


def test_the_last_shard_given_away_leaves_the_stream_waiting_with_the_reason() -> None:
    scene = Scene()
    first, second = scene.child("shard-1"), scene.child("shard-2")
    for child in (first, second):
        scene.status.called(child, 0)
        child.ended = "lease lost"
    scene.status.child_left(first)
    assert scene.observer.states[-1][0] == "ok"
    assert scene.status.has_children()
    scene.status.child_left(second)
    assert scene.observer.states[-1] == ("waiting", "no shard is leased to this agent (the last one: lease lost)")
    assert scene.observer.gone == ["shard-1", "shard-2"]
    assert not scene.status.has_children()


def test_a_line_the_daemon_repeats_is_logged_once_a_minute(capsys: pytest.CaptureFixture[str]) -> None:
    scene = Scene()
    for _ in range(3):
        scene.status.daemon_said("WARN|ProcessTask|Cannot get the shard")
    scene.clock.advance(61)
    scene.status.daemon_said("WARN|ProcessTask|Cannot get the shard")
    output = capsys.readouterr()
    assert (output.out + output.err).count("Cannot get the shard") == 2


def test_what_is_no_log_line_is_shown_whole(capsys: pytest.CaptureFixture[str]) -> None:
    Scene().status.daemon_said("Picked up JAVA_TOOL_OPTIONS: | something")
    output = capsys.readouterr()
    assert "Picked up JAVA_TOOL_OPTIONS: | something" in output.out + output.err


def test_an_error_before_the_first_shard_is_shown_as_the_reason() -> None:
    scene = Scene()
    scene.status.daemon_started(9)
    scene.status.daemon_said("ERROR|Scheduler|not authorized to perform: kinesis:ListShards / at com.x.Y")
    assert scene.observer.states[-1] == (
        "failing",
        "the daemon takes no shard and says: not authorized to perform: kinesis:ListShards",
    )
    scene.status.called(scene.child(), 0)
    scene.status.daemon_said("ERROR|Something|that passes")
    assert scene.observer.states[-1] == ("ok", "reading")

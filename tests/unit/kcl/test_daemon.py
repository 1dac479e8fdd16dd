"""The supervisor, with shell scripts in the daemon's place."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path

import orjson
import pytest

from consumer.clock import SystemClock
from consumer.kcl.daemon import Daemon, describe_exit, restart_delay
from consumer.kcl.launch import Launch
from consumer.kcl.processes import process_record

WAIT_SECONDS = 90


class Watcher:
    """Notes what it is told; `on_start` and `on_line` let a test act at that moment."""

    def __init__(self) -> None:
        self.pids: list[int] = []
        self.lines: list[str] = []
        self.ends: list[tuple[str, float]] = []
        self.children = False
        self.on_start: Callable[[int], None] = lambda pid: None
        self.on_line: Callable[[str], None] = lambda line: None
        self.on_end: Callable[[], None] = lambda: None

    def daemon_started(self, pid: int) -> None:
        self.pids.append(pid)
        self.on_start(pid)

    def daemon_said(self, line: str) -> None:
        self.lines.append(line)
        self.on_line(line)

    def daemon_ended(self, reason: str, delay_seconds: float) -> None:
        self.ends.append((reason, delay_seconds))
        self.on_end()

    def has_children(self) -> bool:
        return self.children


class Scene:
    """A daemon that runs `script`; `run` returns when it was stopped."""

    def __init__(self, folder: Path, script: str, grace_seconds: float = 5.0) -> None:
        self.watcher = Watcher()
        self.stop = threading.Event()
        self.record = folder / "daemon.json"
        launch = Launch(("/bin/sh", "-c", script), {"PATH": "/usr/bin:/bin", "FOLDER": str(folder)})
        self.daemon = Daemon(launch, self.record, grace_seconds, SystemClock(), self.watcher)

    def run(self) -> None:
        thread = threading.Thread(target=self.daemon.run, args=(self.stop,))
        thread.start()
        thread.join(WAIT_SECONDS)
        assert not thread.is_alive()
        assert all(process_record(pid) is None for pid in self.watcher.pids), "a daemon outlived its supervisor"


def test_a_stop_is_passed_on_as_sigterm_and_the_end_awaited(tmp_path: Path) -> None:
    scene = Scene(tmp_path, "trap 'echo ended in order; exit 0' TERM; echo ready; while :; do sleep 0.05; done")
    scene.watcher.on_line = lambda line: scene.stop.set() if line == "ready" else None
    scene.run()
    assert scene.watcher.lines == ["ready", "ended in order"]
    assert scene.watcher.ends == []


def test_a_daemon_that_ignores_the_stop_is_killed_when_its_grace_is_over(tmp_path: Path) -> None:
    scene = Scene(tmp_path, "trap '' TERM; echo ready; while :; do sleep 0.05; done", grace_seconds=0.0)
    scene.watcher.children = True
    scene.watcher.on_line = lambda line: scene.stop.set()
    scene.run()


def test_a_daemon_that_ends_by_itself_is_started_again_with_the_reason(tmp_path: Path) -> None:
    scene = Scene(tmp_path, 'echo run >> "$FOLDER/runs"; exit 7')
    scene.watcher.on_end = lambda: scene.stop.set() if len(scene.watcher.ends) == 2 else None
    scene.run()
    assert scene.watcher.ends == [("the daemon ended by exit 7", 0.0), ("the daemon ended by exit 7", 1.0)]
    assert (tmp_path / "runs").read_text() == "run\nrun\n"


def test_a_restart_that_was_asked_for_kills_the_daemon_and_says_why(tmp_path: Path) -> None:
    scene = Scene(tmp_path, "exec sleep 60")
    scene.watcher.on_start = lambda pid: scene.daemon.restart(pid, f"child {len(scene.watcher.pids)} died")
    scene.watcher.on_end = lambda: scene.stop.set() if len(scene.watcher.ends) == 1 else None
    scene.run()
    assert scene.watcher.ends == [("child 1 died", 0.0)]


def test_the_late_news_of_an_earlier_daemons_child_does_not_end_its_successor(tmp_path: Path) -> None:
    scene = Scene(
        tmp_path, 'echo x >> "$FOLDER/runs"; [ "$(wc -l < "$FOLDER/runs")" = 1 ] && exit 1; echo second; exec sleep 60'
    )

    def late_news(line: str) -> None:
        scene.daemon.restart(scene.watcher.pids[0], "a child of the first daemon died")
        threading.Timer(1.0, scene.stop.set).start()  # several looks of the supervisor

    scene.watcher.on_line = late_news
    scene.run()
    assert [reason for reason, _ in scene.watcher.ends] == ["the daemon ended by exit 1"]


def test_the_daemon_is_written_down_while_it_runs(tmp_path: Path) -> None:
    scene = Scene(tmp_path, "echo ready; exec sleep 60")
    seen: list[int] = []

    def note(line: str) -> None:
        seen.append(int(orjson.loads(scene.record.read_bytes())["pid"]))
        scene.stop.set()

    scene.watcher.on_line = note
    scene.run()
    assert seen == scene.watcher.pids
    assert not scene.record.exists()


def test_a_daemon_that_cannot_be_written_down_may_not_run(tmp_path: Path) -> None:
    scene = Scene(tmp_path, 'echo $$ > "$FOLDER/pid"; exec sleep 60')
    scene.record.with_suffix(".new").mkdir()  # in the way of the record
    scene.watcher.on_end = scene.stop.set
    scene.run()
    assert "could not be written down" in scene.watcher.ends[0][0]
    pid = tmp_path / "pid"
    written = pid.read_text().strip() if pid.exists() else ""  # it may have been killed before it wrote, or while
    assert not written or process_record(int(written)) is None


def test_something_that_keeps_the_daemons_pipe_does_not_hold_up_its_successor(tmp_path: Path) -> None:
    scene = Scene(tmp_path, 'sleep 60 & echo $! > "$FOLDER/keeper"; exit 1')
    scene.watcher.on_end = scene.stop.set
    try:
        scene.run()
    finally:
        os.kill(int((tmp_path / "keeper").read_text()), signal.SIGKILL)


def test_a_command_that_is_not_there_is_a_reason_and_no_crash(tmp_path: Path) -> None:
    scene = Scene(tmp_path, "")
    scene.daemon = Daemon(Launch(("/no/such/java",), {}), scene.record, 1.0, SystemClock(), scene.watcher)
    scene.watcher.on_end = scene.stop.set
    scene.run()
    assert scene.watcher.ends[0][0] == "the daemon ended by exit 1"
    assert any("/no/such/java" in line or "FileNotFoundError" in line for line in scene.watcher.lines)


def test_the_back_off_begins_at_once_doubles_and_is_bounded() -> None:
    assert [restart_delay(ends) for ends in range(1, 10)] == [0, 1, 2, 4, 8, 16, 32, 60, 60]


@pytest.mark.parametrize(("code", "words"), [(1, "exit 1"), (-9, "signal 9")])
def test_an_exit_is_told_in_words(code: int, words: str) -> None:
    assert describe_exit(code) == words

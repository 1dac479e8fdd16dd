"""One MultiLangDaemon, started, watched, started again, and stopped.

Belongs here: the life of the JVM. Does not: its properties (properties.py), its children's records (channel.py), or
reporting (an observer is told, in words).
"""

from __future__ import annotations

import subprocess
import threading
from pathlib import Path
from typing import Protocol

from consumer.clock import Clock
from consumer.kcl.launch import Launch
from consumer.kcl.processes import end_leftover, process_record, write_record
from consumer.kcl.tether import tethered

STEADY_SECONDS = 60.0
"""A daemon that lived this long was healthy: its end starts the back-off anew."""
LONGEST_DELAY_SECONDS = 60.0
KILL_AFTER_GRACE_SECONDS = 2.0
LINGER_SECONDS = 2.0
"""After the last child has gone the JVM gives up the leader's lock, within two seconds; without that the other agents
of a fleet wait 120 seconds for a new leader. Its leases it keeps in any case."""
_LAST_LINES_SECONDS = 1.0
_LOOK_SECONDS = 0.2


def restart_delay(quick_ends: int) -> float:
    """Seconds before the next start, after so many daemons in a row that ended early: 0, 1, 2, 4 … 60."""
    return 0.0 if quick_ends <= 1 else min(LONGEST_DELAY_SECONDS, 2.0 ** (quick_ends - 2))


class DaemonWatcher(Protocol):
    """Who is told of a daemon's life; called on the supervising thread, `daemon_said` on another."""

    def daemon_started(self, pid: int) -> None: ...

    def daemon_said(self, line: str) -> None:
        """A line of its log or of what it printed."""

    def daemon_ended(self, reason: str, delay_seconds: float) -> None:
        """It ended against our will and is started again after the delay."""

    def has_children(self) -> bool:
        """Whether a child is still connected."""


class Daemon:
    """Supervises one JVM at a time. `run` belongs to one thread, and that thread must live as long as the JVM.

    `record_file`: where the JVM is written down, so that the next agent ends a leftover first: two daemons with one
    worker id take each other's leases without an error.
    """

    def __init__(
        self, launch: Launch, record_file: Path, grace_seconds: float, clock: Clock, watcher: DaemonWatcher
    ) -> None:
        self._launch = launch
        self._record_file = record_file
        self._grace_seconds = grace_seconds
        self._clock = clock
        self._watcher = watcher
        self._lock = threading.Lock()
        self._pid = 0
        self._restart_reason = ""

    def run(self, stop: threading.Event) -> None:
        """Keep a daemon running until `stop`, then end it gracefully; returns when it has ended."""
        quick_ends = 0
        while not stop.is_set():
            started_at = self._clock.monotonic()
            reason = self._live(stop)
            if stop.is_set():
                return
            lived_seconds = self._clock.monotonic() - started_at
            quick_ends = quick_ends + 1 if lived_seconds < STEADY_SECONDS else 1
            delay = restart_delay(quick_ends)
            self._watcher.daemon_ended(reason, delay)
            self._clock.wait(stop, delay)

    def restart(self, pid: int, reason: str) -> None:
        """Have the daemon with this process id killed and started anew; any thread.

        The first reason counts. A daemon that has ended already takes its children along: their ends, heard of
        later, are no reason to end its successor.
        """
        with self._lock:
            if pid == self._pid and not self._restart_reason:
                self._restart_reason = reason

    def _live(self, stop: threading.Event) -> str:
        """One daemon from start to end; returns why it ended."""
        try:
            end_leftover(self._record_file)
            process = self._start()
        except OSError as error:
            return f"the daemon could not be started: {error}"
        try:
            self._write_down(process.pid)
        except OSError as error:
            process.kill()
            process.wait()
            return f"the daemon could not be written down and so may not run: {error}"
        reader = threading.Thread(
            target=self._read_lines, args=(process,), name=f"daemon {process.pid} log", daemon=True
        )
        reader.start()
        try:
            return self._watch(process, stop)
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
            reader.join(_LAST_LINES_SECONDS)  # bounded: something it started may have kept the pipe
            self._record_file.unlink(missing_ok=True)

    def _start(self) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            tethered(self._launch.command),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=dict(self._launch.environment),
            encoding="utf-8",
            errors="replace",
        )
        with self._lock:
            self._pid, self._restart_reason = process.pid, ""
        return process

    def _write_down(self, pid: int) -> None:
        record = process_record(pid)
        if record is not None:
            write_record(self._record_file, record)
        self._watcher.daemon_started(pid)

    def _watch(self, process: subprocess.Popen[str], stop: threading.Event) -> str:
        while not self._clock.wait(stop, _LOOK_SECONDS):
            code = process.poll()
            if code is not None:
                return f"the daemon ended by {describe_exit(code)}"
            with self._lock:
                if self._restart_reason:
                    return self._restart_reason
        self._stop_gracefully(process)
        return "stopped"

    def _stop_gracefully(self, process: subprocess.Popen[str]) -> None:
        """SIGTERM; each child then has its last checkpoint; then the end, by force where the grace runs out.

        The JVM waits its whole grace out even when every child has long finished and reports a time-out then (seen
        with 3.1.3), so it is killed soon after its last child.
        """
        process.terminate()
        now = self._clock.monotonic()
        deadline, childless_since = now + self._grace_seconds + KILL_AFTER_GRACE_SECONDS, now
        never = threading.Event()
        while process.poll() is None and now < min(deadline, childless_since + LINGER_SECONDS):
            self._clock.wait(never, _LOOK_SECONDS)
            now = self._clock.monotonic()
            if self._watcher.has_children():
                childless_since = now

    def _read_lines(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        with process.stdout as lines:
            for line in lines:
                self._watcher.daemon_said(line.rstrip("\n"))


def describe_exit(code: int) -> str:
    """`exit 1`, `signal 9`: as subprocess numbers it."""
    return f"signal {-code}" if code < 0 else f"exit {code}"

"""Kills the daemons of an agent that was stopped in its tracks, before another agent starts under their worker ids.

Belongs here: a process of its own, `python -m consumer.kcl.guard FOLDER`. Does not: deciding how long an agent may be
silent (state/shared.py). The agent writes its deadline (seconds of CLOCK_BOOTTIME, a line each) to our standard input;
past it without a later one, every daemon written down below FOLDER is killed. A paused agent cannot do that itself,
and its JVMs, which nobody paused, would go on renewing their leases. When the agent ends, so do we.
"""

from __future__ import annotations

import os
import select
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

from consumer.kcl.processes import end_leftover


def end_daemons(folder: Path) -> int:
    """Kill every daemon written down below `folder` (the agent's Kinesis folder); how many there were."""
    ended = 0
    for record in sorted(folder.glob("*/daemon.json")):
        with suppress(TimeoutError, OSError):
            ended += end_leftover(record) is not None
    return ended


class Guard:
    """Starts and feeds the process. One thread at a time."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """In a process group of its own: what stops the agent's group must not stop it."""
        command = [sys.executable, "-m", "consumer.kcl.guard", str(self._folder)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, process_group=0)

    def set_deadline(self, boot_seconds: float) -> None:
        """No later word than until then: the daemons are killed."""
        if self._process is not None and self._process.stdin is not None:
            with suppress(BrokenPipeError):
                self._process.stdin.write(f"{boot_seconds}\n".encode())
                self._process.stdin.flush()

    def close(self) -> None:
        """It ends without doing anything."""
        if self._process is not None and self._process.stdin is not None:
            with suppress(BrokenPipeError):
                self._process.stdin.close()
            self._process.wait()


def watch(source: int, folder: Path) -> int:
    """Until the source ends, or a deadline passes; how many daemons were killed then."""
    deadline: float | None = None
    while True:
        wait = None if deadline is None else max(0.0, deadline - time.clock_gettime(time.CLOCK_BOOTTIME))
        readable, _, _ = select.select([source], [], [], wait)
        if not readable:
            return end_daemons(folder)
        said = os.read(source, 1 << 16)
        if not said:
            return 0
        deadline = float(said.split()[-1])


if __name__ == "__main__":
    watch(0, Path(sys.argv[1]))

"""Running long commands for a person who waits: progress on the screen, output in a log, retries.

Belongs here: how a command is run and shown. Does not: which commands (bootstrap.py). Standard library only.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

Command = Sequence["str | Path"]

PLAIN_TICK_SECONDS = 15.0
"""Without a terminal a long step says this often that it is alive."""


class MissingError(Exception):
    """Something on the machine is missing; the text is one line that says what to do."""


class StepError(Exception):
    """A command failed; carries the end of what it printed."""


class Progress:
    """Says what is being done and for how long: one live line on a terminal, plain lines elsewhere.

    `total`: how many steps there are. `log`: file that takes what commands print.
    """

    def __init__(self, total: int, log: Path) -> None:
        self.total = total
        self.log = log
        self.number = 0
        self._is_live = sys.stdout.isatty()
        self._doing = ""
        self._began_at = 0.0
        self._told_at = 0.0

    def begin(self, doing: str) -> None:
        self._doing, self._began_at = doing, time.monotonic()
        self._told_at = self._began_at
        self._write("…", "" if self._is_live else "\n")

    def tick(self) -> None:
        now = time.monotonic()
        if now - self._told_at < (0.2 if self._is_live else PLAIN_TICK_SECONDS):
            return
        self._told_at = now
        self._write(f"… {now - self._began_at:.0f} s", "" if self._is_live else "\n")

    def end(self) -> None:
        self._write(f": {time.monotonic() - self._began_at:.1f} s", "\n")

    def _write(self, tail: str, line_end: str) -> None:
        start = "\r\x1b[K" if self._is_live else ""
        print(f"{start}[{self.number}/{self.total}] {self._doing}{tail}", end=line_end, flush=True)


def run(argv: Command, progress: Progress, environment: Mapping[str, str] | None = None) -> None:
    """Run a command to its end, its output into the log. StepError with the last lines when it fails."""
    with progress.log.open("ab") as log:
        log.write(f"\n$ {' '.join(map(str, argv))}\n".encode())
        log.flush()
        began_at = log.tell()
        # A user's pip.conf may say `user = true`, which a virtual environment refuses.
        whole = {**os.environ, "PIP_USER": "0", "PYTHONNOUSERSITE": "1", **(environment or {})}
        process = subprocess.Popen(argv, env=whole, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT)
        try:
            while process.poll() is None:
                progress.tick()
                time.sleep(0.05)
        except BaseException:
            process.terminate()
            raise
    if process.returncode != 0:
        printed = progress.log.read_bytes()[began_at:].decode(errors="replace")
        raise StepError("\n".join(printed.splitlines()[-20:]))


def run_first_that_works(
    choices: Sequence[Command], progress: Progress, environment: Mapping[str, str] | None = None
) -> None:
    """Run the first command; when it fails wait a little and run the next, until one works. The last error goes on."""
    for number, argv in enumerate(choices, 1):
        try:
            return run(argv, progress, environment)
        except StepError:
            if number == len(choices):
                raise
            pause_ends_at = time.monotonic() + 2.0**number
            while time.monotonic() < pause_ends_at:
                progress.tick()
                time.sleep(0.1)
    return None

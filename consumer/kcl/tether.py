"""Replaces itself by a command that dies with the process that started it.

Run as a script: `python -I -S tether.py PARENT_PID COMMAND ARGUMENT…`. The kernel sends SIGKILL to the command
when the *thread* that forked it ends (prctl(2), PR_SET_PDEATHSIG, kept across execve): start it from a thread that
lives as long as the command may. A wrapper and not `preexec_fn`: Python code between fork and exec of a process
with threads can deadlock.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

PR_SET_PDEATHSIG = 1
"""linux/prctl.h"""


def tethered(command: Sequence[str]) -> list[str]:
    """The same command, to be started by this process and to die with it."""
    return [sys.executable, "-I", "-S", str(Path(__file__).resolve()), str(os.getpid()), *command]


def main(arguments: Sequence[str]) -> None:
    """Tie, then become the command. The parent may have died before the tie: then its id is no longer our parent's."""
    parent, *command = arguments
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG) failed")
    if os.getppid() != int(parent):
        sys.exit(0)
    os.execvp(command[0], command)


if __name__ == "__main__":
    main(sys.argv[1:])

"""Ending a process that an earlier run left, and only that one.

A process id alone may belong to somebody else by now; with its start time (/proc/PID/stat, field 22, proc(5)) it is
the one that was written down. The time counts from boot, so the boot is written down with it.
"""

from __future__ import annotations

import os
import select
import signal
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import orjson

END_SECONDS = 10.0
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True, slots=True)
class ProcessRecord:
    """One process, unmistakably. `start_ticks`: clock ticks after boot."""

    pid: int
    start_ticks: int
    boot: str


def process_record(pid: int) -> ProcessRecord | None:
    """What identifies the process now; None when it is not there (or a zombie: it has ended)."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
        boot = _BOOT_ID.read_text(encoding="ascii").strip()
    except OSError:
        return None
    # The name (field 2) stands in parentheses and may hold anything, also ")": the fields begin after the last.
    fields = text.rpartition(")")[2].split()
    return None if fields[0] in "ZX" else ProcessRecord(pid, int(fields[19]), boot)


def write_record(file: Path, record: ProcessRecord) -> None:
    """Write it down before anything depends on it; a crash leaves the old or the new content."""
    temporary = file.with_suffix(".new")
    temporary.write_bytes(orjson.dumps(asdict(record)))
    temporary.replace(file)


def end_leftover(file: Path) -> int | None:
    """Kill the process written down in `file`, if it still runs, and wait for its end; returns its id.

    Raises TimeoutError when it does not end: then no second one may be started.
    """
    with suppress(FileNotFoundError, orjson.JSONDecodeError, TypeError):
        record = ProcessRecord(**orjson.loads(file.read_bytes()))
        if end_process(record):
            return record.pid
    return None


def end_process(record: ProcessRecord) -> bool:
    """SIGKILL and wait; false when it had ended before. The pidfd makes sure that it is still the same process."""
    try:
        descriptor = os.pidfd_open(record.pid)
    except ProcessLookupError:
        return False
    try:
        if process_record(record.pid) != record:
            return False
        signal.pidfd_send_signal(descriptor, signal.SIGKILL)
        poll = select.poll()
        poll.register(descriptor, select.POLLIN)
        if not poll.poll(END_SECONDS * 1000):
            raise TimeoutError(f"process {record.pid} did not end within {END_SECONDS:.0f} s of SIGKILL")
    finally:
        os.close(descriptor)
    return True

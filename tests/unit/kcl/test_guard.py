"""Who kills the daemons of an agent that was stopped in its tracks."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from consumer.kcl.guard import Guard
from consumer.kcl.processes import process_record, write_record

SLEEPER = [sys.executable, "-c", "import time; time.sleep(600)"]


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(SLEEPER)
    record = process_record(process.pid)
    assert record is not None
    folder = tmp_path / "vpcflow-us-east-1-flow"
    folder.mkdir()
    write_record(folder / "daemon.json", record)
    yield process
    process.kill()
    process.wait()


def boot_time() -> float:
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def test_past_the_deadline_every_daemon_written_down_is_killed(daemon: subprocess.Popen[bytes], tmp_path: Path) -> None:
    guard = Guard(tmp_path)
    guard.start()
    guard.set_deadline(boot_time() + 0.2)

    assert daemon.wait(60) == -9
    guard.close()


def test_a_later_deadline_keeps_them_alive_and_an_agent_that_ends_leaves_them(
    daemon: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    guard = Guard(tmp_path)
    guard.start()
    guard.set_deadline(boot_time() + 3_600)
    guard.close()

    assert daemon.poll() is None


def test_only_the_last_word_counts(daemon: subprocess.Popen[bytes], tmp_path: Path) -> None:
    reading, writing = os.pipe()
    os.write(writing, b"1.0\n2.0\n" + f"{boot_time() + 3_600}\n".encode())
    os.close(writing)
    from consumer.kcl.guard import watch

    assert watch(reading, tmp_path) == 0
    os.close(reading)
    assert daemon.poll() is None

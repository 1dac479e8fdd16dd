"""Ending a leftover process, and no other."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from consumer.kcl.processes import ProcessRecord, end_leftover, end_process, process_record, write_record
from consumer.kcl.tether import tethered

WAIT_SECONDS = 90


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(["sleep", "60"])
    yield process
    process.kill()
    process.wait()


def record_of(process: subprocess.Popen[bytes]) -> ProcessRecord:
    record = process_record(process.pid)
    assert record is not None
    return record


def test_a_recorded_process_is_ended(sleeper: subprocess.Popen[bytes], tmp_path: Path) -> None:
    file = tmp_path / "daemon.json"
    write_record(file, record_of(sleeper))
    assert end_leftover(file) == sleeper.pid
    assert sleeper.wait(WAIT_SECONDS) == -9


@pytest.mark.parametrize("change", [{"start_ticks": 1}, {"boot": "another"}])
def test_another_process_with_the_same_id_is_left_alone(
    sleeper: subprocess.Popen[bytes], change: dict[str, object]
) -> None:
    assert not end_process(replace(record_of(sleeper), **change))  # type: ignore[arg-type]  # names vary
    assert sleeper.poll() is None


def test_a_process_that_has_ended_is_no_leftover(sleeper: subprocess.Popen[bytes]) -> None:
    record = record_of(sleeper)
    sleeper.kill()
    sleeper.wait()
    assert process_record(sleeper.pid) is None
    assert not end_process(record)


def test_a_zombie_has_ended(sleeper: subprocess.Popen[bytes]) -> None:
    sleeper.kill()
    os.waitid(os.P_PID, sleeper.pid, os.WEXITED | os.WNOWAIT)
    assert process_record(sleeper.pid) is None


@pytest.mark.parametrize("content", [None, b"", b"{", b'{"pid": 1}', b"[]"])
def test_a_record_that_says_nothing_ends_nothing(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "daemon.json"
    if content is not None:
        file.write_bytes(content)
    assert end_leftover(file) is None


def test_a_name_with_parentheses_does_not_shift_the_fields(tmp_path: Path) -> None:
    program = tmp_path / "a) R 1 (b"
    program.symlink_to("/bin/sleep")
    with subprocess.Popen([str(program), "60"]) as process:
        try:
            own, other = process_record(os.getpid()), process_record(process.pid)
            assert own is not None
            assert other is not None
            assert own.start_ticks <= other.start_ticks
        finally:
            process.kill()


def test_a_tethered_process_dies_with_its_parent() -> None:
    script = (
        "import subprocess, sys\n"
        "from consumer.kcl.tether import tethered\n"
        "child = subprocess.Popen(tethered(['sleep', '60']), stdout=subprocess.DEVNULL)\n"
        "print(child.pid, flush=True)\n"
        "sys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        descriptor = os.pidfd_open(pid)
        parent.kill()
        import select

        poll = select.poll()
        poll.register(descriptor, select.POLLIN)
        assert poll.poll(WAIT_SECONDS * 1000), "the tethered process outlived its parent"
        os.close(descriptor)


def test_a_tethered_command_is_started_with_its_arguments_unchanged() -> None:
    answer = subprocess.run(tethered(["printf", "%s|", "a b", "c'd"]), capture_output=True, check=True, timeout=120)
    assert answer.stdout == b"a b|c'd|"


def test_a_tether_to_somebody_elses_child_starts_nothing() -> None:
    command = tethered(["echo", "started"])
    command[command.index(str(os.getpid()))] = "1"
    assert subprocess.run(command, capture_output=True, check=True, timeout=120).stdout == b""

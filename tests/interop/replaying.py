"""Running the product as its users do: `vpcflow replay`."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import orjson

VPCFLOW = [sys.executable, "-m", "consumer.cli"]
_REPLAY_SECONDS = 500
RATE = 1500
"""Slow enough for a starved machine, whose collector reads late: what its socket cannot hold the kernel drops."""


@dataclass(frozen=True, slots=True)
class Summary:
    """The summary replay ends with."""

    lines: int
    exported: int
    records: int
    messages: int


def command(file: Path, *collectors: str, **options: object) -> list[str]:
    """The command line: options by name, `rate=100` for `--rate 100`; RATE unless told otherwise."""
    options.setdefault("rate", RATE)
    argv = [*VPCFLOW, "replay", str(file), "--dead-letter", str(file.with_suffix(".dead"))]
    for address in collectors:
        argv += ["--collector", address]
    for name, value in options.items():
        argv += [f"--{name.replace('_', '-')}", str(value)]
    return argv


def replay(file: Path, *collectors: str, seconds: float = _REPLAY_SECONDS, **options: object) -> Summary:
    """Run it to its end, which must come within `seconds`."""
    done = subprocess.run(command(file, *collectors, **options), capture_output=True, timeout=seconds, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return _summary(done.stdout)


@contextmanager
def replaying(file: Path, *collectors: str, **options: object) -> Iterator[subprocess.Popen[bytes]]:
    """Run it beside the test; ended by its pid if the test did not wait for it."""
    process = subprocess.Popen(
        command(file, *collectors, **options), stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def finish(process: subprocess.Popen[bytes]) -> Summary:
    """Wait for its end and read the summary."""
    output, errors = process.communicate(timeout=_REPLAY_SECONDS)
    assert process.returncode == 0, errors.decode()
    return _summary(output)


def _summary(output: bytes) -> Summary:
    found = orjson.loads(output)
    return Summary(found["lines"], found["exported"], found["records"], found["messages"])


def wait_until(what: str, is_true: object, seconds: float = 60.0) -> None:
    """Poll `is_true()` until it holds; fails after `seconds` saying `what` was waited for."""
    assert callable(is_true)
    give_up_at = time.monotonic() + seconds
    while not is_true():
        assert time.monotonic() < give_up_at, f"waited {seconds} s for {what}"
        time.sleep(0.02)

"""What a command does when its own output cannot be written."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path


def test_a_full_disk_behind_the_output_is_said_in_words() -> None:
    with Path("/dev/full").open("wb") as full:
        command = [sys.executable, "-m", "consumer.cli", "elements"]
        ended = subprocess.run(command, check=False, stdout=full, stderr=subprocess.PIPE)

    assert (ended.returncode, ended.stderr.decode()) == (
        1,
        "vpcflow: No space left on device: what was to be written is not complete\n",
    )


def test_a_reader_that_goes_away_is_no_error() -> None:
    command = [sys.executable, "-m", "consumer.cli", "elements"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stderr is not None  # noqa: PT018  both are pipes
        process.stdout.close()
        assert (process.stderr.read(), process.wait()) == (b"", 0)

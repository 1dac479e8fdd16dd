"""SIGTERM in the first moments of `vpcflow run`, before there is an agent that could end in order."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.agent_process import catches_sigterm
from tests.support.estate import wait_until

TIMEOUT_SECONDS = 30.0
"""It ends within milliseconds; two seconds are promised."""


@pytest.fixture
def starting(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    config = tmp_path / "vpcflow.toml"
    config.write_text(f'[agent]\nstate_folder = "{tmp_path}/state"\n[[collectors]]\naddress = "127.0.0.1:4739"\n')
    command = [sys.executable, "-m", "consumer.cli", "run", "-c", str(config)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    yield process
    process.kill()
    process.communicate()


def test_a_stop_before_anything_is_loaded_ends_the_process_with_a_word(starting: subprocess.Popen[str]) -> None:
    process = Path(f"/proc/{starting.pid}")
    wait_until(lambda: catches_sigterm(process), "it has a handler", TIMEOUT_SECONDS)
    loaded = (process / "maps").read_text()
    starting.terminate()
    asked_at = time.monotonic()
    _, said = starting.communicate(timeout=TIMEOUT_SECONDS)
    print(f"ended after {time.monotonic() - asked_at:.2f} s")

    assert "llvmlite" not in loaded, "the handler comes before what takes time"
    assert (starting.returncode, said) == (0, "vpcflow: asked to stop while starting; nothing was read yet\n")


def test_a_stop_within_the_first_milliseconds_ends_the_process(starting: subprocess.Popen[str]) -> None:
    starting.terminate()
    assert starting.wait(TIMEOUT_SECONDS) in (0, -signal.SIGTERM)

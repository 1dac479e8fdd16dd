"""SIGTERM in the first moments of `vpcflow run`, before there is an agent that could end in order."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.agent_process import catches_sigterm

TIMEOUT_SECONDS = 90.0
"""It ends within milliseconds; two seconds are promised."""
_LOADING_FOR_EVER = """
import sys, time
from consumer.cli import main

class Library:
    def find_spec(self, name, path=None, target=None):
        if name == "llvmlite":
            print("loading", flush=True)
            time.sleep(600)

sys.meta_path.insert(0, Library())
main()
"""
"""The same command, and what takes longest to load never ends: so there is a moment before it, on any machine."""


@contextmanager
def starting(folder: Path, *program: str) -> Iterator[subprocess.Popen[str]]:
    config = folder / "vpcflow.toml"
    config.write_text(f'[agent]\nstate_folder = "{folder}/state"\n[[collectors]]\naddress = "127.0.0.1:4739"\n')
    command = [sys.executable, *program, "run", "-c", str(config)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def test_a_stop_before_anything_is_loaded_ends_the_process_with_a_word(tmp_path: Path) -> None:
    with starting(tmp_path, "-c", _LOADING_FOR_EVER) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "loading\n"
        assert catches_sigterm(Path(f"/proc/{process.pid}")), "the handler comes before what takes time"
        process.terminate()
        asked_at = time.monotonic()
        _, said = process.communicate(timeout=TIMEOUT_SECONDS)
        print(f"ended after {time.monotonic() - asked_at:.2f} s")
    assert (process.returncode, said) == (0, "vpcflow: asked to stop while starting; nothing was read yet\n")


def test_a_stop_within_the_first_milliseconds_ends_the_process(tmp_path: Path) -> None:
    with starting(tmp_path, "-m", "consumer.cli") as process:
        process.terminate()
        assert process.wait(TIMEOUT_SECONDS) in (0, -signal.SIGTERM)

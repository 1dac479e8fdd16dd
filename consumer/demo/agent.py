"""The demo's agent: `vpcflow run` in a process of its own, as a user would start it."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import orjson

from consumer.errors import VpcflowError
from consumer.kcl.tether import tethered

STOP_SECONDS = 30.0
"""The agent promises 15 s after SIGTERM; then it is killed."""
_TAIL_LINES = 12


class AgentProcess:
    """From `start` to `stop`. It dies with the thread that started it, however that ends."""

    def __init__(self, configuration_file: Path, environment: Mapping[str, str], log_file: Path) -> None:
        self._configuration_file = configuration_file
        self._environment = environment
        self.log_file = log_file
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = [sys.executable, "-m", "consumer.cli", "run", "-c", str(self._configuration_file)]
        with self.log_file.open("wb") as log:
            self._process = subprocess.Popen(
                tethered(command),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self._environment,
                process_group=0,  # Ctrl-C is for the demo, which ends the agent in its turn
            )

    def plan(self) -> Iterator[str]:
        """What the agent decided for each flow log so far, out of its log."""
        for line in self.log_file.read_bytes().splitlines():
            if b'"flow log planned"' in line:
                said = orjson.loads(line)
                yield f"{said['resource']} by {said['source'] or 'nobody'}: {said['reason']}"

    def check(self) -> None:
        """VpcflowError with the end of its log when the agent has ended."""
        if self._process is not None and self._process.poll() is not None:
            tail = self.log_file.read_text(errors="replace").splitlines()[-_TAIL_LINES:]
            raise VpcflowError(f"the agent ended by itself (exit {self._process.returncode}):\n" + "\n".join(tail))

    def stop(self) -> None:
        """SIGTERM, and wait for the last checkpoints; harmless when it never started."""
        if self._process is None:
            return
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

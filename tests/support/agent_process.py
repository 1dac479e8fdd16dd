"""`vpcflow run` as a process of its own, with any configuration: the one way tests run an agent."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import tomllib
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from consumer.demo.emulators import free_ports

_ANSWER_SECONDS = 60
"""Of its telemetry; nobody who listens there takes a tenth of it, and a test that got no answer fails."""


class AgentProcess:
    """Runs from `__enter__` to `__exit__`, which ends it the hard way unless the test did.

    In a process group of its own, as a service manager or a shell starts it; entered again it starts again, with the
    same state folder. `sections`: TOML that goes behind [agent], [telemetry] and one collector at `collector_port`;
    `environment` is laid over the test's own.
    """

    def __init__(
        self,
        folder: Path,
        sections: str,
        collector_port: int,
        environment: Mapping[str, str],
        *,
        rate: int = 0,
        arguments: Sequence[str] = (),
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        (self._telemetry_port,) = free_ports(1)
        self._folder = folder
        self._environment = {**os.environ, **environment}
        self._arguments = arguments
        self._text = (
            f"[agent]\nstate_folder = {json.dumps(str(folder / 'state'))}\n\n"
            f'[telemetry]\nlisten = "127.0.0.1:{self._telemetry_port}"\n\n'
            f'[[collectors]]\nname = "main"\naddress = "127.0.0.1:{collector_port}"\nrate = {rate}\n\n{sections}'
        )
        tomllib.loads(self._text)
        self.process: subprocess.Popen[bytes]

    def __enter__(self) -> Self:
        file = self._folder / "vpcflow.toml"
        file.write_text(self._text, encoding="utf-8")
        with (self._folder / "agent.log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "consumer.cli", "run", "-c", str(file), *self._arguments],
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                process_group=0,
            )
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    @property
    def pid(self) -> int:
        return self.process.pid

    def wait(self, seconds: float) -> int:
        """Its exit code once it has ended by itself."""
        return self.process.wait(seconds)

    def kill(self) -> None:
        """SIGKILL, and wait until it is gone: nothing of it is told."""
        self.process.kill()
        self.process.wait()

    def terminate(self, patience_seconds: float = 180.0) -> float:
        """SIGTERM to its group, as a service manager sends it; the seconds until it ended, which must be clean."""
        started = time.monotonic()
        os.killpg(self.pid, signal.SIGTERM)
        code = self.process.wait(patience_seconds)
        assert code == 0, self.log()[-3000:]
        return time.monotonic() - started

    def log(self) -> str:
        return (self._folder / "agent.log").read_text(encoding="utf-8", errors="replace")

    def resident_bytes(self) -> int:
        """RSS of the process (proc(5), statm)."""
        pages = int(Path(f"/proc/{self.pid}/statm").read_text(encoding="ascii").split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")

    def url(self, path: str) -> str:
        """Of its telemetry."""
        return f"http://127.0.0.1:{self._telemetry_port}{path}"

    def health(self) -> dict[str, Any]:
        """What /health says; empty while nobody answers."""
        try:
            with urllib.request.urlopen(self.url("/health"), timeout=_ANSWER_SECONDS) as answer:
                content: dict[str, Any] = json.load(answer)
        except urllib.error.HTTPError as refused:
            content = json.load(refused)
        except OSError:
            return {}
        return content

    def metrics(self) -> dict[str, float]:
        """Every sample of /metrics by its name with labels, as Prometheus writes it; empty while nobody answers."""
        try:
            with urllib.request.urlopen(self.url("/metrics"), timeout=_ANSWER_SECONDS) as answer:
                text = answer.read().decode()
        except OSError:
            return {}
        samples = (line.rpartition(" ") for line in text.splitlines() if line and not line.startswith("#"))
        return {name: float(value) for name, _, value in samples}

    def metric(self, name: str) -> float:
        """The sum of a metric over its labels; `name` may end in a part of the labels."""
        return sum(value for sample, value in self.metrics().items() if sample.startswith(name))


def toml_table(head: str, values: Mapping[str, object]) -> str:
    """A table of plain values under its `[head]`."""
    return "\n".join([head, *(f"{name} = {json.dumps(value)}" for name, value in values.items())]) + "\n"


def catches_sigterm(process: Path) -> bool:
    """Whether SigCgt of /proc/PID/status (proc(5)) has its bit."""
    (mask,) = (line.split()[1] for line in (process / "status").read_text().splitlines() if line.startswith("SigCgt"))
    return bool(int(mask, 16) >> (signal.SIGTERM - 1) & 1)

"""`vpcflow run` as a process of its own, with any configuration."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import tomllib
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from consumer.demo.emulators import free_ports


class AgentProcess:
    """Runs from `__enter__` to `__exit__`, which ends it the hard way unless the test did.

    `sections`: TOML that goes behind [agent], [telemetry] and one collector at `collector_port`.
    """

    def __init__(
        self, folder: Path, sections: str, collector_port: int, environment: Mapping[str, str], *, rate: int = 0
    ) -> None:
        (self._telemetry_port,) = free_ports(1)
        self._folder = folder
        self._environment = {**os.environ, **environment}
        self._text = (
            f"[agent]\nstate_folder = {json.dumps(str(folder / 'state'))}\n\n"
            f'[telemetry]\nlisten = "127.0.0.1:{self._telemetry_port}"\n\n'
            f'[[collectors]]\nname = "main"\naddress = "127.0.0.1:{collector_port}"\nrate = {rate}\n\n{sections}'
        )
        tomllib.loads(self._text)
        self._process: subprocess.Popen[bytes]

    def __enter__(self) -> AgentProcess:
        file = self._folder / "vpcflow.toml"
        file.write_text(self._text, encoding="utf-8")
        with (self._folder / "agent.log").open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "consumer.cli", "run", "-c", str(file)],
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
        return self._process.pid

    def kill(self) -> None:
        """SIGKILL, and wait until it is gone."""
        self._process.kill()
        self._process.wait()

    def terminate(self, patience_seconds: float = 45.0) -> float:
        """SIGTERM; returns the seconds until it ended, which must be without an error."""
        started = time.monotonic()
        self._process.terminate()
        code = self._process.wait(patience_seconds)
        assert code == 0, self.log()[-3000:]
        return time.monotonic() - started

    def log(self) -> str:
        return (self._folder / "agent.log").read_text(encoding="utf-8", errors="replace")

    def resident_bytes(self) -> int:
        """RSS of the process (proc(5), statm)."""
        pages = int(Path(f"/proc/{self._process.pid}/statm").read_text(encoding="ascii").split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")

    def health(self) -> dict[str, Any]:
        """What /health says; empty while nobody answers."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self._telemetry_port}/health", timeout=5) as answer:
                content: dict[str, Any] = json.load(answer)
        except urllib.error.HTTPError as refused:
            content = json.load(refused)
        except OSError:
            return {}
        return content

    def metrics(self) -> dict[str, float]:
        """Every sample of /metrics by its name with labels, as Prometheus writes it; empty while nobody answers."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self._telemetry_port}/metrics", timeout=5) as answer:
                text = answer.read().decode()
        except OSError:
            return {}
        samples = (line.rpartition(" ") for line in text.splitlines() if line and not line.startswith("#"))
        return {name: float(value) for name, _, value in samples}

"""`vpcflow run` as a process of its own, flows to give it, and a collector that counts what arrives.

Every flow has a number, which is its source address (10.0.0.0 + number), so what is lost and what comes twice is seen.
"""

from __future__ import annotations

import gzip
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
import tomllib
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterable, Mapping
from ipaddress import IPv4Address
from typing import Any

from consumer.collect.listen import Listener
from consumer.collect.names import known_elements
from consumer.collect.session import CollectingProcess
from consumer.demo.emulators import ACCOUNT, free_ports
from consumer.export.settings import Destination
from consumer.state.identity import StateFolder
from tests.support.estate import Estate

FLOWS_PER_RECORD = 50
_FIRST_ADDRESS = int(IPv4Address("10.0.0.0"))


def envelope(numbers: Iterable[int]) -> bytes:
    """One Kinesis record as a CloudWatch Logs subscription writes it, with one flow for each number."""
    events = [
        {
            "id": f"{number:056d}",
            "timestamp": 1_700_000_000_000,
            "message": f"2 {ACCOUNT} eni-0123456789abcdef0 {IPv4Address(_FIRST_ADDRESS + number)} 192.0.2.7 "
            "49152 443 6 10 8400 1700000000 1700000060 ACCEPT OK",
        }
        for number in numbers
    ]
    content = {
        "messageType": "DATA_MESSAGE",
        "owner": ACCOUNT,
        "logGroup": "/vpc/flow-logs",
        "logStream": "eni-0123456789abcdef0-all",
        "subscriptionFilters": ["vpcflow"],
        "logEvents": events,
    }
    return gzip.compress(json.dumps(content).encode(), compresslevel=1)


class FlowLoad:
    """Steady flows from `__enter__` to `__exit__`; after that `sent` flows were taken, numbered from 0."""

    def __init__(self, estate: Estate, records_per_second: int = 10) -> None:
        self.sent = 0
        self._estate = estate
        self._interval = 1 / records_per_second
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="flow load")

    def __enter__(self) -> FlowLoad:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(self._interval):
            self._estate.put([envelope(range(self.sent, self.sent + FLOWS_PER_RECORD))])
            self.sent += FLOWS_PER_RECORD


class FlowCollector:
    """A collecting process on its own thread; `arrived` counts flows by number. Port 0: the kernel chooses."""

    def __init__(self, port: int = 0) -> None:
        self.arrived: Counter[int] = Counter()
        self.last_at = 0.0
        """Monotonic seconds of the last datagram with flows."""
        self._listener = Listener(Destination("127.0.0.1", port))
        self._collecting = CollectingProcess(known_elements(32473))
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="flow collector")

    def __enter__(self) -> FlowCollector:
        self._listener.__enter__()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        self._listener.__exit__(None, None, None)
        assert self._listener.kernel_dropped == self._listener.unread == 0, "the collector itself lost datagrams"

    @property
    def port(self) -> int:
        return self._listener.port

    def repeats(self) -> int:
        """Flows that came more often than once."""
        return sum(count - 1 for count in self.arrived.values())

    def _run(self) -> None:
        while not self._stop.is_set():
            for datagram, sender in self._listener.take(0.2):
                flows = [record for record in self._collecting.read(datagram, sender).records if not record.is_options]
                for flow in flows:
                    self.arrived[int(IPv4Address(flow.values["sourceIPv4Address"])) - _FIRST_ADDRESS] += 1
                if flows:
                    self.last_at = time.monotonic()


class FlowAgent:
    """`vpcflow run` in a process group of its own, as a service manager or a shell starts it."""

    def __init__(
        self,
        estate: Estate,
        collector_port: int,
        *,
        rate: int = 20_000,
        tables: str = "",
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """`tables`: further TOML; `environment`: laid over the estate's."""
        self._estate = estate
        self._environment = {**estate.environment, **(environment or {})}
        estate.folder.mkdir(parents=True, exist_ok=True)
        (self._telemetry_port,) = free_ports(1)
        self._file = estate.folder / "vpcflow.toml"
        self._text = tables + _CONFIGURATION.format(
            state=json.dumps(str(estate.state_folder)),
            kcl="\n".join(f"{name} = {json.dumps(value)}" for name, value in estate.kcl.model_dump().items()),
            name=estate.stream.name,
            region=estate.stream.region,
            collector=collector_port,
            rate=rate,
            telemetry=self._telemetry_port,
        )
        tomllib.loads(self._text)
        self._log = estate.folder / "agent.log"
        self._process: subprocess.Popen[bytes]

    def __enter__(self) -> FlowAgent:
        self._file.write_text(self._text, encoding="utf-8")
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "consumer.cli", "run", "-c", str(self._file)],
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                process_group=0,
            )
        return self

    def __exit__(self, *_: object) -> None:
        """End it the hard way, unless the test ended it; and remove what only its successor would."""
        self._process.kill()
        self._process.wait()
        link = self._estate.stream_folder / "run"
        if link.is_symlink():
            shutil.rmtree(link.readlink(), ignore_errors=True)

    @property
    def pid(self) -> int:
        return self._process.pid

    def wait(self, seconds: float) -> int:
        """Its exit code once it has ended by itself."""
        return self._process.wait(seconds)

    def log(self) -> str:
        return self._log.read_text(encoding="utf-8", errors="replace")

    def url(self, path: str) -> str:
        """Of its telemetry."""
        return f"http://127.0.0.1:{self._telemetry_port}{path}"

    def health(self) -> dict[str, Any]:
        """What /health says; empty while nobody answers."""
        try:
            with urllib.request.urlopen(self.url("/health"), timeout=2) as answer:
                content: dict[str, Any] = json.load(answer)
        except urllib.error.HTTPError as refused:
            content = json.load(refused)
        except OSError:
            return {}
        return content

    def terminate_group(self) -> float:
        """SIGTERM to the whole process group, as a service manager sends it; returns the seconds until it ended."""
        started = time.monotonic()
        os.killpg(self._process.pid, signal.SIGTERM)
        code = self._process.wait(45)
        assert code == 0, self.log()[-3000:]
        return time.monotonic() - started


def agent_id(estate: Estate) -> str:
    """The id an agent with this estate's state folder has, made now when it is new."""
    with StateFolder(estate.state_folder) as state:
        return state.agent_id


_CONFIGURATION = """\
[agent]
state_folder = {state}

[aws]
region = "{region}"

[discovery]
enabled = false

[kcl]
{kcl}

[telemetry]
listen = "127.0.0.1:{telemetry}"

[[streams]]
name = "{name}"
region = "{region}"

[[collectors]]
name = "main"
address = "127.0.0.1:{collector}"
rate = {rate}
"""

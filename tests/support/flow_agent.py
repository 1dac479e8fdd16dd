"""`vpcflow run` as a process of its own, flows to give it, and a collector that counts what arrives.

Every flow has a number, which is its source address (10.0.0.0 + number), so what is lost and what comes twice is seen.
"""

from __future__ import annotations

import gzip
import json
import shutil
import threading
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from ipaddress import IPv4Address

from consumer.collect.listen import Listener
from consumer.collect.names import known_elements
from consumer.collect.session import CollectingProcess
from consumer.demo.emulators import ACCOUNT
from consumer.export.settings import Destination
from consumer.state.identity import StateFolder
from tests.support.agent_process import AgentProcess, toml_table
from tests.support.estate import Estate
from tests.support.steady import Steady

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


class FlowLoad(Steady):
    """Steady flows; after `__exit__` `sent` flows were taken, numbered from 0."""

    def __init__(self, estate: Estate, records_per_second: int = 10) -> None:
        super().__init__(1 / records_per_second)
        self.sent = 0
        self._estate = estate

    def turn(self) -> None:
        self._estate.put([envelope(range(self.sent, self.sent + FLOWS_PER_RECORD))])
        self.sent += FLOWS_PER_RECORD


class FlowCollector:
    """A collecting process on its own thread; `arrived` counts flows by number. Port 0: the kernel chooses."""

    def __init__(self, port: int = 0) -> None:
        self.arrived: Counter[int] = Counter()
        self.last_at = 0.0
        """Monotonic seconds of the last datagram with flows."""
        self.datagrams: Counter[tuple[str, int]] = Counter()
        """With flows, by who sent them."""
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
        return sum(count - 1 for count in list(self.arrived.values()))  # at once: flows may be arriving

    def _run(self) -> None:
        while not self._stop.is_set():
            for datagram, sender in self._listener.take(0.2):
                flows = [record for record in self._collecting.read(datagram, sender).records if not record.is_options]
                for flow in flows:
                    self.arrived[int(IPv4Address(flow.values["sourceIPv4Address"])) - _FIRST_ADDRESS] += 1
                if flows:
                    self.last_at = time.monotonic()
                    self.datagrams[sender] += 1


class FirstSeen(Counter[int]):
    """For `FlowCollector.arrived`: counts, and remembers when each number came first (Unix seconds)."""

    def __init__(self) -> None:
        super().__init__()
        self.at: dict[int, float] = {}

    def __setitem__(self, number: int, count: int) -> None:
        self.at.setdefault(number, time.time())
        super().__setitem__(number, count)


class FlowAgent(AgentProcess):
    """An agent that reads the estate's stream, without discovery."""

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
        stream = {"name": estate.stream.name, "region": estate.stream.region}
        sections = [
            toml_table("[aws]", {"region": estate.stream.region}),
            toml_table("[discovery]", {"enabled": False}),
            toml_table("[kcl]", estate.kcl.model_dump()),
            toml_table("[[streams]]", stream),
        ]
        variables = {**estate.environment, **(environment or {})}
        super().__init__(estate.folder, "\n".join([*sections, tables]), collector_port, variables, rate=rate)
        self._estate = estate

    def __exit__(self, *_: object) -> None:
        """And remove what only its successor would."""
        super().__exit__()
        link = self._estate.stream_folder / "run"
        if link.is_symlink():
            shutil.rmtree(link.readlink(), ignore_errors=True)


def agent_id(estate: Estate) -> str:
    """The id an agent with this estate's state folder has, made now when it is new."""
    with StateFolder(estate.state_folder) as state:
        return state.agent_id

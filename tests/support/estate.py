"""The emulated AWS with one stream, and an agent's Kinesis half reading it with the real daemon.

`Estate` is the stream, `Reader` a KinesisSource on a thread that records what it exports, `Census` counts the daemons
that run at the same time.
"""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
import orjson

from consumer.clock import SystemClock
from consumer.demo.emulators import REGION, EmulatedAws
from consumer.kcl.properties import application_name
from consumer.kcl.seed import seed_leases
from consumer.kcl.settings import KclSettings, StreamSettings
from consumer.model.delivery import Delivery
from consumer.sources.kinesis.source import KinesisSource
from tests.support.steady import Steady

AGENT = "agent-test"
KCL = KclSettings(idle_time_ms=250, failover_ms=2_000, checkpoint_seconds=1.0, shutdown_grace_ms=12_000)
"""Quicker than the defaults, so that a test takes seconds."""


@dataclass
class Estate:
    """One stream of the emulated AWS; everything of it lies below `folder`."""

    aws: EmulatedAws
    folder: Path
    stream: StreamSettings
    kcl: KclSettings = KCL

    def client(self, service: str, access_key: str = "") -> Any:
        """A boto3 client of the emulated AWS, with the estate's own key or another."""
        environment = self.aws.environment
        is_kinesis = service == "kinesis"
        return boto3.client(
            service,  # type: ignore[call-overload]  # any service by name
            region_name=self.stream.region,
            endpoint_url=self.aws.kinesis_endpoint if is_kinesis else self.aws.moto_endpoint,
            verify=str(self.aws.ca_bundle) if is_kinesis else None,
            aws_access_key_id=access_key or environment["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=environment["AWS_SECRET_ACCESS_KEY"],
            aws_session_token=environment["AWS_SESSION_TOKEN"],
        )

    @property
    def environment(self) -> dict[str, str]:
        """The environment of an agent in this estate."""
        return {**os.environ, **self.aws.environment}

    @property
    def state_folder(self) -> Path:
        return self.folder / "state"

    @property
    def stream_folder(self) -> Path:
        """Where the agent keeps what belongs to the stream."""
        return self.state_folder / "kinesis" / application_name(self.kcl, self.stream)

    def create(self, shards: int = 1, *, owner: str | None = AGENT) -> None:
        """Make the stream; `owner`: the agent its leases are seeded for, None = not seeded."""
        kinesis = self.client("kinesis")
        kinesis.create_stream(StreamName=self.stream.name, ShardCount=shards)
        wait_until(self.is_active, "the stream is active", 120)
        if owner is not None:
            seed_leases(self.client("dynamodb"), kinesis, self.stream, self.kcl, owner)

    def put(self, payloads: Sequence[bytes]) -> None:
        """Put each as one record; the partition key spreads them over the shards."""
        kinesis = self.client("kinesis")
        for start in range(0, len(payloads), 400):
            entries = [{"Data": each, "PartitionKey": str(hash(each))} for each in payloads[start : start + 400]]
            answer = kinesis.put_records(StreamName=self.stream.name, Records=entries)
            assert answer["FailedRecordCount"] == 0

    def leases(self) -> dict[str, str]:
        """Shard → checkpoint, as KCL stored it."""
        items = self.client("dynamodb").scan(TableName=application_name(self.kcl, self.stream))["Items"]
        return {item["leaseKey"]["S"]: item["checkpoint"]["S"] for item in items if "checkpoint" in item}

    def daemon_pid(self) -> int:
        """The process id the agent wrote down."""
        return int(orjson.loads((self.stream_folder / "daemon.json").read_bytes())["pid"])

    def daemons(self) -> list[int]:
        """Every JVM that runs with this stream's properties."""
        return processes_with(str(self.stream_folder / "kinesis.properties"))

    def children(self) -> list[int]:
        """Every child of this stream's daemon."""
        link = self.stream_folder / "run"
        return processes_with(str(link.readlink() / "agent.sock")) if link.is_symlink() else []

    def is_active(self) -> bool:
        """Whether the stream may be read and written."""
        summary = self.client("kinesis").describe_stream_summary(StreamName=self.stream.name)
        return str(summary["StreamDescriptionSummary"]["StreamStatus"]) == "ACTIVE"


def stream_settings(name: str, **settings: Any) -> StreamSettings:
    return StreamSettings(name=name, region=REGION, **settings)


@dataclass
class Reader:
    """A KinesisSource on its own thread; each record's payload is noted when it is exported."""

    estate: Estate
    environment: Mapping[str, str] = field(default_factory=dict)
    """Laid over the estate's."""
    aws_settings: bytes = b"{}"
    process: Callable[[Delivery], None] | None = None
    """Called before the note; may block, and may raise Stopped."""
    states: list[tuple[float, str, str]] = field(default_factory=list)
    exported: list[tuple[float, str, bytes]] = field(default_factory=list)
    """(monotonic seconds, shard, payload)."""
    restarts: list[str] = field(default_factory=list)
    calls: Counter[str] = field(default_factory=Counter)
    error: BaseException | None = None
    stop: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def __enter__(self) -> Reader:
        source = KinesisSource(
            self.estate.stream,
            self.estate.kcl,
            self.estate.state_folder,
            AGENT,
            SystemClock(),
            _Observer(self),
            {**self.estate.environment, **self.environment},
            self.aws_settings,
        )
        self._thread = threading.Thread(target=self._run, args=(source,), name="reader")
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def end(self) -> float:
        """Stop and wait; returns the seconds it took."""
        assert self._thread is not None
        started = time.monotonic()
        self.stop.set()
        self._thread.join(180)
        assert not self._thread.is_alive(), "the source did not end"
        if self.error is not None:
            raise self.error
        return time.monotonic() - started

    def payloads(self) -> Counter[bytes]:
        """How often each payload was exported."""
        return Counter(payload for _, _, payload in list(self.exported))

    def _run(self, source: KinesisSource) -> None:
        try:
            source.run(self._export, self.stop)
        except BaseException as error:
            self.error = error
            raise

    def _export(self, delivery: Delivery) -> None:
        if self.process is not None:
            self.process(delivery)
        self.exported.append((time.monotonic(), str(delivery.origin.shard), delivery.payloads[0]))


@dataclass
class _Observer:
    reader: Reader

    def state(self, state: str, reason: str) -> None:
        self.reader.states.append((time.monotonic(), state, reason))

    def called(self, shard: str, behind_ms: int | None, at: float) -> None:
        self.reader.calls[shard] += 1

    def came(self, shard: str) -> None:
        return None

    def exported(self, shard: str, first: float, last: float, *, is_caught_up: bool) -> None:
        return None

    def left(self, shard: str, reason: str | None) -> None:
        return None

    def restarted(self, reason: str) -> None:
        self.reader.restarts.append(reason)


class Census(Steady):
    """Counts this estate's daemons many times a second; `most` is the largest number that ran at once."""

    def __init__(self, estate: Estate) -> None:
        super().__init__(0.05)
        self.most = 0
        self._estate = estate

    def turn(self) -> None:
        self.most = max(self.most, len(self._estate.daemons()))


def wait_until(is_so: Callable[[], bool], what: str, seconds: float) -> float:
    """Wait until it is so, and return how long that took; fails naming `what` after `seconds`."""
    started = time.monotonic()
    while not is_so():
        if time.monotonic() - started > seconds:
            raise AssertionError(f"not within {seconds:.0f} s: {what}")
        time.sleep(0.05)
    return time.monotonic() - started


def processes_with(argument: str) -> list[int]:
    """Ids of running processes that have `argument` among their arguments.

    Two kinds are left out: the wrapper before its exec, and the copy of a JVM that becomes one of its children.
    """
    found: dict[int, int] = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                arguments = (folder / "cmdline").read_bytes().decode(errors="replace").split("\0")
                parent = (folder / "stat").read_text(errors="replace").rpartition(")")[2].split()[1]
            except OSError:
                continue
            if argument in arguments and not any(each.endswith("tether.py") for each in arguments):
                found[int(folder.name)] = int(parent)
    return [pid for pid, parent in found.items() if parent not in found]


def kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)


def start_untethered(command: list[str], environment: dict[str, str]) -> subprocess.Popen[bytes]:
    """Start a daemon that nothing ties to its starter: a leftover in the making. The caller ends it."""
    return subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

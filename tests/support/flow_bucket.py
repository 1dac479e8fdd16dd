"""A bucket of flow logs with its queue, on moto: what announces objects to us, and what we then know of it."""

from __future__ import annotations

import gzip
import itertools
import json
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import boto3

from consumer.aws.roles import Target
from consumer.aws.sessions import Sessions
from consumer.aws.settings import AwsSettings
from consumer.clock import SystemClock
from consumer.model.delivery import Delivery, Origin
from consumer.model.tally import Reject
from consumer.sources.base import Process
from consumer.sources.s3.access import Refusal
from consumer.sources.s3.objects import BucketRules, ObjectReader
from consumer.sources.s3.queue import Message, MessageQueue, QueueFacts
from consumer.sources.s3.settings import S3Settings
from consumer.sources.s3.source import S3Source
from consumer.state.object_journal import ObjectJournal
from tests.support.parquet_files import values_of

ACCOUNT, REGION = "123456789012", "us-east-1"
HEADER = (
    b"version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end action "
    b"log-status\n"
)
_FIRST_ADDRESS = int(IPv4Address("10.0.0.0"))
_numbers = itertools.count(1)


def line(number: int, started_at: int = 1_795_255_500) -> bytes:
    """One record; its source address (10.0.0.0 + number) and its bytes tell it from others."""
    return (
        f"2 {ACCOUNT} eni-0123456789abcdef0 {IPv4Address(_FIRST_ADDRESS + number)} 192.0.2.7 49152 443 6 1 {number} "
        f"{started_at} {started_at + 60} ACCEPT OK\n"
    ).encode()


def lines(start: int, count: int, started_at: int = 1_795_255_500) -> bytes:
    return b"".join(line(number, started_at) for number in range(start, start + count))


def key(number: int, flow_log: str = "fl-0123456789abcdef0") -> str:
    folder = f"AWSLogs/{ACCOUNT}/vpcflowlogs/{REGION}/2026/11/21"
    return f"{folder}/{ACCOUNT}_vpcflowlogs_{REGION}_{flow_log}_20261121T1005Z_{number:08x}.log.gz"


def packed(start: int, count: int, started_at: int = 1_795_255_500) -> bytes:
    """An object of `count` records as AWS writes it, of flows that started then (Unix seconds)."""
    return gzip.compress(HEADER + lines(start, count, started_at), mtime=0)


@dataclass
class Heard:
    """Implements QueueObserver and ObjectObserver by remembering."""

    states: list[tuple[str, str]] = field(default_factory=list)
    messages: list[str] = field(default_factory=list)
    objects: list[str] = field(default_factory=list)
    parts: list[str] = field(default_factory=list)
    refusals: list[Refusal] = field(default_factory=list)
    allowances: list[tuple[str, str]] = field(default_factory=list)
    receive_counts: list[int] = field(default_factory=list)
    retries: int = 0

    def queue(self, state: str, reason: str) -> None:
        self.states.append((state, reason))

    def facts(self, facts: QueueFacts) -> None:
        pass

    def received(self, message: Message) -> None:
        self.receive_counts.append(message.receive_count)

    def message(self, outcome: str) -> None:
        self.messages.append(outcome)

    def part(self, reason: str) -> None:
        self.parts.append(reason)

    def working(self, count: int) -> None:
        pass

    def object(self, outcome: str) -> None:
        self.objects.append(outcome)

    def read(self, size_bytes: int, retries: int) -> None:
        self.retries += retries

    def refused(self, refusal: Refusal) -> None:
        self.refusals.append(refusal)

    def allowed(self, bucket: str, folder: str) -> None:
        self.allowances.append((bucket, folder))


class Exported:
    """A `process` that keeps every line of every acknowledged delivery, and what it was given."""

    def __init__(self) -> None:
        self.lines: list[bytes] = []
        self.byte_counts: list[int] = []  # of rows of Parquet
        self.origins: list[Origin] = []
        self.faults: list[str] = []
        self._lock = threading.Lock()

    def __call__(self, delivery: Delivery) -> None:
        with self._lock:
            self.origins.append(delivery.origin)
            if delivery.fault:
                self.faults.append(delivery.fault)
            for payload in delivery.payloads:
                self.lines += [one for one in payload.splitlines() if one and not one.startswith(b"version")]
            for rows in delivery.columns:
                self.byte_counts += values_of(rows, "bytes")
        delivery.acknowledge()

    def numbers(self) -> list[int]:
        """The records by number, in the order they were exported."""
        return [int(one.split()[9]) for one in self.lines]


class FlowBucket:
    """A bucket and a queue of their own at `endpoint`; objects that are put are announced by moto's S3 itself."""

    def __init__(self, endpoint: str, *, announces: bool = True, dead_letter_after: int = 0) -> None:
        given: dict[str, Any] = {
            "endpoint_url": endpoint,
            "region_name": REGION,
            "aws_access_key_id": "test",
            "aws_secret_access_key": "test",
        }
        self._given = given
        self.s3, self.sqs = self.client("s3"), self.client("sqs")
        number = next(_numbers)
        self.bucket, name = f"flow-logs-{number}", f"new-objects-{number}"
        self.s3.create_bucket(Bucket=self.bucket)
        attributes: Any = {"VisibilityTimeout": "30"}
        self.dead_letter_url = ""
        if dead_letter_after:
            self.dead_letter_url = self.sqs.create_queue(QueueName=f"{name}-dead")["QueueUrl"]
            target = f"arn:aws:sqs:{REGION}:{ACCOUNT}:{name}-dead"
            attributes["RedrivePolicy"] = json.dumps(
                {"deadLetterTargetArn": target, "maxReceiveCount": dead_letter_after}
            )
        self.url = self.sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]
        self.arn = f"arn:aws:sqs:{REGION}:{ACCOUNT}:{name}"
        if announces:
            rule: Any = {"QueueArn": self.arn, "Events": ["s3:ObjectCreated:*"]}
            self.s3.put_bucket_notification_configuration(
                Bucket=self.bucket, NotificationConfiguration={"QueueConfigurations": [rule]}
            )

    def client(self, service: str) -> Any:
        """A boto3 client as the bucket's owner."""
        return boto3.client(service, **self._given)  # type: ignore[call-overload]  # any service by name

    def put(self, name: str, content: bytes) -> None:
        self.s3.put_object(Bucket=self.bucket, Key=name, Body=content)

    def send(self, body: object) -> None:
        """Announce by hand."""
        self.sqs.send_message(QueueUrl=self.url, MessageBody=body if isinstance(body, str) else json.dumps(body))

    def announce(self, *names: str) -> None:
        """One message about several objects, as S3 lays it out but for what only S3 knows."""
        things = [{"s3": {"bucket": {"name": self.bucket}, "object": {"key": name}}} for name in names]
        self.send({"Records": things})

    def left(self, url: str = "") -> tuple[int, int]:
        """Messages that wait, and those in somebody's hands."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        found = self.sqs.get_queue_attributes(QueueUrl=url or self.url, AttributeNames=names)["Attributes"]
        return int(found[names[0]]), int(found[names[1]])

    def is_drained(self) -> bool:
        return self.left() == (0, 0)


@dataclass
class ReadingAgent:
    """The source as an agent runs it, on its own thread, until `stop`."""

    bucket: FlowBucket
    folder: Path
    endpoint: str
    settings: S3Settings = field(default_factory=lambda: S3Settings(wait_seconds=1, visibility_seconds=30))
    rules: BucketRules = field(default_factory=BucketRules)
    is_wanted: Callable[[str], bool] = lambda _: True
    heard: Heard = field(default_factory=Heard)
    rejects: list[tuple[Origin, Reject]] = field(default_factory=list)
    stop: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        clock = SystemClock()
        self.journal = ObjectJournal(self.folder / "objects.sqlite", clock.now, 86_400.0, 10_000)

    def source(self) -> S3Source:
        clock = SystemClock()
        # Endpoints by the SDK's own variables: tests set AWS_ENDPOINT_URL to `endpoint`.
        sessions = Sessions(AwsSettings(region=REGION, attempts=1))
        target = Target(None, REGION)
        reader = ObjectReader(sessions, target, lambda _: self.rules, self.journal, clock, self.heard, self.is_wanted)
        queue = MessageQueue(sessions, target, self.bucket.url)
        return S3Source(
            self.bucket.arn.rpartition(":")[2], lambda: queue, reader, self.settings, self._keep, clock, self.heard
        )

    def _keep(self, origin: Origin, rejects: Sequence[Reject]) -> None:
        self.rejects += [(origin, reject) for reject in rejects]

    def start(self, process: Process) -> None:
        self._thread = threading.Thread(target=self.source().run, args=(process, self.stop), name="agent")
        self._thread.start()

    def end(self, seconds: float = 120.0) -> None:
        self.stop.set()
        self._thread.join(seconds)
        assert not self._thread.is_alive(), "the source did not end"
        self.journal.close()

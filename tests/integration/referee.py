"""The referee: numbered flows into the emulated AWS at a known rate, and a count of what the collector got.

Every flow is a log event in a log group. With a stream, a subscription filter carries it to Kinesis as well, as AWS
does, under the same event id; so it may reach an agent both ways. `Verdict` says what was lost and what came twice.
"""

from __future__ import annotations

import gzip
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import boto3

from consumer.demo.emulators import ACCOUNT, EmulatedAws
from tests.support.estate import Estate, wait_until
from tests.support.flow_agent import FlowCollector
from tests.support.polling_agent import REGION, PolledGroup, PollingAgent
from tests.support.steady import Steady

PATIENCE_SECONDS = 300.0
"""At least three times what was seen with eight busy programs on two cores."""


@dataclass(frozen=True)
class Verdict:
    """`sent` flows were written; `lost`: numbers that never arrived; `repeated`: arrivals beyond the first."""

    sent: int
    lost: tuple[int, ...]
    repeated: int

    def __str__(self) -> str:
        return f"{self.sent} flows, {len(self.lost)} lost {self.lost[:5] or ''}, {self.repeated} repeated"


class Referee(Steady):
    """A log group with steady flows, and the collector they should reach.

    `stream`: the estate whose stream the group is subscribed to. `is_planned`: a flow log of a VPC writes into the
    group, so that discovery knows of it. `late_seconds`: how far behind now the flows'
    timestamps lie, round and round. `carries` False: the subscription delivers nothing (what it missed it delivers
    later, in order, as AWS retries).
    """

    def __init__(
        self,
        aws: EmulatedAws,
        name: str,
        collector: FlowCollector,
        *,
        stream: Estate | None = None,
        is_planned: bool = False,
        flows_per_second: int = 200,
        late_seconds: Sequence[float] = (60.0,),
    ) -> None:
        super().__init__(every_seconds=0.25)
        self.group = PolledGroup(aws.moto_endpoint, name)
        self.carries = True
        self._collector = collector
        self._subscription = _Subscription(aws, name, stream) if stream else None
        if is_planned:
            _plan(aws, name)
        self._each = max(1, round(flows_per_second * self._every_seconds))
        self._late_seconds = late_seconds
        self._turn = 0

    def arrived(self) -> int:
        """Different flows at the collector."""
        return len(self._collector.arrived)

    def repeated(self) -> int:
        return self._collector.repeats()

    def wait_for_flows(self, what: str, count: int = 1) -> float:
        """Wait until so many flows that are written from now on have arrived; the seconds it took."""
        first = self.group.sent
        wanted = range(first, first + count)
        return self._wait(lambda: all(each in self._collector.arrived for each in wanted), what)

    def wait_for_all(self, what: str) -> float:
        """Wait until everything written so far has arrived."""
        sent = self.group.sent
        return self._wait(lambda: not self._missing(sent), what)

    def _wait(self, is_so: Callable[[], bool], what: str) -> float:
        """As long as flows are written at all."""

        def look() -> bool:
            if self.error is not None:
                raise self.error
            return is_so()

        return wait_until(look, what, PATIENCE_SECONDS)

    def verdict(self, settle_seconds: float = 3.0) -> Verdict:
        """After the last flow was written: wait for what is missing, then whether more comes than should."""
        self.__exit__()
        if self._subscription is not None and self.carries:
            self._subscription.carry()
        sent = self.group.sent
        try:
            wait_until(lambda: not self._missing(sent), "every flow arrives", PATIENCE_SECONDS)
            wait_until(lambda: time.monotonic() > self._collector.last_at + settle_seconds, "nothing more comes", 60)
        except AssertionError as late:
            print(late)
        return Verdict(sent, tuple(self._missing(sent)), self._collector.repeats())

    def _missing(self, sent: int) -> list[int]:
        return [number for number in range(sent) if number not in self._collector.arrived]

    def turn(self) -> None:
        self.group.put(self._each, late_seconds=self._late_seconds[self._turn % len(self._late_seconds)])
        self._turn += 1
        if self._subscription is not None and self.carries:
            self._subscription.carry()


def _plan(aws: EmulatedAws, group: str) -> None:
    """A VPC with a flow log into the group."""
    ec2 = boto3.Session("polling", "emulated", region_name=REGION).client("ec2", endpoint_url=aws.moto_endpoint)
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    made = ec2.create_flow_logs(
        ResourceIds=[vpc],
        ResourceType="VPC",
        TrafficType="ALL",
        LogDestinationType="cloud-watch-logs",
        LogGroupName=group,
        DeliverLogsPermissionArn=f"arn:aws:iam::{ACCOUNT}:role/flow-logs",
    )
    assert not made["Unsuccessful"], made


class _Subscription:
    """moto delivers into its own Kinesis; from there into the estate's stream, with ids as AWS writes them (text)."""

    def __init__(self, aws: EmulatedAws, group: str, estate: Estate) -> None:
        self._estate = estate
        session = boto3.Session("polling", "emulated", region_name=REGION)
        self._inner = session.client("kinesis", endpoint_url=aws.moto_endpoint)
        logs = session.client("logs", endpoint_url=aws.moto_endpoint)
        name = estate.stream.name  # as the agent's, so that a plan recognises it
        self._inner.create_stream(StreamName=name, ShardCount=1)
        described = self._inner.describe_stream(StreamName=name)["StreamDescription"]
        logs.put_subscription_filter(
            logGroupName=group,
            filterName="vpcflow",
            filterPattern="",
            destinationArn=described["StreamARN"],
            roleArn=f"arn:aws:iam::{ACCOUNT}:role/logs-to-kinesis",
        )
        shard = described["Shards"][0]["ShardId"]
        self._iterator = self._inner.get_shard_iterator(
            StreamName=name, ShardId=shard, ShardIteratorType="TRIM_HORIZON"
        )["ShardIterator"]

    def carry(self) -> None:
        """Everything that was delivered since the last call."""
        answer = self._inner.get_records(ShardIterator=self._iterator, Limit=1000)
        self._iterator = answer["NextShardIterator"]
        payloads = []
        for record in answer["Records"]:
            envelope = json.loads(gzip.decompress(record["Data"]))
            for event in envelope["logEvents"]:
                event["id"] = str(event["id"])
            payloads.append(gzip.compress(json.dumps(envelope, separators=(",", ":")).encode(), compresslevel=1))
        if payloads:
            self._estate.put(payloads)


class RefereedAgent(PollingAgent):
    """`vpcflow run` on the referee's log groups; `streams` are [[streams]] beside them. Killed and started at will."""

    def __init__(
        self,
        folder: Path,
        aws: EmulatedAws,
        collector_port: int,
        *,
        groups: Sequence[str] = (),
        streams: Sequence[Estate] = (),
        settings: Mapping[str, Mapping[str, object]] | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        kcl = {name: value for estate in streams for name, value in estate.kcl.model_dump().items()}
        super().__init__(
            folder,
            aws.moto_endpoint,
            groups,
            collector_port,
            {"kcl": kcl, **(settings or {})} if kcl else settings,
            streams=[estate.stream.name for estate in streams],
            variables={**aws.environment, **(environment or {})},
        )

    def start(self) -> None:
        """Again, with the same state folder and configuration."""
        self.__enter__()

    def wait_for(self, event: str, *, after: int = 0, patience_seconds: float = PATIENCE_SECONDS) -> int:
        """Wait until the log holds `event`, `after` a place in it; returns the place behind it."""
        wait_until(lambda: event in self.log()[after:], f"the agent logs {event!r}", patience_seconds)
        return self.log().index(event, after) + len(event)

"""`vpcflow run` without a stream: a log group of moto's, numbered flows put into it, and the agent that polls it."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from ipaddress import IPv4Address
from pathlib import Path

import boto3

from consumer.demo.emulators import ACCOUNT
from tests.support.agent_process import AgentProcess, toml_table
from tests.support.steady import Steady

REGION = "us-east-1"
_FIRST_ADDRESS = int(IPv4Address("10.0.0.0"))


def environment(endpoint: str) -> dict[str, str]:
    """The standard variables that lead an agent to `endpoint`, over this process's own."""
    own = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "VPCFLOW__"))}
    return {
        **own,
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": "polling",
        "AWS_SECRET_ACCESS_KEY": "emulated",
        "AWS_REGION": REGION,
        "AWS_EC2_METADATA_DISABLED": "true",
    }


class PolledGroup:
    """One log group; `put` adds flows numbered on from `sent`, whose number is their source address."""

    def __init__(self, endpoint: str, name: str, streams: int = 3) -> None:
        self.name = name
        self.sent = 0
        self.put_at: dict[int, float] = {}
        """Unix seconds at which each flow was taken."""
        self._streams = [f"eni-{number:017x}-all" for number in range(streams)]
        self._logs = boto3.client(
            "logs",
            region_name=REGION,
            endpoint_url=endpoint,
            aws_access_key_id="polling",
            aws_secret_access_key="emulated",
        )
        self._logs.create_log_group(logGroupName=name)
        for stream in self._streams:
            self._logs.create_log_stream(logGroupName=name, logStreamName=stream)

    def put(self, count: int, *, late_seconds: float = 60.0) -> None:
        """`count` flows into one of the streams; their timestamps lie that far back."""
        stream = self._streams[self.sent // max(1, count) % len(self._streams)]
        start = int(time.time() - late_seconds)
        events = [
            {"timestamp": start * 1000, "message": _line(number, stream.removesuffix("-all"), start)}
            for number in range(self.sent, self.sent + count)
        ]
        self._logs.put_log_events(logGroupName=self.name, logStreamName=stream, logEvents=events)  # type: ignore[arg-type]
        taken = time.time()
        self.put_at.update((number, taken) for number in range(self.sent, self.sent + count))
        self.sent += count


class GroupLoad(Steady):
    """Steady flows into a group."""

    def __init__(
        self, group: PolledGroup, *, each: int = 20, every_seconds: float = 0.2, late_seconds: float = 60
    ) -> None:
        super().__init__(every_seconds)
        self._group = group
        self._each = each
        self._late_seconds = late_seconds

    def turn(self) -> None:
        self._group.put(self._each, late_seconds=self._late_seconds)


class PollingAgent(AgentProcess):
    """An agent that polls `groups`, every second unless `settings` (values by table) say otherwise."""

    def __init__(
        self,
        folder: Path,
        endpoint: str,
        groups: Sequence[str],
        collector_port: int,
        settings: Mapping[str, Mapping[str, object]] | None = None,
        arguments: Sequence[str] = (),
        *,
        streams: Sequence[str] = (),
        variables: Mapping[str, str] | None = None,
    ) -> None:
        """`streams`: names of [[streams]] beside the groups; `variables`: instead of those that lead to `endpoint`."""
        tables: dict[str, dict[str, object]] = {
            "aws": {"region": REGION},
            "discovery": {"enabled": False},
            "polling": {"interval_seconds": 1, "calls_per_second": 50, "group_calls_per_second": 50},
        }
        for name, values in (settings or {}).items():
            tables.setdefault(name, {}).update(values)
        sections = [toml_table(f"[{name}]", values) for name, values in tables.items()]
        for group in groups:
            sections.append(toml_table("[[log_groups]]", {"name": group, "account": ACCOUNT, "region": REGION}))
        for stream in streams:
            sections.append(toml_table("[[streams]]", {"name": stream, "region": REGION}))
        super().__init__(
            folder,
            "\n".join(sections),
            collector_port,
            variables or environment(endpoint),
            rate=20_000,
            arguments=arguments,
        )


def _line(number: int, interface: str, start: int) -> str:
    address = IPv4Address(_FIRST_ADDRESS + number)
    return f"2 {ACCOUNT} {interface} {address} 192.0.2.7 49152 443 6 10 8400 {start} {start + 60} ACCEPT OK"

"""Everything that must stand before the demo's agent can start: emulated AWS, network, stream, leases, configuration.

Belongs here: setting that up in order. Does not: running anything afterwards (run.py).
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import boto3

from consumer.config import Settings, load_settings
from consumer.demo.emulators import REGION, EmulatedAws
from consumer.demo.network import LOG_GROUP, Network
from consumer.demo.seeding import seed_network
from consumer.kcl.seed import seed_leases
from consumer.state.identity import StateFolder

STREAM = "vpc-flow-logs"
SHARD_COUNT = 2


class Stage:
    """The demo's world in `folder`; after `set_up`, `network` is what was made and `up_at` when the emulators were up.

    (monotonic seconds)
    """

    def __init__(self, folder: Path, collector_port: int) -> None:
        self.folder = folder
        self.aws = EmulatedAws(folder / "aws")
        self.configuration_file = folder / "vpcflow.toml"
        self.network: Network
        self.up_at = 0.0
        self._collector_port = collector_port

    def set_up(self, say: Callable[[str], None]) -> None:
        """Start and seed everything; blocks some 5 s. Call from a thread that outlives the emulators."""
        self.aws.start()
        self.up_at = time.monotonic()
        say("emulators up: moto for EC2, Logs, STS and DynamoDB; kinesis-local for Kinesis")
        with ThreadPoolExecutor(1) as side:
            stream = side.submit(self._create_stream)
            self.network = seed_network(self.aws.moto_endpoint)
            stream.result()
        groups, hosts = len(self.network.log_groups), len(self.network.hosts)
        say(f"network made: {hosts} interfaces, 5 VPCs, 2 accounts, 2 regions, flow logs into {groups} log groups")
        self.configuration_file.write_text(self._configuration(), encoding="utf-8")
        self._seed_leases(load_settings(self.configuration_file, {}))

    def client(self, service: str) -> Any:
        """A boto3 client of the home account."""
        environment = self.aws.environment
        is_kinesis = service == "kinesis"
        return boto3.client(
            service,  # type: ignore[call-overload]  # any service by name
            region_name=REGION,
            endpoint_url=self.aws.kinesis_endpoint if is_kinesis else self.aws.moto_endpoint,
            verify=str(self.aws.ca_bundle) if is_kinesis else None,
            aws_access_key_id=environment["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=environment["AWS_SECRET_ACCESS_KEY"],
            aws_session_token=environment["AWS_SESSION_TOKEN"],
        )

    def agent_environment(self) -> dict[str, str]:
        """This process's environment with the emulated AWS in place of any real one, and no settings of ours."""
        outer = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "VPCFLOW_"))}
        nobodys_files = {"AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull}
        return {**outer, **nobodys_files, **self.aws.environment}

    def _create_stream(self) -> None:
        kinesis = self.client("kinesis")
        kinesis.create_stream(StreamName=STREAM, ShardCount=SHARD_COUNT)
        kinesis.get_waiter("stream_exists").wait(StreamName=STREAM, WaiterConfig={"Delay": 1})

    def _seed_leases(self, settings: Settings) -> None:
        """So that KCL takes its shards in seconds; an agent in earnest waits for it once (32-49 s, first start)."""
        with StateFolder(settings.agent.state_folder) as state:
            agent_id = state.agent_id
        seed_leases(self.client("dynamodb"), self.client("kinesis"), settings.streams[0], settings.kcl, agent_id)

    def _configuration(self) -> str:
        """The agent's configuration, as a user would write it for such an estate."""
        return _CONFIGURATION.format(
            state_folder=json.dumps(str(self.folder / "state")),
            regions=json.dumps(list(self.network.regions)),
            roles=json.dumps(list(self.network.member_roles)),
            home=REGION,
            stream=STREAM,
            log_group=LOG_GROUP,
            port=self._collector_port,
        )


_CONFIGURATION = """\
# The agent of `vpcflow demo`: started as `vpcflow run -c THIS_FILE`, with the emulated AWS in AWS_ENDPOINT_URL…
# To make it yours: your regions, roles, stream and collector; docs/settings.md lists every other setting.

[agent]
state_folder = {state_folder}     # agent id, assigned numbers, lines that could not be read

[aws]
region = "{home}"
regions = {regions}   # where interfaces, instances and VPCs are looked up
roles = {roles}  # further accounts, each role[,external-id]

[kcl]
idle_time_ms = 250                # reads of a shard are this far apart: quicker than the default, for a demo

[[streams]]                       # one central stream that every log group's subscription delivers into
name = "{stream}"
region = "{home}"
initial_position = "trim_horizon"

[[log_groups]]                    # in earnest discovery sees this; here the subscription leads through a bridge
name = "{log_group}"
stream = "{stream}"

[[collectors]]
name = "demo"
address = "127.0.0.1:{port}"

[telemetry]
listen = "127.0.0.1:0"            # /metrics and /health; the port is in the agent's first log line
"""

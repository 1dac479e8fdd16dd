"""A running agent told to look again: what is new is read, what is gone is not, without a restart."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import boto3
import pytest

from consumer.demo.emulators import free_ports
from tests.support.emulated_estate import MotoServer
from tests.support.estate import wait_until
from tests.support.flow_agent import FlowCollector

REGION = "us-east-1"
ACCOUNT = "123456789012"
GROUP = "/vpc/new"
CONFIGURATION = """\
[agent]
state_folder = {state}
[aws]
region = "us-east-1"
regions = ["us-east-1"]
[discovery]
cron = "0 0 29 2 *"
[polling]
interval_seconds = 1
[telemetry]
listen = "127.0.0.1:{telemetry}"
[[collectors]]
name = "main"
address = "127.0.0.1:{collector}"
"""


class RunningAgent:
    def __init__(self, folder: Path, collector_port: int, endpoint: str) -> None:
        (self._telemetry,) = free_ports(1)
        file = folder / "vpcflow.toml"
        state = json.dumps(str(folder / "state"))
        file.write_text(CONFIGURATION.format(state=state, telemetry=self._telemetry, collector=collector_port))
        self._log = folder / "agent.log"
        environment = {
            **os.environ,
            "AWS_ENDPOINT_URL": endpoint,
            "AWS_ACCESS_KEY_ID": "own",
            "AWS_SECRET_ACCESS_KEY": "own",
            "AWS_EC2_METADATA_DISABLED": "true",
        }
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "consumer.cli", "run", "-c", str(file)],
                env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip

    def log(self) -> str:
        return self._log.read_text(encoding="utf-8", errors="replace")

    def health(self) -> dict[str, Any]:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self._telemetry}/health", timeout=2) as answer:
                return dict(json.load(answer))
        except urllib.error.HTTPError as refused:
            return dict(json.load(refused))
        except OSError:
            return {}

    def planned(self) -> int:
        """Flow logs that the plan in force knows; -1 while there is none."""
        health = self.health()
        state = health.get("components", {}).get("plan", {})
        return len(health.get("plan", [])) if state else -1


@pytest.fixture
def moto(monkeypatch: pytest.MonkeyPatch) -> Iterator[MotoServer]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "own")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "own")
    with MotoServer() as server:
        yield server


def client(moto: MotoServer, service: str) -> Any:
    return boto3.client(service, region_name=REGION, endpoint_url=moto.endpoint)  # type: ignore[call-overload]


def make_flow_log(moto: MotoServer) -> str:
    client(moto, "logs").create_log_group(logGroupName=GROUP)
    client(moto, "logs").create_log_stream(logGroupName=GROUP, logStreamName="eni-0123456789abcdef0-all")
    vpc = client(moto, "ec2").create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    answer = client(moto, "ec2").create_flow_logs(
        ResourceIds=[vpc],
        ResourceType="VPC",
        TrafficType="ALL",
        LogDestinationType="cloud-watch-logs",
        LogGroupName=GROUP,
        DeliverLogsPermissionArn=f"arn:aws:iam::{ACCOUNT}:role/logs",
    )
    return str(answer["FlowLogIds"][0])


def put_flows(moto: MotoServer, count: int) -> None:
    now = int(time.time())
    lines = [
        f"2 {ACCOUNT} eni-0123456789abcdef0 {IPv4Address('10.0.0.0') + number} 192.0.2.7 49152 443 6 10 8400 "
        f"{now - 60} {now} ACCEPT OK"
        for number in range(count)
    ]
    client(moto, "logs").put_log_events(
        logGroupName=GROUP,
        logStreamName="eni-0123456789abcdef0-all",
        logEvents=[{"timestamp": now * 1000, "message": line} for line in lines],
    )


@pytest.mark.timeout(300)
def test_sighup_finds_a_new_flow_log_whose_flows_then_arrive_and_lets_go_of_one_that_is_gone(
    moto: MotoServer, tmp_path: Path
) -> None:
    with FlowCollector() as collector:
        agent = RunningAgent(tmp_path, collector.port, moto.endpoint)
        try:
            wait_until(lambda: agent.planned() == 0, "the first discovery is done", 90)
            flow_log = make_flow_log(moto)
            agent.process.send_signal(signal.SIGHUP)
            wait_until(lambda: agent.planned() == 1, "the flow log is planned", 60)
            put_flows(moto, 50)
            wait_until(lambda: len(collector.arrived) == 50, "its flows arrive", 60)

            client(moto, "ec2").delete_flow_logs(FlowLogIds=[flow_log])
            agent.process.send_signal(signal.SIGHUP)
            wait_until(lambda: agent.planned() == 0, "the flow log is gone from the plan", 60)
            assert set(collector.arrived.values()) == {1}
            agent.process.terminate()
            assert agent.process.wait(60) == 0, agent.log()
        finally:
            agent.process.kill()
            agent.process.wait()
    assert "flow log gone" in agent.log()

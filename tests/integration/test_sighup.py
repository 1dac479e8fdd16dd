"""An agent with nothing to read waits; told to look again, it reads what is new and lets go of what is gone."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import boto3
import pytest

from tests.support.agent_process import AgentProcess
from tests.support.emulated_estate import MotoServer
from tests.support.estate import wait_until
from tests.support.flow_agent import FlowCollector

REGION = "us-east-1"
ACCOUNT = "123456789012"
GROUP = "/vpc/new"
SECTIONS = """\
[aws]
region = "us-east-1"
regions = ["us-east-1"]
[discovery]
cron = "0 0 29 2 *"
[polling]
interval_seconds = 1
"""


def planned(agent: AgentProcess) -> int:
    """Flow logs that the plan in force knows; -1 while there is none."""
    health = agent.health()
    return len(health.get("plan", [])) if health.get("components", {}).get("plan", {}) else -1


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


def states(agent: AgentProcess) -> dict[str, str]:
    """Of each source."""
    return {one["source"]: one["state"] for one in agent.health().get("sources", [])}


def test_sighup_finds_a_new_flow_log_whose_flows_then_arrive_and_lets_go_of_one_that_is_gone(
    moto: MotoServer, tmp_path: Path
) -> None:
    environment = {
        "AWS_ENDPOINT_URL": moto.endpoint,
        "AWS_ACCESS_KEY_ID": "own",
        "AWS_SECRET_ACCESS_KEY": "own",
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    with (
        FlowCollector() as collector,
        AgentProcess(tmp_path, SECTIONS, collector.port, environment, rate=20_000) as agent,
    ):
        wait_until(lambda: planned(agent) == 0, "the first discovery is done", 300)
        assert (agent.health()["status"], states(agent)) == ("waiting", {})
        flow_log = make_flow_log(moto)
        os.kill(agent.pid, signal.SIGHUP)
        wait_until(lambda: planned(agent) == 1, "the flow log is planned", 300)
        label = f"cloudwatch {ACCOUNT}/{REGION}/{GROUP}"
        wait_until(lambda: states(agent).get(label) == "reading", "its log group is polled", 300)
        put_flows(moto, 50)
        wait_until(lambda: len(collector.arrived) == 50, "its flows arrive", 300)

        client(moto, "ec2").delete_flow_logs(FlowLogIds=[flow_log])
        os.kill(agent.pid, signal.SIGHUP)
        wait_until(lambda: planned(agent) == 0, "the flow log is gone from the plan", 300)
        wait_until(lambda: not states(agent), "nobody polls its log group", 300)
        assert agent.health()["components"]["sources"]["state"] == "waiting"
        assert set(collector.arrived.values()) == {1}
        agent.terminate()
        assert "flow log gone" in agent.log()
        assert "java" not in agent.log().lower(), "no JVM is started without a stream"

"""`vpcflow run` with nothing in its configuration but a collector: it waits, and reads what discovery finds."""

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
from pathlib import Path
from typing import Any

import boto3
import pytest

from consumer.demo.emulators import free_ports
from tests.support.emulated_estate import MotoServer
from tests.support.estate import wait_until
from tests.support.flow_agent import FlowCollector

pytestmark = pytest.mark.timeout(400)

REGION = "us-east-1"
ACCOUNT = "123456789012"
LONG_SECONDS = 120.0
"""Things take seconds; this machine may be busy."""


class IdleAgent:
    """The agent in a process of its own, beside an emulated AWS that is empty at first."""

    def __init__(self, folder: Path, moto: MotoServer, collector_port: int, settings: str = "") -> None:
        (self._port,) = free_ports(1)
        self._file, self._log = folder / "vpcflow.toml", folder / "agent.log"
        self._file.write_text(
            f'[agent]\nstate_folder = "{folder / "state"}"\n[aws]\nregion = "{REGION}"\nregions = ["{REGION}"]\n'
            f'[telemetry]\nlisten = "127.0.0.1:{self._port}"\n[polling]\ninterval_seconds = 1\n'
            f'[[collectors]]\nname = "main"\naddress = "127.0.0.1:{collector_port}"\n{settings}'
        )
        self._moto = moto

    def __enter__(self) -> IdleAgent:
        environment = {
            **os.environ,
            "AWS_ENDPOINT_URL": self._moto.endpoint,
            "AWS_ACCESS_KEY_ID": "own",
            "AWS_SECRET_ACCESS_KEY": "own",
            "AWS_EC2_METADATA_DISABLED": "true",
        }
        command = [sys.executable, "-m", "consumer.cli", "run", "-c", str(self._file)]
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                command, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log, process_group=0
            )
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()

    def log(self) -> str:
        return self._log.read_text(errors="replace")

    def health(self) -> dict[str, Any]:
        """What /health says; empty while nobody answers."""
        assert self._process.poll() is None, self.log()[-3000:]
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self._port}/health", timeout=5) as answer:
                content: dict[str, Any] = json.load(answer)
        except urllib.error.HTTPError as refused:
            content = json.load(refused)
        except OSError:
            return {}
        return content

    def sources(self) -> dict[str, str]:
        return {one["source"]: one["state"] for one in self.health().get("sources", [])}

    def reread(self) -> None:
        os.kill(self._process.pid, signal.SIGHUP)

    def stop(self) -> int:
        self._process.terminate()
        return self._process.wait(60)


@pytest.fixture
def moto() -> Iterator[MotoServer]:
    with MotoServer() as server:
        yield server


def client(moto: MotoServer, service: str) -> Any:
    return boto3.client(
        service,  # type: ignore[call-overload]  # any service by name
        region_name=REGION,
        endpoint_url=moto.endpoint,
        aws_access_key_id="own",
        aws_secret_access_key="own",
    )


def put_flows(moto: MotoServer, numbers: range) -> None:
    now = int(time.time())
    client(moto, "logs").put_log_events(
        logGroupName="/flow",
        logStreamName="eni-1-all",
        logEvents=[
            {
                "timestamp": now * 1000,
                "message": f"2 {ACCOUNT} eni-1 10.0.{number // 256}.{number % 256} 192.0.2.7 49152 443 6 10 8400 "
                f"{now} {now} ACCEPT OK",
            }
            for number in numbers
        ],
    )


def test_an_agent_with_nothing_to_read_waits_and_reads_what_discovery_finds_and_stops_what_is_gone(
    moto: MotoServer, tmp_path: Path
) -> None:
    with FlowCollector() as collector, IdleAgent(tmp_path, moto, collector.port) as agent:
        wait_until(lambda: "sources" in agent.health().get("components", {}), "/health answers", LONG_SECONDS)
        wait_until(lambda: "discovery knows 0" in str(agent.health()), "the estate was read", LONG_SECONDS)
        assert agent.health()["status"] == "waiting"

        client(moto, "logs").create_log_group(logGroupName="/flow")
        client(moto, "logs").create_log_stream(logGroupName="/flow", logStreamName="eni-1-all")
        vpc = client(moto, "ec2").create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
        flow_log = client(moto, "ec2").create_flow_logs(
            ResourceIds=[vpc],
            ResourceType="VPC",
            TrafficType="ALL",
            LogDestinationType="cloud-watch-logs",
            LogGroupName="/flow",
            DeliverLogsPermissionArn=f"arn:aws:iam::{ACCOUNT}:role/logs",
        )["FlowLogIds"][0]
        agent.reread()
        label = f"cloudwatch {ACCOUNT}/{REGION}//flow"
        wait_until(lambda: agent.sources().get(label) == "reading", "the log group is polled", LONG_SECONDS)
        assert "sources" not in agent.health()["components"]
        assert [row["flow_log"] for row in agent.health()["plan"]] == [flow_log]
        put_flows(moto, range(100))
        wait_until(lambda: len(collector.arrived) == 100, "its flows arrive", LONG_SECONDS)

        client(moto, "ec2").delete_flow_logs(FlowLogIds=[flow_log])
        agent.reread()
        wait_until(lambda: label not in agent.sources(), "nobody polls it any more", LONG_SECONDS)
        assert agent.health()["components"]["sources"]["state"] == "waiting"
        assert "java" not in agent.log().lower(), "no JVM is started without a stream"
        assert agent.stop() == 0
    assert collector.repeats() == 0

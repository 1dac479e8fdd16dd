"""A stream goes away, its log group may not be polled, and S3 stands in; then the stream comes back and S3 stops.

What comes twice is what is documented, to the flow: what S3 told meanwhile. Nothing is lost. Each switch has three
witnesses: log, metric, /health.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from consumer.demo.emulators import ACCOUNT, REGION
from tests.integration.conftest import MakeEstate
from tests.integration.test_mixed_estate import (
    PATIENCE_SECONDS,
    STREAMED_GROUP,
    log_to_bucket,
    log_to_group,
    make_vpc,
    sections_of,
)
from tests.support.agent_process import AgentProcess
from tests.support.blockable_java import BlockableJava
from tests.support.emulated_estate import Fault, FaultyAws
from tests.support.estate import Estate, kill, wait_until
from tests.support.flow_agent import FLOWS_PER_RECORD, FlowCollector, agent_id, envelope
from tests.support.flow_bucket import FlowBucket, key, packed

pytestmark = [pytest.mark.jvm, pytest.mark.timeout(900)]

LABEL = f"{ACCOUNT}/{REGION}/{STREAMED_GROUP}"
COUNT = 500
BEFORE, EARLIER, MEANWHILE, AFTER = (range(COUNT * part, COUNT * (part + 1)) for part in range(4))
"""Flows by when they start and are written: before the stream went; before the switch, but written after it; after the
switch; after the return."""


def may_not_poll(action: str, parameters: dict[str, str]) -> Fault | None:
    return (400, "AccessDeniedException", "not authorized") if action in ("FilterLogEvents", "GetLogEvents") else None


@dataclass
class Scene:
    """One VPC whose flows are written into a log group with a stream, and into a bucket whose queue is read anyway."""

    estate: Estate
    bucket: FlowBucket
    twin: str
    agent: AgentProcess
    collector: FlowCollector
    objects: int = 0

    def write(self, flows: range, started_at: float) -> None:
        """As AWS does: into both."""
        cuts = range(flows.start, flows.stop, FLOWS_PER_RECORD)
        self.estate.put([envelope(range(at, at + FLOWS_PER_RECORD)) for at in cuts])
        self.objects += 1
        self.bucket.put(key(self.objects, self.twin), packed(flows.start, len(flows), int(started_at)))

    def is_told(self, before: str, after: str) -> None:
        """By three witnesses; once all are heard, for they are told one after the other, the condition last."""
        wait_until(lambda: self.stands_in() == (after == "s3"), "the switch is told", PATIENCE_SECONDS)
        switches = [
            one for one in self.agent.health()["switches"] if one["log_group"] == LABEL and "s3" in (before, after)
        ]
        assert (switches[-1]["before"], switches[-1]["after"]) == (before, after)
        lines = [json.loads(line) for line in self.agent.log().splitlines() if '"event":"source switched"' in line]
        reasons = [one["reason"] for one in lines if one["after"] == after]
        assert reasons[-1] == switches[-1]["reason"]
        counted = self.agent.metric(f'vpcflow_source_switches_total{{log_group="{LABEL}",to="{after}"}}')
        assert counted == len(reasons) >= 1, "one more where the agent's start was slow"
        assert self.agent.metric(f'vpcflow_reported_from_s3{{log_group="{LABEL}"}}') == (after == "s3")

    def stands_in(self) -> bool:
        """What /health says of the group, without an answer false."""
        return f"stand-in {LABEL}" in self.agent.health().get("components", {})

    def wait_for(self, flows: range, what: str) -> float:
        return wait_until(lambda: self.collector.arrived.keys() >= set(flows), what, PATIENCE_SECONDS)

    def wait_for_the_stream(self) -> None:
        """It reports, and nothing in its place (any more: a slow start may have been stood in for)."""

        def is_well() -> bool:
            health = self.agent.health()
            return [one["mode"] for one in health.get("fallback", ())] == ["stream"] and not health["stand_ins"]

        wait_until(is_well, "the stream reports", PATIENCE_SECONDS)

    def wait_for_queue(self) -> None:
        wait_until(self.bucket.is_drained, "the end of the queue", PATIENCE_SECONDS)


def test_s3_stands_in_for_a_stream_and_stops_when_it_comes_back(make_estate: MakeEstate, tmp_path: Path) -> None:
    estate = make_estate(owner=agent_id, initial_position="trim_horizon")
    java = BlockableJava(tmp_path, estate.environment)
    ec2 = estate.client("ec2")
    bucket = FlowBucket(estate.aws.moto_endpoint)
    groups = estate.client("logs")
    groups.create_log_group(logGroupName=STREAMED_GROUP)
    groups.create_log_stream(logGroupName=STREAMED_GROUP, logStreamName="eni-0123456789abcdef0-all")
    vpc = make_vpc(ec2)
    log_to_group(ec2, vpc, STREAMED_GROUP)
    twin = log_to_bucket(ec2, vpc, bucket.bucket)
    log_to_bucket(ec2, make_vpc(ec2), bucket.bucket)
    with FaultyAws(estate.aws.moto_endpoint) as logs, FlowCollector() as collector:
        logs.fault_of = may_not_poll
        variables = {**estate.environment, **java.environment, "AWS_ENDPOINT_URL_CLOUDWATCH_LOGS": logs.endpoint}
        with AgentProcess(estate.folder, sections_of(estate), collector.port, variables, rate=20_000) as agent:
            scene = Scene(estate, bucket, twin, agent, collector)
            try:
                _there_and_back(scene, java)
            except AssertionError:
                print(agent.health(), agent.log()[-8000:])
                raise
            agent.terminate()
    print(f"{len(collector.arrived)} flows, 0 lost, {collector.repeats()} came again: what S3 told meanwhile")
    twice = {number for number, count in collector.arrived.items() if count == 2}
    assert twice == set(MEANWHILE)
    assert collector.repeats() == len(MEANWHILE)


def _there_and_back(scene: Scene, java: BlockableJava) -> None:
    agent = scene.agent
    scene.write(BEFORE, time.time() - 600)
    scene.wait_for(BEFORE, "flows by the stream")
    scene.wait_for_queue()
    scene.wait_for_the_stream()

    java.block()
    kill(scene.estate.daemon_pid())
    died_at = time.time()
    wait_until(scene.stands_in, "S3 stands in", PATIENCE_SECONDS)
    print(f"\nS3 stands in {time.time() - died_at:.1f} s after the daemon's death (set: 3 s, twice)")
    scene.is_told("chosen", "s3")
    (row,) = (one for one in agent.health()["plan"] if one["via"].endswith(scene.estate.stream.name))
    assert "reported from S3" in row["if_it_fails"]
    scene.write(EARLIER, time.time() - 3600)
    scene.write(MEANWHILE, time.time() + 1)
    scene.wait_for(MEANWHILE, "flows from S3")
    scene.wait_for_queue()
    assert scene.collector.arrived.keys().isdisjoint(EARLIER), "they come by the stream, late"

    java.unblock()
    allowed_at = time.time()
    scene.wait_for(EARLIER, "flows by the stream again")
    wait_until(lambda: agent.health().get("stand_ins") == [], "S3 stops", PATIENCE_SECONDS)
    print(f"S3 stops {time.time() - allowed_at:.1f} s after the daemon may start again")
    scene.is_told("s3", "chosen")
    scene.write(AFTER, time.time() + 1)
    scene.wait_for(AFTER, "flows by the stream only")
    scene.wait_for_queue()
    scene.wait_for_the_stream()
    assert agent.metric('vpcflow_objects_total{outcome="skipped_not_chosen"') >= 2

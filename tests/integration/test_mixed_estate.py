"""One agent, three ways at once: a VPC by Kinesis, one polled, one by S3; and an overlap that must be reported once.

Then the polled log group goes away, and S3 stands in for it.
"""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from consumer.demo.emulators import ACCOUNT, REGION
from tests.integration.conftest import MakeEstate
from tests.support.agent_process import AgentProcess
from tests.support.estate import Estate, wait_until
from tests.support.flow_agent import FlowCollector, agent_id, envelope
from tests.support.flow_bucket import FlowBucket, key, packed
from tests.support.polling_agent import PolledGroup

pytestmark = [pytest.mark.jvm, pytest.mark.timeout(900)]

PATIENCE_SECONDS = 300.0
STREAMED_GROUP, POLLED_GROUP = "/vpc/flow-logs", "/vpc/polled"
COUNT = 500

SECTIONS = """\
[aws]
region = "{region}"
regions = ["{region}"]

[s3]
wait_seconds = 1

[polling]
interval_seconds = 1

[fallback]
failover_after_seconds = 3

[kcl]
{kcl}

[[streams]]
name = "{stream}"
region = "{region}"
initial_position = "trim_horizon"

[[log_groups]]
name = "{group}"
stream = "{stream}"
"""


def sections_of(estate: Estate) -> str:
    """An agent that discovers, with a stream that is known to bring STREAMED_GROUP."""
    return SECTIONS.format(
        region=REGION,
        stream=estate.stream.name,
        group=STREAMED_GROUP,
        kcl="\n".join(f"{name} = {json.dumps(value)}" for name, value in estate.kcl.model_dump().items()),
    )


def make_vpc(ec2: Any) -> str:
    return str(ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"])


def log_to_group(ec2: Any, vpc: str, group: str) -> str:
    return flow_log(
        ec2,
        vpc,
        LogDestinationType="cloud-watch-logs",
        LogGroupName=group,
        DeliverLogsPermissionArn=f"arn:aws:iam::{ACCOUNT}:role/logs",
    )


def log_to_bucket(ec2: Any, vpc: str, bucket: str) -> str:
    return flow_log(ec2, vpc, LogDestinationType="s3", LogDestination=f"arn:aws:s3:::{bucket}")


def flow_log(ec2: Any, vpc: str, **destination: str) -> str:
    answer = ec2.create_flow_logs(ResourceIds=[vpc], ResourceType="VPC", TrafficType="ALL", **destination)
    assert not answer["Unsuccessful"], answer
    return str(answer["FlowLogIds"][0])


def test_three_vpcs_by_three_sources_in_one_agent_lose_and_repeat_nothing(make_estate: MakeEstate) -> None:
    estate = make_estate(owner=agent_id, initial_position="trim_horizon")
    ec2 = estate.client("ec2")
    streamed, polled, stored = (make_vpc(ec2) for _ in range(3))
    bucket = FlowBucket(estate.aws.moto_endpoint)
    group = PolledGroup(estate.aws.moto_endpoint, POLLED_GROUP)
    group.sent = COUNT
    estate.client("logs").create_log_group(logGroupName=STREAMED_GROUP)
    log_to_group(ec2, streamed, STREAMED_GROUP)
    log_to_group(ec2, polled, POLLED_GROUP)
    twin = log_to_bucket(ec2, polled, bucket.bucket)
    alone = log_to_bucket(ec2, stored, bucket.bucket)

    estate.put([envelope(range(at, at + 50)) for at in range(0, COUNT, 50)])
    group.put(COUNT)
    bucket.put(key(1, alone), packed(2 * COUNT, COUNT))
    bucket.put(key(2, twin), packed(COUNT, COUNT))
    with (
        FlowCollector() as collector,
        AgentProcess(estate.folder, sections_of(estate), collector.port, estate.environment, rate=20_000) as agent,
    ):
        try:
            seconds = wait_until(
                lambda: set(range(3 * COUNT)) <= set(collector.arrived), "every flow", PATIENCE_SECONDS
            )
            wait_until(bucket.is_drained, "the end of the queue", PATIENCE_SECONDS)
        except AssertionError:
            arrived = [sum(COUNT * n <= one < COUNT * (n + 1) for one in collector.arrived) for n in range(3)]
            print(arrived, agent.health(), agent.log()[-6000:])
            raise
        health, samples = agent.health(), agent.metrics()
        print(f"\nall flows of the three VPCs {seconds:.1f} s after the start")
        assert collector.arrived == dict.fromkeys(range(3 * COUNT), 1)
        s3_stands_in_for_a_group_that_is_gone(estate, agent, bucket, twin, collector)
        agent.terminate()
    kinds = {row["source"].partition(" ")[0] for row in health["sources"]}
    assert kinds == {"kinesis", "cloudwatch", "s3"}
    exported = {name: value for name, value in samples.items() if name.startswith("vpcflow_exported_lines_total")}
    assert sorted(exported.values()) == [COUNT] * 3
    objects = {name: value for name, value in samples.items() if name.startswith("vpcflow_objects_total")}
    skipped = [value for name, value in objects.items() if 'outcome="skipped_not_chosen"' in name]
    assert skipped == [1], "the twin's object was left out by its flow log id"


def s3_stands_in_for_a_group_that_is_gone(
    estate: Estate, agent: AgentProcess, bucket: FlowBucket, twin: str, collector: FlowCollector
) -> None:
    """Flows that start from the switch on come from the flow log's twin in S3; what started before does not."""
    (row,) = (one for one in agent.health()["plan"] if one["via"] == POLLED_GROUP)
    assert row["if_it_fails"] == f"reported from S3, flow log {twin} (bucket {bucket.bucket}), from then on"
    estate.client("logs").delete_log_group(logGroupName=POLLED_GROUP)
    group = f"{ACCOUNT}/{REGION}/{POLLED_GROUP}"
    stand_in = f"stand-in {group}"  # said last of all
    seconds = wait_until(lambda: stand_in in agent.health().get("components", {}), "S3 stands in", PATIENCE_SECONDS)
    print(f"S3 stands in {seconds:.1f} s after the log group went (set: 3 s)")
    health = agent.health()
    (switch,) = (one for one in health["switches"] if one["log_group"] == group)
    assert (switch["before"], switch["after"]) == ("chosen", "s3")
    assert "the log group does not exist" in switch["reason"]
    assert "reported from S3" in health["components"][stand_in]["reason"]
    ways = [way for one in health["vpcs"] for way in one["reported_by"]]
    assert f"S3, in place of CloudWatch ({POLLED_GROUP})" in ways
    now = int(time.time())
    bucket.put(key(3, twin), packed(3 * COUNT, COUNT, started_at=now - 3600))
    bucket.put(key(4, twin), packed(4 * COUNT, COUNT, started_at=now + 1))
    wait_until(bucket.is_drained, "the end of the queue", PATIENCE_SECONDS)
    wait_until(lambda: 5 * COUNT - 1 in collector.arrived, "flows from S3", PATIENCE_SECONDS)
    new = {number for number in collector.arrived if number >= 3 * COUNT}
    assert new == set(range(4 * COUNT, 5 * COUNT))

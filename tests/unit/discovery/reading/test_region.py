"""One account in one region, read from an emulated EC2: used, unused, and with something denied."""

from __future__ import annotations

from collections.abc import Iterator

import boto3
import pytest

from consumer.aws.roles import Target
from consumer.aws.sessions import Sessions
from consumer.aws.settings import AwsSettings
from consumer.discovery.reading.region import READINGS, read_part
from tests.support.emulated_estate import DENIED, FaultyAws, MotoServer

USED, UNUSED = Target(None, "us-east-1"), Target(None, "ap-south-1")


@pytest.fixture(scope="module")
def moto() -> Iterator[MotoServer]:
    with MotoServer() as server:
        own = boto3.Session("own", "own", region_name=USED.region)
        own.client("s3", endpoint_url=server.endpoint).create_bucket(Bucket="flow")
        ec2 = own.client("ec2", endpoint_url=server.endpoint)
        subnet = ec2.describe_subnets()["Subnets"][0]["SubnetId"]
        ec2.create_network_interface(SubnetId=subnet)
        ec2.create_flow_logs(
            ResourceIds=[ec2.describe_vpcs()["Vpcs"][0]["VpcId"]],
            ResourceType="VPC",
            TrafficType="REJECT",
            LogDestinationType="s3",
            LogDestination="arn:aws:s3:::flow",
        )
        yield server


@pytest.fixture
def aws(moto: MotoServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultyAws]:
    with FaultyAws(moto.endpoint) as endpoint:
        monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint.endpoint)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "own")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
        yield endpoint


def sessions() -> Sessions:
    return Sessions(AwsSettings(region="us-east-1", attempts=1))


def test_a_region_with_untouched_default_networks_costs_one_call(aws: FaultyAws) -> None:
    ours = sessions()
    ours.account()
    ours.call_counts.clear()
    part, problems = read_part(ours, UNUSED, None, 0.0, may_be_unused=True)

    assert part is not None
    assert (part.is_unused, part.vpcs, problems) == (True, (), [])
    assert ours.call_counts == {"ec2:DescribeSubnets": 1}


def test_a_region_where_one_interface_lives_in_a_default_subnet_is_read(aws: FaultyAws) -> None:
    part, _ = read_part(sessions(), USED, None, 0.0, may_be_unused=True)

    assert part is not None
    assert (part.is_unused, len(part.interfaces), part.vpcs[0].is_default) == (False, 1, True)


def test_a_region_that_was_named_is_read_even_when_it_looks_unused(aws: FaultyAws) -> None:
    part, _ = read_part(sessions(), UNUSED, None, 0.0)

    assert part is not None
    assert (part.is_unused, len(part.vpcs)) == (False, 1)
    assert set(aws.calls) >= {operation.name for operation, _ in READINGS.values()}


def test_what_was_never_read_is_told_apart_from_what_is_not_there(aws: FaultyAws) -> None:
    ours = sessions()
    aws.fault_of = lambda action, _: DENIED if action == "DescribeFlowLogs" else None
    denied, problems = read_part(ours, USED, None, 1.0)
    aws.fault_of = lambda action, _: None
    allowed, _ = read_part(ours, USED, denied, 2.0)
    aws.fault_of = lambda action, _: DENIED if action == "DescribeFlowLogs" else None
    kept, _ = read_part(ours, USED, allowed, 3.0)

    assert denied is not None
    assert allowed is not None
    assert kept is not None
    assert denied.unread == {"flow_logs"}
    assert [problem.kept_from for problem in problems] == [0.0]
    (flow_log,) = kept.flow_logs
    assert (flow_log.traffic, flow_log.account, flow_log.region) == ("REJECT", "123456789012", "us-east-1")
    assert kept.unread == frozenset()

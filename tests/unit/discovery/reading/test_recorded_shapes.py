"""Answers that moto cannot give, in the shapes of AWS's own models: botocore's Stubber refuses any other.

Transit gateway routes with attachments, several pages, a regional NAT gateway, and throttling in the middle.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from botocore.stub import ANY, Stubber

from consumer.aws.roles import Target
from consumer.aws.sessions import Sessions
from consumer.aws.settings import AwsSettings
from consumer.discovery.estate.routes import Endpoint, GatewayPeering, GatewayRoute, GatewaySide, PrefixList, Route
from consumer.discovery.estate.values import NatGateway
from consumer.discovery.reading.region import read_part

HERE = Target(None, "us-east-1")
STATES = [{"Name": "state", "Values": ["active", "blackhole"]}]

EMPTY: dict[str, dict[str, Any]] = {
    "describe_subnets": {"Subnets": []},
    "describe_vpcs": {"Vpcs": []},
    "describe_network_interfaces": {"NetworkInterfaces": []},
    "describe_instances": {"Reservations": []},
    "describe_nat_gateways": {"NatGateways": []},
    "describe_vpc_peering_connections": {"VpcPeeringConnections": []},
    "describe_flow_logs": {"FlowLogs": []},
    "describe_transit_gateways": {"TransitGateways": []},
    "describe_transit_gateway_attachments": {"TransitGatewayAttachments": []},
    "describe_route_tables": {"RouteTables": []},
    "describe_vpc_endpoints": {"VpcEndpoints": []},
    "describe_addresses": {"Addresses": []},
}
"""Every call of a reading, in order."""


@pytest.fixture
def ours(monkeypatch: pytest.MonkeyPatch) -> Sessions:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "own")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    sessions = Sessions(AwsSettings(region=HERE.region, attempts=1))
    monkeypatch.setattr(sessions, "account", lambda access=None: "111111111111")
    return sessions


@pytest.fixture
def stub(ours: Sessions) -> Iterator[Stubber]:
    with Stubber(ours.client("ec2", HERE)) as stubber:
        yield stubber
        stubber.assert_no_pending_responses()


def answer(stub: Stubber, **answers: dict[str, Any]) -> None:
    """A whole reading in which only these calls find something."""
    for name, nothing in EMPTY.items():
        stub.add_response(name, answers.get(name, nothing))


def test_routes_of_a_transit_gateway_are_read_page_by_page(ours: Sessions, stub: Stubber) -> None:
    answer(stub, describe_transit_gateways={"TransitGateways": [{"TransitGatewayId": "tgw-1", "State": "available"}]})
    table = {"TransitGatewayRouteTableId": "tgw-rtb-1", "TransitGatewayId": "tgw-1", "State": "available"}
    stub.add_response("describe_transit_gateway_route_tables", {"TransitGatewayRouteTables": [table]})
    first = {
        "Routes": [
            {
                "DestinationCidrBlock": "10.2.0.0/16",
                "TransitGatewayAttachments": [
                    {"ResourceId": "vpc-b", "TransitGatewayAttachmentId": "tgw-attach-b", "ResourceType": "vpc"}
                ],
                "Type": "propagated",
                "State": "active",
            }
        ],
        "AdditionalRoutesAvailable": True,
        "NextToken": "more",
    }
    second = {
        "Routes": [
            {"DestinationCidrBlock": "10.9.0.0/16", "Type": "static", "State": "blackhole"},
            {"PrefixListId": "pl-1", "Type": "static", "State": "active"},
        ],
        "AdditionalRoutesAvailable": False,
    }
    asked = {"TransitGatewayRouteTableId": "tgw-rtb-1", "Filters": STATES}
    stub.add_response("search_transit_gateway_routes", first, asked)
    stub.add_response("search_transit_gateway_routes", second, {**asked, "NextToken": "more"})
    part, problems = read_part(ours, HERE, None, 1.0)

    assert part is not None
    assert problems == []
    assert part.gateway_tables[0].routes == (
        GatewayRoute("10.2.0.0/16", ("tgw-attach-b",), is_propagated=True),
        GatewayRoute("10.9.0.0/16", ()),
    )


def test_who_may_not_see_a_gateways_routes_loses_only_those(ours: Sessions, stub: Stubber) -> None:
    answer(stub, describe_transit_gateways={"TransitGateways": [{"TransitGatewayId": "tgw-1", "State": "available"}]})
    stub.add_client_error("describe_transit_gateway_route_tables", "UnauthorizedOperation", http_status_code=403)
    part, problems = read_part(ours, HERE, None, 1.0)

    assert part is not None
    assert part.unread == {"gateway_tables"}
    assert ["DescribeTransitGatewayRouteTables" in problem.reason for problem in problems] == [True]


def test_throttling_in_the_middle_keeps_what_was_known(ours: Sessions, stub: Stubber) -> None:
    answer(stub)
    old, _ = read_part(ours, HERE, None, 1.0)
    stub.add_response("describe_subnets", EMPTY["describe_subnets"])
    stub.add_client_error("describe_vpcs", "RequestLimitExceeded", http_status_code=503)
    part, problems = read_part(ours, HERE, old, 2.0)

    assert part is old
    assert [problem.kept_from for problem in problems] == [1.0]


def test_an_answer_without_its_list_is_no_empty_list(ours: Sessions, stub: Stubber) -> None:
    """As a proxy's page is, read as XML."""
    vpc = {"VpcId": "vpc-1", "CidrBlock": "10.0.0.0/16"}
    answer(stub, describe_vpcs={"Vpcs": [vpc]})
    old, _ = read_part(ours, HERE, None, 1.0)
    answer(stub, describe_vpcs={})
    part, problems = read_part(ours, HERE, old, 2.0)

    assert part is not None
    assert [one.id for one in part.vpcs] == ["vpc-1"]
    assert [problem.reason for problem in problems] == [
        "ec2:DescribeVpcs refused: UnknownShape: the answer holds no Vpcs"
    ]


def test_a_regional_nat_gateway_is_one_without_interfaces(ours: Sessions, stub: Stubber) -> None:
    gateway = {
        "NatGatewayId": "nat-1",
        "VpcId": "vpc-1",
        "State": "available",
        "AvailabilityMode": "regional",
        "NatGatewayAddresses": [
            {"AllocationId": "eipalloc-1", "PublicIp": "198.51.100.1", "AvailabilityZoneId": "use1-az1"},
            {"AllocationId": "eipalloc-2", "PublicIp": "198.51.100.2", "AvailabilityZoneId": "use1-az2"},
        ],
    }
    answer(stub, describe_nat_gateways={"NatGateways": [gateway]})
    part, _ = read_part(ours, HERE, None, 1.0)

    assert part is not None
    assert part.nat_gateways == (NatGateway("nat-1", "", "vpc-1", "", (), ("198.51.100.1", "198.51.100.2")),)


def test_route_tables_endpoints_and_the_prefix_lists_they_name(ours: Sessions, stub: Stubber) -> None:
    routes = [
        {"DestinationCidrBlock": "10.0.0.0/16", "GatewayId": "local", "State": "active"},
        {"DestinationIpv6CidrBlock": "::/0", "EgressOnlyInternetGatewayId": "eigw-1", "State": "active"},
        {"DestinationPrefixListId": "pl-s3", "GatewayId": "vpce-1", "State": "active"},
        {"DestinationCidrBlock": "10.7.0.0/16", "VpcPeeringConnectionId": "pcx-1", "State": "blackhole"},
    ]
    tables = [
        {"RouteTableId": "rtb-1", "VpcId": "vpc-1", "Routes": routes, "Associations": [{"Main": True}]},
        {"RouteTableId": "rtb-edge", "VpcId": "vpc-1", "Routes": [], "Associations": [{"GatewayId": "igw-1"}]},
    ]
    service = "com.amazonaws.us-east-1.s3"
    endpoint = {"VpcEndpointId": "vpce-1", "VpcEndpointType": "Gateway", "ServiceName": service, "State": "available"}
    answer(stub, describe_route_tables={"RouteTables": tables}, describe_vpc_endpoints={"VpcEndpoints": [endpoint]})
    entries = {"Entries": [{"Cidr": "3.5.0.0/19", "Description": "S3"}]}
    stub.add_response("get_managed_prefix_list_entries", entries, {"PrefixListId": "pl-s3", "MaxResults": ANY})
    part, problems = read_part(ours, HERE, None, 1.0)

    assert part is not None
    assert problems == []
    (table,) = part.route_tables
    assert table.routes == (
        Route("10.0.0.0/16", "local"), Route("::/0", "eigw-1"), Route("pl-s3", "vpce-1"), Route("10.7.0.0/16", ""),
    )  # fmt: skip
    assert part.endpoints == (Endpoint("vpce-1", "", "Gateway", service, "", ()),)
    assert part.prefix_lists == (PrefixList("pl-s3", ("3.5.0.0/19",)),)


def test_a_peering_of_transit_gateways_is_read_with_both_its_sides(ours: Sessions, stub: Stubber) -> None:
    """Shape and ids as in the EC2 API reference's example; one that waits for its acceptance leads nowhere yet."""
    attachment = {
        "TransitGatewayAttachmentId": "tgw-attach-1",
        "TransitGatewayId": "tgw-1",
        "ResourceType": "peering",
        "ResourceId": "tgw-2",
        "ResourceOwnerId": "222222222222",
        "State": "available",
        "Association": {"TransitGatewayRouteTableId": "tgw-rtb-1", "State": "associated"},
    }
    answer(stub, describe_transit_gateway_attachments={"TransitGatewayAttachments": [attachment]})
    stub.add_response("describe_transit_gateway_route_tables", {"TransitGatewayRouteTables": []})
    us, them = (
        {"TransitGatewayId": f"tgw-{number}", "OwnerId": owner, "Region": region}
        for number, owner, region in ((1, "111111111111", "us-east-1"), (2, "222222222222", "eu-west-1"))
    )
    sides = {"RequesterTgwInfo": them, "AccepterTgwInfo": us}
    peerings = [
        {"TransitGatewayAttachmentId": "tgw-attach-1", "State": "available", **sides},
        {"TransitGatewayAttachmentId": "tgw-attach-2", "State": "pendingAcceptance", **sides},
        {
            "TransitGatewayAttachmentId": "tgw-attach-3",
            "AccepterTransitGatewayAttachmentId": "tgw-attach-4",
            "State": "available",
            **sides,
        },
    ]
    stub.add_response("describe_transit_gateway_peering_attachments", {"TransitGatewayPeeringAttachments": peerings})
    part, problems = read_part(ours, HERE, None, 1.0)

    assert part is not None
    assert problems == []
    assert part.attachments[0].route_table_id == "tgw-rtb-1"
    assert part.gateway_peerings == (
        GatewayPeering(
            "tgw-attach-1",
            (
                GatewaySide("tgw-2", "tgw-attach-1", "222222222222", "eu-west-1"),
                GatewaySide("tgw-1", "tgw-attach-1", "111111111111", "us-east-1"),
            ),
        ),
        GatewayPeering(
            "tgw-attach-3",
            (
                GatewaySide("tgw-2", "tgw-attach-3", "222222222222", "eu-west-1"),
                GatewaySide("tgw-1", "tgw-attach-4", "111111111111", "us-east-1"),
            ),
        ),
    )


def test_a_denied_peering_costs_only_what_lies_behind_it(ours: Sessions, stub: Stubber) -> None:
    attachment = {
        "TransitGatewayAttachmentId": "tgw-attach-1",
        "TransitGatewayId": "tgw-1",
        "ResourceType": "peering",
        "ResourceId": "tgw-2",
        "State": "available",
    }
    answer(stub, describe_transit_gateway_attachments={"TransitGatewayAttachments": [attachment]})
    stub.add_response("describe_transit_gateway_route_tables", {"TransitGatewayRouteTables": []})
    stub.add_client_error("describe_transit_gateway_peering_attachments", "UnauthorizedOperation", http_status_code=403)
    part, problems = read_part(ours, HERE, None, 1.0)

    assert part is not None
    assert (len(part.attachments), part.gateway_peerings, part.unread) == (1, (), frozenset({"gateway_peerings"}))
    assert '"Action": "ec2:DescribeTransitGatewayPeeringAttachments"' in problems[0].reason

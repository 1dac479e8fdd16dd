"""The way of a flow: the record's own words first, then what we know."""

from __future__ import annotations

import pytest

from consumer.discovery.estate.routes import Endpoint, Route, RouteTable
from consumer.discovery.estate.values import NatGateway, Part, Peer, Peering, Subnet, Vpc
from consumer.enrich import kernels
from consumer.enrich.join import Joiner
from consumer.model.flow_path import BY_TRAFFIC_PATH, FlowPath
from consumer.model.inventory import empty_inventory
from tests.support.flows import all_rows, flow_batch, interface, inventory_of

OWNER, SHOP, BUILD = "111111111111", "vpc-a", "vpc-b"
OUTSIDE = "203.0.113.7"

INVENTORY = inventory_of(
    Part(
        OWNER,
        "us-east-1",
        0.0,
        vpcs=(Vpc(SHOP, "shop", OWNER, ("10.0.0.0/16",)), Vpc(BUILD, "build", OWNER, ("10.1.0.0/16",))),
        subnets=(Subnet("subnet-a", "", SHOP, "", ("10.0.1.0/24",)),),
        interfaces=(
            interface("eni-web", SHOP, "10.0.1.10", subnet_id="subnet-a"),
            interface("eni-app", SHOP, "10.0.1.11", subnet_id="subnet-a"),
            interface("eni-nat", SHOP, "10.0.1.4", subnet_id="subnet-a"),
            interface("eni-s3", SHOP, "10.0.1.5", subnet_id="subnet-a", type="vpc_endpoint"),
            interface("eni-build", BUILD, "10.1.1.10"),
        ),
        nat_gateways=(NatGateway("nat-1", "nat", SHOP, "subnet-a", ("eni-nat",), ("52.0.0.1",)),),
        endpoints=(Endpoint("vpce-1", "", "Interface", "com.amazonaws.us-east-1.s3", SHOP, ("eni-s3",)),),
        peerings=(
            Peering(
                "pcx-1",
                (
                    Peer(SHOP, OWNER, "us-east-1", ("10.0.0.0/16",)),
                    Peer(BUILD, OWNER, "us-east-1", ("10.1.0.0/16",)),
                ),
            ),
        ),
        route_tables=(
            RouteTable("rtb-1", SHOP, True, (), (Route("0.0.0.0/0", "nat-1"), Route("10.1.0.0/16", "pcx-1"))),
        ),
    )
)


def way(interface_id: str = "eni-web", **record: str) -> FlowPath:
    """The way of a record; egress from 10.0.1.10 unless it says otherwise."""
    defaults = {"srcaddr": "10.0.1.10", "dstaddr": OUTSIDE, "flow-direction": "egress"}
    words = {name.replace("_", "-"): value for name, value in record.items()}
    return joined_way({"interface-id": interface_id} | defaults | words)


def joined_way(record: dict[str, str]) -> FlowPath:
    batch = flow_batch([record])
    joined = Joiner().join(batch, all_rows(batch), INVENTORY)
    return FlowPath(int(joined.words[0, joined.columns["path"].word]))


def test_the_route_to_the_far_end_tells_the_way_in_both_directions() -> None:
    assert way() is FlowPath.NAT_GATEWAY
    assert way(dstaddr="10.1.1.10") is FlowPath.PEERING
    assert way(dstaddr="10.0.1.11") is FlowPath.SAME_VPC
    assert way(srcaddr="10.1.1.10", dstaddr="10.0.1.10", flow_direction="ingress") is FlowPath.PEERING


@pytest.mark.parametrize(("source", "destination"), [("10.0.1.10", "10.1.1.10"), ("10.1.1.10", "10.0.1.10")])
def test_without_a_direction_the_end_outside_of_the_vpc_is_the_far_one(source: str, destination: str) -> None:
    record = {"interface-id": "eni-web", "srcaddr": source, "dstaddr": destination}

    assert joined_way(record) is FlowPath.PEERING


@pytest.mark.parametrize("traffic_path", sorted(BY_TRAFFIC_PATH))
def test_the_field_traffic_path_beats_what_we_know(traffic_path: int) -> None:
    assert way(traffic_path=str(traffic_path)) is BY_TRAFFIC_PATH[traffic_path]
    assert int(kernels.stated_path(traffic_path)) == BY_TRAFFIC_PATH[traffic_path]


def test_where_traffic_path_leaves_it_open_routes_and_neighbours_tell_more() -> None:
    assert way(traffic_path="1") is FlowPath.NAT_GATEWAY, "the gateway is a resource in the VPC"
    assert way(traffic_path="1", dstaddr="10.0.1.11") is FlowPath.SAME_VPC
    assert way(traffic_path="1", dstaddr="10.0.1.5") is FlowPath.INTERFACE_ENDPOINT
    assert way(traffic_path="1", dstaddr="10.1.1.10") is FlowPath.SAME_VPC, "the record says it was not the peering"
    assert way(traffic_path="2") is FlowPath.INTERNET_OR_ENDPOINT
    assert way(traffic_path="9") is FlowPath.NAT_GATEWAY, "a value newer than this table says nothing to us"


def test_the_kind_of_the_next_hop_beats_what_we_know() -> None:
    assert way(next_hop_interface_type="transit_gateway") is FlowPath.TRANSIT_GATEWAY
    assert way(next_hop_interface_type="interface") is FlowPath.NAT_GATEWAY


def test_what_a_gateways_own_interface_records_goes_through_the_gateway() -> None:
    assert way("eni-nat", srcaddr="10.0.1.10", dstaddr=OUTSIDE, flow_direction="ingress") is FlowPath.NAT_GATEWAY
    assert way("eni-s3", dstaddr="10.0.1.5", flow_direction="ingress") is FlowPath.INTERFACE_ENDPOINT
    assert way("eni-new", interface_type="transit_gateway") is FlowPath.TRANSIT_GATEWAY


def test_a_transit_gateways_own_records_go_through_it() -> None:
    record = {"tgw-src-vpc-id": SHOP, "tgw-dst-vpc-id": BUILD, "srcaddr": "10.0.1.10", "dstaddr": "10.1.1.10"}

    assert joined_way(record) is FlowPath.TRANSIT_GATEWAY


def test_the_next_hops_vpc_names_an_end_that_metadata_would_not() -> None:
    record = {
        "interface-id": "eni-build",
        "srcaddr": "10.1.1.10",
        "dstaddr": "10.0.1.11",
        "flow-direction": "egress",
        "next-hop-vpc-id": SHOP,
    }
    lonely = {**record, "interface-id": "-", "vpc-id": "vpc-unknown"}
    for one in (record, lonely):
        batch = flow_batch([one])
        joined = Joiner().join(batch, all_rows(batch), INVENTORY)
        row = int(joined.words[0, joined.columns["destination"].word])
        assert joined.tables["endpoint"].text("interface_id", row) == b"eni-app"
        assert joined.words[0, joined.columns["path"].word] == FlowPath.PEERING


def test_who_knows_nothing_says_nothing() -> None:
    batch = flow_batch([{"interface-id": "eni-web", "srcaddr": "10.0.1.10", "dstaddr": OUTSIDE}])
    joined = Joiner().join(batch, all_rows(batch), empty_inventory())

    assert joined.words[0, joined.columns["path"].word] == FlowPath.UNKNOWN


def test_an_interface_endpoint_is_called_by_its_service() -> None:
    row = INVENTORY.interface_rows[b"eni-s3"]

    assert INVENTORY.interfaces.text("service", row) == b"VPC Endpoint s3"
    assert INVENTORY.interfaces.text("name", row) == b"VPC Endpoint s3"

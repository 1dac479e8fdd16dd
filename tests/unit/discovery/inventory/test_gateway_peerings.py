"""Peerings of transit gateways: what lies at the other side, in another region, belongs to the VPC there."""

from __future__ import annotations

import time
from dataclasses import replace
from itertools import combinations

import pytest

from consumer.discovery.estate.routes import (
    GatewayPeering,
    GatewayRoute,
    GatewaySide,
    GatewayTable,
    Route,
    RouteTable,
)
from consumer.discovery.estate.values import Attachment, Part, Vpc
from consumer.enrich.join import Joiner
from consumer.model.flow_path import FlowPath
from tests.support.flows import all_rows, flow_batch, interface, inventory_of

OWNER, OTHER = "111111111111", "222222222222"
PEERING = "tgw-attach-peering"


def side(region: str, account: str, number: int, *routes: GatewayRoute, incoming: str = "") -> Part:
    """A VPC 10.NUMBER.0.0/16 on a transit gateway of its own, with one route table. `incoming`: the route table that
    what comes by the peering meets; empty = that one."""
    gateway, table = f"tgw-{number}", f"tgw-rtb-{number}"
    block = f"10.{number}.0.0/16"
    hanging = Attachment(f"at-{number}", "", gateway, "vpc", f"vpc-{number}", account, "available", table)
    peer = f"tgw-{3 - number}"
    peering = Attachment(PEERING, "", gateway, "peering", peer, account, "available", incoming or table)
    own = GatewayRoute(block, (hanging.id,), is_propagated=True)
    return Part(
        account,
        region,
        0.0,
        vpcs=(Vpc(f"vpc-{number}", f"net-{number}", account, (block,)),),
        interfaces=(interface(f"eni-{number}", f"vpc-{number}", f"10.{number}.0.10", name=f"host-{number}"),),
        attachments=(hanging, peering),
        gateway_peerings=(GatewayPeering(PEERING, (SIDES[1], SIDES[2])),),
        gateway_tables=(GatewayTable(table, gateway, (own, *routes)),),
        route_tables=(RouteTable(f"rtb-{number}", f"vpc-{number}", True, (), (Route("10.0.0.0/8", gateway),)),),
    )


SIDES = {
    1: GatewaySide("tgw-1", PEERING, OWNER, "us-east-1"),
    2: GatewaySide("tgw-2", PEERING, OTHER, "eu-west-1"),
}
NEAR = side("us-east-1", OWNER, 1, GatewayRoute("10.2.0.0/16", (PEERING,)))
FAR = side("eu-west-1", OTHER, 2, GatewayRoute("10.1.0.0/16", (PEERING,)))


def look(address: str, observer: str, *parts: Part) -> tuple[str, str, FlowPath]:
    """Name and region of what stands behind `address`, and the way there."""
    batch = flow_batch([{"interface-id": observer, "dstaddr": address, "flow-direction": "egress"}])
    joined = Joiner().join(batch, all_rows(batch), inventory_of(*parts))
    row = int(joined.words[0, joined.columns["destination"].word])
    table = joined.tables["endpoint"]
    name = table.text("name", row) or table.text("vpc_name", row)
    path = FlowPath(int(joined.words[0, joined.columns["path"].word]))
    return name.decode(), table.text("region", row).decode() or "", path


@pytest.mark.parametrize("parts", [(NEAR, FAR), (FAR, NEAR)])
def test_the_vpc_at_the_other_side_is_found_from_both_sides_whoever_is_read_first(parts: tuple[Part, ...]) -> None:
    """Both sides call the attachment by one id: neither may take the other's place."""
    assert look("10.2.0.10", "eni-1", *parts)[0::2] == ("host-2", FlowPath.TRANSIT_GATEWAY)
    assert look("10.1.0.10", "eni-2", *parts)[0::2] == ("host-1", FlowPath.TRANSIT_GATEWAY)
    assert look("10.2.9.9", "eni-1", *parts) == ("net-2", "eu-west-1", FlowPath.TRANSIT_GATEWAY)


def test_what_the_other_sides_table_does_not_route_is_nobodys() -> None:
    blocked = side("eu-west-1", OTHER, 2, GatewayRoute("10.2.0.0/24", ()))

    assert look("10.2.0.10", "eni-1", NEAR, blocked)[0] == "", "a black hole there"
    assert look("10.2.9.9", "eni-1", NEAR, blocked)[0] == "net-2"


def test_the_table_that_counts_is_the_one_of_the_other_sides_attachment() -> None:
    incoming = side("eu-west-1", OTHER, 2, incoming="tgw-rtb-in")
    tables = (*incoming.gateway_tables, GatewayTable("tgw-rtb-in", "tgw-2", ()))
    nowhere = replace(incoming, gateway_tables=tables)

    assert look("10.2.0.10", "eni-1", NEAR, nowhere) == ("", "", FlowPath.TRANSIT_GATEWAY)


def test_a_side_that_nobody_can_read_is_named_by_the_peering_with_its_region() -> None:
    assert look("10.2.0.10", "eni-1", NEAR) == ("tgw-2", "eu-west-1", FlowPath.TRANSIT_GATEWAY)
    named = replace(NEAR, attachments=tuple(replace(one, name="to ireland") for one in NEAR.attachments))
    assert look("10.2.0.10", "eni-1", named)[0] == "to ireland"


def test_a_peering_that_could_not_be_read_is_still_a_place() -> None:
    assert look("10.2.0.10", "eni-1", replace(NEAR, gateway_peerings=()))[0] == "tgw-2"


def test_sides_of_one_region_with_ids_of_their_own_find_each_other() -> None:
    mine = GatewayPeering(PEERING, (SIDES[1], replace(SIDES[2], attachment_id="tgw-attach-theirs")))
    near, far = (replace(one, gateway_peerings=(mine,)) for one in (NEAR, FAR))
    theirs = tuple(replace(one, id="tgw-attach-theirs") if one.id == PEERING else one for one in far.attachments)

    assert look("10.2.0.10", "eni-1", near, replace(far, attachments=theirs))[0] == "host-2"


def test_gateways_that_send_everything_to_each_other_end() -> None:
    everything = GatewayRoute("0.0.0.0/0", (PEERING,))
    near, far = side("us-east-1", OWNER, 1, everything), side("eu-west-1", OTHER, 2, everything)

    assert look("10.2.0.10", "eni-1", near, far)[0] == "host-2"
    assert look("10.77.0.1", "eni-1", near, far) == ("", "", FlowPath.TRANSIT_GATEWAY)


def test_seventeen_gateways_all_peered_with_each_other_are_followed_in_a_moment() -> None:
    """A summary route to every other region, and a default route to the first: 17! ways if each were tried."""
    regions = range(1, 18)
    name = {pair: f"tgw-attach-{pair[0]}-{pair[1]}" for pair in combinations(regions, 2)}

    def between(one: int, other: int) -> str:
        return name[min(one, other), max(one, other)]

    def gateway(number: int, attachment: str) -> GatewaySide:
        return GatewaySide(f"tgw-{number}", attachment, OWNER, f"region-{number}")

    parts = []
    for number in regions:
        others = [other for other in regions if other != number]
        routes = [GatewayRoute(f"10.{other}.0.0/16", (between(number, other),)) for other in others]
        routes.append(GatewayRoute("10.0.0.0/8", (between(number, others[0]),)))
        part = side(f"region-{number}", OWNER, number, *routes)
        table = f"tgw-rtb-{number}"
        peered = tuple(
            Attachment(
                between(number, other), "", f"tgw-{number}", "peering", f"tgw-{other}", OWNER, "available", table
            )
            for other in others
        )
        peerings = tuple(
            GatewayPeering(one, (gateway(pair[0], one), gateway(pair[1], one)))
            for pair, one in name.items()
            if number in pair
        )
        parts.append(replace(part, attachments=(part.attachments[0], *peered), gateway_peerings=peerings))
    began = time.monotonic()
    found = [look(f"10.{other}.0.10", "eni-1", *parts)[0] for other in (2, 17)]
    print(f"{time.monotonic() - began:.2f} s")

    assert found == ["host-2", "host-17"]

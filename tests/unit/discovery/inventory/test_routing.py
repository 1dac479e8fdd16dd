"""What a VPC reaches by its routes, and which way leads there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import pytest

from consumer.discovery.estate.routes import (
    Endpoint,
    GatewayRoute,
    GatewayTable,
    PrefixList,
    Route,
    RouteTable,
)
from consumer.discovery.estate.values import Attachment, Part, Peer, Peering, Subnet, Vpc
from consumer.enrich.join import Joiner
from consumer.model.flow_path import FlowPath
from tests.support.flows import all_rows, flow_batch, interface, inventory_of

OWNER = "111111111111"
BLOCKS = {"a": "10.1.0.0/16", "b": "10.2.0.0/16", "c": "10.3.0.0/16", "twin": "10.2.0.0/16", "hub": "10.100.0.0/16"}


@dataclass
class Estate:
    """VPCs by letter; each has an interface with the address .0.10 of its block."""

    routes: dict[str, dict[str, str]] = field(default_factory=dict)
    """Main route table by VPC: destination → target."""
    peerings: tuple[tuple[str, str], ...] = ()
    attached: dict[str, str] = field(default_factory=dict)
    """VPC → route table of the transit gateway that its attachment uses."""
    gateway_tables: dict[str, tuple[GatewayRoute, ...]] = field(default_factory=dict)
    more: Mapping[str, object] = field(default_factory=dict)

    def part(self) -> Part:
        attachments = [
            Attachment(f"at-{name}", "", "tgw-1", "vpc", f"vpc-{name}", OWNER, "available", table)
            for name, table in self.attached.items()
        ]
        attachments.append(Attachment("at-vpn", "berlin", "tgw-1", "vpn", "vpn-1", OWNER, "available", ""))
        return Part(
            OWNER,
            "us-east-1",
            0.0,
            vpcs=tuple(Vpc(f"vpc-{name}", name, OWNER, (block,)) for name, block in BLOCKS.items()),
            subnets=(Subnet("subnet-a", "", "vpc-a", "", ("10.1.0.0/24",)),),
            interfaces=tuple(
                interface(
                    f"eni-{name}", f"vpc-{name}", block.replace("0.0/16", "0.10"), name=name, subnet_id=f"subnet-{name}"
                )
                for name, block in BLOCKS.items()
            ),
            peerings=tuple(Peering(f"pcx-{one}{other}", (_peer(one), _peer(other))) for one, other in self.peerings),
            attachments=tuple(attachments),
            route_tables=tuple(
                RouteTable(f"rtb-{name}", f"vpc-{name}", True, (), tuple(Route(*one) for one in routes.items()))
                for name, routes in self.routes.items()
            )
            + self.more.get("route_tables", ()),  # type: ignore[operator]
            gateway_tables=tuple(GatewayTable(name, "tgw-1", routes) for name, routes in self.gateway_tables.items()),
            **{key: value for key, value in self.more.items() if key != "route_tables"},  # type: ignore[arg-type]
        )

    def look(self, address: str, observer: str = "a") -> tuple[str, FlowPath]:
        """Name of what stands behind `address` (`?` = ambiguous), and the way there, as eni-OBSERVER sees it."""
        batch = flow_batch([{"interface-id": f"eni-{observer}", "dstaddr": address, "flow-direction": "egress"}])
        joiner = Joiner()
        joined = joiner.join(batch, all_rows(batch), inventory_of(self.part()))
        row = int(joined.words[0, joined.columns["destination"].word])
        table = joined.tables["endpoint"]
        name = table.text("name", row) or table.text("vpc_name", row) or table.text("vpc_id", row)
        is_ambiguous = joiner.take_counts().ambiguous_destination
        return "?" if is_ambiguous else name.decode(), FlowPath(int(joined.words[0, joined.columns["path"].word]))


def _peer(name: str) -> Peer:
    return Peer(f"vpc-{name}", OWNER, "us-east-1", (BLOCKS[name],))


def to(destination: str, *attachments: str, is_propagated: bool = False) -> GatewayRoute:
    return GatewayRoute(destination, attachments, is_propagated)


@pytest.mark.parametrize(
    ("target", "way"),
    [
        ("igw-1", FlowPath.INTERNET_GATEWAY),
        ("eigw-1", FlowPath.INTERNET_GATEWAY),
        ("nat-1", FlowPath.NAT_GATEWAY),
        ("tgw-9", FlowPath.TRANSIT_GATEWAY),
        ("vgw-1", FlowPath.VPN),
        ("lgw-1", FlowPath.LOCAL_GATEWAY),
        ("vpce-1", FlowPath.APPLIANCE),
        ("eni-9", FlowPath.APPLIANCE),
        ("arn:aws:networkmanager::1:core-network/x", FlowPath.CORE_NETWORK),
        ("", FlowPath.UNKNOWN),
    ],
)
def test_the_next_hop_of_the_longest_route_is_the_way(target: str, way: FlowPath) -> None:
    estate = Estate({"a": {"0.0.0.0/0": "local", "203.0.0.0/8": "vgw-2", "203.0.113.0/24": target}})

    assert estate.look("203.0.113.7") == ("", way)
    assert estate.look("203.0.0.1") == ("", FlowPath.VPN)


def test_a_subnet_with_a_route_table_of_its_own_goes_its_own_way() -> None:
    private = RouteTable("rtb-private", "vpc-a", False, ("subnet-a",), (Route("0.0.0.0/0", "nat-1"),))
    estate = Estate({"a": {"0.0.0.0/0": "igw-1"}}, more={"route_tables": (private,)})

    assert estate.look("203.0.113.7") == ("", FlowPath.NAT_GATEWAY)
    assert estate.look("203.0.113.7", "b") == ("", FlowPath.UNKNOWN), "nobody read its routes"


def test_the_own_vpc_is_reached_whatever_routes_say() -> None:
    assert Estate({"a": {"10.1.0.0/16": "igw-1"}}).look("10.1.0.10") == ("a", FlowPath.SAME_VPC)


def test_a_prefix_list_leads_to_its_gateway_endpoint() -> None:
    more = {
        "prefix_lists": (PrefixList("pl-s3", ("3.5.0.0/19",)),),
        "endpoints": (Endpoint("vpce-s3", "", "Gateway", "com.amazonaws.us-east-1.s3", "vpc-a", ()),),
    }
    estate = Estate({"a": {"0.0.0.0/0": "igw-1", "pl-s3": "vpce-s3"}}, more=more)

    assert estate.look("3.5.0.1") == ("", FlowPath.GATEWAY_ENDPOINT)
    assert estate.look("3.6.0.1") == ("", FlowPath.INTERNET_GATEWAY)


def test_a_peer_is_reached_by_its_route() -> None:
    estate = Estate({"a": {"10.2.0.0/16": "pcx-ab"}}, peerings=(("a", "b"),))

    assert estate.look("10.2.0.10") == ("b", FlowPath.PEERING)
    assert estate.look("10.2.9.9") == ("b", FlowPath.PEERING)


def test_of_two_peers_with_one_network_routes_tell_which_one_is_meant() -> None:
    both = (("a", "b"), ("a", "twin"))
    routed = Estate({"a": {"10.2.0.0/24": "pcx-ab", "10.2.0.0/16": "pcx-atwin"}}, peerings=both)

    assert routed.look("10.2.0.10") == ("b", FlowPath.PEERING)
    assert routed.look("10.2.9.9") == ("twin", FlowPath.PEERING)
    assert Estate(peerings=both).look("10.2.0.10") == ("?", FlowPath.PEERING)


def test_a_peer_without_a_route_is_still_known_unless_a_route_leads_its_addresses_elsewhere() -> None:
    peered = (("a", "b"),)

    assert Estate({"a": {"0.0.0.0/0": "nat-1"}}, peerings=peered).look("10.2.0.10") == ("b", FlowPath.PEERING)
    assert Estate({"a": {"10.0.0.0/8": "tgw-1"}}, peerings=peered).look("10.2.0.10")[0] == ""


def test_a_transit_gateway_is_followed_to_the_vpc_behind_it() -> None:
    estate = Estate(
        {"a": {"10.0.0.0/8": "tgw-1"}},
        attached={"a": "spokes", "b": "spokes"},
        gateway_tables={"spokes": (to("10.1.0.0/16", "at-a"), to("10.2.0.0/16", "at-b", is_propagated=True))},
    )

    assert estate.look("10.2.0.10") == ("b", FlowPath.TRANSIT_GATEWAY)
    assert estate.look("10.3.0.10") == ("", FlowPath.TRANSIT_GATEWAY), "the gateway has no route there"
    assert estate.look("10.2.0.10", "c") == ("", FlowPath.UNKNOWN), "not attached"


def test_without_route_tables_of_the_vpc_the_gateways_routes_still_place_an_address() -> None:
    estate = Estate(attached={"a": "spokes", "b": "spokes"}, gateway_tables={"spokes": (to("10.2.0.0/16", "at-b"),)})

    assert estate.look("10.2.0.10") == ("b", FlowPath.TRANSIT_GATEWAY)
    assert estate.look("203.0.113.7") == ("", FlowPath.UNKNOWN)


def test_a_black_hole_hides_what_a_shorter_route_would_reach() -> None:
    estate = Estate(
        {"a": {"0.0.0.0/0": "tgw-1"}},
        attached={"a": "spokes", "hub": "hubs"},
        gateway_tables={
            "spokes": (to("0.0.0.0/0", "at-hub"), to("10.2.0.0/16")),
            "hubs": (to("10.2.0.0/16", "at-b"), to("10.3.0.0/16", "at-c")),
        },
        more={},
    )
    estate.attached |= {"b": "spokes", "c": "spokes"}

    assert estate.look("10.3.0.10") == ("c", FlowPath.TRANSIT_GATEWAY), "through the inspection VPC"
    assert estate.look("10.2.0.10") == ("", FlowPath.TRANSIT_GATEWAY)


def test_a_default_route_to_a_vpc_does_not_give_it_the_internet() -> None:
    estate = Estate(
        {"a": {"0.0.0.0/0": "tgw-1"}},
        attached={"a": "spokes", "hub": "hubs"},
        gateway_tables={"spokes": (to("0.0.0.0/0", "at-hub"),), "hubs": ()},
    )

    assert estate.look("8.8.8.8") == ("", FlowPath.TRANSIT_GATEWAY)
    assert estate.look("10.100.0.10") == ("hub", FlowPath.TRANSIT_GATEWAY)


def test_a_gateways_route_as_long_as_the_vpcs_hides_its_shorter_ones() -> None:
    estate = Estate(
        {"a": {"10.2.0.0/25": "tgw-1"}},
        attached={"a": "spokes", "b": "spokes", "hub": "spokes"},
        gateway_tables={"spokes": (to("10.2.0.0/25", "at-hub"), to("0.0.0.0/0", "at-b"))},
    )

    assert estate.look("10.2.0.10") == ("", FlowPath.TRANSIT_GATEWAY)


def test_a_site_behind_a_vpn_attachment_is_named() -> None:
    estate = Estate(
        {"a": {"192.168.0.0/16": "tgw-1"}},
        attached={"a": "spokes"},
        gateway_tables={"spokes": (to("192.168.7.0/24", "at-vpn"),)},
    )

    assert estate.look("192.168.7.1") == ("berlin", FlowPath.VPN)
    assert estate.look("192.168.8.1") == ("", FlowPath.TRANSIT_GATEWAY)


def test_routing_that_goes_in_circles_ends() -> None:
    estate = Estate(
        {"a": {"0.0.0.0/0": "tgw-1"}},
        attached={"a": "one", "b": "one", "hub": "two"},
        gateway_tables={"one": (to("0.0.0.0/0", "at-hub"),), "two": (to("0.0.0.0/0", "at-b"),)},
    )

    assert estate.look("10.2.0.10") == ("b", FlowPath.TRANSIT_GATEWAY)
    assert estate.look("10.3.0.10") == ("", FlowPath.TRANSIT_GATEWAY)


def test_a_foreign_vpc_is_known_by_what_it_announces() -> None:
    foreign = Attachment("at-foreign", "", "tgw-1", "vpc", "vpc-foreign", "999999999999", "available", "")
    estate = Estate(
        {"a": {"10.0.0.0/8": "tgw-1"}},
        attached={"a": "spokes"},
        gateway_tables={"spokes": (to("10.9.0.0/16", "at-foreign", is_propagated=True),)},
    )
    part = estate.part()
    estate.part = lambda: _with_attachment(part, foreign)  # type: ignore[method-assign]

    assert estate.look("10.9.0.1") == ("vpc-foreign", FlowPath.TRANSIT_GATEWAY)


def _with_attachment(part: Part, attachment: Attachment) -> Part:
    return replace(part, attachments=(*part.attachments, attachment))


def test_what_lies_behind_an_appliance_is_found_by_the_appliances_own_routes() -> None:
    firewall = RouteTable("rtb-fw", "vpc-a", False, ("subnet-fw",), (Route("10.0.0.0/8", "tgw-1"),))
    workload = RouteTable("rtb-w", "vpc-a", False, ("subnet-a",), (Route("10.0.0.0/8", "vpce-fw"),))
    estate = Estate(
        {"a": {}},
        attached={"a": "spokes", "b": "spokes"},
        gateway_tables={"spokes": (to("10.2.0.0/16", "at-b"),)},
        more={
            "route_tables": (firewall, workload),
            "endpoints": (Endpoint("vpce-fw", "", "GatewayLoadBalancer", "x", "vpc-a", ("eni-fw",)),),
        },
    )
    part = estate.part()
    inside = interface("eni-fw", "vpc-a", "10.1.200.1", subnet_id="subnet-fw")
    estate.part = lambda: replace(part, interfaces=(*part.interfaces, inside))  # type: ignore[method-assign]

    assert estate.look("10.2.0.10") == ("b", FlowPath.APPLIANCE)

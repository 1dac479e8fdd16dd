"""Following routes: what is named lies where a packet would go, over random transit gateways and route tables."""

from __future__ import annotations

from ipaddress import IPv4Network, ip_address, ip_network

from hypothesis import given, settings
from hypothesis import strategies as st

from consumer.discovery.estate import Attachment, Part, Peer, Peering, Vpc
from consumer.discovery.estate_routes import GatewayRoute, GatewayTable, Route, RouteTable
from consumer.enrich.join import Joiner
from tests.support.flows import all_rows, flow_batch, inventory_of

OWNER = "111111111111"
BLOCKS = ("10.0.0.0/16", "10.1.0.0/16", "10.1.0.0/24", "10.2.0.0/15")
DESTINATIONS = ("0.0.0.0/0", "10.0.0.0/8", *BLOCKS, "10.1.0.0/25")
ADDRESSES = ("10.0.0.1", "10.1.0.1", "10.1.0.200", "10.1.9.1", "10.2.0.1", "10.3.0.1", "10.9.0.1", "192.0.2.1")
TABLES = ("tgw-rtb-1", "tgw-rtb-2")


@st.composite
def estates(draw: st.DrawFn) -> Part:
    """Up to five VPCs on one transit gateway with two route tables; some peered, of some the route table is read."""
    count = draw(st.integers(2, 5))
    blocks = [draw(st.sampled_from(BLOCKS)) for _ in range(count)]
    vpcs = tuple(Vpc(f"vpc-{number}", "", OWNER, (block,)) for number, block in enumerate(blocks))
    attachments = tuple(
        Attachment(
            f"at-{number}", "", "tgw-1", "vpc", f"vpc-{number}", OWNER, "available", draw(st.sampled_from(TABLES))
        )
        for number in range(count)
        if draw(st.booleans())
    )
    hops = [(one.id,) for one in attachments] + [()]
    gateway_tables = tuple(
        GatewayTable(
            name,
            "tgw-1",
            tuple(
                GatewayRoute(destination, draw(st.sampled_from(hops)))
                for destination in draw(st.lists(st.sampled_from(DESTINATIONS), unique=True, max_size=5))
            ),
        )
        for name in TABLES
    )
    pairs = draw(st.lists(st.tuples(st.integers(0, count - 1), st.integers(0, count - 1)), max_size=3))
    peerings = tuple(
        Peering(f"pcx-{number}", (_peer(vpcs[one]), _peer(vpcs[other])))
        for number, (one, other) in enumerate(pairs)
        if one != other
    )
    targets = ["tgw-1", "igw-1", "", *(peering.id for peering in peerings)]
    route_tables = tuple(
        RouteTable(
            f"rtb-{vpc.id}",
            vpc.id,
            True,
            (),
            tuple(
                Route(destination, draw(st.sampled_from(targets)))
                for destination in draw(st.lists(st.sampled_from(DESTINATIONS), unique=True, max_size=4))
            ),
        )
        for vpc in vpcs
        if draw(st.booleans())
    )
    return Part(
        OWNER, "us-east-1", 0.0, vpcs=vpcs, peerings=peerings, attachments=attachments,
        gateway_tables=gateway_tables, route_tables=route_tables,
    )  # fmt: skip


def _peer(vpc: Vpc) -> Peer:
    return Peer(vpc.id, OWNER, "us-east-1", vpc.networks)


class Packet:
    """A packet on its way, hop by hop, as a person would follow it."""

    def __init__(self, part: Part, address: str) -> None:
        self.part = part
        self.address = ip_address(address)
        self.networks = {vpc.id: [ip_network(text) for text in vpc.networks] for vpc in part.vpcs}
        self.attachments = {one.id: one for one in part.attachments}
        self.gateway_tables = {one.id: one for one in part.gateway_tables}

    def is_in(self, vpc: str) -> bool:
        return any(self.address in network for network in self.networks[vpc])

    def longest(self, destinations: list[str]) -> int:
        """Position of the longest destination that holds the address, -1 = none."""
        networks = [IPv4Network(text) for text in destinations]
        fitting = [place for place, network in enumerate(networks) if self.address in network]
        return max(fitting, key=lambda place: networks[place].prefixlen, default=-1)

    def through_gateway(self, table: str, seen: tuple[str, ...] = ()) -> set[str]:
        """VPCs in which it may end when it enters the transit gateway by that table."""
        if table in seen:
            return set()
        routes = self.gateway_tables[table].routes
        place = self.longest([route.destination for route in routes])
        if place < 0 or not routes[place].attachment_ids:
            return set()
        attachment = self.attachments[routes[place].attachment_ids[0]]
        if self.is_in(attachment.resource_id):
            return {attachment.resource_id}
        return self.through_gateway(attachment.route_table_id, (*seen, table))

    def peers(self, vpc: str) -> dict[str, str]:
        sides = {one.id: [side.vpc_id for side in one.sides] for one in self.part.peerings}
        return {name: next(side for side in two if side != vpc) for name, two in sides.items() if vpc in two}

    def ends(self, vpc: str) -> set[str]:
        """Every VPC that it may come to, or come from, seen from `vpc`."""
        if self.is_in(vpc):
            return {vpc}
        found = {peer for peer in self.peers(vpc).values() if self.is_in(peer)}
        mine = [one.route_table_id for one in self.part.attachments if one.resource_id == vpc]
        return found.union(*(self.through_gateway(table) for table in mine))

    def routed_end(self, vpc: str) -> set[str] | None:
        """Where the VPC's own route table leads it; None when nobody read that table."""
        table = next((one for one in self.part.route_tables if one.vpc_id == vpc), None)
        if table is None:
            return None
        place = self.longest([route.destination for route in table.routes])
        target = table.routes[place].target if place >= 0 else ""
        if target in self.peers(vpc):
            peer = self.peers(vpc)[target]
            return {peer} if self.is_in(peer) else set()
        mine = [one.route_table_id for one in self.part.attachments if one.resource_id == vpc]
        return self.through_gateway(mine[0]) if target == "tgw-1" and mine else set()


def named(part: Part, observer: str) -> dict[str, str]:
    """VPC to which each of ADDRESSES is assigned; empty = to none, or ambiguous."""
    inventory = inventory_of(part)
    batch = flow_batch([{"vpc-id": observer, "srcaddr": address} for address in ADDRESSES])
    joined = Joiner().join(batch, all_rows(batch), inventory)
    rows = joined.words[:, joined.columns["source"].word].tolist()
    return {
        address: inventory.endpoints.text("vpc_id", row).decode() for address, row in zip(ADDRESSES, rows, strict=True)
    }


@settings(max_examples=80, deadline=None)
@given(estates())
def test_no_address_is_given_to_a_vpc_that_no_packet_reaches(part: Part) -> None:
    for vpc in part.vpcs:
        for address, name in named(part, vpc.id).items():
            if name:
                assert name in Packet(part, address).ends(vpc.id)


@settings(max_examples=80, deadline=None)
@given(estates())
def test_an_address_lies_where_the_route_table_leads(part: Part) -> None:
    for vpc in part.vpcs:
        for address, name in named(part, vpc.id).items():
            packet = Packet(part, address)
            expected = packet.routed_end(vpc.id)
            if not packet.is_in(vpc.id) and expected:
                assert {name} == expected

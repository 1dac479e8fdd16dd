"""Following routes: what is named lies where a packet would go, over random transit gateways and route tables."""

from __future__ import annotations

from ipaddress import IPv4Network, ip_address, ip_network

from hypothesis import given, settings
from hypothesis import strategies as st

from consumer.discovery.estate.routes import (
    GatewayPeering,
    GatewayRoute,
    GatewaySide,
    GatewayTable,
    Route,
    RouteTable,
)
from consumer.discovery.estate.values import Attachment, Part, Peer, Peering, Vpc
from consumer.enrich.join import Joiner
from tests.support.flows import all_rows, flow_batch, inventory_of

OWNER = "111111111111"
BLOCKS = ("10.0.0.0/16", "10.1.0.0/16", "10.1.0.0/24", "10.2.0.0/15")
DESTINATIONS = ("0.0.0.0/0", "10.0.0.0/8", *BLOCKS, "10.1.0.0/25")
ADDRESSES = ("10.0.0.1", "10.1.0.1", "10.1.0.200", "10.1.9.1", "10.2.0.1", "10.3.0.1", "10.9.0.1", "192.0.2.1")
GATEWAYS = ("tgw-1", "tgw-2", "tgw-3")
TABLES = {"tgw-rtb-1": "tgw-1", "tgw-rtb-2": "tgw-1", "tgw-rtb-3": "tgw-2", "tgw-rtb-4": "tgw-3"}
"""Route table → transit gateway: the first has two."""


@st.composite
def gateway_peerings(draw: st.DrawFn) -> tuple[tuple[GatewayPeering, ...], tuple[Attachment, ...]]:
    """Any of the three gateways peered with any other, twice if need be; both sides' attachments have one id. Some
    sides have no route table for what comes in, and some peerings nobody could read."""
    pairs = draw(st.lists(st.sampled_from((GATEWAYS[:2], GATEWAYS[1:], GATEWAYS[::2], GATEWAYS[:2])), max_size=4))
    found, attachments = [], []
    for number, pair in enumerate(pairs):
        name = f"at-peering-{number}"
        one, other = (GatewaySide(gateway, name, OWNER, f"region-{gateway}") for gateway in pair)
        if draw(st.booleans()) or draw(st.booleans()):
            found.append(GatewayPeering(name, (one, other)))
        for gateway, peer in (pair, pair[::-1]):
            table = draw(st.sampled_from(["", *(table for table, owner in TABLES.items() if owner == gateway)]))
            attachments.append(Attachment(name, "", gateway, "peering", peer, OWNER, "available", table))
    return tuple(found), tuple(attachments)


@st.composite
def estates(draw: st.DrawFn) -> Part:
    """Up to five VPCs on three transit gateways, peered at random, one with two route tables; some VPCs peered, of some
    the route table is read."""
    count = draw(st.integers(2, 5))
    blocks = [draw(st.sampled_from(BLOCKS)) for _ in range(count)]
    vpcs = tuple(Vpc(f"vpc-{number}", "", OWNER, (block,)) for number, block in enumerate(blocks))
    peered, attachments = draw(gateway_peerings())
    for number in range(count):
        if draw(st.booleans()):
            table = draw(st.sampled_from(list(TABLES)))
            one = Attachment(f"at-{number}", "", TABLES[table], "vpc", f"vpc-{number}", OWNER, "available", table)
            attachments = (*attachments, one)
    gateway_tables = []
    for name, gateway in TABLES.items():
        hops = [(one.id,) for one in attachments if one.gateway_id == gateway] + [()]
        destinations = draw(st.lists(st.sampled_from(DESTINATIONS), unique=True, max_size=5))
        routes = tuple(GatewayRoute(destination, draw(st.sampled_from(hops))) for destination in destinations)
        gateway_tables.append(GatewayTable(name, gateway, routes))
    pairs = draw(st.lists(st.tuples(st.integers(0, count - 1), st.integers(0, count - 1)), max_size=3))
    peerings = tuple(
        Peering(f"pcx-{number}", (_peer(vpcs[one]), _peer(vpcs[other])))
        for number, (one, other) in enumerate(pairs)
        if one != other
    )
    targets = [*GATEWAYS, "igw-1", "", *(peering.id for peering in peerings)]
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
        gateway_tables=tuple(gateway_tables), route_tables=route_tables, gateway_peerings=peered,
    )  # fmt: skip


def _peer(vpc: Vpc) -> Peer:
    return Peer(vpc.id, OWNER, "us-east-1", vpc.networks)


class Packet:
    """A packet on its way, hop by hop, as a person would follow it."""

    def __init__(self, part: Part, address: str) -> None:
        self.part = part
        self.address = ip_address(address)
        self.networks = {vpc.id: [ip_network(text) for text in vpc.networks] for vpc in part.vpcs}
        self.attachments = {(one.gateway_id, one.id): one for one in part.attachments}
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
        attachment = self.attachments[TABLES[table], routes[place].attachment_ids[0]]
        if attachment.kind == "peering":
            far = self.far_table(attachment)
            return self.through_gateway(far, (*seen, table)) if far else set()
        if self.is_in(attachment.resource_id):
            return {attachment.resource_id}
        return self.through_gateway(attachment.route_table_id, (*seen, table))

    def far_table(self, attachment: Attachment) -> str:
        """The route table by which it enters the gateway at the other side; empty = nobody can tell."""
        if all(one.id != attachment.id for one in self.part.gateway_peerings):
            return ""
        return self.attachments[attachment.resource_id, attachment.id].route_table_id

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
        return self.through_gateway(mine[0]) if mine and TABLES[mine[0]] == target else set()


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

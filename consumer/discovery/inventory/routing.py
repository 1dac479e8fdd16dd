"""What each view of a VPC reaches outside of it, and which way leads there.

Belongs here: following routes of VPCs and transit gateways to lists of networks. Pure. Does not: rows of tables
(snapshot.py), searching (enrich/addresses.py).

Two rules keep the answers honest. A route that leads to a VPC gives that VPC only those of its addresses that are its
own networks: what lies behind it (an inspection VPC with a default route) is followed through the transit gateway's
next table, else it stays unknown. And a longer route hides what a shorter one reaches, also when it leads nowhere.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

from consumer.discovery.estate.merging import Estate
from consumer.discovery.inventory.zones import Zones, clipped, common, hiding, network, taken
from consumer.model.flow_path import FlowPath
from consumer.model.networks import Listed, Network

if TYPE_CHECKING:
    from consumer.discovery.estate.routes import GatewayRoute, RouteTable
    from consumer.discovery.estate.values import Attachment, AttachmentKey

EVERYWHERE = ("0.0.0.0/0", "::/0")
_WAYS = {
    "igw": FlowPath.INTERNET_GATEWAY,
    "eigw": FlowPath.INTERNET_GATEWAY,
    "cagw": FlowPath.INTERNET_GATEWAY,
    "nat": FlowPath.NAT_GATEWAY,
    "vgw": FlowPath.VPN,
    "lgw": FlowPath.LOCAL_GATEWAY,
    "arn:aws": FlowPath.CORE_NETWORK,
}
"""Prefix of a route's target → way, where nothing more can be learned by following it."""
PEERINGS = ("peering", "tgw-peering")
"""Kinds of attachment that lead to another transit gateway; the second is AWS's older word."""
MOST_TABLES = 8
"""Route tables that are followed one behind the other: no packet of a network that works passes more gateways."""
SITES = {
    "vpn": "VPN",
    "vpn-concentrator": "VPN",
    "client-vpn": "Client VPN",
    "direct-connect-gateway": "Direct Connect",
    "connect": "Transit Gateway Connect",
    "peering": "Transit Gateway peering",
    "tgw-peering": "Transit Gateway peering",
    "network-function": "Network Function",
}
"""Kinds of attachment that are no VPC, in words."""


class Hop(NamedTuple):
    """What a route leads to: `kind` way, peer, gateway or table; `key` its id; `is_known`: a route says so, else it is
    only what the VPC is connected to."""

    kind: str
    key: str
    way: FlowPath
    is_known: bool = True


Zone = tuple[Network, Hop]


@dataclass(frozen=True, slots=True)
class Numbering:
    """What the tables gave: number by VPC id, endpoint row by VPC id and by attachment that is a site."""

    vpcs: Mapping[str, int]
    vpc_rows: Mapping[str, int]
    site_rows: Mapping[AttachmentKey, int]


class Routing:
    """One estate, followed once; lists that several views share are made once."""

    def __init__(self, estate: Estate, numbering: Numbering, networks_of: Callable[[str], Iterable[str]]) -> None:
        self._estate = estate
        self._numbering = numbering
        self._networks_of = networks_of
        self._tables_by_vpc: defaultdict[str, list[RouteTable]] = defaultdict(list)
        for table in estate.route_tables.values():
            self._tables_by_vpc[table.vpc_id].append(table)
        self._peers: defaultdict[str, dict[str, str]] = defaultdict(dict)
        for peering in estate.peerings.values():
            one, other = (side.vpc_id for side in peering.sides)
            self._peers[one][peering.id] = other
            self._peers[other][peering.id] = one
        self._gateways: defaultdict[str, dict[str, Attachment]] = defaultdict(dict)
        for attachment in estate.attachments.values():
            if attachment.kind == "vpc":
                self._gateways[attachment.resource_id][attachment.gateway_id] = attachment
        self._table_of_subnet = {subnet: table for table in estate.route_tables.values() for subnet in table.subnet_ids}
        self._gateway_lists: dict[str, tuple[Listed, ...]] = {}

    def main_table(self, vpc: str) -> RouteTable | None:
        """The table of subnets that have none of their own."""
        return next((table for table in self._tables_by_vpc[vpc] if table.is_main), None)

    def other_tables(self, vpc: str) -> list[RouteTable]:
        """Tables that some subnet of the VPC uses, the main one left out."""
        return [table for table in self._tables_by_vpc[vpc] if table.subnet_ids and not table.is_main]

    def zones(self, vpc: str, table: RouteTable | None) -> tuple[Zone, ...]:
        """What a view's routes say, in an order that makes equal routing equal. None: nobody could read them."""
        routed = set(self._routed(vpc, table)) if table else set(self._connected(vpc))
        if table:
            routed |= set(self._unrouted_peers(vpc, routed))
        return tuple(sorted(routed, key=lambda zone: (zone[0].version, -zone[0].prefixlen, int(zone[0][0]), zone[1])))

    def reached(self, zones: tuple[Zone, ...], seen: frozenset[str] = frozenset()) -> list[Listed]:
        """Networks outside of the VPC, and ways without a known end."""
        return list(hiding(zones, lambda zone, hop: self._behind(zone, hop, seen)))

    def _routed(self, vpc: str, table: RouteTable) -> Iterator[Zone]:
        for route in table.routes:
            if route.target == "local":
                continue
            lists = self._estate.prefix_lists.get(route.destination)
            if route.destination.startswith("pl-"):
                destinations = lists.networks if lists else ()
            else:
                destinations = (route.destination,)
            hop = self._hop(vpc, route.target, is_list=route.destination.startswith("pl-"))
            yield from ((network(text), hop) for text in destinations)

    def _hop(self, vpc: str, target: str, *, is_list: bool) -> Hop:
        kind = "arn:aws" if target.startswith("arn:") else target.partition("-")[0]
        if kind in _WAYS:
            return Hop("way", "", _WAYS[kind])
        if kind == "pcx":
            return Hop("peer", self._peers[vpc].get(target, ""), FlowPath.PEERING)
        if kind == "tgw":
            attachment = self._gateways[vpc].get(target)
            return Hop("gateway", attachment.route_table_id if attachment else "", FlowPath.TRANSIT_GATEWAY)
        if kind == "vpce":
            endpoint = self._estate.endpoints.get(target)
            if endpoint.kind == "Gateway" if endpoint else is_list:
                return Hop("way", "", FlowPath.GATEWAY_ENDPOINT)
            return Hop("table", self._table_behind(*(endpoint.interface_ids if endpoint else ())), FlowPath.APPLIANCE)
        if kind in ("eni", "i"):
            return Hop("table", self._table_behind(target), FlowPath.APPLIANCE)
        return Hop("way", "", FlowPath.UNKNOWN)

    def _table_behind(self, *interfaces: str) -> str:
        """Id of the route table that an appliance's own packets follow."""
        for name in interfaces:
            interface = self._estate.interfaces.get(name)
            table = self._table_of(interface.subnet_id, interface.vpc_id) if interface else None
            if table:
                return table.id
        return ""

    def _table_of(self, subnet: str, vpc: str) -> RouteTable | None:
        return self._table_of_subnet.get(subnet) or self.main_table(vpc)

    def _connected(self, vpc: str) -> Iterator[Zone]:
        """Without route tables: every peer's networks, and all that the transit gateways know."""
        for peer in self._peers[vpc].values():
            for text in self._networks_of(peer):
                yield network(text), Hop("peer", peer, FlowPath.PEERING)
        for attachment in self._gateways[vpc].values():
            for text in EVERYWHERE:
                hop = Hop("gateway", attachment.route_table_id, FlowPath.TRANSIT_GATEWAY, is_known=False)
                yield network(text), hop

    def _unrouted_peers(self, vpc: str, routed: set[Zone]) -> Iterator[Zone]:
        """Peers that no route leads to send packets all the same; not where a route leads their addresses elsewhere."""
        elsewhere = Zones(zone for zone, hop in routed if hop.kind != "way" or hop.way is FlowPath.VPN)
        peers = {hop.key for _, hop in routed if hop.kind == "peer"}
        for peer in set(self._peers[vpc].values()) - peers:
            for text in self._networks_of(peer):
                if not elsewhere.hold(network(text)):
                    yield network(text), Hop("peer", peer, FlowPath.PEERING)

    def _behind(self, zone: Network, hop: Hop, seen: frozenset[str]) -> Iterator[Listed]:
        """What a route reaches within its zone; first of all the zone itself, of which only the way is known."""
        if hop.is_known:
            yield Listed(zone, path=hop.way)
        if hop.kind == "peer" and hop.key:
            yield from self._within_vpc(hop.key, zone, hop.way)
        elif hop.kind == "gateway" and hop.key:
            yield from clipped(self._gateway_list(hop.key, zone, seen), zone)
        elif hop.kind == "table" and hop.key and hop.key not in seen:
            table = self._estate.route_tables[hop.key]
            inner = self.reached(self.zones(table.vpc_id, table), seen | {hop.key})
            yield from (replace(one, path=hop.way) for one in clipped(inner, zone))

    def _within_vpc(self, vpc: str, zone: Network, way: FlowPath) -> Iterator[Listed]:
        number = self._numbering.vpcs.get(vpc, 0)
        for text in self._networks_of(vpc) if number else ():
            shared = common(network(text), zone)
            if shared is not None:
                yield Listed(shared, number, self._numbering.vpc_rows[vpc], way)

    def _gateway_list(self, table: str, zone: Network, seen: frozenset[str]) -> Iterable[Listed]:
        """What a route table of a transit gateway reaches, at least all of it that `zone` has a part of."""
        if seen:
            return self._follow_gateway(table, zone, seen)
        if table not in self._gateway_lists:
            self._gateway_lists[table] = tuple(self._follow_gateway(table, None, seen))
        return self._gateway_lists[table]

    def _follow_gateway(self, table: str, within: Network | None, seen: frozenset[str]) -> Iterator[Listed]:
        """`within`: only routes that addresses in it can take are followed. Without that, gateways that are all peered
        with each other would be followed in every order there is."""
        known = self._estate.gateway_tables.get(table)
        if known is None or table in seen or len(seen) >= MOST_TABLES:
            return
        seen |= {table}
        zones = [(network(route.destination), route) for route in known.routes]
        if within is not None:
            zones = list(taken(zones, within))
        yield from hiding(
            zones,
            lambda zone, route: (
                Listed(zone, path=FlowPath.TRANSIT_GATEWAY),
                *(
                    one
                    for name in route.attachment_ids[:1]  # several are equal ways to one place (ECMP)
                    for one in self._behind_attachment((known.gateway_id, name), zone, route, seen)
                ),
            ),
        )

    def _behind_attachment(
        self, key: AttachmentKey, zone: Network, route: GatewayRoute, seen: frozenset[str]
    ) -> Iterator[Listed]:
        attachment = self._estate.attachments.get(key)
        if attachment is None:
            return
        if attachment.kind in PEERINGS:
            yield from self._behind_peering(key, zone, seen)
            return
        if attachment.kind != "vpc":
            yield Listed(zone, 0, self._numbering.site_rows.get(key, 0), FlowPath.VPN)
            return
        vpc = attachment.resource_id
        number = self._numbering.vpcs.get(vpc, 0)
        own = [network(text) for text in self._networks_of(vpc)]
        if number and route.is_propagated and not own:  # a VPC nobody can read: what it announces is its own
            yield Listed(zone, number, self._numbering.vpc_rows[vpc], FlowPath.TRANSIT_GATEWAY)
            return
        if not Zones(own).hold(zone) and attachment.route_table_id:
            yield from clipped(self._gateway_list(attachment.route_table_id, zone, seen), zone)
        yield from self._within_vpc(vpc, zone, FlowPath.TRANSIT_GATEWAY)

    def _behind_peering(self, key: AttachmentKey, zone: Network, seen: frozenset[str]) -> Iterator[Listed]:
        """What the other gateway does with what comes from us: its attachment of the peering has a route table. Where
        nobody can read that, the peering itself is the place."""
        far = self._estate.far_sides.get(key)
        attachment = self._estate.attachments.get((far.gateway_id, far.attachment_id)) if far else None
        table = attachment.route_table_id if attachment else ""
        if table in self._estate.gateway_tables:
            yield from clipped(self._gateway_list(table, zone, seen), zone)
        else:
            yield Listed(zone, 0, self._numbering.site_rows.get(key, 0), FlowPath.TRANSIT_GATEWAY)

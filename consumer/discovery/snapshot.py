"""What all accounts and regions said, merged into one immutable inventory.

Belongs here: merging, naming, and laying everything out as tables and search arrays. Pure. Does not: asking AWS
(reading.py), giving numbers (inventory.py does, with consumer/state/).
"""

from __future__ import annotations

import ipaddress
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from consumer.discovery.estate import Instance, Interface, NatGateway, Part, Past, Peer, Peering, Subnet, Vpc
from consumer.discovery.service import service_of
from consumer.model.address_index import (
    AMBIGUOUS,
    LOW_HALF,
    PREFIX_LENGTHS,
    Reachable,
    build_address_index,
    build_reach,
    scope_of,
)
from consumer.model.inventory import LAST_MOMENT, EntityTable, Inventory, build_history, code_of

NAT_SERVICE = "NAT Gateway"
Key = tuple[int, int, int]
"""Scope, high half and low half of an address (model/address_index.py)."""
_WORD = (1 << 64) - 1


class Place(NamedTuple):
    """One row of the tables: what an address or an interface stands for. Empty = unknown or does not apply."""

    interface_id: str = ""
    name: str = ""
    instance_id: str = ""
    instance_name: str = ""
    subnet_id: str = ""
    subnet_name: str = ""
    vpc_id: str = ""
    vpc_name: str = ""
    account_id: str = ""
    region: str = ""
    az_id: str = ""
    service: str = ""


INTERFACE_COLUMNS = Place._fields
ENDPOINT_COLUMNS = tuple(name for name in Place._fields if name != "instance_name")


@dataclass(slots=True)
class Estate:
    """All parts together, by id. A VPC shared by another account is seen by both; its owner's word counts."""

    vpcs: dict[str, Vpc] = field(default_factory=dict)
    regions: dict[str, str] = field(default_factory=dict)
    subnets: dict[str, Subnet] = field(default_factory=dict)
    interfaces: dict[str, Interface] = field(default_factory=dict)
    instances: dict[str, Instance] = field(default_factory=dict)
    nat_gateways: dict[str, NatGateway] = field(default_factory=dict)
    peerings: dict[str, Peering] = field(default_factory=dict)
    past: list[Past] = field(default_factory=list)

    def foreign_vpcs(self) -> dict[str, Peer]:
        """VPCs of accounts we cannot read, known by their peerings."""
        sides = (side for peering in self.peerings.values() for side in peering.sides)
        return {side.vpc_id: side for side in sides if side.vpc_id not in self.vpcs}


def merge(parts: Iterable[Part]) -> Estate:
    """One estate out of parts of distinct (account, region)."""
    estate = Estate()
    for part in parts:
        for vpc in part.vpcs:
            if vpc.id not in estate.vpcs or vpc.account == part.account:
                estate.vpcs[vpc.id] = vpc
                estate.regions[vpc.id] = part.region
        for subnet in part.subnets:
            if subnet.id not in estate.subnets or subnet.name:
                estate.subnets[subnet.id] = subnet
        for interface in part.interfaces:
            if interface.id not in estate.interfaces or interface.account == part.account:
                estate.interfaces[interface.id] = interface
                estate.regions[interface.id] = part.region
        estate.instances.update((instance.id, instance) for instance in part.instances)
        estate.nat_gateways.update((gateway.id, gateway) for gateway in part.nat_gateways)
        estate.peerings.update((peering.id, peering) for peering in part.peerings)
        for past in part.past:
            estate.regions.setdefault(past.interface.id, part.region)
        estate.past += part.past
    estate.past.sort(key=lambda past: past.until)
    return estate


def build_inventory(
    estate: Estate, if_indexes: Mapping[str, int], exporters: Mapping[str, int], taken_at: float
) -> Inventory:
    """The snapshot. `if_indexes`: number by interface id (and regional NAT gateway id). `exporters`: IPv4 address as
    a number by VPC id."""
    return _Builder(estate).build(if_indexes, exporters, taken_at)


def if_index_owners(estate: Estate) -> list[str]:
    """Ids that get an interface number: interfaces, also gone ones, and regional NAT gateways, which have none."""
    regional = (gateway.id for gateway in estate.nat_gateways.values() if not gateway.interface_ids)
    gone = (past.interface.id for past in estate.past if past.interface.id not in estate.interfaces)
    return list(dict.fromkeys((*estate.interfaces, *regional, *gone)))


class _Builder:
    """One construction: rows are numbered as they are added; interfaces first, so that a row of the interface table
    is the same row of the endpoint table."""

    def __init__(self, estate: Estate) -> None:
        self._estate = estate
        self._foreign = estate.foreign_vpcs()
        self._numbers = {vpc: number for number, vpc in enumerate(sorted({*estate.vpcs, *self._foreign}), 1)}
        self._places = [Place()]
        self._row_vpcs = [0]
        self._interface_rows: dict[bytes, int] = {}
        self._subnet_rows: dict[str, int] = {}
        self._vpc_rows: dict[str, int] = {}
        self._addresses: list[tuple[int, int, int, int]] = []
        self._past_rows: list[tuple[Past, int]] = []
        self._turns: list[list[tuple[int, int]]] = []
        self._nat_by_interface = {
            interface: gateway for gateway in estate.nat_gateways.values() for interface in gateway.interface_ids
        }
        self._subnets_by_vpc: defaultdict[str, list[Subnet]] = defaultdict(list)
        for subnet in estate.subnets.values():
            self._subnets_by_vpc[subnet.vpc_id].append(subnet)
        self._peers_by_vpc: defaultdict[str, list[Peer]] = defaultdict(list)
        for peering in estate.peerings.values():
            one, other = peering.sides
            self._peers_by_vpc[one.vpc_id].append(other)
            self._peers_by_vpc[other.vpc_id].append(one)

    def build(self, if_indexes: Mapping[str, int], exporters: Mapping[str, int], taken_at: float) -> Inventory:
        for interface in self._estate.interfaces.values():
            self._add_interface(interface)
        for gateway in self._estate.nat_gateways.values():
            self._add_nat_gateway(gateway)
        self._past_rows = [(past, self._add_row(past.interface, past.instance_name)) for past in self._estate.past]
        interface_count = len(self._places)
        self._add_networks()
        numbers = {vpc.encode(): number for vpc, number in self._numbers.items()}
        vpc_exporters = np.zeros(len(numbers) + 1, dtype=np.uint64)
        for vpc, address in exporters.items():
            if vpc in self._numbers:
                vpc_exporters[self._numbers[vpc]] = address
        row_vpcs = np.array(self._row_vpcs[:interface_count], dtype=np.uint64)
        row_numbers = np.zeros(interface_count, dtype=np.uint64)
        for name, row in self._interface_rows.items():
            row_numbers[row] = row_numbers[row] or if_indexes.get(name.decode(), 0)
        for past, row in self._past_rows:
            row_numbers[row] = if_indexes.get(past.interface.id, 0)
        self._let_rows_take_turns()
        integers = {
            "if_index": row_numbers,
            "vpc": row_vpcs,
            "exporter_address": vpc_exporters[row_vpcs.astype(np.int64)],
        }
        texts: dict[str, int] = {"": 0}
        columns = {
            name: np.array([texts.setdefault(text, len(texts)) for text in column], dtype=np.int32)
            for name, column in zip(Place._fields, zip(*self._places, strict=True), strict=True)
        }
        pool = tuple(text.encode() for text in texts)
        interfaces = {name: columns[name][:interface_count] for name in INTERFACE_COLUMNS}
        endpoints = {name: columns[name] for name in ENDPOINT_COLUMNS}
        keys = np.array(self._addresses, dtype=np.uint64).reshape(len(self._addresses), 4)
        return Inventory(
            interfaces=EntityTable("interface", interface_count, integers, interfaces, pool),
            interface_rows=self._interface_rows,
            endpoints=EntityTable("endpoint", len(self._places), {}, endpoints, pool),
            addresses=build_address_index(keys[:, :3], keys[:, 3].astype(np.int64)),
            reach=build_reach(self._reachable_of(vpc) for vpc in sorted(self._numbers)),
            vpc_numbers=numbers,
            vpc_exporters=vpc_exporters,
            taken_at=taken_at,
            history=build_history(self._turns),
        )

    def _add(self, place: Place) -> int:
        self._places.append(place)
        self._row_vpcs.append(self._numbers.get(place.vpc_id, 0))
        return len(self._places) - 1

    def _add_interface(self, interface: Interface) -> None:
        instance = self._estate.instances.get(interface.instance_id)
        row = self._add_row(interface, instance.name if instance else "")
        self._interface_rows[interface.id.encode()] = row
        self._addresses += [(*key, row) for key in self._keys_of(interface)]

    def _add_row(self, interface: Interface, instance_name: str) -> int:
        gateway = self._nat_by_interface.get(interface.id)
        service = service_of(interface, is_nat=gateway is not None)
        name = interface.name or instance_name or (gateway.name if gateway else "")
        if not name:
            name = interface.instance_id or service
        return self._add(
            self._in_subnet(interface.subnet_id, interface.vpc_id)._replace(
                interface_id=interface.id,
                name=name,
                instance_id=interface.instance_id,
                instance_name=instance_name,
                account_id=interface.account,
                region=self._estate.regions[interface.id],
                service=service,
                **({"az_id": interface.az_id} if interface.az_id else {}),
            )
        )

    def _let_rows_take_turns(self) -> None:
        """Where the past says something else than the present, put a code of the history in place of the row.

        What is gone stays what it last was: nobody else claims it, and late records speak of it.
        """
        if not self._past_rows:
            return
        by_name: defaultdict[bytes, list[tuple[int, int]]] = defaultdict(list)
        by_key: defaultdict[Key, list[tuple[int, int]]] = defaultdict(list)
        for past, row in self._past_rows:
            turn = (int(past.until), row)
            by_name[past.interface.id.encode()].append(turn)
            for key in self._keys_of(past.interface):
                by_key[key].append(turn)
        for name, turns in by_name.items():
            self._interface_rows[name] = self._code(turns, self._interface_rows.get(name))
        now: dict[Key, int] = {}
        others = []
        for scope, high, low, row in self._addresses:
            here = (scope, high, low)
            if here not in by_key:
                others.append((*here, row))
            else:
                now[here] = row if now.get(here, row) == row else AMBIGUOUS
        self._addresses = others + [(*key, self._code(turns, now.get(key)) & _WORD) for key, turns in by_key.items()]

    def _code(self, turns: list[tuple[int, int]], now: int | None) -> int:
        last = turns[-1][1] if now is None else now
        self._turns.append([*(turns if now is not None else turns[:-1]), (LAST_MOMENT, last)])
        return code_of(len(self._turns) - 1)

    def _add_nat_gateway(self, gateway: NatGateway) -> None:
        """A zonal gateway is its interface, found under its own id too (resource-id, version 9); a regional one has
        no interface that anybody sees and gets a row of its own."""
        rows = [self._interface_rows.get(interface.encode(), 0) for interface in gateway.interface_ids]
        row = next((row for row in rows if row), 0)
        if not row:
            place = self._in_subnet(gateway.subnet_id, gateway.vpc_id)
            row = self._add(place._replace(name=gateway.name or gateway.id, service=NAT_SERVICE))
        self._interface_rows[gateway.id.encode()] = row
        self._addresses += [(*_key(0, text), row) for text in gateway.public_addresses]

    def _add_networks(self) -> None:
        for subnet in self._estate.subnets.values():
            self._subnet_rows[subnet.id] = self._add(self._in_subnet(subnet.id, subnet.vpc_id))
        for vpc in self._numbers:
            self._vpc_rows[vpc] = self._add(self._in_vpc(vpc))

    def _in_vpc(self, vpc_id: str) -> Place:
        vpc, peer = self._estate.vpcs.get(vpc_id), self._foreign.get(vpc_id)
        if vpc is not None:
            region = self._estate.regions[vpc_id]
            return Place(vpc_id=vpc_id, vpc_name=vpc.name, account_id=vpc.account, region=region)
        if peer is not None:
            return Place(vpc_id=vpc_id, account_id=peer.account, region=peer.region)
        return Place(vpc_id=vpc_id)

    def _in_subnet(self, subnet_id: str, vpc_id: str) -> Place:
        place = self._in_vpc(vpc_id)
        subnet = self._estate.subnets.get(subnet_id)
        if subnet is None:
            return place._replace(subnet_id=subnet_id)
        return place._replace(subnet_id=subnet_id, subnet_name=subnet.name, az_id=subnet.az_id)

    def _keys_of(self, interface: Interface) -> Iterator[Key]:
        """Keys under which an interface is found: its addresses in its VPC, delegated prefixes of the one size EC2
        gives (another is not searched for), and addresses that mean the same for everybody."""
        vpc = self._numbers.get(interface.vpc_id, 0)
        if vpc:
            yield from (_key(vpc, text) for text in interface.addresses)
            for network in map(ipaddress.ip_network, interface.prefixes):
                if network.prefixlen == PREFIX_LENGTHS[network.version]:
                    value = int(network.network_address)
                    yield scope_of(vpc, network.version, is_prefix=True), value >> 64, value & LOW_HALF
        yield from (_key(0, text) for text in interface.public_addresses)
        yield from (_key(0, text) for text in interface.addresses if _is_public_ipv6(text))

    def _reachable_of(self, vpc_id: str) -> Iterator[Reachable]:
        """Own subnets and CIDRs, then those of peers. Subnets first: equal networks keep this order."""
        own = self._numbers[vpc_id]
        for subnet in self._subnets_by_vpc[vpc_id]:
            yield from _reachable(subnet.networks, own, self._subnet_rows[subnet.id])
        yield from _reachable(self._networks_of(vpc_id), own, self._vpc_rows[vpc_id])
        for peer in self._peers_by_vpc[vpc_id]:
            # A peer that we can read is asked itself: CIDRs that were added to it later are routed as well.
            networks = (*peer.networks, *self._networks_of(peer.vpc_id))
            yield from _reachable(networks, self._numbers[peer.vpc_id], self._vpc_rows[peer.vpc_id])

    def _networks_of(self, vpc_id: str) -> Sequence[str]:
        vpc, peer = self._estate.vpcs.get(vpc_id), self._foreign.get(vpc_id)
        return vpc.networks if vpc else peer.networks if peer else ()


def _key(vpc: int, text: str) -> Key:
    address = ipaddress.ip_address(text)
    value = int(address)
    return scope_of(vpc, address.version), value >> 64, value & LOW_HALF


def _reachable(networks: Iterable[str], vpc: int, endpoint: int) -> Iterator[Reachable]:
    for text in networks:
        yield Reachable(ipaddress.ip_network(text), vpc, endpoint)


def _is_public_ipv6(text: str) -> bool:
    """Global IPv6 addresses of interfaces mean the same for everybody, as public IPv4 addresses do."""
    address = ipaddress.ip_address(text)
    return address.version == 6 and address.is_global

"""What all accounts and regions said, laid out as one immutable inventory.

Belongs here: which things have rows and by what they are found. Pure. Does not: merging (estate/merging.py), words of a
row (rows.py), what a VPC reaches (surroundings.py), giving numbers (building.py does, with consumer/state/).
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from consumer.discovery.estate.merging import Estate
from consumer.discovery.estate.values import AttachmentKey, Interface, NatGateway, Past
from consumer.discovery.inventory.places import COLUMNS, Place, path_through
from consumer.discovery.inventory.routing import SITES, Numbering
from consumer.discovery.inventory.rows import Knowledge, Rows
from consumer.discovery.inventory.surroundings import Surroundings
from consumer.discovery.inventory.turns import Key, Turns
from consumer.model.address_index import (
    LOW_HALF,
    PREFIX_LENGTHS,
    Words,
    build_address_index,
    family_of,
    scope_of,
    vpc_of,
)
from consumer.model.inventory import EntityTable, Inventory, build_history
from consumer.model.networks import Networks, Views, build_networks

NAT_SERVICE = "NAT Gateway"


def build_inventory(
    estate: Estate,
    if_indexes: Mapping[str, int],
    exporters: Mapping[str, int],
    taken_at: float,
    knowledge: Knowledge | None = None,
) -> Inventory:
    """The snapshot. `if_indexes`: number by interface id (and regional NAT gateway id). `exporters`: IPv4 address as
    a number by VPC id."""
    return _Builder(estate, knowledge or Knowledge()).build(if_indexes, exporters, taken_at)


class _Builder:
    """One construction: interfaces are added first, so that a row of the interface table is the same row of the
    endpoint table."""

    def __init__(self, estate: Estate, knowledge: Knowledge) -> None:
        self._estate = estate
        self._knowledge = knowledge
        self._rows = Rows(estate, knowledge)
        self._interface_rows: dict[bytes, int] = {}
        self._subnet_rows: dict[str, int] = {}
        self._vpc_rows: dict[str, int] = {}
        self._site_rows: dict[AttachmentKey, int] = {}
        self._addresses: list[tuple[int, int, int, int]] = []
        self._past_rows: list[tuple[Past, int]] = []

    def build(self, if_indexes: Mapping[str, int], exporters: Mapping[str, int], taken_at: float) -> Inventory:
        for interface in self._estate.interfaces.values():
            self._add_interface(interface)
        for gateway in self._estate.nat_gateways.values():
            self._add_nat_gateway(gateway)
        self._past_rows = [
            (past, self._rows.add_interface(past.interface, past.instance_name)) for past in self._estate.past
        ]
        interface_count = len(self._rows.places)
        self._add_elastic_addresses()
        self._add_networks()
        numbers = {vpc.encode(): number for vpc, number in self._rows.numbers.items()}
        vpc_exporters = np.zeros(len(numbers) + 1, dtype=np.uint64)
        for vpc, address in exporters.items():
            if vpc in self._rows.numbers:
                vpc_exporters[self._rows.numbers[vpc]] = address
        row_vpcs = np.array(self._rows.vpcs[:interface_count], dtype=np.uint64)
        row_numbers = self._if_indexes_by_row(interface_count, if_indexes)
        turns = self._take_turns()
        numbering = Numbering(self._rows.numbers, self._vpc_rows, self._site_rows)
        surroundings = Surroundings(self._estate, self._rows, numbering, self._subnet_rows, self._knowledge.ranges)
        lists, views, view_of_subnet = surroundings.look()
        integers = {
            "if_index": row_numbers,
            "vpc": row_vpcs,
            "view": np.array(
                [
                    view_of_subnet.get(subnet, vpc)
                    for subnet, vpc in zip(self._rows.subnets[:interface_count], self._rows.vpcs, strict=False)
                ],
                dtype=np.uint64,
            ),
            "exporter_address": vpc_exporters[row_vpcs.astype(np.int64)],
        }
        texts: dict[str, int] = {"": 0}
        columns = {
            name: np.array([texts.setdefault(text, len(texts)) for text in column], dtype=np.int32)
            for name, column in zip(COLUMNS, zip(*self._rows.places, strict=True), strict=True)
        }
        pool = tuple(text.encode() for text in texts)
        interfaces = {name: column[:interface_count] for name, column in columns.items()}
        paths = {text: path_through(text) for text in {place.service for place in self._rows.places}}
        row_paths = np.array([paths[place.service] for place in self._rows.places], dtype=np.uint64)
        keys = np.array(self._addresses, dtype=np.uint64).reshape(len(self._addresses), 4)
        networks = build_networks(lists)
        return Inventory(
            interfaces=EntityTable("interface", interface_count, integers, interfaces, pool),
            interface_rows=self._interface_rows,
            endpoints=EntityTable("endpoint", len(self._rows.places), {"path": row_paths}, columns, pool),
            addresses=build_address_index(keys[:, :3], keys[:, 3].astype(np.int64)),
            networks=networks,
            views=_views(views, networks, keys),
            vpc_numbers=numbers,
            vpc_exporters=vpc_exporters,
            taken_at=taken_at,
            history=build_history(turns.groups),
        )

    def _if_indexes_by_row(self, row_count: int, if_indexes: Mapping[str, int]) -> NDArray[np.uint64]:
        numbers = np.zeros(row_count, dtype=np.uint64)
        for name, row in self._interface_rows.items():
            numbers[row] = numbers[row] or if_indexes.get(name.decode(), 0)
        for past, row in self._past_rows:
            numbers[row] = if_indexes.get(past.interface.id, 0)
        return numbers

    def _add_interface(self, interface: Interface) -> None:
        instance = self._estate.instances.get(interface.instance_id)
        row = self._rows.add_interface(interface, instance.name if instance else "")
        self._interface_rows[interface.id.encode()] = row
        self._addresses += [(*key, row) for key in self._keys_of(interface)]

    def _add_nat_gateway(self, gateway: NatGateway) -> None:
        """A zonal gateway is its interface, found under its own id too (resource-id, version 9); a regional one has
        no interface that anybody sees and gets a row of its own."""
        rows = [self._interface_rows.get(interface.encode(), 0) for interface in gateway.interface_ids]
        row = next((row for row in rows if row), 0)
        if not row:
            place = self._rows.in_subnet(gateway.subnet_id, gateway.vpc_id)
            owner = self._rows.owner(subnet=gateway.subnet_id, vpc=gateway.vpc_id)
            row = self._rows.add(place._replace(name=gateway.name or gateway.id, service=NAT_SERVICE, owner=owner))
        self._interface_rows[gateway.id.encode()] = row
        self._addresses += [(*_key(0, text), row) for text in gateway.public_addresses]

    def _add_elastic_addresses(self) -> None:
        """Those that no interface told of: not in use, or in use by something nobody can read."""
        told = {text for interface in self._estate.interfaces.values() for text in interface.public_addresses}
        told |= {text for gateway in self._estate.nat_gateways.values() for text in gateway.public_addresses}
        for text, (address, account, region) in self._estate.elastic_addresses.items():
            if text in told:
                continue
            row = self._interface_rows.get(address.interface_id.encode(), 0)
            if not row:
                name = address.name or address.id
                row = self._rows.add(Place(name=name, account_id=account, region=region, service="Elastic IP"))
            self._addresses.append((*_key(0, text), row))

    def _add_networks(self) -> None:
        for subnet in self._estate.subnets.values():
            place = self._rows.in_subnet(subnet.id, subnet.vpc_id)
            place = place._replace(owner=self._rows.owner(subnet=subnet.id, vpc=subnet.vpc_id))
            if self._rows.is_named:
                place = self._rows.named(place, next(iter(subnet.networks), ""))
            self._subnet_rows[subnet.id] = self._rows.add(place)
        for vpc in self._rows.numbers:
            place = self._rows.in_vpc(vpc)._replace(owner=self._rows.owner(subnet="", vpc=vpc))
            if self._rows.is_named:
                place = self._rows.named(place, next(iter(self._rows.networks_of(vpc)), ""))
            self._vpc_rows[vpc] = self._rows.add(place)
        for key, attachment in self._estate.attachments.items():
            if attachment.kind in SITES:
                far = self._estate.far_sides.get(key)
                place = Place(
                    name=attachment.name or attachment.resource_id or attachment.id,
                    account_id=far.account if far else attachment.resource_account,
                    region=far.region if far else self._estate.attachment_regions.get(key, ""),
                    service=SITES[attachment.kind],
                )
                self._site_rows[key] = self._rows.add(place)

    def _keys_of(self, interface: Interface) -> Iterator[Key]:
        """Keys under which an interface is found: its addresses in its VPC, delegated prefixes of the one size EC2
        gives (another is not searched for), and addresses that mean the same for everybody."""
        vpc = self._rows.numbers.get(interface.vpc_id, 0)
        if vpc:
            yield from (_key(vpc, text) for text in interface.addresses)
            for network in map(ipaddress.ip_network, interface.prefixes):
                if network.prefixlen == PREFIX_LENGTHS[network.version]:
                    value = int(network.network_address)
                    yield scope_of(vpc, network.version, is_prefix=True), value >> 64, value & LOW_HALF
        yield from (_key(0, text) for text in interface.public_addresses)
        yield from (_key(0, text) for text in interface.addresses if _is_public_ipv6(text))

    def _take_turns(self) -> Turns:
        """Where the past says something else than the present, a code of the history stands in place of the row."""
        turns = Turns()
        if self._past_rows:
            names = [(past.interface.id.encode(), (int(past.until), row)) for past, row in self._past_rows]
            self._interface_rows |= turns.of_names(names, self._interface_rows)
            addresses = [
                (key, (int(past.until), row)) for past, row in self._past_rows for key in self._keys_of(past.interface)
            ]
            self._addresses = turns.of_addresses(addresses, self._addresses)
        return turns


def _key(vpc: int, text: str) -> Key:
    address = ipaddress.ip_address(text)
    value = int(address)
    return scope_of(vpc, address.version), value >> 64, value & LOW_HALF


def _views(views: list[tuple[int, int, int]], networks: Networks, keys: Words) -> Views:
    """With what the address table adds: which VPCs have interfaces outside of their own networks."""
    lines = np.zeros((len(views), 4), dtype=np.int64)
    lines[:, :3] = views
    vpcs = vpc_of(keys[:, 0])
    values = networks.find(vpcs, family_of(keys[:, 0]) == 6, keys[:, 1], keys[:, 2])
    strays = np.unique(vpcs[(values == 0) & (vpcs > 0)])
    lines[:, 3] = np.isin(lines[:, 0], strays)
    return Views(lines)


def _is_public_ipv6(text: str) -> bool:
    """Global IPv6 addresses of interfaces mean the same for everybody, as public IPv4 addresses do."""
    address = ipaddress.ip_address(text)
    return address.version == 6 and address.is_global

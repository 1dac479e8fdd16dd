"""What all accounts and regions said, merged into one immutable inventory.

Belongs here: merging, naming, and laying everything out as tables and search arrays. Pure. Does not: asking AWS
(reading.py), giving numbers (inventory.py does, with consumer/state/).
"""

from __future__ import annotations

import ipaddress
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from consumer.discovery.aws_ranges import AwsRange
from consumer.discovery.estate import (
    Attachment,
    AttachmentKey,
    Instance,
    Interface,
    NatGateway,
    Part,
    Past,
    Peer,
    Peering,
    Subnet,
    Vpc,
)
from consumer.discovery.estate_routes import (
    ElasticAddress,
    Endpoint,
    GatewaySide,
    GatewayTable,
    PrefixList,
    RouteTable,
)
from consumer.discovery.own_names import NameBook, NamedNetwork
from consumer.discovery.places import COLUMNS, Place, cluster_of, group_of, owner_of, path_through, service_name
from consumer.discovery.routing import SITES, Numbering, Routing, Zone, network
from consumer.discovery.service import service_of
from consumer.model.address_index import (
    AMBIGUOUS,
    LOW_HALF,
    PREFIX_LENGTHS,
    Words,
    build_address_index,
    family_of,
    scope_of,
    vpc_of,
)
from consumer.model.inventory import LAST_MOMENT, EntityTable, Inventory, build_history, code_of
from consumer.model.networks import Listed, Network, Networks, Views, build_networks

NAT_SERVICE = "NAT Gateway"
Key = tuple[int, int, int]
"""Scope, high half and low half of an address (model/address_index.py)."""
_WORD = (1 << 64) - 1


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
    route_tables: dict[str, RouteTable] = field(default_factory=dict)
    endpoints: dict[str, Endpoint] = field(default_factory=dict)
    elastic_addresses: dict[str, tuple[ElasticAddress, str, str]] = field(default_factory=dict)
    """By address; with account and region, which EC2 does not say."""
    gateway_tables: dict[str, GatewayTable] = field(default_factory=dict)
    attachments: dict[AttachmentKey, Attachment] = field(default_factory=dict)
    attachment_regions: dict[AttachmentKey, str] = field(default_factory=dict)
    far_sides: dict[AttachmentKey, GatewaySide] = field(default_factory=dict)
    """The other side of each peering of transit gateways."""
    prefix_lists: dict[str, PrefixList] = field(default_factory=dict)
    past: list[Past] = field(default_factory=list)

    def foreign_vpcs(self) -> dict[str, Peer]:
        """VPCs of accounts we cannot read, known by their peerings and their attachments to our transit gateways."""
        foreign: dict[str, Peer] = {}
        for one in self.attachments.values():
            if one.kind == "vpc" and one.resource_id and one.resource_id not in self.vpcs:
                region = self.attachment_regions.get(one.key, "")
                foreign[one.resource_id] = Peer(one.resource_id, one.resource_account, region, ())
        sides = (side for peering in self.peerings.values() for side in peering.sides)
        return foreign | {side.vpc_id: side for side in sides if side.vpc_id not in self.vpcs}


@dataclass(frozen=True, slots=True)
class Knowledge:
    """What is known besides what AWS says of the estate."""

    owner_tags: tuple[str, ...] = ()
    names: tuple[NamedNetwork, ...] = ()
    ranges: tuple[AwsRange, ...] = ()


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
        estate.endpoints.update((endpoint.id, endpoint) for endpoint in part.endpoints)
        for table in part.route_tables:
            if table.id not in estate.route_tables or table.routes:
                estate.route_tables[table.id] = table
        for address in part.elastic_addresses:
            estate.elastic_addresses[address.address] = (address, part.account, part.region)
        for gateway_table in part.gateway_tables:
            if gateway_table.id not in estate.gateway_tables or gateway_table.routes:
                estate.gateway_tables[gateway_table.id] = gateway_table
        for attachment in part.attachments:
            # Both ends of an attachment see it; only the gateway's owner is told the route table.
            if attachment.key not in estate.attachments or attachment.route_table_id:
                estate.attachments[attachment.key] = attachment
                estate.attachment_regions[attachment.key] = part.region
        for gateway_peering in part.gateway_peerings:
            one, other = gateway_peering.sides
            estate.far_sides[one.gateway_id, one.attachment_id] = other
            estate.far_sides[other.gateway_id, other.attachment_id] = one
        for prefix_list in part.prefix_lists:
            if prefix_list.id not in estate.prefix_lists or prefix_list.networks:
                estate.prefix_lists[prefix_list.id] = prefix_list
        for past in part.past:
            estate.regions.setdefault(past.interface.id, part.region)
        estate.past += part.past
    estate.past.sort(key=lambda past: past.until)
    return estate


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


def if_index_owners(estate: Estate) -> list[str]:
    """Ids that get an interface number: interfaces, also gone ones, and regional NAT gateways, which have none."""
    regional = (gateway.id for gateway in estate.nat_gateways.values() if not gateway.interface_ids)
    gone = (past.interface.id for past in estate.past if past.interface.id not in estate.interfaces)
    return list(dict.fromkeys((*estate.interfaces, *regional, *gone)))


class _Builder:
    """One construction: rows are numbered as they are added; interfaces first, so that a row of the interface table
    is the same row of the endpoint table."""

    def __init__(self, estate: Estate, knowledge: Knowledge) -> None:
        self._estate = estate
        self._knowledge = knowledge
        self._foreign = estate.foreign_vpcs()
        self._numbers = {vpc: number for number, vpc in enumerate(sorted({*estate.vpcs, *self._foreign}), 1)}
        self._places = [Place()]
        self._row_vpcs = [0]
        self._row_subnets = [""]
        self._interface_rows: dict[bytes, int] = {}
        self._subnet_rows: dict[str, int] = {}
        self._vpc_rows: dict[str, int] = {}
        self._site_rows: dict[AttachmentKey, int] = {}
        self._books: dict[tuple[NamedNetwork, ...], NameBook] = {}
        self._books_by_scope: dict[tuple[str, str], NameBook] = {}
        self._name_rows: dict[tuple[str, str, str], int] = {}
        self._is_named = bool(knowledge.names)
        self._addresses: list[tuple[int, int, int, int]] = []
        self._past_rows: list[tuple[Past, int]] = []
        self._turns: list[list[tuple[int, int]]] = []
        self._nat_by_interface = {
            interface: gateway for gateway in estate.nat_gateways.values() for interface in gateway.interface_ids
        }
        self._subnets_by_vpc: defaultdict[str, list[Subnet]] = defaultdict(list)
        for subnet in estate.subnets.values():
            self._subnets_by_vpc[subnet.vpc_id].append(subnet)
        self._endpoint_by_interface = {
            interface: endpoint for endpoint in estate.endpoints.values() for interface in endpoint.interface_ids
        }

    def build(self, if_indexes: Mapping[str, int], exporters: Mapping[str, int], taken_at: float) -> Inventory:
        for interface in self._estate.interfaces.values():
            self._add_interface(interface)
        for gateway in self._estate.nat_gateways.values():
            self._add_nat_gateway(gateway)
        self._past_rows = [(past, self._add_row(past.interface, past.instance_name)) for past in self._estate.past]
        interface_count = len(self._places)
        self._add_elastic_addresses()
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
        lists, views, view_of_subnet = self._look_around()
        integers = {
            "if_index": row_numbers,
            "vpc": row_vpcs,
            "view": np.array(
                [
                    view_of_subnet.get(subnet, vpc)
                    for subnet, vpc in zip(self._row_subnets[:interface_count], self._row_vpcs, strict=False)
                ],
                dtype=np.uint64,
            ),
            "exporter_address": vpc_exporters[row_vpcs.astype(np.int64)],
        }
        texts: dict[str, int] = {"": 0}
        columns = {
            name: np.array([texts.setdefault(text, len(texts)) for text in column], dtype=np.int32)
            for name, column in zip(COLUMNS, zip(*self._places, strict=True), strict=True)
        }
        pool = tuple(text.encode() for text in texts)
        interfaces = {name: column[:interface_count] for name, column in columns.items()}
        paths = {text: path_through(text) for text in {place.service for place in self._places}}
        row_paths = np.array([paths[place.service] for place in self._places], dtype=np.uint64)
        keys = np.array(self._addresses, dtype=np.uint64).reshape(len(self._addresses), 4)
        networks = build_networks(lists)
        return Inventory(
            interfaces=EntityTable("interface", interface_count, integers, interfaces, pool),
            interface_rows=self._interface_rows,
            endpoints=EntityTable("endpoint", len(self._places), {"path": row_paths}, columns, pool),
            addresses=build_address_index(keys[:, :3], keys[:, 3].astype(np.int64)),
            networks=networks,
            views=_views(views, networks, keys),
            vpc_numbers=numbers,
            vpc_exporters=vpc_exporters,
            taken_at=taken_at,
            history=build_history(self._turns),
        )

    def _add(self, place: Place) -> int:
        self._places.append(place)
        self._row_subnets.append(place.subnet_id)
        self._row_vpcs.append(self._numbers.get(place.vpc_id, 0))
        return len(self._places) - 1

    def _add_interface(self, interface: Interface) -> None:
        instance = self._estate.instances.get(interface.instance_id)
        row = self._add_row(interface, instance.name if instance else "")
        self._interface_rows[interface.id.encode()] = row
        self._addresses += [(*key, row) for key in self._keys_of(interface)]

    def _add_row(self, interface: Interface, instance_name: str) -> int:
        gateway = self._nat_by_interface.get(interface.id)
        endpoint = self._endpoint_by_interface.get(interface.id)
        service = service_of(interface, is_nat=gateway is not None)
        if endpoint is not None and service == "VPC Endpoint":
            service = f"{service} {service_name(endpoint.service)}".strip()
        instance = self._estate.instances.get(interface.instance_id)
        own_tags, host_tags = interface.tags, instance.tags if instance else {}
        place = self._in_subnet(interface.subnet_id, interface.vpc_id)._replace(
            interface_id=interface.id,
            name=interface.name or instance_name or self._name_given(interface, gateway, endpoint),
            instance_id=interface.instance_id,
            instance_name=instance_name,
            instance_type=instance.type if instance else "",
            account_id=interface.account,
            region=self._estate.regions[interface.id],
            service=service,
            owner=self._owner(own_tags, host_tags, subnet=interface.subnet_id, vpc=interface.vpc_id),
            group=group_of(own_tags, host_tags),
            cluster=cluster_of(own_tags, host_tags),
            **({"az_id": interface.az_id} if interface.az_id else {}),
        )
        if self._is_named:
            place = self._named(place, next(iter(interface.addresses), ""))
        return self._add(place if place.name else place._replace(name=interface.instance_id or service))

    def _name_given(self, interface: Interface, gateway: NatGateway | None, endpoint: Endpoint | None) -> str:
        """By what the interface belongs to, where it has no name of its own; at last by its Elastic IP."""
        for owner in (gateway, endpoint):
            if owner is not None and owner.name:
                return owner.name
        known = (self._estate.elastic_addresses.get(text) for text in interface.public_addresses)
        return next((one[0].name for one in known if one is not None and one[0].name), "")

    def _owner(self, *tags: Mapping[str, str], subnet: str, vpc: str) -> str:
        keys = self._knowledge.owner_tags
        if not keys:
            return ""
        around = [found.get(key) for found, key in ((self._estate.subnets, subnet), (self._estate.vpcs, vpc))]
        return owner_of(keys, *tags, *(one.tags for one in around if isinstance(one, Subnet | Vpc)))

    def _book(self, vpc: str, account: str) -> NameBook:
        """The user's names that hold there."""
        names = tuple(one for one in self._knowledge.names if one.holds_for(vpc, account))
        book = self._books.get(names)
        if book is None:
            book = self._books[names] = NameBook(names)
        return book

    def _named(self, place: Place, text: str) -> Place:
        """With the user's words for that address or network: a name where there is none yet, site and tags anyhow."""
        found = self._book_of(place).find(network(text)) if text else None
        return _with_names(place, found) if found else place

    def _book_of(self, place: Place) -> NameBook:
        """The same for every interface of a VPC and account, so it is looked for once."""
        key = (place.vpc_id, place.account_id)
        if key not in self._books_by_scope:
            self._books_by_scope[key] = self._book(*key)
        return self._books_by_scope[key]

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
            owner = self._owner(subnet=gateway.subnet_id, vpc=gateway.vpc_id)
            row = self._add(place._replace(name=gateway.name or gateway.id, service=NAT_SERVICE, owner=owner))
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
                row = self._add(Place(name=name, account_id=account, region=region, service="Elastic IP"))
            self._addresses.append((*_key(0, text), row))

    def _add_networks(self) -> None:
        for subnet in self._estate.subnets.values():
            place = self._in_subnet(subnet.id, subnet.vpc_id)
            place = place._replace(owner=self._owner(subnet=subnet.id, vpc=subnet.vpc_id))
            if self._is_named:
                place = self._named(place, next(iter(subnet.networks), ""))
            self._subnet_rows[subnet.id] = self._add(place)
        for vpc in self._numbers:
            place = self._in_vpc(vpc)._replace(owner=self._owner(subnet="", vpc=vpc))
            if self._is_named:
                place = self._named(place, next(iter(self._networks_of(vpc)), ""))
            self._vpc_rows[vpc] = self._add(place)
        for key, attachment in self._estate.attachments.items():
            if attachment.kind in SITES:
                far = self._estate.far_sides.get(key)
                place = Place(
                    name=attachment.name or attachment.resource_id or attachment.id,
                    account_id=far.account if far else attachment.resource_account,
                    region=far.region if far else self._estate.attachment_regions.get(key, ""),
                    service=SITES[attachment.kind],
                )
                self._site_rows[key] = self._add(place)

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

    def _look_around(self) -> tuple[list[list[Listed]], list[tuple[int, int, int]], dict[str, int]]:
        """Lists of networks, views, and the view of each subnet that has a route table of its own."""
        vpcs = sorted(self._numbers, key=self._numbers.__getitem__)
        lists = [list(self._aws_ranges()), *(list(self._held_by(vpc)) for vpc in vpcs)]
        routing = Routing(self._estate, Numbering(self._numbers, self._vpc_rows, self._site_rows), self._networks_of)
        reached_lists: dict[tuple[Zone, ...], int] = {}
        named_lists: dict[int, int] = {}

        def reached(zones: tuple[Zone, ...]) -> int:
            if zones not in reached_lists:
                lists.append(routing.reached(zones))
                reached_lists[zones] = len(lists) - 1
            return reached_lists[zones]

        def named(vpc: str, account: str) -> int:
            book = self._book(vpc, account)
            if id(book) not in named_lists:
                lists.append(list(self._outside_names(book)))
                named_lists[id(book)] = len(lists) - 1
            return named_lists[id(book)]

        views = [(0, reached(()), named("", ""))]
        for vpc in vpcs:
            zones = routing.zones(vpc, routing.main_table(vpc))
            views.append((self._numbers[vpc], reached(zones), named(vpc, self._in_vpc(vpc).account_id)))
        view_of_subnet: dict[str, int] = {}
        for vpc in vpcs:
            for table in routing.other_tables(vpc):
                number = self._numbers[vpc]
                views.append((number, reached(routing.zones(vpc, table)), views[number][2]))
                view_of_subnet |= dict.fromkeys(table.subnet_ids, len(views) - 1)
        return lists, views, view_of_subnet

    def _held_by(self, vpc_id: str) -> Iterator[Listed]:
        """Own subnets and CIDRs, and parts of them that the user named. Subnets first: of equal networks the first
        counts."""
        own = self._numbers[vpc_id]
        row = self._vpc_rows[vpc_id]
        held: list[tuple[Network, int]] = []
        for subnet in self._subnets_by_vpc[vpc_id]:
            held += [(network(text), self._subnet_rows[subnet.id]) for text in subnet.networks]
        held += [(network(text), row) for text in self._networks_of(vpc_id)]
        for inner, endpoint in held:
            yield Listed(inner, own, endpoint)
        if not self._is_named:
            return
        for outer, endpoint in sorted(held, key=lambda one: -one[0].prefixlen):
            place = self._places[endpoint]
            for name in self._book_of(place).inside(outer):
                yield Listed(network(name.cidr), own, self._add(_with_names(place, name)))

    def _outside_names(self, book: NameBook) -> Iterator[Listed]:
        for inner, name in book.entries.items():
            key = (name.name, name.site, name.tags)
            if key not in self._name_rows:
                self._name_rows[key] = self._add(_with_names(Place(), name))
            yield Listed(inner, 0, self._name_rows[key])

    def _aws_ranges(self) -> Iterator[Listed]:
        rows: dict[tuple[str, str], int] = {}
        for one in self._knowledge.ranges:
            key = (one.service, one.region)
            if key not in rows:
                region = "" if one.region == "GLOBAL" else one.region
                rows[key] = self._add(Place(service=one.service, region=region))
            yield Listed(network(one.cidr), 0, rows[key])

    def _networks_of(self, vpc_id: str) -> Sequence[str]:
        vpc, peer = self._estate.vpcs.get(vpc_id), self._foreign.get(vpc_id)
        return vpc.networks if vpc else peer.networks if peer else ()


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


def _with_names(place: Place, name: NamedNetwork) -> Place:
    return place._replace(name=place.name or name.name, site=name.site or place.site, tags=name.tags or place.tags)


def _is_public_ipv6(text: str) -> bool:
    """Global IPv6 addresses of interfaces mean the same for everybody, as public IPv4 addresses do."""
    address = ipaddress.ip_address(text)
    return address.version == 6 and address.is_global

"""Rows of the inventory's tables: what each thing is called, and whose it is.

Belongs here: numbering rows and the words in them. Pure. Does not: which things there are and where an address leads
(snapshot.py, surroundings.py), the rules for single words (places.py, service.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from consumer.discovery.estate.merging import Estate
from consumer.discovery.estate.routes import Endpoint
from consumer.discovery.estate.values import Interface, NatGateway, Subnet, Vpc
from consumer.discovery.inventory.aws_ranges import AwsRange
from consumer.discovery.inventory.own_names import NameBook, NamedNetwork
from consumer.discovery.inventory.places import Place, cluster_of, group_of, owner_of, service_name
from consumer.discovery.inventory.service import service_of
from consumer.discovery.inventory.zones import network


@dataclass(frozen=True, slots=True)
class Knowledge:
    """What is known besides what AWS says of the estate."""

    owner_tags: tuple[str, ...] = ()
    names: tuple[NamedNetwork, ...] = ()
    ranges: tuple[AwsRange, ...] = ()


class Rows:
    """Mutable: rows are numbered as they are added, row 0 is "unknown".

    `numbers`: dense number ≥ 1 by VPC id, VPCs that nobody can read included. `vpcs`, `subnets`: VPC number and subnet
    id of each row.
    """

    def __init__(self, estate: Estate, knowledge: Knowledge) -> None:
        self._estate = estate
        self._knowledge = knowledge
        self._foreign = estate.foreign_vpcs()
        self.numbers = {vpc: number for number, vpc in enumerate(sorted({*estate.vpcs, *self._foreign}), 1)}
        self.places = [Place()]
        self.vpcs = [0]
        self.subnets = [""]
        self.is_named = bool(knowledge.names)
        self._books: dict[tuple[NamedNetwork, ...], NameBook] = {}
        self._books_by_scope: dict[tuple[str, str], NameBook] = {}
        self._nat_by_interface = {
            interface: gateway for gateway in estate.nat_gateways.values() for interface in gateway.interface_ids
        }
        self._endpoint_by_interface = {
            interface: endpoint for endpoint in estate.endpoints.values() for interface in endpoint.interface_ids
        }

    def add(self, place: Place) -> int:
        """The number of a new row."""
        self.places.append(place)
        self.subnets.append(place.subnet_id)
        self.vpcs.append(self.numbers.get(place.vpc_id, 0))
        return len(self.places) - 1

    def add_interface(self, interface: Interface, instance_name: str) -> int:
        """The number of a new row for an interface, present or past."""
        gateway = self._nat_by_interface.get(interface.id)
        endpoint = self._endpoint_by_interface.get(interface.id)
        service = service_of(interface, is_nat=gateway is not None)
        if endpoint is not None and service == "VPC Endpoint":
            service = f"{service} {service_name(endpoint.service)}".strip()
        instance = self._estate.instances.get(interface.instance_id)
        own_tags, host_tags = interface.tags, instance.tags if instance else {}
        place = self.in_subnet(interface.subnet_id, interface.vpc_id)._replace(
            interface_id=interface.id,
            name=interface.name or instance_name or self._name_given(interface, gateway, endpoint),
            instance_id=interface.instance_id,
            instance_name=instance_name,
            instance_type=instance.type if instance else "",
            account_id=interface.account,
            region=self._estate.regions[interface.id],
            service=service,
            owner=self.owner(own_tags, host_tags, subnet=interface.subnet_id, vpc=interface.vpc_id),
            group=group_of(own_tags, host_tags),
            cluster=cluster_of(own_tags, host_tags),
            **({"az_id": interface.az_id} if interface.az_id else {}),
        )
        if self.is_named:
            place = self.named(place, next(iter(interface.addresses), ""))
        return self.add(place if place.name else place._replace(name=interface.instance_id or service))

    def _name_given(self, interface: Interface, gateway: NatGateway | None, endpoint: Endpoint | None) -> str:
        """By what the interface belongs to, where it has no name of its own; at last by its Elastic IP."""
        for owner in (gateway, endpoint):
            if owner is not None and owner.name:
                return owner.name
        known = (self._estate.elastic_addresses.get(text) for text in interface.public_addresses)
        return next((one[0].name for one in known if one is not None and one[0].name), "")

    def owner(self, *tags: Mapping[str, str], subnet: str, vpc: str) -> str:
        keys = self._knowledge.owner_tags
        if not keys:
            return ""
        around = [found.get(key) for found, key in ((self._estate.subnets, subnet), (self._estate.vpcs, vpc))]
        return owner_of(keys, *tags, *(one.tags for one in around if isinstance(one, Subnet | Vpc)))

    def book(self, vpc: str, account: str) -> NameBook:
        """The user's names that hold there."""
        names = tuple(one for one in self._knowledge.names if one.holds_for(vpc, account))
        book = self._books.get(names)
        if book is None:
            book = self._books[names] = NameBook(names)
        return book

    def named(self, place: Place, text: str) -> Place:
        """With the user's words for that address or network: a name where there is none yet, site and tags anyhow."""
        found = self.book_of(place).find(network(text)) if text else None
        return with_names(place, found) if found else place

    def book_of(self, place: Place) -> NameBook:
        """The same for every interface of a VPC and account, so it is looked for once."""
        key = (place.vpc_id, place.account_id)
        if key not in self._books_by_scope:
            self._books_by_scope[key] = self.book(*key)
        return self._books_by_scope[key]

    def in_vpc(self, vpc_id: str) -> Place:
        vpc, peer = self._estate.vpcs.get(vpc_id), self._foreign.get(vpc_id)
        if vpc is not None:
            region = self._estate.regions[vpc_id]
            return Place(vpc_id=vpc_id, vpc_name=vpc.name, account_id=vpc.account, region=region)
        if peer is not None:
            return Place(vpc_id=vpc_id, account_id=peer.account, region=peer.region)
        return Place(vpc_id=vpc_id)

    def in_subnet(self, subnet_id: str, vpc_id: str) -> Place:
        place = self.in_vpc(vpc_id)
        subnet = self._estate.subnets.get(subnet_id)
        if subnet is None:
            return place._replace(subnet_id=subnet_id)
        return place._replace(subnet_id=subnet_id, subnet_name=subnet.name, az_id=subnet.az_id)

    def networks_of(self, vpc_id: str) -> Sequence[str]:
        vpc, peer = self._estate.vpcs.get(vpc_id), self._foreign.get(vpc_id)
        return vpc.networks if vpc else peer.networks if peer else ()


def with_names(place: Place, name: NamedNetwork) -> Place:
    return place._replace(name=place.name or name.name, site=name.site or place.site, tags=name.tags or place.tags)

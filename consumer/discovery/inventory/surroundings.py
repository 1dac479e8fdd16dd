"""What can be seen from each VPC and each of its route tables: lists of networks, and views that choose among them.

Belongs here: the lists. Pure. Does not: following routes (routing.py), the arrays (model/networks.py).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping

from consumer.discovery.estate.merging import Estate
from consumer.discovery.estate.values import Subnet
from consumer.discovery.inventory.aws_ranges import AwsRange
from consumer.discovery.inventory.own_names import NameBook
from consumer.discovery.inventory.places import Place
from consumer.discovery.inventory.routing import Numbering, Routing, Zone
from consumer.discovery.inventory.rows import Rows, with_names
from consumer.discovery.inventory.zones import network
from consumer.model.networks import Listed, Network


class Surroundings:
    """Mutable: adds rows for what the user named. `subnet_rows`: row by subnet id. `ranges`: AWS's own."""

    def __init__(
        self,
        estate: Estate,
        rows: Rows,
        numbering: Numbering,
        subnet_rows: Mapping[str, int],
        ranges: tuple[AwsRange, ...],
    ) -> None:
        self._estate = estate
        self._rows = rows
        self._numbering = numbering
        self._subnet_rows = subnet_rows
        self._ranges = ranges
        self._name_rows: dict[tuple[str, str, str], int] = {}
        self._subnets_by_vpc: defaultdict[str, list[Subnet]] = defaultdict(list)
        for subnet in estate.subnets.values():
            self._subnets_by_vpc[subnet.vpc_id].append(subnet)

    def look(self) -> tuple[list[list[Listed]], list[tuple[int, int, int]], dict[str, int]]:
        """Lists of networks, views, and the view of each subnet that has a route table of its own."""
        vpcs = sorted(self._rows.numbers, key=self._rows.numbers.__getitem__)
        lists = [list(self._aws_ranges()), *(list(self._held_by(vpc)) for vpc in vpcs)]
        routing = Routing(self._estate, self._numbering, self._rows.networks_of)
        reached_lists: dict[tuple[Zone, ...], int] = {}
        named_lists: dict[int, int] = {}

        def reached(zones: tuple[Zone, ...]) -> int:
            if zones not in reached_lists:
                lists.append(routing.reached(zones))
                reached_lists[zones] = len(lists) - 1
            return reached_lists[zones]

        def named(vpc: str, account: str) -> int:
            book = self._rows.book(vpc, account)
            if id(book) not in named_lists:
                lists.append(list(self._outside_names(book)))
                named_lists[id(book)] = len(lists) - 1
            return named_lists[id(book)]

        views = [(0, reached(()), named("", ""))]
        for vpc in vpcs:
            zones = routing.zones(vpc, routing.main_table(vpc))
            views.append((self._rows.numbers[vpc], reached(zones), named(vpc, self._rows.in_vpc(vpc).account_id)))
        view_of_subnet: dict[str, int] = {}
        for vpc in vpcs:
            for table in routing.other_tables(vpc):
                number = self._rows.numbers[vpc]
                views.append((number, reached(routing.zones(vpc, table)), views[number][2]))
                view_of_subnet |= dict.fromkeys(table.subnet_ids, len(views) - 1)
        return lists, views, view_of_subnet

    def _held_by(self, vpc_id: str) -> Iterator[Listed]:
        """Own subnets and CIDRs, and parts of them that the user named. Subnets first: of equal networks the first
        counts."""
        own = self._rows.numbers[vpc_id]
        row = self._numbering.vpc_rows[vpc_id]
        held: list[tuple[Network, int]] = []
        for subnet in self._subnets_by_vpc[vpc_id]:
            held += [(network(text), self._subnet_rows[subnet.id]) for text in subnet.networks]
        held += [(network(text), row) for text in self._rows.networks_of(vpc_id)]
        for inner, endpoint in held:
            yield Listed(inner, own, endpoint)
        if not self._rows.is_named:
            return
        for outer, endpoint in sorted(held, key=lambda one: -one[0].prefixlen):
            place = self._rows.places[endpoint]
            for name in self._rows.book_of(place).inside(outer):
                yield Listed(network(name.cidr), own, self._rows.add(with_names(place, name)))

    def _outside_names(self, book: NameBook) -> Iterator[Listed]:
        for inner, name in book.entries.items():
            key = (name.name, name.site, name.tags)
            if key not in self._name_rows:
                self._name_rows[key] = self._rows.add(with_names(Place(), name))
            yield Listed(inner, 0, self._name_rows[key])

    def _aws_ranges(self) -> Iterator[Listed]:
        rows: dict[tuple[str, str], int] = {}
        for one in self._ranges:
            key = (one.service, one.region)
            if key not in rows:
                region = "" if one.region == "GLOBAL" else one.region
                rows[key] = self._rows.add(Place(service=one.service, region=region))
            yield Listed(network(one.cidr), 0, rows[key])

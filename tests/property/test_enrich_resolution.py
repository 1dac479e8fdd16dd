"""Which VPC an address belongs to: the kernel against plain Python, over random estates with overlapping networks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from consumer.discovery.estate.values import Interface, Part, Peer, Peering, Subnet, Vpc
from consumer.enrich import addresses
from consumer.enrich.join import Joiner, tables_of
from consumer.enrich.views import Views
from consumer.model.address_index import build_address_index, hashes
from consumer.model.inventory import Inventory, empty_inventory
from consumer.model.networks import Listed, build_networks
from tests.support.flows import all_rows, flow_batch, interface, inventory_of

OWNER = "111111111111"
BLOCKS = ("10.0.0.0/24", "10.0.0.0/25", "10.0.1.0/24", "10.0.0.0/16", "fd00::/64", "fd00:0:0:0:1::/80")
"""Few and overlapping, so that every VPC uses what another uses too."""
INNER = {"10.0.0.0/16": "10.0.1.0/25", "10.0.0.0/24": "10.0.0.128/25", "fd00::/64": "fd00::/80"}
ADDRESSES = (
    *(f"10.0.0.{last}" for last in (1, 17, 130, 255)),
    *(f"10.0.1.{last}" for last in (1, 17, 130)),
    *("10.0.9.9", "52.0.0.1", "52.0.0.2", "fd00::1", "fd00::1:0:0:5", "fd00::2:0:0:5", "2600::1", "2600::2"),
)
PREFIXES = ("10.0.0.16/28", "10.0.1.16/28", "fd00:0:0:0:2::/80")
PUBLIC = ("52.0.0.1", "52.0.0.2")


@st.composite
def estates(draw: st.DrawFn) -> Part:
    """Up to five VPCs of up to two blocks, interfaces with addresses of those blocks, random peerings."""
    vpcs, subnets, interfaces = [], [], []
    for number in range(draw(st.integers(1, 5))):
        blocks = tuple(draw(st.lists(st.sampled_from(BLOCKS), min_size=1, max_size=2, unique=True)))
        vpcs.append(Vpc(f"vpc-{number}", f"name-{number}", OWNER, blocks))
        for block in blocks:
            if block in INNER and draw(st.booleans()):
                subnets.append(Subnet(f"subnet-{number}-{block}", "", f"vpc-{number}", "", (INNER[block],)))
    for number in range(draw(st.integers(0, 8))):
        vpc = draw(st.sampled_from(vpcs))
        inside = [text for text in ADDRESSES if _within(text, vpc.networks)]
        prefixes = [text for text in PREFIXES if _within(text.split("/")[0], vpc.networks)]
        interfaces.append(
            interface(
                f"eni-{number}",
                vpc.id,
                *(draw(st.lists(st.sampled_from(inside), max_size=2, unique=True)) if inside else ()),
                prefixes=tuple(draw(st.lists(st.sampled_from(prefixes), max_size=1)) if prefixes else ()),
                public_addresses=tuple(draw(st.lists(st.sampled_from(PUBLIC), max_size=1))),
            )
        )
    pairs = draw(st.lists(st.tuples(st.sampled_from(vpcs), st.sampled_from(vpcs)), max_size=4))
    peerings = tuple(
        Peering(f"pcx-{number}", (_peer(one), _peer(other)))
        for number, (one, other) in enumerate(pairs)
        if one.id != other.id
    )
    return Part(OWNER, "us-east-1", 0.0, tuple(vpcs), tuple(subnets), tuple(interfaces), (), (), peerings)


def _peer(vpc: Vpc) -> Peer:
    return Peer(vpc.id, OWNER, "us-east-1", vpc.networks)


def _within(address: str, networks: Sequence[str]) -> bool:
    return any(_holds(ip_network(network), address) for network in networks)


def _holds(network: IPv4Network | IPv6Network, address: str) -> bool:
    return network.version == ip_address(address).version and ip_address(address) in network


AMBIGUOUS = "ambiguous"


class Reference:
    """The rules as a person would apply them, with nothing but AWS's own words: names of things, no numbers."""

    def __init__(self, part: Part) -> None:
        self.part = part
        self.networks = {vpc.id: vpc.networks for vpc in part.vpcs}
        self.peers: dict[str, set[str]] = {vpc.id: set() for vpc in part.vpcs}
        for peering in part.peerings:
            one, other = (side.vpc_id for side in peering.sides)
            self.peers[one].add(other)
            self.peers[other].add(one)

    def resolve(self, observer: str, address: str) -> str:
        """Interface id, subnet id or VPC id behind `address` as `observer` sees it; empty or AMBIGUOUS."""
        if observer:
            found = self._interface_in(observer, address)
            if found:
                return found
            target = self._owner(observer, address)
            if target == AMBIGUOUS:
                return AMBIGUOUS
            if target:
                return self._interface_in(target, address) or self._place_in(target, address)
        return self._one({one.id for one in self.part.interfaces if address in self._public(one)})

    def _interface_in(self, vpc: str, address: str) -> str:
        here = [one for one in self.part.interfaces if one.vpc_id == vpc]
        exact = {one.id for one in here if address in one.addresses}
        delegated = {one.id for one in here for prefix in one.prefixes if _holds(ip_network(prefix), address)}
        return self._one(exact) or self._one(delegated)

    def _owner(self, observer: str, address: str) -> str:
        if _within(address, self.networks[observer]):
            return observer  # the local route comes first
        lengths: dict[str, int] = {}
        for vpc in self.peers[observer]:
            for text in self.networks[vpc]:
                if _holds(ip_network(text), address):
                    lengths[vpc] = max(lengths.get(vpc, -1), ip_network(text).prefixlen)
        best = [vpc for vpc, length in lengths.items() if length == max(lengths.values())]
        return self._one(set(best))

    def _place_in(self, vpc: str, address: str) -> str:
        networks = [(text, one.id) for one in self.part.subnets if one.vpc_id == vpc for text in one.networks]
        networks += [(text, vpc) for text in self.networks[vpc]]
        matching = [
            (ip_network(text).prefixlen, place) for text, place in networks if _holds(ip_network(text), address)
        ]
        longest = max((length for length, _ in matching), default=0)
        return next((place for length, place in matching if length == longest), vpc)

    @staticmethod
    def _public(one: Interface) -> tuple[str, ...]:
        return (*one.public_addresses, *(text for text in one.addresses if ip_address(text).is_global and ":" in text))

    @staticmethod
    def _one(names: set[str]) -> str:
        return AMBIGUOUS if len(names) > 1 else next(iter(names), "")


def kernel_answers(inventory: Inventory, observer: str) -> list[str]:
    """What the kernel calls each of ADDRESSES, in the reference's words."""
    answers = []
    joiner = Joiner()
    for address in ADDRESSES:
        batch = flow_batch([{"vpc-id": observer or "-", "srcaddr": address}])
        joined = joiner.join(batch, all_rows(batch), inventory)
        row = int(joined.words[0, joined.columns["source"].word])
        words = (inventory.endpoints.text(name, row).decode() for name in ("interface_id", "subnet_id", "vpc_id"))
        is_ambiguous = joiner.take_counts().ambiguous_source
        answers.append(AMBIGUOUS if is_ambiguous else next((word for word in words if word), ""))
    return answers


@settings(max_examples=150, deadline=None)
@given(estates())
def test_the_kernel_resolves_every_address_as_plain_python_does(part: Part) -> None:
    inventory, reference = inventory_of(part), Reference(part)
    for observer in ("", *(vpc.id for vpc in part.vpcs)):
        expected = [reference.resolve(observer, address) for address in ADDRESSES]
        assert dict(zip(ADDRESSES, kernel_answers(inventory, observer), strict=True)) == dict(
            zip(ADDRESSES, expected, strict=True)
        )


@settings(max_examples=150, deadline=None)
@given(estates())
def test_no_private_address_is_ever_given_to_a_vpc_that_the_observer_cannot_reach(part: Part) -> None:
    inventory, reference = inventory_of(part), Reference(part)
    vpc_of = {one.id: one.vpc_id for one in part.interfaces} | {one.id: one.vpc_id for one in part.subnets}
    for vpc in part.vpcs:
        reachable = {vpc.id, *reference.peers[vpc.id]}
        for address, name in zip(ADDRESSES, kernel_answers(inventory, vpc.id), strict=True):
            if name not in ("", AMBIGUOUS) and not ip_address(address).is_global:
                assert vpc_of.get(name, name) in reachable


WORD = st.integers(0, 2**64 - 1)


@settings(deadline=None)
@given(st.dictionaries(st.tuples(WORD.filter(bool), WORD, WORD), st.integers(1, 2**40), max_size=60))
def test_every_key_of_an_index_is_found_and_no_other(entries: dict[tuple[int, int, int], int]) -> None:
    keys = np.array(list(entries), dtype=np.uint64).reshape(len(entries), 3)
    index = build_address_index(keys, np.array(list(entries.values()), dtype=np.int64))

    def find(scope: int, high: int, low: int) -> int:
        with np.errstate(over="ignore"):
            words = (np.uint64(scope), np.uint64(high), np.uint64(low))
            return int(addresses.find(index.slots, np.uint64(index.bits), *words))

    for (scope, high, low), row in entries.items():
        assert find(scope, high, low) == row
        for other in ((scope, high, low ^ 1), (scope, high ^ 1, low), (scope ^ 8 or 1, high, low)):
            assert find(*other) == entries.get(other, 0)


@settings(deadline=None)
@given(WORD, WORD, WORD)
def test_the_index_is_built_with_the_hash_it_is_searched_with(scope: int, high: int, low: int) -> None:
    words = [np.uint64(word) for word in (scope, high, low)]
    built = hashes(*(np.array([word], dtype=np.uint64) for word in words))[0]
    with np.errstate(over="ignore"):
        assert int(addresses.hash_of(*words)) == int(built)


RANGES = st.lists(
    st.tuples(st.integers(0, 2**32 - 1), st.integers(1, 32)).map(
        lambda one: IPv4Network((one[0] & -1 << 32 - one[1], one[1]))
    ),
    max_size=40,
    unique=True,
)


@settings(deadline=None)
@given(RANGES, st.lists(st.integers(0, 2**32 - 1), max_size=20))
def test_an_address_is_found_in_the_range_of_aws_that_the_whole_list_tells(
    ranges: list[IPv4Network], others: list[int]
) -> None:
    listed = [Listed(network, endpoint=row) for row, network in enumerate(ranges, 1)]
    inventory = replace(empty_inventory(), networks=build_networks((listed, ())))
    edges = [int(edge) + step for one in ranges for edge in (one[0], one[-1]) for step in (-1, 0, 1)]
    lows = np.array([low for low in (*edges, *others, 0, 2**32 - 1) if 0 <= low < 2**32], dtype=np.uint64)
    lists, nothing = np.zeros(len(lows), dtype=np.int64), np.zeros(len(lows), dtype=np.uint64)
    wanted = inventory.networks.find(lists, nothing.astype(np.bool_), nothing, lows) & np.uint64(0xFFFFFFFF)

    tables = tables_of(inventory, Views(inventory))
    with np.errstate(over="ignore"):
        found = [int(addresses.aws_range(tables, np.uint64(0), low, np.uint64(4))) for low in lows]
    assert found == wanted.tolist()


@settings(deadline=None)
@given(st.dictionaries(st.tuples(st.sampled_from((4, 6, 20, 22)), WORD, WORD), st.integers(1, 2**40), max_size=60))
def test_every_public_address_is_found_and_no_other(entries: dict[tuple[int, int, int], int]) -> None:
    keys = np.array(list(entries), dtype=np.uint64).reshape(len(entries), 3)
    index = build_address_index(keys, np.array(list(entries.values()), dtype=np.int64))
    inventory = replace(empty_inventory(), addresses=index)
    tables = tables_of(inventory, Views(inventory))

    for _, high, low in entries:
        for wanted in ((4, high, low), (6, high, low), (4, high, low ^ 1), (6, high ^ 1, low)):
            family, *address = map(np.uint64, wanted)
            with np.errstate(over="ignore"):
                assert int(addresses.find_public(tables, *address, family)) == entries.get(wanted, 0)

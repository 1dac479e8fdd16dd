"""Networks as a kernel can search them: numbered lists, each cut into ranges that do not overlap.

Belongs here: the arrays and building them (once per snapshot). Does not: single addresses (address_index.py), the
kernel's own search (enrich/addresses.py) or knowing what AWS said (discovery/).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network

import numpy as np
from numpy.typing import NDArray

from consumer.model.address_index import LOW_HALF, Words

Network = IPv4Network | IPv6Network

LISTED_BIT, AMBIGUOUS_BIT = 62, 61
PATH_SHIFT, VPC_SHIFT = 56, 32
"""How a network's value is packed: bit 62 always, bit 61 when two VPCs have equal right to it, then path, VPC, row."""
_TARGET = (1 << PATH_SHIFT) - 1


@dataclass(frozen=True, slots=True)
class Listed:
    """One network of a list: addresses in it belong to VPC `vpc` (0 = to none that is known), `endpoint` names the
    place when nothing better is known (row of a subnet, VPC or site, 0 = nothing), `path` leads there."""

    network: Network
    vpc: int = 0
    endpoint: int = 0
    path: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Networks:
    """Numbered lists of networks, searched for the longest prefix by one binary search.

    List 0: AWS's public ranges. List i ≤ number of VPCs: what VPC i itself holds. Further lists: what a view reaches
    outside of its VPC, and the user's own names. `starts`: uint64[2l + 1]; the IPv4 ranges of list i are those from
    `starts[2i]` to `starts[2i + 1]`, its IPv6 ranges those up to `starts[2i + 2]`. `highs`, `lows`: uint64[r], first
    address of each range (an IPv4 address is a low half). `values`: uint64[r] packed, 0 = no network holds it. A range
    ends where the next begins; the first begins at address 0, so every address has its range.

    A hash probe a prefix length, as there was before, cost a cache miss a length: the networks of one list lay all over
    a table of the whole estate, its ranges lie in a few cache lines.
    """

    starts: Words
    highs: Words
    lows: Words
    values: Words

    @property
    def list_count(self) -> int:
        """How many lists there are."""
        return (len(self.starts) - 1) // 2

    def find(self, lists: NDArray[np.int64], is_ipv6: NDArray[np.bool_], high: Words, low: Words) -> Words:
        """uint64[a] packed value of each address in the list beside it: the kernel's search, for many at once."""
        begins = 2 * lists + is_ipv6
        places = self.starts[begins].astype(np.int64)
        counts = self.starts[begins + 1].astype(np.int64) - places
        while np.any(counts > 1):
            half = counts >> 1
            first, second = self.highs[places + half], self.lows[places + half]
            places = np.where((first < high) | ((first == high) & (second <= low)), places + half, places)
            counts = counts - half
        values: Words = self.values[places]
        return values


def build_networks(lists: Iterable[Iterable[Listed]]) -> Networks:
    """Of equal networks in a list: a known place beats an unknown one, of one VPC the first given is found, two VPCs
    (or two places outside of VPCs) make it ambiguous."""
    starts = [0]
    lines: list[tuple[int, int, int]] = []
    for items in lists:
        merged: dict[Network, int] = {}
        for item in items:
            here = merged.get(item.network)
            merged[item.network] = _packed(item) if here is None else _merged(here, _packed(item))
        for family, bits in ((4, 32), (6, 128)):
            found = {network: value for network, value in merged.items() if network.version == family}
            lines += [(first >> 64, first & LOW_HALF, value) for first, value in _ranges(found, bits)]
            starts.append(len(lines))
    highs, lows, values = np.array(lines, dtype=np.uint64).reshape(len(lines), 3).T.copy()
    return Networks(np.array(starts, dtype=np.uint64), highs, lows, values)


def _ranges(networks: Mapping[Network, int], bits: int) -> list[tuple[int, int]]:
    """(first address, value) of each range; networks of one family hold each other or nothing of each other."""
    ranges = [(0, 0)]
    outer: list[tuple[int, int]] = [(1 << bits, 0)]  # networks around the place at hand: end and value
    for network in sorted(networks, key=lambda one: (int(one.network_address), one.prefixlen)):
        first = int(network.network_address)
        _close(ranges, outer, first)
        _begin(ranges, first, networks[network])
        outer.append((first + network.num_addresses, networks[network]))
    _close(ranges, outer, (1 << bits) - 1)
    return ranges


def _close(ranges: list[tuple[int, int]], outer: list[tuple[int, int]], until: int) -> None:
    """Leave every network that ends at `until` or before."""
    while outer[-1][0] <= until:
        end, _ = outer.pop()
        _begin(ranges, end, outer[-1][1])


def _begin(ranges: list[tuple[int, int]], first: int, value: int) -> None:
    if ranges[-1][0] == first:
        ranges.pop()
    if not ranges or ranges[-1][1] != value:
        ranges.append((first, value))


def _packed(item: Listed) -> int:
    return 1 << LISTED_BIT | item.path << PATH_SHIFT | item.vpc << VPC_SHIFT | item.endpoint


def _merged(first: int, second: int) -> int:
    ambiguous = 1 << AMBIGUOUS_BIT
    one, other = first & _TARGET, second & _TARGET
    if (first | second) & ambiguous:
        return first | ambiguous
    if one and other:
        vpcs = one >> VPC_SHIFT, other >> VPC_SHIFT
        is_same = vpcs[0] == vpcs[1] if any(vpcs) else one == other
        path = first if first >> PATH_SHIFT == second >> PATH_SHIFT else first & ~(31 << PATH_SHIFT)
        return first if is_same else path | ambiguous
    if one or other:
        return first if one else second
    return first if first == second else 1 << LISTED_BIT


@dataclass(frozen=True, slots=True, eq=False)
class Views:
    """From where an address is looked at: view i ≤ number of VPCs is VPC i with its main route table, further ones are
    VPCs with another route table, view 0 is nowhere.

    `lines`: int64[v, 4] = VPC number, list of what is reached outside of the VPC, list of the user's names for what
    no VPC holds, 1 = an interface of the VPC has an address outside of the VPC's networks (nobody could read them).
    """

    lines: NDArray[np.int64]

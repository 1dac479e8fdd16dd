"""Addresses as a kernel can search them: an exact table, and lists of networks.

Belongs here: the arrays and building them (NumPy, once per snapshot). Does not: searching (enrich/kernels.py, which
must use the same scope and the same hash) or knowing what AWS said (discovery/).

The same private address exists in many VPCs, so nothing here is keyed by an address alone: the key is (scope, high,
low), and a scope names the VPC. VPC 0 holds public addresses, which mean the same whoever looks.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network

import numpy as np
from numpy.typing import NDArray

Words = NDArray[np.uint64]
Network = IPv4Network | IPv6Network

AMBIGUOUS = -1
"""In place of an endpoint row: several things answer to this address, so it is named by none."""
PREFIX_LENGTHS = {4: 28, 6: 80}
"""The one size of prefix EC2 delegates to an interface, by family (EC2 user guide, "Prefix delegation")."""
LOW_HALF = (1 << 64) - 1

_MIX = tuple(np.uint64(number) for number in (0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9))
_SPREAD = np.uint64(0xD6E8FEB86659FD93)
_FOLD = np.uint64(32)
_SMALLEST_BITS = 3


@dataclass(frozen=True, slots=True, eq=False)
class AddressIndex:
    """Endpoint behind an address: open addressing, linear probing, 32 bytes a slot so that a probe is one cache line.

    `slots`: uint64[s, 4] = scope, high half, low half, endpoint row (two's complement, so -1 = AMBIGUOUS). Scope 0 =
    empty; the last slot is always empty, so a probe from `home` ends without wrapping. `bits`: the home of a key is
    the top `bits` bits of its hash. `has_prefixes`: whether delegated prefixes are in it (a second probe).
    """

    slots: Words
    bits: int
    has_prefixes: bool


def scope_of(vpc: int, family: int, *, is_prefix: bool = False) -> int:
    """First word of a key. `vpc` dense number (0 = public), `family` 4 or 6; prefixes live in a scope of their own."""
    return vpc << 4 | is_prefix << 3 | family


def hashes(scope: Words, high: Words, low: Words) -> Words:
    """uint64[a] hash of each key. enrich/kernels.py spells the same arithmetic."""
    mixed: Words = scope * _MIX[0] ^ high * _MIX[1] ^ low * _MIX[2]
    mixed = (mixed ^ mixed >> _FOLD) * _SPREAD
    return mixed ^ mixed >> _FOLD


def build_address_index(keys: Words, rows: NDArray[np.int64]) -> AddressIndex:
    """Table of `keys` uint64[a, 3] (scope, high, low) → `rows` int64[a]. A key given for two rows becomes AMBIGUOUS.

    Sorted by home, every key lands at the first free slot at or after it: one running maximum instead of a loop.
    """
    keys, rows = _merge_equal_keys(keys, rows)
    count = len(rows)
    bits = max(_SMALLEST_BITS, (2 * count).bit_length())
    home = (hashes(keys[:, 0], keys[:, 1], keys[:, 2]) >> np.uint64(64 - bits)).astype(np.int64)
    order = np.argsort(home, kind="stable")
    steps = np.arange(count, dtype=np.int64)
    places = steps + np.maximum.accumulate(home[order] - steps) if count else steps
    last = int(places[-1]) if count else 0
    slots = np.zeros((max(1 << bits, last + 1) + 1, 4), dtype=np.uint64)
    slots[places, :3] = keys[order]
    slots[places, 3] = rows[order].view(np.uint64)
    has_prefixes = bool(np.any(keys[:, 0] & np.uint64(8)))
    return AddressIndex(slots, bits, has_prefixes)


def _merge_equal_keys(keys: Words, rows: NDArray[np.int64]) -> tuple[Words, NDArray[np.int64]]:
    """Each key once; AMBIGUOUS where its rows differ."""
    if not len(rows):
        return keys.reshape(0, 3), rows
    order = np.lexsort((rows, keys[:, 2], keys[:, 1], keys[:, 0]))
    keys, rows = keys[order], rows[order]
    first = np.empty(len(rows), dtype=np.bool_)
    first[0] = True
    np.any(keys[1:] != keys[:-1], axis=1, out=first[1:])
    starts = np.flatnonzero(first)
    ends = np.append(starts[1:], len(rows))
    merged = np.where(rows[starts] == rows[ends - 1], rows[starts], AMBIGUOUS)
    return keys[starts], merged


@dataclass(frozen=True, slots=True)
class Listed:
    """One network of a list: addresses in it belong to VPC `vpc` (0 = to none that is known), `endpoint` names the
    place when nothing better is known (row of a subnet, VPC or site, 0 = nothing), `path` leads there."""

    network: Network
    vpc: int = 0
    endpoint: int = 0
    path: int = 0


LISTED_BIT, AMBIGUOUS_BIT = 62, 61
PATH_SHIFT, VPC_SHIFT = 56, 32
"""How a network's value is packed: bit 62 always, bit 61 when two VPCs have equal right to it, then path, VPC, row."""


@dataclass(frozen=True, slots=True, eq=False)
class Networks:
    """Numbered lists of networks, searched for the longest prefix by one hash probe a prefix length.

    List 0: AWS's public ranges. List i ≤ number of VPCs: what VPC i itself holds. Further lists: what a view reaches
    outside of its VPC, and the user's own names. `slots`, `bits`: as in AddressIndex, the scope being
    `list_scope(...)`, the value packed. `starts`: int64[l + 1]; list i has the prefix lengths
    `lengths[starts[i] : starts[i + 1]]`. `lengths`: uint64[k, 4] = family, length, mask high, mask low; longest first.
    `hints`: uint64[65536], for the first 16 bits of an IPv4 address the lengths (as bits) that list 0 has there: it has
    twenty lengths, and few addresses have more than two of them to try.
    """

    slots: Words
    bits: int
    starts: NDArray[np.int64]
    lengths: Words
    hints: Words


def list_scope(number: int, length: int, family: int) -> int:
    """First word of the key of a network."""
    return number << 12 | length << 4 | family


def build_networks(lists: Iterable[Iterable[Listed]]) -> Networks:
    """Of equal networks in a list: a known place beats an unknown one, of one VPC the first given is found, two VPCs
    (or two places outside of VPCs) make it ambiguous."""
    starts = [0]
    lengths: list[tuple[int, int, int, int]] = []
    keys: list[tuple[int, int, int]] = []
    values: list[int] = []
    hints = np.zeros(1 << 16, dtype=np.uint64)
    for number, items in enumerate(lists):
        merged: dict[Network, int] = {}
        for item in items:
            here = merged.get(item.network)
            merged[item.network] = _packed(item) if here is None else _merged(here, _packed(item))
        sizes = {(network.version, network.prefixlen) for network in merged}
        for family, length in sorted(sizes, key=lambda size: (-size[1], size[0])):
            lengths.append((family, length, *_mask(family, length)))
        starts.append(len(lengths))
        for network, value in merged.items():
            address = int(network.network_address)
            scope = list_scope(number, network.prefixlen, network.version)
            keys.append((scope, address >> 64, address & LOW_HALF))
            values.append(value)
            if number == 0 and network.version == 4:
                first = address >> 16
                count = 1 << max(0, 16 - network.prefixlen)
                hints[first : first + count] |= np.uint64(1 << network.prefixlen)
    index = build_address_index(np.array(keys, dtype=np.uint64).reshape(len(keys), 3), np.array(values, dtype=np.int64))
    return Networks(
        index.slots,
        index.bits,
        np.array(starts, dtype=np.int64),
        np.array(lengths, dtype=np.uint64).reshape(len(lengths), 4),
        hints,
    )


_TARGET = (1 << PATH_SHIFT) - 1
_ENDPOINT = (1 << VPC_SHIFT) - 1


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

    `lines`: int64[v, 3] = VPC number, list of what is reached outside of the VPC, list of the user's names for what
    no VPC holds.
    """

    lines: NDArray[np.int64]


def _mask(family: int, length: int) -> tuple[int, int]:
    """Mask of an address as it lies in a batch: IPv4 in the low half under a high half of zeros."""
    mask = ((1 << length) - 1) << (32 - length) if family == 4 else ((1 << length) - 1) << (128 - length)
    return mask >> 64, mask & LOW_HALF

"""Addresses as a kernel can search them: an exact table, and the networks a VPC reaches.

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
class Reachable:
    """A network that a VPC reaches: addresses in it belong to VPC `vpc`; `endpoint` names the place when nothing
    better is known (a subnet's or a VPC's row)."""

    network: Network
    vpc: int
    endpoint: int


@dataclass(frozen=True, slots=True, eq=False)
class Reach:
    """Networks by observing VPC, longest prefix first.

    `starts`: int64[v + 2]; VPC number i reaches `networks[starts[i] : starts[i + 1]]`.
    `networks`: uint64[r, 8] = mask high, mask low, network high, network low, family, prefix length, VPC, endpoint
    row. One row is one cache line.
    """

    starts: NDArray[np.int64]
    networks: Words


def build_reach(by_vpc: Iterable[Iterable[Reachable]]) -> Reach:
    """`by_vpc`: for VPC number 1, 2, … what it reaches, its own networks included. Of equal networks of one VPC the
    first given is found."""
    starts = [0, 0]
    lines: list[tuple[int, ...]] = []
    for reachable in by_vpc:
        lines += sorted(dict.fromkeys(map(_line, reachable)), key=lambda line: -line[5])
        starts.append(len(lines))
    networks = np.array(lines, dtype=np.uint64).reshape(len(lines), 8)
    return Reach(np.array(starts, dtype=np.int64), networks)


def _line(item: Reachable) -> tuple[int, ...]:
    network = item.network
    mask_high, mask_low = _mask(network.version, network.prefixlen)
    value = int(network.network_address)
    return (
        mask_high,
        mask_low,
        value >> 64,
        value & LOW_HALF,
        network.version,
        network.prefixlen,
        item.vpc,
        item.endpoint,
    )


def _mask(family: int, length: int) -> tuple[int, int]:
    """Mask of an address as it lies in a batch: IPv4 in the low half under a high half of zeros."""
    mask = ((1 << length) - 1) << (32 - length) if family == 4 else ((1 << length) - 1) << (128 - length)
    return mask >> 64, mask & LOW_HALF

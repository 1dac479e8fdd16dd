"""Addresses as a kernel can search them: one exact table.

Belongs here: the array and building it (NumPy, once per snapshot). Does not: networks (networks.py), searching
(enrich/addresses.py, which must use the same scope and the same hash) or knowing what AWS said (discovery/).

The same private address exists in many VPCs, so nothing here is keyed by an address alone: the key is (scope, high,
low), and a scope names the VPC. VPC 0 holds public addresses, which mean the same whoever looks.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Words = NDArray[np.uint64]

AMBIGUOUS = -1
"""In place of an endpoint row: several things answer to this address, so it is named by none."""
PREFIX_LENGTHS = {4: 28, 6: 80}
"""The one size of prefix EC2 delegates to an interface, by family (EC2 user guide, "Prefix delegation")."""
LOW_HALF = (1 << 64) - 1

_MIX = tuple(np.uint64(number) for number in (0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9))
_SPREAD = np.uint64(0xD6E8FEB86659FD93)
_FOLD = np.uint64(32)
_SMALLEST_BITS = 3
_SMALLEST_MARK_BITS = 6


@dataclass(frozen=True, slots=True, eq=False)
class AddressIndex:
    """Endpoint behind an address: open addressing, linear probing, 32 bytes a slot so that a probe is one cache line.

    `slots`: uint64[s, 4] = scope, high half, low half, endpoint row (two's complement, so -1 = AMBIGUOUS). Scope 0 =
    empty; the last slot is always empty, so a probe from `home` ends without wrapping. `bits`: the home of a key is
    the top `bits` bits of its hash. `has_prefixes`: whether delegated prefixes are in it (a second probe).
    `marks`: uint64[2^m], a bit for every public address (VPC 0), numbered by the top m + 6 bits of its hash. Most
    addresses of the internet are none of ours, and these few bits stay in the cache where `slots` do not.
    """

    slots: Words
    bits: int
    has_prefixes: bool
    marks: Words


def scope_of(vpc: int, family: int, *, is_prefix: bool = False) -> int:
    """First word of a key. `vpc` dense number (0 = public), `family` 4 or 6; prefixes live in a scope of their own."""
    return vpc << 4 | is_prefix << 3 | family


def vpc_of(scopes: Words) -> NDArray[np.int64]:
    """int64[a] VPC number in each scope, 0 = public."""
    return (scopes >> np.uint64(4)).astype(np.int64)


def family_of(scopes: Words) -> Words:
    """uint64[a] 4 or 6."""
    return scopes & np.uint64(7)


def hashes(scope: Words, high: Words, low: Words) -> Words:
    """uint64[a] hash of each key. enrich/addresses.py spells the same arithmetic."""
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
    return AddressIndex(slots, bits, has_prefixes, _marks(keys[vpc_of(keys[:, 0]) == 0]))


def _marks(keys: Words) -> Words:
    """Sixteen bits for each of `keys` uint64[a, 3]: one in sixteen of other addresses is looked for in vain."""
    bits = max(_SMALLEST_MARK_BITS, (16 * len(keys)).bit_length())
    is_marked = np.zeros(1 << bits, dtype=np.bool_)
    is_marked[hashes(keys[:, 0], keys[:, 1], keys[:, 2]) >> np.uint64(64 - bits)] = True
    return np.packbits(is_marked, bitorder="little").view(np.uint64)


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

"""What stands behind an address, as the view of a recording interface sees it. Compiled, readable as Python.

Belongs here: searching the tables of the inventory, and the loops that do it for one end of every row. Does not: rows
as a whole (kernels.py), the tables (model/address_index.py, model/networks.py; the scope of a key and its hash are
spelled again here for the compiler, and a test holds both to each other).

numba's cache does not see that this file changed when it loads kernels.py: set-up empties it. Row positions are int64,
words uint64; mixing the two silently gives a signed or float type, so every constant is typed. What comes out of memory
and is an index is made unsigned: of a signed one numba asks each time whether it counts from the end (a tenth of all).
"""

from typing import Any, NamedTuple

import numpy as np
from numba import njit

from consumer.model.compiling import HELPER, ROUTINE

AMBIGUOUS = -1
"""In place of an endpoint row (model/address_index.py)."""

# Columns of a view: those of model/networks.py, but of each list of networks where its IPv4 ranges begin, and in the
# two columns after that where its IPv6 ranges begin and end. Then its exporter address, and what only views of
# interfaces have: row of the interface, its ifIndex, its way, and 1 + the group of the history that begins here.
VIEW_VPC, VIEW_STRAYS, VIEW_OWN, VIEW_REACHED, VIEW_NAMED = 0, 1, 2, 5, 8
VIEW_EXPORTER, VIEW_INTERFACE, VIEW_IF_INDEX, VIEW_PATH, VIEW_TURNS = range(11, 16)
VIEW_SIZE = 16
"""32-bit columns: a line of the cache, and all that a row asks of the interface that recorded it."""
NOWHERE = np.uint64(0)
"""The view that belongs to no VPC; its own networks are AWS's public ranges."""

AWS_BITS = 14
"""First bits of an IPv4 address that tell where the search in AWS's ranges begins: 64 KB of places."""
BLOCK = 128
"""Rows that go through one loop before the next one begins: what the loops tell each other lies in the first cache."""
# What they tell each other: int64[2, 10, BLOCK] by end, thing and row. The first two things lie with the source only,
# the last two are lists of rows.
SOURCE_END, DESTINATION_END = 0, 1
AT_INTERFACE, AT_OWN_VIEW, AT_VIEW, AT_HOP, AT_KIND, AT_VPC, AT_ROW, AT_PATH, AT_INNER, AT_OUTER = range(10)
BLOCK_SHAPE = (2, 10, BLOCK)
# What an end's networks say: it is the recording VPC's, another one's, no VPC's; or its row is certain.
OWN, BEYOND, OUTSIDE, DECIDED = (np.int64(kind) for kind in range(4))
_NOBODY = np.int64(0)


class Tables(NamedTuple):
    """What every look-up searches; a tuple, for the compiler takes no other record.

    `slots` … `marks`: model/address_index.py; `mark_bits`: of a hash, those that number a mark. `net_*`:
    model/networks.py. `aws_places`: int32[2^AWS_BITS + 1], the last of AWS's IPv4 ranges that begins at or before each
    part of the address space. `views`: uint32[v, VIEW_SIZE] (views.py). `turn_*`: the history (model/inventory.py).
    """

    slots: Any
    bits: Any
    has_prefixes: Any
    marks: Any
    mark_bits: Any
    net_highs: Any
    net_lows: Any
    net_values: Any
    aws_places: Any
    views: Any
    turn_starts: Any
    turn_until: Any
    turn_rows: Any


_MIX_SCOPE = np.uint64(0x9E3779B97F4A7C15)
_MIX_HIGH = np.uint64(0xC2B2AE3D27D4EB4F)
_MIX_LOW = np.uint64(0x165667B19E3779F9)
_SPREAD = np.uint64(0xD6E8FEB86659FD93)
_FOLD = np.uint64(32)
_NULL = np.uint64(0)
_ONE = np.uint64(1)
_SIGN = np.uint64(63)
_IPV4 = np.uint64(4)
_PREFIX = np.uint64(8)
_VPC_SHIFT = np.uint64(4)
_WORD_BITS = np.uint64(64)
_MARK_WORD, _MARK_IN_WORD = np.uint64(6), np.uint64(63)
# A packed network value: bit 61 ambiguous, then path, VPC and row.
_VALUE_AMBIGUOUS = np.int64(1 << 61)
_VALUE_PATH_SHIFT, _VALUE_PATH = np.int64(56), np.int64(31)
_VALUE_VPC_SHIFT, _VALUE_VPC = np.int64(32), np.int64(0xFFFFFF)
_VALUE_ROW = np.int64(0xFFFFFFFF)
_AWS_PART = np.uint64(32 - AWS_BITS)
_SAME_VPC, _PEERING = np.int64(1), np.int64(2)
"""Ways (model/flow_path.py)."""
_IPV4_PREFIX_MASK = np.uint64(0xFFFFFFF0)  # /28 in the low half
_IPV6_PREFIX_MASK = np.uint64(0xFFFF000000000000)  # /80: the upper 16 bits of the low half


@njit(**HELPER)
def hash_of(scope: np.uint64, high: np.uint64, low: np.uint64) -> np.uint64:
    """Hash of a key."""
    mixed = scope * _MIX_SCOPE ^ high * _MIX_HIGH ^ low * _MIX_LOW
    mixed = (mixed ^ (mixed >> _FOLD)) * _SPREAD
    return mixed ^ (mixed >> _FOLD)


@njit(**HELPER)
def turn_at(tables, group, moment):  # type: ignore[no-untyped-def]
    """How many turns of a group of the history were over at a moment. Unknown moments are now."""
    first = tables.turn_starts[group]
    last = tables.turn_starts[group + 1] - 1
    place = last if moment == _NULL else first
    while place < last and moment >= tables.turn_until[place]:
        place += 1
    return place - first


@njit(**HELPER)
def row_at(tables, code, moment):  # type: ignore[no-untyped-def]
    """Row of a code of the history (≤ -2) at a moment; any other number is itself."""
    if code >= -1:
        return code
    group = np.int64(-2) - code
    return tables.turn_rows[tables.turn_starts[group] + turn_at(tables, group, moment)]


@njit(**HELPER)
def find(slots, bits, scope, high, low):  # type: ignore[no-untyped-def]
    """Endpoint row of one key: > 0 found, 0 not there, -1 ambiguous, less: a code of the history."""
    return find_hashed(slots, bits, hash_of(scope, high, low), scope, high, low)


@njit(**HELPER)
def find_hashed(slots, bits, mixed, scope, high, low):  # type: ignore[no-untyped-def]
    """The same of a key whose hash is known."""
    place = mixed >> (_WORD_BITS - bits)
    while slots[place, 0] != _NULL:
        if slots[place, 0] == scope and slots[place, 2] == low and slots[place, 1] == high:
            return np.int64(slots[place, 3])
        place += _ONE
    return np.int64(0)


@njit(**HELPER)
def find_in_vpc(tables, vpc, high, low, family):  # type: ignore[no-untyped-def]
    """Endpoint row of an address in one VPC: the address itself, else the prefix delegated to an interface."""
    scope = (np.uint64(vpc) << _VPC_SHIFT) | family
    row = find(tables.slots, tables.bits, scope, high, low)
    if row != 0 or not tables.has_prefixes:
        return row
    mask = _IPV4_PREFIX_MASK if family == _IPV4 else _IPV6_PREFIX_MASK
    return find(tables.slots, tables.bits, scope | _PREFIX, high, low & mask)


@njit(**HELPER)
def find_public(tables, high, low, family):  # type: ignore[no-untyped-def]
    """Endpoint row of a public address, which means the same whoever looks."""
    mixed = hash_of(family, high, low)
    mark = mixed >> (_WORD_BITS - tables.mark_bits)
    if (tables.marks[mark >> _MARK_WORD] >> (mark & _MARK_IN_WORD)) & _ONE == _NULL:
        return np.int64(0)
    return find_hashed(tables.slots, tables.bits, mixed, family, high, low)


@njit(**HELPER)
def is_below(one, other):  # type: ignore[no-untyped-def]
    """1 when one < other, else 0, for any words: the borrow of their difference."""
    return ((~one & other) | ((~one | other) & (one - other))) >> _SIGN


@njit(**HELPER)
def longest_match(tables, view, networks, high, low, family):  # type: ignore[no-untyped-def]
    """Packed value of the longest network that holds the address; 0 when none does. `networks`: a list of the view.

    The loops have no branch on what is compared, and say so in a way the compiler does not turn into one: half of the
    branches would be mispredicted, and 30 ranges took 26 ns instead of 5. How much is reached differs most from view to
    view, so there the end of the loop is asked for at every fourth step only; a step too many stays where it is.
    """
    steps = 4 if networks == VIEW_REACHED else 1
    if family == _IPV4:
        place = np.uint64(tables.views[view, networks])
        count = np.uint64(tables.views[view, networks + 1]) - place
        while count > _ONE:
            for _ in range(steps):
                half = count >> _ONE
                place += half & ~((low - tables.net_lows[place + half]) >> _FOLD)
                count -= half
    else:
        place = np.uint64(tables.views[view, networks + 1])
        count = np.uint64(tables.views[view, networks + 2]) - place
        while count > _ONE:
            half = count >> _ONE
            first, second = tables.net_highs[place + half], tables.net_lows[place + half]
            is_less = is_below(high, first) | (is_below(high ^ first, _ONE) & is_below(low, second))
            place += half & (is_less - _ONE)
            count -= half
    return np.int64(tables.net_values[place])


@njit(**HELPER)
def aws_range(tables, high, low, family):  # type: ignore[no-untyped-def]
    """Endpoint row of AWS's public range that holds the address, 0 = none: `longest_match` of a list of thousands.

    Of IPv4, `aws_places` tells between which ranges the search goes on.
    """
    if family != _IPV4:
        return longest_match(tables, NOWHERE, VIEW_OWN, high, low, family) & _VALUE_ROW
    part = low >> _AWS_PART
    place = np.uint64(tables.aws_places[part])
    count = np.uint64(tables.aws_places[part + _ONE]) - place + _ONE
    while count > _ONE:
        half = count >> _ONE
        place += half & ~((low - tables.net_lows[place + half]) >> _FOLD)
        count -= half
    return np.int64(tables.net_values[place]) & _VALUE_ROW


@njit(**HELPER)
def lead(tables, view, high, low, family):  # type: ignore[no-untyped-def]
    """(kind, VPC, place, way): which VPC an address belongs to as `view` sees it, by its networks alone.

    Never a flat map: what the VPC itself holds (its local route beats every other), then the longest network that the
    view reaches. `place`: the row of that network, 0 = none; of DECIDED, the row. Both lists are searched in any case:
    that costs less than to guess wrongly which one has it.
    """
    view = np.uint64(view)
    vpc = np.int64(tables.views[view, VIEW_VPC])
    if vpc == 0:
        return OUTSIDE, vpc, np.int64(0), np.int64(0)
    own = longest_match(tables, view, VIEW_OWN, high, low, family)
    if own == 0 and tables.views[view, VIEW_STRAYS] != 0:
        row = find_in_vpc(tables, vpc, high, low, family)
        if row != 0:
            return DECIDED, vpc, row, _SAME_VPC
    reached = longest_match(tables, view, VIEW_REACHED, high, low, family)
    value = own if own != 0 else reached
    place = value & _VALUE_ROW
    path = _SAME_VPC if own != 0 else (value >> _VALUE_PATH_SHIFT) & _VALUE_PATH
    vpc = vpc if own != 0 else (value >> _VALUE_VPC_SHIFT) & _VALUE_VPC
    kind = OWN if own != 0 else (BEYOND if vpc != 0 else OUTSIDE)
    if own == 0 and value & _VALUE_AMBIGUOUS != 0:
        return DECIDED, vpc, np.int64(AMBIGUOUS), path
    return kind, vpc, place, path


@njit(**HELPER)
def inside(tables, kind, vpc, place, high, low, family):  # type: ignore[no-untyped-def]
    """Endpoint row of an address of a VPC: its interface, else its subnet, else the VPC."""
    row = find_in_vpc(tables, vpc, high, low, family)
    if row == 0:
        row = place
        if kind == BEYOND:
            view = np.uint64(vpc)  # the number of a VPC is that of a view
            value = longest_match(tables, view, VIEW_OWN, high, low, family)
            if value != 0:
                row = value & _VALUE_ROW
    return row


@njit(**HELPER)
def outside(tables, view, place, high, low, family):  # type: ignore[no-untyped-def]
    """Endpoint row of an address that no VPC holds: a public one of ours, the user's names, the site behind a gateway,
    AWS's ranges."""
    row = find_public(tables, high, low, family)
    if row == 0:
        row = longest_match(tables, np.uint64(view), VIEW_NAMED, high, low, family) & _VALUE_ROW
    if row == 0:
        row = place
    if row == 0:
        row = aws_range(tables, high, low, family)
    return row


@njit(**ROUTINE)
def join_ends(words, rows, word, side, block, tables):  # type: ignore[no-untyped-def]
    """One end of each row: its endpoint row (0 unknown, -1 ambiguous, less: a code of the history) and its way.

    The address is in column `word`; `block` says from where it is looked at and is told the result. Which end is the
    VPC's own is a matter of chance, which the processor cannot guess: so the first loop sorts, and the two others do
    one thing each, and wait for the memory of many rows at once.
    """
    inner_count, outer_count = np.int64(0), np.int64(0)
    for at in range(len(rows)):
        row = np.uint64(rows[at])
        high, low, family = words[row, word], words[row, word + 1], words[row, word + 2]
        kind, vpc, place, path = DECIDED, _NOBODY, np.int64(0), np.int64(0)
        if family != _NULL:
            hop = block[side, AT_HOP, at]
            if hop > 0:  # the record's own word beats every route
                kind, vpc, place, path = lead(tables, hop, high, low, family)
                if kind == OWN:
                    place = inside(tables, kind, vpc, place, high, low, family)
                if path == _SAME_VPC and place != 0:
                    kind, path = DECIDED, _PEERING
                else:
                    hop = np.int64(0)
            if hop <= 0:
                kind, vpc, place, path = lead(tables, block[side, AT_VIEW, at], high, low, family)
        block[side, AT_KIND, at] = kind
        block[side, AT_VPC, at] = vpc
        block[side, AT_ROW, at] = place
        block[side, AT_PATH, at] = path
        block[side, AT_INNER, inner_count] = at
        block[side, AT_OUTER, outer_count] = at
        inner_count += np.int64(kind <= BEYOND)
        outer_count += np.int64(kind == OUTSIDE)
    for number in range(inner_count):
        which = np.uint64(block[side, AT_INNER, number])
        row = np.uint64(rows[which])
        block[side, AT_ROW, which] = inside(
            tables, block[side, AT_KIND, which], block[side, AT_VPC, which], block[side, AT_ROW, which],
            words[row, word], words[row, word + 1], words[row, word + 2],
        )  # fmt: skip
    for number in range(outer_count):
        which = np.uint64(block[side, AT_OUTER, number])
        row = np.uint64(rows[which])
        block[side, AT_ROW, which] = outside(
            tables, block[side, AT_VIEW, which], block[side, AT_ROW, which],
            words[row, word], words[row, word + 1], words[row, word + 2],
        )  # fmt: skip

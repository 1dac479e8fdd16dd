"""The loop that joins every record with the inventory, and its look-ups. Compiled by numba, readable as Python.

Belongs here: per-row work, all helpers in this one file (numba's cache does not see a callee change in another).
Does not: anything per distinct value (join.py). The scope of a key and its hash are those of model/address_index.py,
spelled again for the compiler; a test holds both to each other.

Numbers: row positions are int64, words uint64; mixing the two silently gives a signed or float type, so every
constant is typed.
"""

from typing import Any

import numpy as np
from numba import njit

COMPILED: dict[str, Any] = {"cache": True, "nogil": True, "_nrt": False}
"""`_nrt` False: else every array handed to a helper is reference-counted with locked instructions, which made a row
123 ns instead of 15. It only forbids making arrays, and no kernel here does."""

UNSEEN = -1
"""In a table by vocabulary id: nobody looked this string up yet. Rows are ≥ 0, codes of the history ≤ -2."""
AMBIGUOUS = -1
"""In place of an endpoint row (model/address_index.py)."""

# Columns of the batch that the join reads, by position in `plan` (-1 = the log format has no such field).
INTERFACE, RESOURCE, VPC, SOURCE_VPC, DESTINATION_VPC, DIRECTION, SOURCE, DESTINATION, START = range(9)
PLAN_SIZE = 9
# Values of the direction table.
INGRESS, EGRESS = 1, 2
# Columns of the result.
OUT_INTERFACE, OUT_SOURCE, OUT_DESTINATION, OUT_INGRESS, OUT_EGRESS, OUT_EXPORTER = range(6)
OUT_SIZE = 6
# Positions in `counts`.
UNKNOWN_INTERFACE, UNKNOWN_VPC, AMBIGUOUS_SOURCE, AMBIGUOUS_DESTINATION = range(4)
COUNT_SIZE = 4

MEMORY_BITS = 15
"""2^15 remembered addresses of 32 bytes: a megabyte, in the second-level cache of one core. With 5,000 distinct
addresses a batch: 28 ns a row; half the size 56 ns (they push each other out), twice the size 25 ns."""

_MIX_SCOPE = np.uint64(0x9E3779B97F4A7C15)
_MIX_HIGH = np.uint64(0xC2B2AE3D27D4EB4F)
_MIX_LOW = np.uint64(0x165667B19E3779F9)
_SPREAD = np.uint64(0xD6E8FEB86659FD93)
_FOLD = np.uint64(32)
_NULL = np.uint64(0)
_IPV4 = np.uint64(4)
_IPV6 = np.uint64(6)
_PREFIX = np.uint64(8)
_VPC_SHIFT = np.uint64(4)
_WORD_BITS = np.uint64(64)
_IPV4_PREFIX_MASK = np.uint64(0xFFFFFFF0)  # /28 in the low half
_IPV6_PREFIX_MASK = np.uint64(0xFFFF000000000000)  # /80: the upper 16 bits of the low half


@njit(**COMPILED)
def hash_of(scope: np.uint64, high: np.uint64, low: np.uint64) -> np.uint64:
    """Hash of a key."""
    mixed = scope * _MIX_SCOPE ^ high * _MIX_HIGH ^ low * _MIX_LOW
    mixed = (mixed ^ (mixed >> _FOLD)) * _SPREAD
    return mixed ^ (mixed >> _FOLD)


@njit(**COMPILED)
def row_at(starts, until, rows, code, moment):  # type: ignore[no-untyped-def]
    """Row of a code of the history (≤ -2) at a moment; any other number is itself. Unknown moments are now."""
    if code >= -1:
        return code
    group = np.int64(-2) - code
    place = starts[group]
    last = starts[group + 1] - 1
    if moment == _NULL:
        place = last
    while place < last and moment >= until[place]:
        place += 1
    return rows[place]


@njit(**COMPILED)
def find(slots, bits, scope, high, low):  # type: ignore[no-untyped-def]
    """Endpoint row of one key: > 0 found, 0 not there, -1 ambiguous, less: a code of the history."""
    place = np.int64(hash_of(scope, high, low) >> (_WORD_BITS - bits))
    while slots[place, 0] != _NULL:
        if slots[place, 0] == scope and slots[place, 2] == low and slots[place, 1] == high:
            return np.int64(slots[place, 3])
        place += 1
    return np.int64(0)


@njit(**COMPILED)
def find_in_vpc(slots, bits, has_prefixes, vpc, high, low, family):  # type: ignore[no-untyped-def]
    """Endpoint row of an address in one VPC: the address itself, else the prefix delegated to an interface."""
    scope = (np.uint64(vpc) << _VPC_SHIFT) | family
    row = find(slots, bits, scope, high, low)
    if row != 0 or not has_prefixes:
        return row
    mask = _IPV4_PREFIX_MASK if family == _IPV4 else _IPV6_PREFIX_MASK
    return find(slots, bits, scope | _PREFIX, high, low & mask)


@njit(**COMPILED)
def longest_match(starts, networks, vpc, high, low, family):  # type: ignore[no-untyped-def]
    """Position in `networks` of the longest prefix that `vpc` reaches; -1 none, -2 two VPCs with equal right."""
    found = np.int64(-1)
    for place in range(starts[vpc], starts[vpc + 1]):
        if found >= 0 and networks[place, 5] < networks[found, 5]:
            break
        if (
            networks[place, 4] == family
            and (high & networks[place, 0]) == networks[place, 2]
            and (low & networks[place, 1]) == networks[place, 3]
        ):
            if found < 0:
                found = np.int64(place)
            elif networks[place, 6] != networks[found, 6]:
                return np.int64(-2)
    return found


@njit(**COMPILED)
def resolve(slots, bits, has_prefixes, starts, networks, vpc, high, low, family):  # type: ignore[no-untyped-def]
    """Endpoint row of an address as `vpc` sees it: > 0 found, 0 unknown, -1 ambiguous, less: a code of the history.
    Never a flat map.

    Order: an interface of the VPC itself; the longest network it reaches, and there the interface, else the subnet,
    else the VPC; at last public addresses (VPC 0), which mean the same whoever looks.
    """
    if vpc > 0:
        row = find_in_vpc(slots, bits, has_prefixes, vpc, high, low, family)
        if row != 0:
            return row
        match = longest_match(starts, networks, vpc, high, low, family)
        if match == -2:
            return np.int64(-1)
        if match >= 0:
            target = np.int64(networks[match, 6])
            place = np.int64(networks[match, 7])
            if target != vpc:
                row = find_in_vpc(slots, bits, has_prefixes, target, high, low, family)
                if row != 0:
                    return row
                inner = longest_match(starts, networks, target, high, low, family)
                if inner >= 0 and np.int64(networks[inner, 6]) == target:
                    place = np.int64(networks[inner, 7])
            return place
    return find(slots, bits, family, high, low)


@njit(**COMPILED)
def resolve_remembered(slots, bits, has_prefixes, starts, networks, memory, vpc, high, low, family):  # type: ignore[no-untyped-def]
    """`resolve` behind a direct-mapped memory: uint64[2^MEMORY_BITS, 4] = scope, high, low, result. Null gives 0."""
    if family == _NULL:
        return np.int64(0)
    scope = (np.uint64(vpc) << _VPC_SHIFT) | family
    place = np.int64(hash_of(scope, high, low) >> np.uint64(64 - MEMORY_BITS))
    if memory[place, 2] == low and memory[place, 0] == scope and memory[place, 1] == high:
        return np.int64(memory[place, 3])
    row = resolve(slots, bits, has_prefixes, starts, networks, vpc, high, low, family)
    memory[place, 0] = scope
    memory[place, 1] = high
    memory[place, 2] = low
    memory[place, 3] = np.uint64(row)
    return row


@njit(**COMPILED)
def new_ids(words, rows, begin, column, table, found):  # type: ignore[no-untyped-def]
    """Vocabulary ids in `column` of rows[begin:] that `table` has not seen, each once, into `found`; returns how many.

    Marks them seen (0) in `table`; the caller fills in what they mean.
    """
    count = 0
    for position in range(begin, len(rows)):
        number = np.int64(words[rows[position], column])
        if table[number] == UNSEEN:
            table[number] = 0
            found[count] = number
            count += 1
    return count


@njit(**COMPILED)
def join_rows(  # type: ignore[no-untyped-def]
    words,
    rows,
    begin,
    plan,
    interface_table,
    vpc_table,
    direction_table,
    interface_vpcs,
    if_indexes,
    exporters,
    slots,
    bits,
    has_prefixes,
    starts,
    networks,
    turn_starts,
    turn_until,
    turn_rows,
    memory,
    agent_address,
    out,
    counts,
):
    """Fill `out` uint64[n, 6] for rows[begin:]; returns the position in `rows` where a string was new, else len(rows).

    Tables are int32 by vocabulary id: interface id → interface row, vpc id → VPC number, direction text → 1 or 2.
    `interface_vpcs`, `if_indexes`: uint64 by interface row. `turn_*`: the history. `exporters`: uint64 by VPC number.
    `counts`: int64[4], added to. Rows that were joined before a stop are done; the caller resolves the strings and
    calls again.
    """
    interface_word, resource_word, vpc_word = plan[INTERFACE], plan[RESOURCE], plan[VPC]
    source_vpc_word, destination_vpc_word = plan[SOURCE_VPC], plan[DESTINATION_VPC]
    direction_word, source_word, destination_word = plan[DIRECTION], plan[SOURCE], plan[DESTINATION]
    start_word = plan[START]
    for position in range(begin, len(rows)):
        at = rows[position]
        moment = words[at, start_word] if start_word >= 0 else _NULL
        interface = np.int64(0)
        has_interface = False
        if interface_word >= 0:
            number = np.int64(words[at, interface_word])
            if number == 0 and resource_word >= 0:
                number = np.int64(words[at, resource_word])
            code = np.int64(interface_table[number])
            if code == UNSEEN:
                return position
            interface = row_at(turn_starts, turn_until, turn_rows, code, moment)
            has_interface = number != 0
        vpc = np.int64(interface_vpcs[interface]) if interface > 0 else np.int64(0)
        if vpc == 0 and vpc_word >= 0:
            vpc = np.int64(vpc_table[np.int64(words[at, vpc_word])])
        source_vpc = vpc
        destination_vpc = vpc
        if source_vpc_word >= 0:
            source_vpc = np.int64(vpc_table[np.int64(words[at, source_vpc_word])])
        if destination_vpc_word >= 0:
            destination_vpc = np.int64(vpc_table[np.int64(words[at, destination_vpc_word])])
        direction = np.int64(0)
        if direction_word >= 0:
            direction = np.int64(direction_table[np.int64(words[at, direction_word])])
        if vpc < 0 or source_vpc < 0 or destination_vpc < 0 or direction < 0:
            return position

        source = np.int64(0)
        if source_word >= 0:
            source = resolve_remembered(
                slots, bits, has_prefixes, starts, networks, memory, source_vpc,
                words[at, source_word], words[at, source_word + 1], words[at, source_word + 2],
            )  # fmt: skip
            source = row_at(turn_starts, turn_until, turn_rows, source, moment)
            if source == AMBIGUOUS:
                counts[AMBIGUOUS_SOURCE] += 1
                source = np.int64(0)
        destination = np.int64(0)
        if destination_word >= 0:
            destination = resolve_remembered(
                slots, bits, has_prefixes, starts, networks, memory, destination_vpc,
                words[at, destination_word], words[at, destination_word + 1], words[at, destination_word + 2],
            )  # fmt: skip
            destination = row_at(turn_starts, turn_until, turn_rows, destination, moment)
            if destination == AMBIGUOUS:
                counts[AMBIGUOUS_DESTINATION] += 1
                destination = np.int64(0)

        if has_interface and interface == 0:
            counts[UNKNOWN_INTERFACE] += 1
        exporter = exporters[vpc]
        if exporter == _NULL:
            counts[UNKNOWN_VPC] += 1
            exporter = agent_address
        if_index = if_indexes[interface] if interface > 0 else _NULL
        out[at, OUT_INTERFACE] = np.uint64(interface)
        out[at, OUT_SOURCE] = np.uint64(source)
        out[at, OUT_DESTINATION] = np.uint64(destination)
        out[at, OUT_INGRESS] = _NULL if direction == EGRESS else if_index
        out[at, OUT_EGRESS] = _NULL if direction == INGRESS else if_index
        out[at, OUT_EXPORTER] = exporter
    return len(rows)

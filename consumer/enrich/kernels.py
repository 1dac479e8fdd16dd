"""The loop that joins every record with the inventory, and its look-ups. Compiled by numba, readable as Python.

Belongs here: per-row work, all helpers in this one file (numba's cache does not see a callee change in another).
Does not: anything per distinct value (join.py). The scope of a key and its hash are those of model/address_index.py,
spelled again for the compiler; a test holds both to each other.

Numbers: row positions are int64, words uint64; mixing the two silently gives a signed or float type, so every
constant is typed.
"""

from typing import Any, NamedTuple

import numpy as np
from numba import njit

from consumer.model.compiling import HELPER, KERNEL

UNSEEN = -1
"""In a table by vocabulary id: nobody looked this string up yet. Rows are ≥ 0, codes of the history ≤ -2."""
AMBIGUOUS = -1
"""In place of an endpoint row (model/address_index.py)."""

# Columns of the batch that the join reads, by position in `plan` (-1 = the log format has no such field).
INTERFACE, RESOURCE, VPC, SOURCE_VPC, DESTINATION_VPC, DIRECTION, SOURCE, DESTINATION, START = range(9)
TRAFFIC_PATH, INTERFACE_TYPE, NEXT_HOP_TYPE, NEXT_HOP_VPC = range(9, 13)
PLAN_SIZE = 13
# Values of the direction table.
INGRESS, EGRESS = 1, 2
# Columns of the result.
OUT_INTERFACE, OUT_SOURCE, OUT_DESTINATION, OUT_INGRESS, OUT_EGRESS, OUT_EXPORTER, OUT_PATH = range(7)
OUT_SIZE = 7
# Positions in `counts`.
UNKNOWN_INTERFACE, UNKNOWN_VPC, AMBIGUOUS_SOURCE, AMBIGUOUS_DESTINATION = range(4)
COUNT_SIZE = 4
# Columns of a view (model/networks.py).
VIEW_VPC, VIEW_REACHED, VIEW_NAMED, VIEW_STRAYS = range(4)
AWS_RANGES = 0
"""Number of the list of AWS's public ranges."""

MEMORY_BITS = 14
"""2^14 remembered addresses of 32 bytes, half a megabyte: four times what a batch of many addresses holds."""


class Tables(NamedTuple):
    """What every look-up searches; a tuple, for the compiler takes no other record.

    `slots` … `has_prefixes`: model/address_index.py. `net_*`: model/networks.py. `views`: int64[v, 4]. `turn_*`: the
    history (model/inventory.py). `memory`: uint64[2^MEMORY_BITS, 4] = scope, high, low, result of `outside`; written
    to, and emptied by whoever changes the rest.
    """

    slots: Any
    bits: Any
    has_prefixes: Any
    net_starts: Any
    net_highs: Any
    net_lows: Any
    net_values: Any
    views: Any
    turn_starts: Any
    turn_until: Any
    turn_rows: Any
    memory: Any


_MIX_SCOPE = np.uint64(0x9E3779B97F4A7C15)
_MIX_HIGH = np.uint64(0xC2B2AE3D27D4EB4F)
_MIX_LOW = np.uint64(0x165667B19E3779F9)
_SPREAD = np.uint64(0xD6E8FEB86659FD93)
_FOLD = np.uint64(32)
_NULL = np.uint64(0)
_ONE = np.uint64(1)
_SIGN = np.uint64(63)
_IPV4 = np.uint64(4)
_IPV6 = np.uint64(6)
_PREFIX = np.uint64(8)
_VPC_SHIFT = np.uint64(4)
_WORD_BITS = np.uint64(64)
# A packed network value: bit 61 ambiguous, then path, VPC and row.
_VALUE_AMBIGUOUS = np.int64(1 << 61)
_VALUE_PATH_SHIFT, _VALUE_PATH = np.int64(56), np.int64(31)
_VALUE_VPC_SHIFT, _VALUE_VPC = np.int64(32), np.int64(0xFFFFFF)
_VALUE_ROW = np.int64(0xFFFFFFFF)
# A remembered result: the row, which may be negative, above one bit: it is only AWS's range.
_KEPT_SHIFT = np.int64(1)
_KEPT_RANGE = np.int64(1)
# Ways that the kernel itself decides (model/flow_path.py).
_SAME_VPC, _PEERING, _TRANSIT, _NAT, _INTERNET = (np.int64(way) for way in (1, 2, 3, 4, 5))
_GATEWAY_ENDPOINT, _ENDPOINT, _VPN, _LOCAL, _EITHER, _APPLIANCE = (np.int64(way) for way in (6, 7, 8, 9, 10, 11))
_IPV4_PREFIX_MASK = np.uint64(0xFFFFFFF0)  # /28 in the low half
_IPV6_PREFIX_MASK = np.uint64(0xFFFF000000000000)  # /80: the upper 16 bits of the low half


@njit(**HELPER)
def hash_of(scope: np.uint64, high: np.uint64, low: np.uint64) -> np.uint64:
    """Hash of a key."""
    mixed = scope * _MIX_SCOPE ^ high * _MIX_HIGH ^ low * _MIX_LOW
    mixed = (mixed ^ (mixed >> _FOLD)) * _SPREAD
    return mixed ^ (mixed >> _FOLD)


@njit(**HELPER)
def row_at(tables, code, moment):  # type: ignore[no-untyped-def]
    """Row of a code of the history (≤ -2) at a moment; any other number is itself. Unknown moments are now."""
    if code >= -1:
        return code
    group = np.int64(-2) - code
    place = tables.turn_starts[group]
    last = tables.turn_starts[group + 1] - 1
    if moment == _NULL:
        place = last
    while place < last and moment >= tables.turn_until[place]:
        place += 1
    return tables.turn_rows[place]


@njit(**HELPER)
def find(slots, bits, scope, high, low):  # type: ignore[no-untyped-def]
    """Endpoint row of one key: > 0 found, 0 not there, -1 ambiguous, less: a code of the history."""
    place = np.int64(hash_of(scope, high, low) >> (_WORD_BITS - bits))
    while slots[place, 0] != _NULL:
        if slots[place, 0] == scope and slots[place, 2] == low and slots[place, 1] == high:
            return np.int64(slots[place, 3])
        place += 1
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
def is_below(one, other):  # type: ignore[no-untyped-def]
    """1 when one < other, else 0, for any words: the borrow of their difference."""
    return ((~one & other) | ((~one | other) & (one - other))) >> _SIGN


@njit(**HELPER)
def longest_match(tables, number, high, low, family):  # type: ignore[no-untyped-def]
    """Packed value of the longest network of list `number` that holds the address; 0 when none does.

    The loops have no branch on what is compared, and say so in a way the compiler does not turn into one: half of the
    branches would be mispredicted, and 30 ranges took 26 ns instead of 5.
    """
    begin = np.uint64(number) << _ONE
    if family == _IPV4:
        place = tables.net_starts[begin]
        count = tables.net_starts[begin + _ONE] - place
        while count > _ONE:
            half = count >> _ONE
            place += half & ~((low - tables.net_lows[place + half]) >> _FOLD)
            count -= half
    else:
        place = tables.net_starts[begin + _ONE]
        count = tables.net_starts[begin + _ONE + _ONE] - place
        while count > _ONE:
            half = count >> _ONE
            first, second = tables.net_highs[place + half], tables.net_lows[place + half]
            is_less = is_below(high, first) | (is_below(high ^ first, _ONE) & is_below(low, second))
            place += half & (is_less - _ONE)
            count -= half
    return np.int64(tables.net_values[place])


@njit(**HELPER)
def outside(tables, named, high, low, family):  # type: ignore[no-untyped-def]
    """(row, 1 when it is only AWS's range) of an address that no VPC holds, by the user's names of list `named`.

    What lies outside of all VPCs is the same whoever looks, so it is remembered by address: the addresses of a batch
    are few, its pairs of interface and address as many as its records.
    """
    scope = (np.uint64(named) << _VPC_SHIFT) | family
    memory = tables.memory
    home = np.int64(hash_of(scope, high, low) >> np.uint64(65 - MEMORY_BITS)) << 1
    for place in range(home, home + 2):
        if memory[place, 2] == low and memory[place, 0] == scope and memory[place, 1] == high:
            kept = np.int64(memory[place, 3])
            return kept >> _KEPT_SHIFT, kept & _KEPT_RANGE
    is_range = np.int64(0)
    row = find(tables.slots, tables.bits, family, high, low)
    if row == 0:
        row = longest_match(tables, named, high, low, family) & _VALUE_ROW
    if row == 0:
        row = longest_match(tables, AWS_RANGES, high, low, family) & _VALUE_ROW
        is_range = _KEPT_RANGE
    for word in range(4):
        memory[home + 1, word] = memory[home, word]
    memory[home, 0] = scope
    memory[home, 1] = high
    memory[home, 2] = low
    memory[home, 3] = np.uint64((row << _KEPT_SHIFT) | is_range)
    return row, is_range


@njit(**HELPER)
def resolve(tables, view, high, low, family):  # type: ignore[no-untyped-def]
    """(endpoint row, way) of an address as `view` sees it. Never a flat map.

    Row: > 0 found, 0 unknown, -1 ambiguous, less: a code of the history. Order: what the VPC itself holds (its local
    route beats every other), an interface before a network; the longest network that the view reaches, and there the
    interface, else subnet, else VPC; public addresses (VPC 0), which mean the same whoever looks; the user's names;
    the site behind a gateway; AWS's public ranges.
    """
    views = tables.views
    vpc = views[view, VIEW_VPC]
    path = np.int64(0)
    place = np.int64(0)
    if vpc > 0:
        value = longest_match(tables, vpc, high, low, family)
        if value != 0 or views[view, VIEW_STRAYS] != 0:
            row = find_in_vpc(tables, vpc, high, low, family)
            if row != 0:
                return row, _SAME_VPC
            if value != 0:
                return value & _VALUE_ROW, _SAME_VPC
        value = longest_match(tables, views[view, VIEW_REACHED], high, low, family)
        if value != 0:
            path = (value >> _VALUE_PATH_SHIFT) & _VALUE_PATH
            if value & _VALUE_AMBIGUOUS != 0:
                return np.int64(-1), path
            target = (value >> _VALUE_VPC_SHIFT) & _VALUE_VPC
            place = value & _VALUE_ROW
            if target > 0:
                row = find_in_vpc(tables, target, high, low, family)
                if row != 0:
                    return row, path
                value = longest_match(tables, target, high, low, family)
                return (value & _VALUE_ROW if value != 0 else place), path
    row, is_range = outside(tables, views[view, VIEW_NAMED], high, low, family)
    if place != 0 and (row == 0 or is_range != 0):
        row = place
    return row, path


@njit(**HELPER)
def end_of(tables, words, at, word, view, hop, moment):  # type: ignore[no-untyped-def]
    """(endpoint row, way) of one end of a record, whose address is in column `word`, as `view` sees it.

    `hop`: VPC that the record itself names beyond this end, 0 = none; its word beats every route. Row: 0 unknown, -1
    ambiguous.
    """
    high, low, family = words[at, word], words[at, word + 1], words[at, word + 2]
    if family == _NULL:
        return np.int64(0), np.int64(0)
    if hop > 0:
        row, path = resolve(tables, hop, high, low, family)
        if path == _SAME_VPC and row != 0:
            return row_at(tables, row, moment), _PEERING
    row, path = resolve(tables, view, high, low, family)
    return row_at(tables, row, moment), path


@njit(**HELPER)
def stated_path(traffic_path):  # type: ignore[no-untyped-def]
    """Way that the field traffic-path states without doubt, else 0."""
    if traffic_path == 3:
        return _VPN
    if traffic_path == 4 or traffic_path == 5:
        return _PEERING
    if traffic_path == 6:
        return _LOCAL
    if traffic_path == 7:
        return _GATEWAY_ENDPOINT
    if traffic_path == 8:
        return _INTERNET
    return np.int64(0)


@njit(**HELPER)
def narrowed_path(traffic_path, known):  # type: ignore[no-untyped-def]
    """The way our metadata says, where the record leaves it open; what contradicts the record is not believed."""
    if traffic_path == 1:
        is_inside = known in (_NAT, _TRANSIT, _ENDPOINT, _APPLIANCE)
        return known if is_inside else _SAME_VPC
    if traffic_path == 2:
        return known if known in (_INTERNET, _GATEWAY_ENDPOINT) else _EITHER
    return known


@njit(**KERNEL)
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


@njit(**KERNEL)
def join_rows(  # type: ignore[no-untyped-def]
    words,
    rows,
    begin,
    plan,
    interface_table,
    vpc_table,
    direction_table,
    kind_table,
    interface_views,
    if_indexes,
    row_paths,
    exporters,
    tables,
    agent_address,
    out,
    counts,
):
    """Fill `out` uint64[n, 7] for rows[begin:]; returns the position in `rows` where a string was new, else len(rows).

    Tables are int32 by vocabulary id: interface id → interface row, vpc id → VPC number (which is a view too),
    direction text → 1 or 2, interface type → way. `interface_views`, `if_indexes`: uint64 by interface row.
    `row_paths`: uint64 by endpoint row. `exporters`: uint64 by VPC number. `counts`: int64[4], added to. Rows that were
    joined before a stop are done; the caller resolves the strings and calls again.
    """
    interface_word, resource_word, vpc_word = plan[INTERFACE], plan[RESOURCE], plan[VPC]
    source_vpc_word, destination_vpc_word = plan[SOURCE_VPC], plan[DESTINATION_VPC]
    direction_word, source_word, destination_word = plan[DIRECTION], plan[SOURCE], plan[DESTINATION]
    start_word, path_word, type_word = plan[START], plan[TRAFFIC_PATH], plan[INTERFACE_TYPE]
    hop_type_word, hop_vpc_word = plan[NEXT_HOP_TYPE], plan[NEXT_HOP_VPC]
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
            interface = row_at(tables, code, moment)
            has_interface = number != 0
        view = np.int64(interface_views[interface]) if interface > 0 else np.int64(0)
        if view == 0 and vpc_word >= 0:
            view = np.int64(vpc_table[np.int64(words[at, vpc_word])])
        source_view = view
        destination_view = view
        if source_vpc_word >= 0:
            source_view = np.int64(vpc_table[np.int64(words[at, source_vpc_word])])
        if destination_vpc_word >= 0:
            destination_view = np.int64(vpc_table[np.int64(words[at, destination_vpc_word])])
        direction = np.int64(0)
        if direction_word >= 0:
            direction = np.int64(direction_table[np.int64(words[at, direction_word])])
        hop_vpc = np.int64(0)
        if hop_vpc_word >= 0:
            hop_vpc = np.int64(vpc_table[np.int64(words[at, hop_vpc_word])])
        hop_kind = np.int64(0)
        if hop_type_word >= 0:
            hop_kind = np.int64(kind_table[np.int64(words[at, hop_type_word])])
        kind = np.int64(0)
        if type_word >= 0:
            kind = np.int64(kind_table[np.int64(words[at, type_word])])
        if view < 0 or source_view < 0 or destination_view < 0 or direction < 0:
            return position
        if hop_vpc < 0 or hop_kind < 0 or kind < 0:
            return position
        vpc = tables.views[view, VIEW_VPC]

        source, source_path = np.int64(0), np.int64(0)
        hop = hop_vpc if hop_vpc != vpc else np.int64(0)
        if source_word >= 0:
            beyond = hop if direction == INGRESS else np.int64(0)
            source, source_path = end_of(tables, words, at, source_word, source_view, beyond, moment)
            if source == AMBIGUOUS:
                counts[AMBIGUOUS_SOURCE] += 1
                source = np.int64(0)
        destination, destination_path = np.int64(0), np.int64(0)
        if destination_word >= 0:
            beyond = hop if direction == EGRESS else np.int64(0)
            destination, destination_path = end_of(
                tables, words, at, destination_word, destination_view, beyond, moment
            )
            if destination == AMBIGUOUS:
                counts[AMBIGUOUS_DESTINATION] += 1
                destination = np.int64(0)

        # ── the way: the record's own word first, then what the recording interface is, then where the far end lies ──
        traffic_path = words[at, path_word] if path_word >= 0 else _NULL
        path = stated_path(traffic_path)
        if path == 0:
            path = hop_kind
        if path == 0 and interface > 0:
            path = np.int64(row_paths[interface])
        if path == 0:
            path = kind
        if path == 0 and source_vpc_word >= 0:
            path = _TRANSIT
        if path == 0:
            is_source_far = direction == INGRESS or (direction == 0 and source_path != _SAME_VPC)
            far = source if is_source_far else destination
            path = source_path if is_source_far else destination_path
            if path == _SAME_VPC and row_paths[far] != _NULL:
                path = np.int64(row_paths[far])
            if path == 0 and hop_vpc > 0:
                path = _SAME_VPC if hop_vpc == vpc else _PEERING
            path = narrowed_path(traffic_path, path)

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
        out[at, OUT_PATH] = np.uint64(path)
    return len(rows)

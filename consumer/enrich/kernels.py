"""The loops that join every record with the inventory. Compiled by numba, readable as Python.

Belongs here: per-row work but for addresses (addresses.py). Does not: anything per distinct value (join.py).

Rows go through in blocks, and through a block's loops one after the other: a loop that did all of it for a row at once
was so long that the processor waited for the memory of one row at a time.

Numbers: row positions are int64, words uint64; mixing the two silently gives a signed or float type, so every
constant is typed.
"""

import numpy as np
from numba import njit

from consumer.enrich.addresses import (
    AMBIGUOUS,
    AT_HOP,
    AT_INTERFACE,
    AT_OWN_VIEW,
    AT_PATH,
    AT_ROW,
    AT_VIEW,
    BLOCK,
    DESTINATION_END,
    SOURCE_END,
    VIEW_EXPORTER,
    VIEW_IF_INDEX,
    VIEW_INTERFACE,
    VIEW_PATH,
    VIEW_TURNS,
    VIEW_VPC,
    join_ends,
    row_at,
    turn_at,
)
from consumer.model.compiling import HELPER, KERNEL, ROUTINE

UNSEEN = -1
"""In `meanings`: nobody looked this string up yet. What is known is ≥ 0, and 0 says that nothing is."""
# Rows of `meanings`, int32 by vocabulary id: interface id → view, vpc id → VPC number (which is a view too), direction
# text → 1 or 2, interface type → way.
INTERFACES, VPCS, DIRECTIONS, KINDS = range(4)
MEANING_COUNT = 4

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
_NULL = np.uint64(0)
# Ways that the kernel itself decides (model/flow_path.py).
_SAME_VPC, _PEERING, _TRANSIT, _NAT, _INTERNET = (np.int64(way) for way in (1, 2, 3, 4, 5))
_GATEWAY_ENDPOINT, _ENDPOINT, _VPN, _LOCAL, _EITHER, _APPLIANCE = (np.int64(way) for way in (6, 7, 8, 9, 10, 11))


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


@njit(**HELPER)
def meaning(words, row, word, meanings, kind):  # type: ignore[no-untyped-def]
    """What the string in column `word` means, 0 when the log format has no such column."""
    if word < 0:
        return np.int64(0)
    return np.int64(meanings[kind, words[row, word]])


@njit(**HELPER)
def moment_of(words, row, plan):  # type: ignore[no-untyped-def]
    """When the record began. Asked only by rows that took turns: it lies far behind what else the join reads."""
    return words[row, plan[START]] if plan[START] >= 0 else _NULL


@njit(**ROUTINE)
def recorded(words, rows, plan, meanings, block, tables):  # type: ignore[no-untyped-def]
    """From where each row is seen; returns the number of rows before the first with a string nobody looked up."""
    for at in range(len(rows)):
        row = np.uint64(rows[at])
        interface = np.int64(0)
        if plan[INTERFACE] >= 0:
            number = words[row, plan[INTERFACE]]
            if number == _NULL and plan[RESOURCE] >= 0:
                number = words[row, plan[RESOURCE]]
            interface = np.int64(meanings[INTERFACES, number])
            if interface == UNSEEN:
                return at
            turns = np.int64(tables.views[np.uint64(interface), VIEW_TURNS])
            if turns > 0:
                interface += turn_at(tables, turns - 1, moment_of(words, row, plan))
        view = interface
        if plan[VPC] >= 0 and tables.views[np.uint64(view), VIEW_VPC] == 0:
            view = meaning(words, row, plan[VPC], meanings, VPCS)
        source_view = destination_view = view
        if plan[SOURCE_VPC] >= 0:
            source_view = meaning(words, row, plan[SOURCE_VPC], meanings, VPCS)
        if plan[DESTINATION_VPC] >= 0:
            destination_view = meaning(words, row, plan[DESTINATION_VPC], meanings, VPCS)
        direction = meaning(words, row, plan[DIRECTION], meanings, DIRECTIONS)
        hop_vpc = meaning(words, row, plan[NEXT_HOP_VPC], meanings, VPCS)
        hop_kind = meaning(words, row, plan[NEXT_HOP_TYPE], meanings, KINDS)
        kind = meaning(words, row, plan[INTERFACE_TYPE], meanings, KINDS)
        if view < 0 or source_view < 0 or destination_view < 0 or direction < 0:
            return at
        if hop_vpc < 0 or hop_kind < 0 or kind < 0:
            return at
        hop = hop_vpc if hop_vpc != np.int64(tables.views[np.uint64(view), VIEW_VPC]) else np.int64(0)
        block[SOURCE_END, AT_INTERFACE, at] = interface
        block[SOURCE_END, AT_OWN_VIEW, at] = view
        block[SOURCE_END, AT_VIEW, at] = source_view
        block[DESTINATION_END, AT_VIEW, at] = destination_view
        block[SOURCE_END, AT_HOP, at] = hop if direction == INGRESS else np.int64(0)
        block[DESTINATION_END, AT_HOP, at] = hop if direction == EGRESS else np.int64(0)
    return len(rows)


@njit(**HELPER)
def end_of(words, row_number, plan, word, side, at, block, tables, counts, ambiguous):  # type: ignore[no-untyped-def]
    """(endpoint row, way) of an end as join_ends left them; an ambiguous one is counted and stays unknown."""
    if word < 0:
        return np.int64(0), np.int64(0)
    row = block[side, AT_ROW, at]
    if row < AMBIGUOUS:
        row = row_at(tables, row, moment_of(words, row_number, plan))
    if row == AMBIGUOUS:
        counts[ambiguous] += 1
        row = np.int64(0)
    return row, block[side, AT_PATH, at]


@njit(**ROUTINE)
def write_rows(  # type: ignore[no-untyped-def]
    words, rows, plan, meanings, row_paths, tables, agent_address, block, out, counts
):
    """The result of the rows of a block: their ends and their way."""
    for at in range(len(rows)):
        row = np.uint64(rows[at])
        interface = np.uint64(block[SOURCE_END, AT_INTERFACE, at])
        view = np.uint64(block[SOURCE_END, AT_OWN_VIEW, at])
        direction = meaning(words, row, plan[DIRECTION], meanings, DIRECTIONS)
        hop_vpc = meaning(words, row, plan[NEXT_HOP_VPC], meanings, VPCS)
        source, source_path = end_of(
            words, row, plan, plan[SOURCE], SOURCE_END, at, block, tables, counts, AMBIGUOUS_SOURCE
        )  # fmt: skip
        destination, destination_path = end_of(
            words, row, plan, plan[DESTINATION], DESTINATION_END, at, block, tables, counts, AMBIGUOUS_DESTINATION
        )  # fmt: skip

        # ── the way: the record's own word first, then what the recording interface is, then where the far end lies ──
        traffic_path = words[row, plan[TRAFFIC_PATH]] if plan[TRAFFIC_PATH] >= 0 else _NULL
        path = stated_path(traffic_path)
        if path == 0:
            path = meaning(words, row, plan[NEXT_HOP_TYPE], meanings, KINDS)
        if path == 0:
            path = np.int64(tables.views[interface, VIEW_PATH])
        if path == 0:
            path = meaning(words, row, plan[INTERFACE_TYPE], meanings, KINDS)
        if path == 0 and plan[SOURCE_VPC] >= 0:
            path = _TRANSIT
        if path == 0:
            # Which end is far is a matter of chance, so the processor is not asked to guess it.
            source_bits = -np.int64((direction == INGRESS) | ((direction == 0) & (source_path != _SAME_VPC)))
            far = np.uint64((source & source_bits) | (destination & ~source_bits))
            path = (source_path & source_bits) | (destination_path & ~source_bits)
            if path == _SAME_VPC and row_paths[far] != _NULL:
                path = np.int64(row_paths[far])
            if path == 0 and hop_vpc > 0:
                path = _SAME_VPC if hop_vpc == np.int64(tables.views[view, VIEW_VPC]) else _PEERING
            path = narrowed_path(traffic_path, path)

        interface_row = np.uint64(tables.views[interface, VIEW_INTERFACE])
        if interface_row == _NULL and plan[INTERFACE] >= 0:
            number = words[row, plan[INTERFACE]]
            if number != _NULL or (plan[RESOURCE] >= 0 and words[row, plan[RESOURCE]] != _NULL):
                counts[UNKNOWN_INTERFACE] += 1
        exporter = np.uint64(tables.views[view, VIEW_EXPORTER])
        if exporter == _NULL:
            counts[UNKNOWN_VPC] += 1
            exporter = agent_address
        if_index = np.uint64(tables.views[interface, VIEW_IF_INDEX])
        out[row, OUT_INTERFACE] = interface_row
        out[row, OUT_SOURCE] = np.uint64(source)
        out[row, OUT_DESTINATION] = np.uint64(destination)
        out[row, OUT_INGRESS] = _NULL if direction == EGRESS else if_index
        out[row, OUT_EGRESS] = _NULL if direction == INGRESS else if_index
        out[row, OUT_EXPORTER] = exporter
        out[row, OUT_PATH] = np.uint64(path)


@njit(**KERNEL)
def join_rows(  # type: ignore[no-untyped-def]
    words, rows, begin, plan, meanings, row_paths, tables, agent_address, block, out, counts,
):  # fmt: skip
    """Fill `out` uint64[n, 7] for rows[begin:]; returns the position in `rows` where a string was new, else len(rows).

    `meanings`: int32[MEANING_COUNT, capacity] by vocabulary id. `row_paths`: uint64 by endpoint row. `block`:
    int64[BLOCK_SHAPE], scratch. `counts`: int64[4], added to. Rows that were joined before a stop are done; the caller
    resolves the strings and calls again.
    """
    while begin < len(rows):
        those = rows[begin : begin + BLOCK]
        known = those[: recorded(words, those, plan, meanings, block, tables)]
        if plan[SOURCE] >= 0:
            join_ends(words, known, plan[SOURCE], SOURCE_END, block, tables)
        if plan[DESTINATION] >= 0:
            join_ends(words, known, plan[DESTINATION], DESTINATION_END, block, tables)
        write_rows(words, known, plan, meanings, row_paths, tables, agent_address, block, out, counts)
        begin += len(known)
        if len(known) < len(those):
            return begin
    return begin

"""The loops that touch every value of a page: levels and indices (RLE and bit-packed runs), plain values.

Belongs here: the encodings of parquet-format's Encodings.md that flow logs come in. Does not: which page has which
(column.py). Input is anybody's: every kernel checks each length against the page before it reads, for numba does not.
All of them can stop at any value and go on later, so no page makes more than the rows that are asked for.

What a kernel is called with costs as much as the call itself, so everything but arrays lies in one: the cursor.
"""

import numpy as np
from numba import njit

from consumer.model.compiling import HELPER, KERNEL, ROUTINE
from consumer.model.row_slice import NULL, Flags, Integers, Places
from consumer.model.text_word import Bytes, U, load

CURSOR_LENGTH = 12
AT, LEFT, VALUE, BIT = range(4)
"""A page's `cursor`, int64[12], holds two streams of runs: levels from LEVELS on, indices from VALUES on. Of each:
where the next run's header lies; values left of the run in force; its value, or PACKED; the first bit of its next
value. Of plain values: where the next one lies (VALUES)."""
LEVELS, VALUES = 0, 4
LEVELS_END, END, WIDTH, LIMIT = range(8, 12)
"""Where levels end (0: the column has none), where the page ends; bits an index, values of the dictionary."""
PACKED = -1


@njit(**HELPER)
def _varint(data: Bytes, at, end):  # type: ignore[no-untyped-def]
    """(an unsigned number of at most 32 bits, where it ends); where it ends is -1 when it does not."""
    value, shift = np.int64(0), 0
    while at < end and shift < 35:
        byte = np.int64(data[U(at)])
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
        shift += 7
    return value, -1


@njit(**HELPER)
def _number(data: Bytes, at, byte_count):  # type: ignore[no-untyped-def]
    """A little-endian number; its caller has checked that it is there."""
    value = np.int64(0)
    for place in range(byte_count):
        value |= np.int64(data[U(at + place)]) << (8 * place)
    return value


@njit(**HELPER)
def _begin_run(data: Bytes, end, width, cursor, runs) -> bool:  # type: ignore[no-untyped-def]
    """Read a run's header: of equal values, or of packed ones, eight at a time. `runs`: LEVELS or VALUES."""
    header, at = _varint(data, cursor[runs + AT], end)
    if at < 0 or header < 2:
        return False
    if header & 1:
        count = (header >> 1) * 8
        there = ((end - at) * 8) // width
        cursor[runs + LEFT] = min(count, there)  # a writer may leave out the last run's padding
        cursor[runs + VALUE] = PACKED
        cursor[runs + BIT] = at * 8
        cursor[runs + AT] = min(at + (header >> 1) * width, end)
        return bool(cursor[runs + LEFT] > 0)
    byte_count = (width + 7) // 8
    if at + byte_count > end:
        return False
    cursor[runs + LEFT] = header >> 1
    cursor[runs + VALUE] = _number(data, at, byte_count)
    cursor[runs + AT] = at + byte_count
    return True


@njit(**ROUTINE)
def _unpack(data: Bytes, bit, width, places: Places, first, size):  # type: ignore[no-untyped-def]
    """Write `size` packed values, the first of which begins at `bit`, to `places` from `first` on; gives the bits that
    any of them has. Four at a time where eight bytes hold them, which takes 0.7 ns a value instead of 1.1."""
    bits, mask, found = U(width), (U(1) << U(width)) - U(1), U(0)
    at, place, stop = U(bit), U(first), U(first + size)
    while bits <= U(14) and place + U(4) <= stop:
        word = load(data, at >> U(3)) >> (at & U(7))
        for offset in range(4):
            value = (word >> (U(offset) * bits)) & mask
            found |= value
            places[place + U(offset)] = np.int32(value)
        at += U(4) * bits
        place += U(4)
    while place < stop:
        value = (load(data, at >> U(3)) >> (at & U(7))) & mask
        found |= value
        places[place] = np.int32(value)
        at += bits
        place += U(1)
    return found


@njit(**ROUTINE)
def _read_levels(data: Bytes, cursor: Integers, is_present: Flags, count):  # type: ignore[no-untyped-def]
    """How many of the next rows have a value, -1 when there are fewer levels than rows; which of them, in `is_present`,
    which is left as it is when all have one."""
    if cursor[LEVELS_END] == 0:
        return count
    if cursor[LEVELS + LEFT] >= count and cursor[LEVELS + VALUE] == 1:
        cursor[LEVELS + LEFT] -= count  # mostly one run says that the whole page has no null
        return count
    row, present = np.int64(0), np.int64(0)
    while row < count:
        if cursor[LEVELS + LEFT] == 0 and not _begin_run(data, cursor[LEVELS_END], 1, cursor, LEVELS):
            return -1
        size = min(cursor[LEVELS + LEFT], count - row)
        if cursor[LEVELS + VALUE] == PACKED:
            bit = U(cursor[LEVELS + BIT])
            for place in range(row, row + size):
                level = (U(data[bit >> U(3)]) >> (bit & U(7))) & U(1)
                is_present[U(place)] = level == U(1)
                present += np.int64(level)
                bit += U(1)
            cursor[LEVELS + BIT] = np.int64(bit)
        else:
            level = U(cursor[LEVELS + VALUE])
            if level > U(1):
                return -1
            for place in range(row, row + size):
                is_present[U(place)] = level == U(1)
            present += size * np.int64(level)
        cursor[LEVELS + LEFT] -= size
        row += size
    return present


@njit(**KERNEL)
def read_indices(data: Bytes, cursor: Integers, is_present: Flags, places: Places) -> bool:
    """Write the next rows' indices to `places`, int32[n]; False when there are fewer, or one may be behind LIMIT.

    `data`: uint8, readable for eight bytes behind END. WIDTH: 0 (every index is 0) to 32. `is_present`: bool[n], room.
    """
    count, width, limit = len(places), cursor[WIDTH], cursor[LIMIT]
    present = _read_levels(data, cursor, is_present, count)
    if present < 0 or (present > 0 and limit == 0):
        return False
    written = 0
    while written < present:
        if width == 0:
            cursor[VALUES + LEFT], cursor[VALUES + VALUE] = present, 0
        elif cursor[VALUES + LEFT] == 0 and not _begin_run(data, cursor[END], width, cursor, VALUES):
            return False
        size = min(cursor[VALUES + LEFT], present - written)
        if cursor[VALUES + VALUE] == PACKED:
            found = _unpack(data, cursor[VALUES + BIT], width, places, written, size)
            if found >= U(limit) and not _are_below(places, written, size, limit):
                return False
            cursor[VALUES + BIT] += size * width
        else:
            if cursor[VALUES + VALUE] >= limit:
                return False
            value = np.int32(cursor[VALUES + VALUE])
            for place in range(written, written + size):
                places[place] = value
        cursor[VALUES + LEFT] -= size
        written += size
    if present < count:
        _spread(is_present, present, places)
    return True


@njit(**ROUTINE)
def _are_below(places: Places, first, size, limit) -> bool:  # type: ignore[no-untyped-def]
    """Asked only where the bits of all values together are those of one that is too large."""
    largest = np.uint32(0)
    for place in range(first, first + size):
        largest = max(largest, np.uint32(places[place]))
    return bool(largest < limit)


@njit(**ROUTINE)
def _spread(is_present: Flags, present, places: Places) -> None:  # type: ignore[no-untyped-def]
    """Move the first `present` indices to the rows that have a value; the others' is NULL."""
    place, row = U(present), U(len(places))
    while place < row:  # where they are equal, all rows before have a value
        row -= U(1)
        if is_present[row]:
            place -= U(1)
            places[row] = places[place]
        else:
            places[row] = NULL


@njit(**KERNEL)
def plain_numbers(  # type: ignore[no-untyped-def]
    data: Bytes, cursor: Integers, byte_count, is_signed, is_present: Flags, values: Integers, places: Places
) -> bool:
    """Write the next rows' numbers to `values`, 0 for null, and to `places` which is whose; False when there are
    fewer."""
    count = len(places)
    present = _read_levels(data, cursor, is_present, count)
    at, end = cursor[VALUES], cursor[END]
    if present < 0 or present * byte_count > end - at:
        return False
    for row in range(count):
        if present < count and not is_present[row]:
            values[row] = 0
            places[row] = NULL
            continue
        word = load(data, U(at))
        if byte_count == 8:
            values[row] = np.int64(word)
        elif is_signed:
            values[row] = np.int64(np.int32(np.uint32(word)))
        else:
            values[row] = np.int64(np.uint32(word))
        places[row] = row
        at += byte_count
    cursor[VALUES] = at
    return True


@njit(**KERNEL)
def plain_strings(
    data: Bytes, cursor: Integers, is_present: Flags, starts: Places, ends: Places, places: Places
) -> bool:
    """Find the next rows' strings, nothing for null, and write to `places` which is whose; False when there are
    fewer."""
    count = len(places)
    present = _read_levels(data, cursor, is_present, count)
    if present < 0:
        return False
    at, end = cursor[VALUES], cursor[END]
    for row in range(count):
        if present < count and not is_present[row]:
            starts[row] = 0
            ends[row] = 0
            places[row] = NULL
            continue
        if at + 4 > end:
            return False
        size = np.int64(np.uint32(load(data, U(at))))
        at += 4
        if size > end - at:
            return False
        starts[row] = at
        at += size
        ends[row] = at
        places[row] = row
    cursor[VALUES] = at
    return True

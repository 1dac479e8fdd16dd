"""The loops that touch every value of a page: levels and indices (RLE and bit-packed runs), plain values.

Belongs here: the encodings of parquet-format's Encodings.md that flow logs come in. Does not: which page has which
(column.py). Input is anybody's: every kernel checks each length against the page before it reads, for numba does not.
All of them can stop at any value and go on later, so no page makes more than the rows that are asked for.
"""

import numpy as np
from numba import njit

from consumer.model.compiling import HELPER, KERNEL
from consumer.model.row_slice import Flags, Integers, Places
from consumer.model.text_word import Bytes, U, load

AT, LEFT, VALUE, BIT = range(4)
"""`state` of runs, int64[4]: where the next run's header lies; values left of the run in force; its value, or PACKED;
the first bit of its next value."""
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
def _begin_run(data: Bytes, end, width, state) -> bool:  # type: ignore[no-untyped-def]
    """Read a run's header: of equal values, or of packed ones, eight at a time."""
    header, at = _varint(data, state[AT], end)
    if at < 0 or header < 2:
        return False
    if header & 1:
        count = (header >> 1) * 8
        there = ((end - at) * 8) // width
        state[LEFT] = min(count, there)  # a writer may leave out the last run's padding
        state[VALUE] = PACKED
        state[BIT] = at * 8
        state[AT] = min(at + (header >> 1) * width, end)
        return bool(state[LEFT] > 0)
    byte_count = (width + 7) // 8
    if at + byte_count > end:
        return False
    state[LEFT] = header >> 1
    state[VALUE] = _number(data, at, byte_count)
    state[AT] = at + byte_count
    return True


@njit(**KERNEL)
def read_runs(data: Bytes, end, width, limit, state: Integers, count, out) -> bool:  # type: ignore[no-untyped-def]
    """Write the next `count` values to `out`; False when there are fewer, or one is not below `limit`.

    `data`: uint8, readable for eight bytes behind `end`. `width`: bits a value, 1 to 32.
    """
    mask = (U(1) << U(width)) - U(1)
    written = 0
    while written < count:
        if state[LEFT] == 0 and not _begin_run(data, end, width, state):
            return False
        size = min(state[LEFT], count - written)
        if state[VALUE] == PACKED:
            bit, largest = U(state[BIT]), U(0)
            for place in range(written, written + size):
                value = (load(data, bit >> U(3)) >> (bit & U(7))) & mask
                bit += U(width)
                largest = max(largest, value)
                out[place] = value
            state[BIT] = np.int64(bit)
        else:
            largest = U(state[VALUE])
            for place in range(written, written + size):
                out[place] = largest
        if largest >= U(limit):
            return False
        state[LEFT] -= size
        written += size
    return True


@njit(**KERNEL)
def spread(is_null: Flags, present_count, indices: Places) -> None:  # type: ignore[no-untyped-def]
    """Move the first `present_count` indices to the rows they belong to; those of null rows become 0."""
    place = present_count
    for row in range(len(is_null) - 1, -1, -1):
        if is_null[row]:
            indices[row] = 0
        else:
            place -= 1
            indices[row] = indices[place]


@njit(**KERNEL)
def plain_numbers(data: Bytes, at, end, byte_count, is_signed, is_null: Flags, values: Integers):  # type: ignore[no-untyped-def]
    """Where the next number lies, after writing one for each row that is not null; -1 when there are fewer."""
    for row in range(len(values)):
        if len(is_null) > 0 and is_null[row]:
            values[row] = 0
            continue
        if at + byte_count > end:
            return -1
        word = load(data, U(at))
        if byte_count == 8:
            values[row] = np.int64(word)
        elif is_signed:
            values[row] = np.int64(np.int32(np.uint32(word)))
        else:
            values[row] = np.int64(np.uint32(word))
        at += byte_count
    return at


@njit(**KERNEL)
def plain_strings(data: Bytes, at, end, is_null: Flags, starts: Places, ends: Places):  # type: ignore[no-untyped-def]
    """Where the next string's length lies, after finding one for each row that is not null; -1 when there are fewer."""
    for row in range(len(starts)):
        if len(is_null) > 0 and is_null[row]:
            starts[row] = 0
            ends[row] = 0
            continue
        if at + 4 > end:
            return -1
        size = np.int64(np.uint32(load(data, U(at))))
        at += 4
        if size > end - at:
            return -1
        starts[row] = at
        at += size
        ends[row] = at
    return at

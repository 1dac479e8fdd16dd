"""Strings of a column to words: the loops that touch every address, and every other string once for each distinct one.

Belongs here: the kernels of columnar objects. Does not: Arrow's arrays (parquet.py), reading one value (values.py,
strings.py). As in text.py, a full vocabulary ends the call early, its caller makes room, and the next call goes on.
"""

import numpy as np
from numba import njit
from numpy.typing import NDArray

from consumer.decode.outcomes import FITS, INVALID_UTF8, NEEDS_TABLE, NEEDS_VOCABULARY
from consumer.decode.strings import FlatWords, hash_at, hash_of_first, intern, percent_decoded
from consumer.decode.text import DONE, MAX_LINE_BYTES, TABLE_FULL, VOCABULARY_FULL
from consumer.decode.values import ipv4, ipv6
from consumer.model.compiling import HELPER, KERNEL
from consumer.model.text_word import Bytes, U, load

Offsets = NDArray[np.int32]
Flags = NDArray[np.bool_]
Numbers = NDArray[np.int64]

UNKNOWN, UNREADABLE = -1, -2
"""In place of a string's id: not looked up yet; no string that a record can have."""

_0, _1, _2, _4, _6 = U(0), U(1), U(2), U(4), U(6)
_DASH = U(0x2D)
_MAX_STRING = U(MAX_LINE_BYTES)


@njit(**HELPER)
def _is_null(text: Bytes, at: np.uint64, size: np.uint64) -> bool:
    """True for the empty string and for a dash, which is what text writes for null."""
    return bool(size == _0 or (size == _1 and U(text[at]) == _DASH))


@njit(**KERNEL)
def read_addresses(  # type: ignore[no-untyped-def]
    text: Bytes, offsets: Offsets, is_null: Flags, highs, lows, families, nulls, bit, is_bad: Flags
) -> None:
    """Write the address of every row to `highs`, `lows`, `families` (uint64[n] each), and `bit` to `nulls`.

    `text`: uint8 with a margin; value i is `text[offsets[i] : offsets[i + 1]]`. `is_null`: bool[n], or empty.
    `is_bad`: set where the string is no address.
    """
    for row in range(len(highs)):
        at, end = U(offsets[row]), U(offsets[row + 1])
        high, low, family = _0, _0, _0
        if (len(is_null) > 0 and is_null[row]) or _is_null(text, at, end - at):
            nulls[row] |= bit
        else:
            low, fault = ipv4(text, at, end - at, load(text, at))
            family = _4
            if fault != _0:
                high, low, is_address = ipv6(text, at, end)
                family = _6
                if not is_address:
                    is_bad[row] = True
        highs[row] = high
        lows[row] = low
        families[row] = family


@njit(**KERNEL)
def place_strings(indices: Offsets, is_null: Flags, numbers: Numbers, ids, nulls, bit, is_bad: Flags) -> bool:  # type: ignore[no-untyped-def]
    """Write the id of every row's string; False as soon as one is UNKNOWN: look those up and begin again."""
    for row in range(len(indices)):
        number = np.int64(0)
        if len(is_null) == 0 or not is_null[row]:
            number = numbers[indices[row]]
        if number == UNKNOWN:
            return False
        if number == UNREADABLE:
            is_bad[row] = True
            number = np.int64(0)
        elif number == 0:
            nulls[row] |= bit
        ids[row] = U(number)
    return True


@njit(**KERNEL)
def place_numbers(values: Numbers, is_null: Flags, maximum, words, nulls, bit, is_bad: Flags) -> None:  # type: ignore[no-untyped-def]
    """Write every row's number; one that is negative or over `maximum` makes its row bad."""
    for row in range(len(values)):
        number = U(values[row])
        if len(is_null) > 0 and is_null[row]:
            number = _0
            nulls[row] |= bit
        elif number > maximum:
            is_bad[row] = True
        words[row] = number


@njit(**KERNEL)
def turn(columns: FlatWords, stride, row_count, word_count, rows: FlatWords) -> None:  # type: ignore[no-untyped-def]
    """From column after column to row after row, a few rows at a time, so that both sides stay in the cache.

    Writing each column straight into the rows touched every line of the cache once a column. `stride`: words from one
    column to the next; no power of two, or all columns want the same lines of the cache.
    """
    for start in range(0, row_count, 16):
        stop = min(start + 16, row_count)
        for word in range(word_count):
            for row in range(start, stop):
                rows[row * word_count + word] = columns[word * stride + row]


@njit(**KERNEL)
def intern_values(  # type: ignore[no-untyped-def]
    text: Bytes, offsets: Offsets, wanted: Numbers, numbers: Numbers, position, is_encoded, scratch: Bytes,
    table: FlatWords, arena: Bytes, starts, sizes, used,
):  # fmt: skip
    """Look up the values `wanted[position:]`, adding new ones; gives (next position, why it returned).

    `numbers`: int64[values]; the id of each is written, 0 for null, UNREADABLE for what no record can have.
    `is_encoded`: percent-decoded first, in `scratch`. `table` (flat) … `used`: the vocabulary's.
    """
    while position < len(wanted):
        value = wanted[position]
        at, end = U(offsets[value]), U(offsets[value + 1])
        number, reason = _0, FITS
        if end - at > _MAX_STRING:
            reason = INVALID_UTF8
        elif not _is_null(text, at, end - at):
            if is_encoded:
                size = percent_decoded(text, at, end, scratch)
                mixed = hash_of_first(scratch, size)
                number, reason = intern(scratch, _0, size, mixed, table, arena, starts, sizes, used)
            else:
                mixed = hash_at(text, at, end - at)
                number, reason = intern(text, at, end - at, mixed, table, arena, starts, sizes, used)
        if reason == NEEDS_TABLE:
            return position, TABLE_FULL
        if reason == NEEDS_VOCABULARY:
            return position, VOCABULARY_FULL
        numbers[value] = np.int64(number) if reason == FITS else np.int64(UNREADABLE)
        position += 1
    return position, DONE

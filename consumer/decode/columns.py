"""Strings of a column to words: the loops that touch every address, and every other string once for each distinct one.

Belongs here: the kernels of columnar objects. Does not: which column gets which (parquet.py), reading one value
(values.py, strings.py). As in text.py, a full vocabulary ends the call early, its caller makes room, and the next call
goes on.
"""

import numpy as np
from numba import njit

from consumer.decode.outcomes import FITS, INVALID_UTF8, NEEDS_TABLE, NEEDS_VOCABULARY
from consumer.decode.strings import FlatWords, hash_at, hash_of_first, intern, percent_decoded
from consumer.decode.text import DONE, MAX_LINE_BYTES, TABLE_FULL, VOCABULARY_FULL
from consumer.decode.values import ipv4, ipv6
from consumer.model.compiling import HELPER, KERNEL
from consumer.model.row_slice import Flags, Integers, Places
from consumer.model.text_word import Bytes, U, load

UNKNOWN, UNREADABLE = -1, -2
"""In place of a string's id: not looked up yet; no string that a record can have."""
NULL, BAD = U(1), U(2)
"""Of a dictionary's address: a dash or nothing; no address."""

_0, _1, _2, _3, _4, _6 = U(0), U(1), U(2), U(3), U(4), U(6)
_DASH = U(0x2D)
_MAX_STRING = U(MAX_LINE_BYTES)


@njit(**HELPER)
def _is_null(text: Bytes, at: np.uint64, size: np.uint64) -> bool:
    """True for the empty string and for a dash, which is what text writes for null."""
    return bool(size == _0 or (size == _1 and U(text[at]) == _DASH))


@njit(**HELPER)
def _address(text: Bytes, at: np.uint64, end: np.uint64):  # type: ignore[no-untyped-def]
    """(high, low, family, NULL, BAD or 0) of the string from `at` to `end`."""
    if _is_null(text, at, end - at):
        return _0, _0, _0, NULL
    low, fault = ipv4(text, at, end - at, load(text, at))
    if fault == _0:
        return _0, low, _4, _0
    high, low, is_address = ipv6(text, at, end)
    return high, low, _6, _0 if is_address else BAD


@njit(**KERNEL)
def read_addresses(  # type: ignore[no-untyped-def]
    text: Bytes, starts: Places, ends: Places, is_null: Flags, highs, lows, families, nulls, bit, is_bad: Flags
) -> None:
    """Write the address of every row to `highs`, `lows`, `families` (uint64[n] each), and `bit` to `nulls`.

    `text`: uint8 with a margin; value i is `text[starts[i] : ends[i]]`. `is_null`: bool[n], or empty.
    `is_bad`: set where the string is no address.
    """
    for row in range(len(highs)):
        high, low, family, kind = _0, _0, _0, NULL
        if len(is_null) == 0 or not is_null[row]:
            high, low, family, kind = _address(text, U(starts[row]), U(ends[row]))
        if kind != _0:
            if kind == NULL:
                nulls[row] |= bit
            else:
                is_bad[row] = True
        highs[row] = high
        lows[row] = low
        families[row] = family


@njit(**KERNEL)
def learn_addresses(text: Bytes, starts: Places, ends: Places, known: FlatWords) -> None:
    """Write four words for each value of a dictionary: its address's three, then NULL, BAD or 0."""
    for value in range(len(starts)):
        place = U(value) << _2
        high, low, family, kind = _address(text, U(starts[value]), U(ends[value]))
        known[place], known[place + _1], known[place + _2], known[place + _3] = high, low, family, kind


@njit(**KERNEL)
def place_addresses(  # type: ignore[no-untyped-def]
    indices: Places, is_null: Flags, known: FlatWords, highs, lows, families, nulls, bit, is_bad: Flags
) -> None:
    """The same where the addresses are `known` from the dictionary (`learn_addresses`)."""
    for row in range(len(indices)):
        high, low, family, kind = _0, _0, _0, NULL
        if len(is_null) == 0 or not is_null[row]:
            place = U(indices[row]) << _2
            high, low, family, kind = known[place], known[place + _1], known[place + _2], known[place + _3]
        if kind != _0:
            if kind == NULL:
                nulls[row] |= bit
            else:
                is_bad[row] = True
        highs[row] = high
        lows[row] = low
        families[row] = family


@njit(**KERNEL)
def place_strings(indices: Places, is_null: Flags, numbers: Integers, ids, nulls, bit, is_bad: Flags) -> bool:  # type: ignore[no-untyped-def]
    """Write the id of every row's string; False as soon as one is UNKNOWN: look those up and begin again."""
    for row in range(len(indices)):
        number = np.int64(0)
        if len(is_null) == 0 or not is_null[row]:
            number = numbers[U(indices[row])]
        if number <= 0:
            if number == UNKNOWN:
                return False
            if number == UNREADABLE:
                is_bad[row] = True
                number = np.int64(0)
            else:
                nulls[row] |= bit
        ids[row] = U(number)
    return True


@njit(**KERNEL)
def place_numbers(values: Integers, is_null: Flags, maximum, words, nulls, bit, is_bad: Flags) -> None:  # type: ignore[no-untyped-def]
    """Write every row's number; one that is negative or over `maximum` makes its row bad: taken as unsigned, negative
    ones are the largest of all, for no field's maximum has the highest bit."""
    for row in range(len(values)):
        number = U(values[row])
        if len(is_null) > 0 and is_null[row]:
            number = _0
            nulls[row] |= bit
        elif number > maximum:
            is_bad[row] = True
        words[row] = number


@njit(**KERNEL)
def place_listed_numbers(  # type: ignore[no-untyped-def]
    indices: Places, is_null: Flags, values: Integers, maximum, words, nulls, bit, is_bad: Flags
) -> None:
    """The same for numbers of a dictionary."""
    for row in range(len(indices)):
        number = _0
        if len(is_null) > 0 and is_null[row]:
            nulls[row] |= bit
        else:
            number = U(values[U(indices[row])])
            if number > maximum:
                is_bad[row] = True
        words[row] = number


@njit(**KERNEL)
def add_sizes(starts: Places, ends: Places, is_null: Flags, limit, sizes: Integers) -> None:  # type: ignore[no-untyped-def]
    """Add the size of each row's token in text: null, and the empty string, are a dash."""
    for row in range(len(starts)):
        size = 0 if is_null[row] else min(np.int64(ends[row] - starts[row]), limit)
        sizes[row] += max(size, 1)


@njit(**KERNEL)
def add_tokens(  # type: ignore[no-untyped-def]
    source: Bytes, starts: Places, ends: Places, is_null: Flags, limit, places: Integers, text: Bytes
) -> None:
    """Write each row's token and a blank to `text`, and move `places` behind it; sized as in `add_sizes`."""
    for row in range(len(starts)):
        at = places[row]
        size = 0 if is_null[row] else min(np.int64(ends[row] - starts[row]), limit)
        for offset in range(size):
            text[at + offset] = source[np.int64(starts[row]) + offset]
        if size == 0:
            text[at] = 0x2D
            size = 1
        text[at + size] = 0x20
        places[row] = at + size + 1


@njit(**KERNEL)
def turn(columns: FlatWords, stride, row_count, word_count, rows: FlatWords) -> None:  # type: ignore[no-untyped-def]
    """From column after column to row after row: the rows are written once from end to end.

    Writing each column straight into the rows touched every line of the cache once a column; blocks of 16 rows took
    1.7 times as long as this. `stride`: words from one column to the next; no power of two, or all columns want the
    same lines of the cache.
    """
    written = _0
    for row in range(row_count):
        at = U(row)
        for _ in range(word_count):
            rows[written] = columns[at]
            at += U(stride)
            written += _1


@njit(**KERNEL)
def intern_values(  # type: ignore[no-untyped-def]
    text: Bytes, begins: Places, ends: Places, wanted: Integers, numbers: Integers, position, is_encoded,
    scratch: Bytes, table: FlatWords, arena: Bytes, starts, sizes, used,
):  # fmt: skip
    """Look up the values `wanted[position:]`, adding new ones; gives (next position, why it returned).

    `numbers`: int64[values]; the id of each is written, 0 for null, UNREADABLE for what no record can have.
    `is_encoded`: percent-decoded first, in `scratch`. `table` (flat) … `used`: the vocabulary's.
    """
    while position < len(wanted):
        value = wanted[position]
        at, end = U(begins[value]), U(ends[value])
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

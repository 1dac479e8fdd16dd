"""Columns to rows: the loop that touches every value, and those that learn each value of a dictionary once.

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
from consumer.model.compiling import HELPER, KERNEL, ROUTINE
from consumer.model.row_slice import Flags, Integers, Places
from consumer.model.text_word import Bytes, U, load

UNKNOWN, UNREADABLE = -1, -2
"""In place of a string's id: not looked up yet; no string that a record can have."""
ABSENT, BAD = U(1), U(2)
"""Of an address: a dash or nothing; none that can be read."""
NUMBER, ADDRESS, STRING, OTHER = range(4)
"""How the words of a column come out of its table: one word, at most `maximum`; three of an address, after which
stands 0, ABSENT or BAD; the id of a string, 0 for null; OTHER: not at all, the text kernel is asked."""
STEP_WORDS = 5
"""Of a column's step: how, its row of `indices`, its first word, the position of its null bit, `maximum`."""
TABLE_COUNT = 16
"""Columns placed by one call: numba wants to know their number. The default format has 14."""
_BLOCK_ROWS = 64
"""Rows made at a time, column after column: they stay in the nearest cache until they are whole."""

_0, _1, _2, _3, _4, _6, _63 = U(0), U(1), U(2), U(3), U(4), U(6), U(63)
_UNKNOWN, _UNREADABLE = U(UNKNOWN % (1 << 64)), U(UNREADABLE % (1 << 64))
_DASH = U(0x2D)
_MAX_STRING = U(MAX_LINE_BYTES)


@njit(**HELPER)
def _is_null(text: Bytes, at: np.uint64, size: np.uint64) -> bool:
    """True for the empty string and for a dash, which is what text writes for null."""
    return bool(size == _0 or (size == _1 and U(text[at]) == _DASH))


@njit(**HELPER)
def _address(text: Bytes, at: np.uint64, end: np.uint64):  # type: ignore[no-untyped-def]
    """(high, low, family, ABSENT, BAD or 0) of the string from `at` to `end`."""
    if _is_null(text, at, end - at):
        return _0, _0, _0, ABSENT
    low, fault = ipv4(text, at, end - at, load(text, at))
    if fault == _0:
        return _0, low, _4, _0
    high, low, is_address = ipv6(text, at, end)
    return high, low, _6, _0 if is_address else BAD


@njit(**KERNEL)
def learn_addresses(text: Bytes, starts: Places, ends: Places, known: FlatWords) -> None:
    """Write four words for each value: its address's three, then ABSENT, BAD or 0.

    `text`: uint8 with a margin; value i is `text[starts[i] : ends[i]]`.
    """
    for value in range(len(starts)):
        place = U(value) << _2
        high, low, family, kind = _address(text, U(starts[value]), U(ends[value]))
        known[place], known[place + _1], known[place + _2], known[place + _3] = high, low, family, kind


@njit(**ROUTINE)
def _place_numbers(indices: Places, at, table: FlatWords, maximum, block, word, rows, null_word, bit, nulls, is_bad):  # type: ignore[no-untyped-def]
    first, stop, word_count = block
    for row in range(first, stop):
        place, number = indices[at], _0
        if place < 0:
            nulls[null_word] |= bit
        else:
            number = table[U(place)]
            if number > maximum:
                is_bad[row] = True
        rows[word] = number
        at += _1
        word += word_count
        null_word += _2


@njit(**ROUTINE)
def _place_addresses(indices: Places, at, table: FlatWords, block, word, rows, null_word, bit, nulls, is_bad):  # type: ignore[no-untyped-def]
    first, stop, word_count = block
    for row in range(first, stop):
        place = indices[at]
        high, low, family, kind = _0, _0, _0, ABSENT
        if place >= 0:
            known = U(place) << _2
            high, low, family, kind = table[known], table[known + _1], table[known + _2], table[known + _3]
        if kind != _0:
            if kind == ABSENT:
                nulls[null_word] |= bit
            else:
                is_bad[row] = True
        rows[word], rows[word + _1], rows[word + _2] = high, low, family
        at += _1
        word += word_count
        null_word += _2


@njit(**ROUTINE)
def _place_strings(indices: Places, at, table: FlatWords, block, word, rows, null_word, bit, nulls, is_bad) -> bool:  # type: ignore[no-untyped-def]
    """False as soon as one is UNKNOWN."""
    first, stop, word_count = block
    for row in range(first, stop):
        place, number = indices[at], _0
        if place >= 0:
            number = table[U(place)]
        if number == _0 or number >= _UNREADABLE:
            if number == _UNKNOWN:
                return False
            if number == _UNREADABLE:
                is_bad[row] = True
                number = _0
            else:
                nulls[null_word] |= bit
        rows[word] = number
        at += _1
        word += word_count
        null_word += _2
    return True


@njit(**KERNEL)
def place_rows(  # type: ignore[no-untyped-def]
    indices: Places, stride, first, stop, steps: FlatWords, tables, rows: FlatWords, word_count, nulls: FlatWords,
    is_bad: Flags,
):  # fmt: skip
    """Write the words of some columns to rows `first` to `stop`; gives (row to go on at, the step in its way).

    `indices`: flat, `stride` rows a column. `steps`: flat, STEP_WORDS each; `tables`: what each step's indices point
    into, uint64[v] or [4 v]. `rows`, `nulls`: flat, word_count and 2 words a row; `nulls` and `is_bad` are added to. A
    step is in the way when a string of it is UNKNOWN: look up those from the row on and call again from there.
    """
    step_count = len(steps) // STEP_WORDS
    for begin in range(first, stop, _BLOCK_ROWS):
        end = min(begin + _BLOCK_ROWS, stop)
        block = (begin, end, U(word_count))
        for step in range(step_count):
            how, table = steps[step * STEP_WORDS], tables[step]
            at = steps[step * STEP_WORDS + 1] * U(stride) + U(begin)
            word = U(begin) * U(word_count) + steps[step * STEP_WORDS + 2]
            position, maximum = steps[step * STEP_WORDS + 3], steps[step * STEP_WORDS + 4]
            null_word, bit = (U(begin) << _1) + (position >> _6), _1 << (position & _63)
            if how == NUMBER:
                _place_numbers(indices, at, table, maximum, block, word, rows, null_word, bit, nulls, is_bad)
            elif how == ADDRESS:
                _place_addresses(indices, at, table, block, word, rows, null_word, bit, nulls, is_bad)
            elif how == STRING:
                if not _place_strings(indices, at, table, block, word, rows, null_word, bit, nulls, is_bad):
                    return begin, step
            else:
                is_bad[begin:end] = True
    return stop, step_count


@njit(**KERNEL)
def mark_mixed(rows: FlatWords, word_count, source, destination, is_bad: Flags) -> None:  # type: ignore[no-untyped-def]
    """Set `is_bad` where a row's two addresses are of different families."""
    at = _0
    for row in range(len(is_bad)):
        one, other = rows[at + U(source)], rows[at + U(destination)]
        if one != other and one != _0 and other != _0:
            is_bad[row] = True
        at += U(word_count)


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

"""Lines to columns: the loop that touches every byte of every record.

Belongs here: the kernel. Does not: finding lines (cut.py), reading one value (values.py, strings.py), choosing a log
format (candidates.py), the plan that drives the kernel (plan.py).

One pass a line. A blank is written over the byte after the line, so every token ends the same way; the string hash
is made while the token's end is looked for; IPv4 addresses and numbers are read in registers. The vocabulary's table
is shared with consumer/model/vocabulary.py. When that is full, or its table too small, the kernel ends early at a
line's start, its caller makes room, and the next call goes on.
"""

import numpy as np
from numba import njit
from numpy.typing import NDArray

from consumer.decode.outcomes import (
    BAD_ADDRESS,
    FITS,
    LINE_TOO_LONG,
    MIXED_ADDRESS_FAMILIES,
    NEEDS_TABLE,
    NEEDS_VOCABULARY,
    NUMBER_OUT_OF_RANGE,
    TOKEN_COUNT,
)
from consumer.decode.strings import FlatWords, hash_of_first, hashed_token, intern, percent_decoded
from consumer.decode.values import ipv4, ipv6, number_at
from consumer.decode.words import token_end
from consumer.model.compiling import HELPER, KERNEL, ROUTINE
from consumer.model.text_word import Bytes, U, load

Positions = NDArray[np.int32]

MAX_LINE_BYTES = 65_535
"""A longer line is quarantined; so every string fits two length octets (RFC 7011 §7)."""

UNSIGNED, ADDRESS, STRING, ENCODED_STRING = range(4)
"""How a column is read: first word of its step in the plan."""

STEP_WORDS = 3
"""Words of a step: how, word of the row, maximum."""

DONE, TABLE_FULL, VOCABULARY_FULL = range(3)
"""Why the kernel returned."""

_0, _1, _2, _4, _6 = U(0), U(1), U(2), U(4), U(6)
_BLANK, _NULL = U(0x20), U(0x202D)
"""A blank; a dash and a blank."""
_MAX_LINE = U(MAX_LINE_BYTES)


@njit(**ROUTINE)
def _token_count(text: Bytes, at: np.uint64, end: np.uint64) -> int:
    """How many tokens a line has, -1 when one of them is empty; the byte after the line is a blank."""
    tokens = 0
    while at <= end:
        stop = token_end(text, at)
        if stop == at:
            return -1
        tokens += 1
        at = stop + _1
    return tokens


@njit(**KERNEL)
def count_tokens(text: Bytes, line_starts: Positions, line_ends: Positions, counts: Positions) -> None:
    """Write the number of tokens of each line to `counts` (int32[l]); -1 for an empty token or a line too long.

    `text` as for `parse_lines`.
    """
    for line in range(len(counts)):
        start, end = U(line_starts[line]), U(line_ends[line])
        text[end] = _BLANK
        counts[line] = _token_count(text, start, end) if end - start <= _MAX_LINE else -1


@njit(**HELPER)
def _read_tokens(  # type: ignore[no-untyped-def]
    text: Bytes, at, end, plan: FlatWords, words: FlatWords, first_word,
    table: FlatWords, arena: Bytes, starts, sizes, used, scratch: Bytes,
):  # fmt: skip
    """(FITS or the reason, null bits of columns 0 to 63, of the others) of one line; writes the row's words.

    An empty number or address needs no test: the blank is neither, and a wrong token count is found out in the end.
    """
    nulls_low, nulls_high, step = _0, _0, _0
    for column in range(len(plan) // STEP_WORDS):
        if at > end:
            return TOKEN_COUNT, nulls_low, nulls_high
        how, word = plan[step], first_word + plan[step + _1]
        head, reason = load(text, at), FITS
        if head & U(0xFFFF) == _NULL:
            if column < 64:
                nulls_low |= _1 << U(column)
            else:
                nulls_high |= _1 << U(column - 64)
            words[word] = _0
            if how == U(ADDRESS):
                words[word + _1] = _0
                words[word + _2] = _0
            stop = at + _1
        elif how == U(STRING):
            stop, mixed = hashed_token(text, at, head)
            if stop == at:
                return TOKEN_COUNT, nulls_low, nulls_high
            words[word], reason = intern(text, at, stop - at, mixed, table, arena, starts, sizes, used)
        elif how == U(UNSIGNED):
            number, stop, reason = number_at(text, at, head)
            if reason == FITS and number > plan[step + _2]:
                reason = NUMBER_OUT_OF_RANGE
            words[word] = number
        elif how == U(ADDRESS):
            stop = token_end(text, at)
            low, fault = ipv4(text, at, stop - at, head)
            high, family = _0, _4
            if fault != _0:
                high, low, is_address = ipv6(text, at, stop)
                family, reason = _6, FITS if is_address else BAD_ADDRESS
            words[word] = high
            words[word + _1] = low
            words[word + _2] = family
        else:
            stop = token_end(text, at)
            if stop == at:
                return TOKEN_COUNT, nulls_low, nulls_high
            size = percent_decoded(text, at, stop, scratch)
            mixed = hash_of_first(scratch, size)
            words[word], reason = intern(scratch, _0, size, mixed, table, arena, starts, sizes, used)
        if reason != FITS:
            return reason, nulls_low, nulls_high
        at = stop + _1
        step += U(STEP_WORDS)
    return FITS if at == end + _1 else TOKEN_COUNT, nulls_low, nulls_high


@njit(**HELPER)
def _are_mixed(words: FlatWords, first_word, families) -> bool:  # type: ignore[no-untyped-def]
    """True when source and destination are of different families; no template could hold both."""
    if families[0] < 0:
        return False
    source, destination = words[first_word + U(families[0])], words[first_word + U(families[1])]
    return bool(source != destination and source != _0 and destination != _0)


@njit(**KERNEL)
def parse_lines(  # type: ignore[no-untyped-def]
    text: Bytes, line_starts: Positions, line_ends: Positions, line, stop_line,
    plan: FlatWords, families, words: FlatWords, row_words, nulls: FlatWords, line_numbers, row,
    rejects: Positions, reject_count,
    table: FlatWords, arena: Bytes, starts, sizes, used, scratch: Bytes,
):  # fmt: skip
    """Read lines `line` to `stop_line` into rows from `row` on; gives (next line, rows, rejects, why it returned).

    `text`: uint8 with 64 bytes after the last line; the byte after each line is overwritten with a blank.
    `line_starts`, `line_ends`: int32[l]. `plan`: uint64[c * 3] = (how, word, maximum) of every column.
    `families`: int64[2], the words of source's and destination's family, or -1 when the format has not both.
    `words`: uint64[n * row_words], `nulls`: uint64[n * 2], `line_numbers`: int64[n]: as in FlowBatch, rows enough for
    all lines. `rejects`: int32[l * 2] = (line, reason). `table` (flat) … `used`: the vocabulary's. `scratch`: uint8, a
    line and 64 bytes, for percent-decoding.
    """
    while line < stop_line:
        start, end = U(line_starts[line]), U(line_ends[line])
        text[end] = _BLANK
        reason, nulls_low, nulls_high = LINE_TOO_LONG, _0, _0
        if end - start <= _MAX_LINE:
            first_word = U(row) * U(row_words)
            reason, nulls_low, nulls_high = _read_tokens(
                text, start, end, plan, words, first_word, table, arena, starts, sizes, used, scratch
            )
            if reason == FITS and _are_mixed(words, first_word, families):
                reason = MIXED_ADDRESS_FAMILIES
        if reason == FITS:
            nulls[2 * row] = nulls_low
            nulls[2 * row + 1] = nulls_high
            line_numbers[row] = line
            row += 1
        elif reason == NEEDS_TABLE:
            return line, row, reject_count, TABLE_FULL
        elif reason == NEEDS_VOCABULARY:
            return line, row, reject_count, VOCABULARY_FULL
        else:
            if reason != LINE_TOO_LONG and _token_count(text, start, end) != len(plan) // STEP_WORDS:
                reason = TOKEN_COUNT
            rejects[2 * reject_count] = line
            rejects[2 * reject_count + 1] = reason
            reject_count += 1
        line += 1
    return line, row, reject_count, DONE

"""Rows of columns written out as the lines of text they would have been, for the text kernel and the dead letter.

Belongs here: rows that are no records, which are few; and every row, where numbers are kept as strings. Does not: what
is wrong with them (text.py says).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from consumer.decode import columns as kernels
from consumer.decode.candidates import LinePositions
from consumer.decode.text import MAX_LINE_BYTES
from consumer.model.row_slice import NULL, ColumnRows, Flags, Integers, Numbers, Places, RowSlice, Strings
from consumer.model.text_word import MARGIN_BYTES

LIMIT_BYTES = 32 << 20
"""Of lines at a time: a dictionary lets a few bytes stand for many long strings."""


def lines_of(rows: RowSlice, columns: Sequence[int], chosen: Integers) -> LinePositions | None:
    """The chosen rows (int64[k], rising) as lines of these columns, each with a blank after it, where the text kernel
    wants one.

    None when they are more than LIMIT_BYTES: ask for fewer rows. A string too long for a line is cut to one byte more.
    """
    found = [_tokens(rows.columns[column], rows.indices[column], chosen) for column in columns]
    sizes = np.full(len(chosen), len(found), dtype=np.int64)  # a blank behind each
    for pieces in found:
        for first, tokens, is_null in pieces:
            kernels.add_sizes(tokens.starts, tokens.ends, is_null, MAX_LINE_BYTES + 1, sizes[first:])
    ends = np.cumsum(sizes)
    total = int(ends[-1]) if len(ends) else 0
    if total > LIMIT_BYTES:
        return None
    text = np.zeros(total + MARGIN_BYTES, dtype=np.uint8)
    places = ends - sizes
    for pieces in found:
        for first, tokens, is_null in pieces:
            kernels.add_tokens(
                tokens.text, tokens.starts, tokens.ends, is_null, MAX_LINE_BYTES + 1, places[first:], text
            )
    return LinePositions(text, (ends - sizes).astype(np.int32), (ends - 1).astype(np.int32))


def _tokens(column: ColumnRows, indices: Places, chosen: Integers) -> list[tuple[int, Strings, Flags]]:
    """(position in `chosen` of the first, the tokens, which of them are null) for each part that has chosen rows."""
    found = []
    first = 0
    for part in column:
        begin, end = np.searchsorted(chosen, (first, first + part.row_count)).tolist()
        if begin < end:
            places = indices[chosen[begin:end]]
            is_null = places == NULL
            found.append((begin, _strings(part.values, np.where(is_null, 0, places)), is_null))
        first += part.row_count
    return found


def _strings(values: Numbers | Strings, places: Places) -> Strings:
    """The values at `places`, as text."""
    if not len(values):  # an empty dictionary: every row is null
        nothing = np.zeros(len(places), dtype=np.int32)
        return Strings(np.zeros(MARGIN_BYTES, dtype=np.uint8), nothing, nothing)
    if isinstance(values, Strings):
        return Strings(values.text, values.starts[places], values.ends[places])
    return text_of(Numbers(values.values[places], values.is_signed))


def text_of(numbers: Numbers) -> Strings:
    """Numbers in decimal, one behind the other."""
    values = numbers.values if numbers.is_signed else numbers.values.view(np.uint64)
    digits = [str(value).encode() for value in values.tolist()]
    ends = np.cumsum(np.fromiter(map(len, digits), dtype=np.int32, count=len(digits)), dtype=np.int32)
    starts = np.concatenate([np.zeros(1, dtype=np.int32), ends[:-1]])[: len(digits)]
    return Strings(np.frombuffer(bytearray(b"".join(digits) + bytes(MARGIN_BYTES)), dtype=np.uint8), starts, ends)

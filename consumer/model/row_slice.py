"""Rows of a columnar object on their way from its reader to decode: typed columns, as they lay in the object.

Belongs here: the shape. Does not: reading them (parquet/), what they mean (decode/parquet.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from consumer.model.text_word import Bytes

Flags = NDArray[np.bool_]
Integers = NDArray[np.int64]
Places = NDArray[np.int32]

NULL = -1
"""In place of a null row's index."""


@dataclass(frozen=True, slots=True, eq=False)
class Numbers:
    """`values`: int64[v]; of a type without sign the same 64 bits."""

    values: Integers
    is_signed: bool = True

    def __len__(self) -> int:
        return len(self.values)


@dataclass(frozen=True, slots=True, eq=False)
class Strings:
    """Value i is `text[starts[i] : ends[i]]` (int32[v] each). `text`: uint8 with a margin after the last value."""

    text: Bytes
    starts: Places
    ends: Places

    def __len__(self) -> int:
        return len(self.starts)


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """Neighbouring rows of one column whose indices point into the same `values`: a dictionary, which every part of it
    shares, so what is known of it is known by identity; or these rows' own values, one after the other."""

    values: Numbers | Strings
    row_count: int


ColumnRows = Sequence[Part]
"""One column's part of the rows, in order."""


@dataclass(frozen=True, slots=True, eq=False)
class RowSlice:
    """Rows of an object. `columns`: for each of `names`, in order of the object, what covers all of them.

    `indices`: int32[columns, rows], C order, all within the values of their part, or NULL: one array, so that decode
    can place all columns at once, a few rows at a time.
    """

    names: tuple[str, ...]
    columns: Sequence[ColumnRows]
    indices: Places

    @property
    def row_count(self) -> int:
        return int(self.indices.shape[1])

    def cut(self, start: int, stop: int) -> RowSlice:
        """Rows from `start` to `stop`; the values are shared."""
        if (start, stop) == (0, self.row_count):
            return self
        columns = [_cut(column, start, stop) for column in self.columns]
        return RowSlice(self.names, columns, self.indices[:, start:stop].copy())


def _cut(column: ColumnRows, start: int, stop: int) -> ColumnRows:
    parts: list[Part] = []
    for part in column:
        size = min(part.row_count, stop) - max(start, 0)
        if size > 0:
            parts.append(Part(part.values, size))
        start, stop = start - part.row_count, stop - part.row_count
    return parts

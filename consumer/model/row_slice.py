"""Rows of a columnar object on their way from its reader to decode: typed columns, as they lay in the object.

Belongs here: the shape. Does not: reading them (parquet/), what they mean (decode/columnar.py).
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

NO_FLAGS: Flags = np.zeros(0, dtype=np.bool_)


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
    """Neighbouring rows of one column. Where they have a dictionary, `indices` (int32[n]) point into `values`, which
    every part of the same dictionary shares, so what is known of it is known by identity; else value i is row i's.

    `is_null`: bool[n], or empty when no row is null. Indices and values of null rows are anything within bounds.
    """

    values: Numbers | Strings
    is_null: Flags
    indices: Places | None

    def __len__(self) -> int:
        return len(self.values) if self.indices is None else len(self.indices)

    def cut(self, start: int, stop: int) -> Part:
        """Rows from `start` to `stop`."""
        is_null = self.is_null[start:stop]
        if self.indices is not None:
            return Part(self.values, is_null, self.indices[start:stop])
        if isinstance(self.values, Numbers):
            return Part(Numbers(self.values.values[start:stop], self.values.is_signed), is_null, None)
        starts, ends = self.values.starts[start:stop], self.values.ends[start:stop]
        return Part(Strings(self.values.text, starts, ends), is_null, None)


ColumnRows = Sequence[Part]
"""One column's part of the rows, in order."""


@dataclass(frozen=True, slots=True, eq=False)
class RowSlice:
    """`row_count` rows. `columns`: for each of `names`, in order of the object, what covers all of them."""

    names: tuple[str, ...]
    columns: Sequence[ColumnRows]
    row_count: int

    def cut(self, start: int, stop: int) -> RowSlice:
        """Rows from `start` to `stop`; nothing is copied."""
        return RowSlice(self.names, [_cut(column, start, stop) for column in self.columns], stop - start)


def _cut(column: ColumnRows, start: int, stop: int) -> ColumnRows:
    parts: list[Part] = []
    for part in column:
        size = len(part)
        if start < size and stop > 0:
            parts.append(part if start <= 0 and stop >= size else part.cut(max(start, 0), min(stop, size)))
        start, stop = start - size, stop - size
    return parts

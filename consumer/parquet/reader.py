"""The rows of a Parquet object, row group by row group, a bounded number at a time.

Belongs here: the one place where our own reader gives up and pyarrow takes over. Does not: positions, faults and
acknowledgement of what is read (sources/chunks/parquet.py).

AWS writes flow logs flat, in whole numbers and strings, packed by gzip; so that is what our own reader is for. pyarrow
took 0.45 and 0.75 µs a record to read the same columns (14 and 29 of them), more than half of it in its own zlib, where
ours, decoding included, took 0.33 and 0.61 (docs/s3.md, "How fast").
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import BinaryIO

import numpy as np

from consumer.errors import UnknownParquetError
from consumer.model.row_slice import RowSlice
from consumer.parquet import arrow, footer
from consumer.parquet.column import ColumnReader
from consumer.parquet.footer import Footer, Leaf, RowGroup

SLICE_ROWS = 16_384
"""A flow batch (decode/parser.py)."""

_PAGES_BYTES = 128 << 20
_PAGE_BYTES = 16 << 20
"""Unpacked: the most that the pages of all columns may take at a time, and one of them. Writers make pages of 1 MiB or
less unless told otherwise; what has larger ones is left to pyarrow."""


class ObjectReader:
    """One object. Mutable, one thread. What `handle` raises goes through everywhere."""

    def __init__(self, handle: BinaryIO) -> None:
        self._handle = handle
        self._by_arrow: arrow.ArrowFile | None = None

    def read_footer(self) -> Footer:
        """Raises BadParquetError."""
        try:
            return footer.read_footer(self._handle)
        except UnknownParquetError:
            return self._arrow().footer()

    def read_group(self, group: RowGroup, leaves: Sequence[Leaf]) -> Iterator[RowSlice]:
        """The chosen columns of one row group, 16,384 rows at a time. Raises BadParquetError."""
        limit = min(_PAGE_BYTES, _PAGES_BYTES // max(1, len(leaves)))
        names = tuple(leaf.name for leaf in leaves)
        done = 0
        try:
            columns = [ColumnReader(self._handle, leaf, group.columns[leaf.place], limit) for leaf in leaves]
            while done < group.row_count:
                size = min(SLICE_ROWS, group.row_count - done)
                indices = np.empty((len(columns), size), dtype=np.int32)
                parts = [column.read(places) for column, places in zip(columns, indices, strict=True)]
                yield RowSlice(names, parts, indices)
                done += size
        except UnknownParquetError:
            pass
        else:
            return
        for rows in self._arrow().read_group(group.number, names, SLICE_ROWS):
            if rows.row_count > done:
                yield rows.cut(done, rows.row_count)
            done = max(0, done - rows.row_count)

    def _arrow(self) -> arrow.ArrowFile:
        if self._by_arrow is None:
            self._by_arrow = arrow.ArrowFile(self._handle)
        return self._by_arrow

"""A Parquet object in bounded memory: row groups in, chunks of rows out.

Belongs here: which columns are read, positions, what a damaged row group costs. Does not: the format (parquet/), what a
column means (decode/parquet.py), who brings the bytes: anything with `read`, `seek` and `tell` (a file; stored.py
for S3).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import BinaryIO

from consumer.errors import BadParquetError
from consumer.parquet.footer import Leaf, RowGroup
from consumer.parquet.reader import ObjectReader
from consumer.sources.chunks.text import BAD_PARQUET, BEGINNING, Chunk, Position

_COLUMN_LIMIT_BYTES = 512 << 20
"""Unpacked size of a column in one row group; AWS's row groups are a quarter of that in all."""
_PARTITIONS = frozenset({"aws-account-id", "aws-service", "aws-region", "year", "month", "day", "hour"})
"""Columns that a hive-partitioned copy may carry: they say again what the key says."""


def read_rows(handle: BinaryIO, start: Position = BEGINNING) -> Iterator[Chunk]:
    """The object's chunks from `start` on (an offset in rows), each at most 16,384 rows.

    A row group that cannot be read costs that row group: a chunk with the fault `bad_parquet`, or `too_large`. What
    `handle` raises goes through. Raises MissingPrerequisiteError for what only pyarrow reads, when it is not there.
    """
    reader = ObjectReader(handle)
    try:
        footer = reader.read_footer()
    except BadParquetError:
        yield Chunk(b"", start.offset, None, BAD_PARQUET)
        return
    leaves = [leaf for leaf in footer.leaves if leaf.name.replace("_", "-") not in _PARTITIONS]
    end = 0
    for group in footer.row_groups:
        first, end = end, end + group.row_count
        if end > start.offset:
            yield from _row_group(reader, group, leaves, first, max(first, start.offset))


def _row_group(
    reader: ObjectReader, group: RowGroup, leaves: Sequence[Leaf], first: int, start: int
) -> Iterator[Chunk]:
    """One row group's rows from `start` on; `first`: position of its first row in the object."""
    end = first + group.row_count
    if any(column.unpacked_bytes > _COLUMN_LIMIT_BYTES for column in group.columns):
        yield Chunk(b"", end, None, "too_large")
        return
    position = first
    try:
        for rows in reader.read_group(group, leaves):
            before, position = position, position + rows.row_count
            if position > start:
                yield Chunk(b"", position, None, columns=rows.cut(max(0, start - before), rows.row_count))
    except BadParquetError:
        yield Chunk(b"", end, None, BAD_PARQUET)

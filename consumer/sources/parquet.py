"""A Parquet object in bounded memory: row groups in, chunks of rows out.

Belongs here: opening the object, which columns are read and how, streaming its row groups. Does not: what a column
means (decode/parquet.py), who brings the bytes: anything with `read`, `seek` and `tell` (a file; object_store.py for
S3). pyarrow is an optional extra, imported when the first Parquet object comes.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, BinaryIO

from consumer.errors import MissingPrerequisiteError
from consumer.sources.objects import BAD_PARQUET, BEGINNING, Chunk, Position

_ROWS_AT_ONCE = 32_768
"""Four flow batches: with 8,192 rows a call of pyarrow costs 15 % more for each row."""
_BUFFER_BYTES = 1 << 20
"""Read at once of each column, so that a row group of any size is streamed."""
_COLUMN_LIMIT_BYTES = 512 << 20
"""Unpacked size of a column in one row group; AWS's row groups are a quarter of that in all."""
_DICTIONARY_BYTES_PER_VALUE = 4
"""A column of strings that takes less was written with a dictionary that pays: its strings are looked up once each.
Addresses mostly take more; hashing them again for a dictionary of our own took 120 ns a row."""
_PARTITIONS = frozenset({"aws-account-id", "aws-service", "aws-region", "year", "month", "day", "hour"})
"""Columns that a hive-partitioned copy may carry: they say again what the key says."""


def read_rows(handle: BinaryIO, start: Position = BEGINNING) -> Iterator[Chunk]:
    """The object's chunks from `start` on (an offset in rows), each at most 32,768 rows.

    A row group that cannot be read costs that row group: a chunk with the fault `bad_parquet`, or `too_large`. What
    `handle` raises goes through. Raises MissingPrerequisiteError without pyarrow.
    """
    arrow = _arrow()
    try:
        file = arrow.ParquetFile(handle, buffer_size=_BUFFER_BYTES)
        names, dictionaries = _projection(file)
        if dictionaries:
            handle.seek(0)
            file = arrow.ParquetFile(
                handle, metadata=file.metadata, read_dictionary=dictionaries, buffer_size=_BUFFER_BYTES
            )
    except _faults() as error:
        _raise_if_not_of_parquet(error)
        yield Chunk(b"", start.offset, None, BAD_PARQUET)
        return
    end = 0
    for number in range(file.metadata.num_row_groups):
        first, end = end, end + file.metadata.row_group(number).num_rows
        if end > start.offset:
            yield from _row_group(file, number, names, first, max(first, start.offset))


def _row_group(file: Any, number: int, names: list[str], first: int, start: int) -> Iterator[Chunk]:
    """One row group's rows from `start` on; `first`: position of its first row in the object."""
    group = file.metadata.row_group(number)
    end = first + group.num_rows
    if any(group.column(place).total_uncompressed_size > _COLUMN_LIMIT_BYTES for place in range(group.num_columns)):
        yield Chunk(b"", end, None, "too_large")
        return
    position = first
    try:
        for batch in file.iter_batches(_ROWS_AT_ONCE, row_groups=[number], columns=names, use_threads=False):
            before, position = position, position + batch.num_rows
            if position > start:
                yield Chunk(b"", position, None, columns=batch.slice(max(0, start - before)))
    except _faults() as error:
        _raise_if_not_of_parquet(error)
        yield Chunk(b"", end, None, BAD_PARQUET)


def _projection(file: Any) -> tuple[list[str], list[str]]:
    """(columns to read, those of them that are read with their dictionary): no nested ones, no partitions."""
    metadata = file.metadata
    paths = [metadata.schema.column(place).path for place in range(metadata.num_columns)]
    flat = [n for n, path in enumerate(paths) if "." not in path and path.replace("_", "-") not in _PARTITIONS]
    dictionaries = []
    for place in flat:
        parts = [metadata.row_group(number).column(place) for number in range(metadata.num_row_groups)]
        is_text = metadata.schema.column(place).physical_type == "BYTE_ARRAY"
        size, count = sum(part.total_uncompressed_size for part in parts), sum(part.num_values for part in parts)
        if is_text and size < _DICTIONARY_BYTES_PER_VALUE * count:
            dictionaries.append(paths[place])
    return [paths[place] for place in flat], dictionaries


def _arrow() -> Any:
    try:
        from pyarrow import parquet
    except ImportError as error:
        raise MissingPrerequisiteError(
            "a Parquet object cannot be read without pyarrow: pip install 'vpcflow[parquet]'"
        ) from error
    return parquet


def _faults() -> tuple[type[Exception], ...]:
    from pyarrow import ArrowException

    return ArrowException, OSError


def _raise_if_not_of_parquet(error: Exception) -> None:
    """pyarrow raises OSError for broken pages, too, but without the number that a disk or a socket gives."""
    if isinstance(error, OSError) and error.errno is not None:
        raise error

"""What our own reader does not know, read by pyarrow, which is an optional extra: imported when it is needed first.

Belongs here: everything that knows pyarrow; slow but complete. Does not: choosing it (reader.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, BinaryIO

import numpy as np

from consumer.errors import BadParquetError, MissingPrerequisiteError
from consumer.model.row_slice import NULL, Flags, Numbers, Part, RowSlice, Strings
from consumer.model.text_word import MARGIN_BYTES
from consumer.parquet.footer import ColumnChunk, Footer, Leaf, RowGroup

_INTEGERS = {
    name: np.dtype(name) for name in ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")
}
"""Arrow's names of integers are NumPy's."""
_BUFFER_BYTES = 1 << 20
"""Read at once of each column."""


def unpacked(packed: bytes, codec: str, size_bytes: int) -> bytes:
    """A page's bytes; `codec` as pyarrow calls it."""
    arrow = _arrow()
    try:
        found: bytes = arrow.decompress(packed, size_bytes, codec, asbytes=True)
    except (arrow.ArrowException, OSError, ValueError):
        raise BadParquetError(f"a page that {codec} cannot read") from None
    return found


class ArrowFile:
    """An object as pyarrow opens it: its footer is read once. Mutable, one thread."""

    def __init__(self, handle: BinaryIO) -> None:
        """Raises BadParquetError, MissingPrerequisiteError, and what `handle` raises."""
        self._faults = (_arrow().ArrowException, OSError)
        from pyarrow import parquet

        try:
            handle.seek(0)
            self._file = parquet.ParquetFile(handle, buffer_size=_BUFFER_BYTES)
        except self._faults as error:
            raise _translated(error) from error

    def footer(self) -> Footer:
        """As footer.py; none of the columns is one that our own reader knows."""
        metadata = self._file.metadata
        columns = [metadata.schema.column(place) for place in range(metadata.num_columns)]
        leaves = tuple(
            Leaf(column.path, place, 0, is_optional=True, is_signed=True, is_known=False)
            for place, column in enumerate(columns)
            if not column.max_repetition_level and "." not in column.path
        )
        groups = [metadata.row_group(number) for number in range(metadata.num_row_groups)]
        return Footer(
            leaves, tuple(RowGroup(number, group.num_rows, _columns(group)) for number, group in enumerate(groups))
        )

    def read_group(self, number: int, names: Sequence[str], row_count: int) -> Iterator[RowSlice]:
        """The rows of one row group, `row_count` at a time. Raises BadParquetError and what the handle raises."""
        try:
            batches = self._file.iter_batches(row_count, row_groups=[number], columns=list(names), use_threads=False)
            yield from map(slice_of, batches)
        except self._faults as error:
            raise _translated(error) from error


def _columns(group: Any) -> tuple[ColumnChunk, ...]:
    parts = (group.column(place) for place in range(group.num_columns))
    return tuple(ColumnChunk(0, 0, part.num_values, 0, 0, part.total_uncompressed_size, True) for part in parts)


def slice_of(batch: Any) -> RowSlice:
    """A pyarrow.RecordBatch as ours; columns of several values are left out."""
    flat = [(name, column) for name, column in zip(batch.schema.names, batch.columns, strict=True) if _is_flat(column)]
    columns = [(name, _readable(column)) for name, column in flat]
    indices = np.empty((len(columns), batch.num_rows), dtype=np.int32)
    for places, (_, column) in zip(indices, columns, strict=True):
        places[:] = np.where(_nulls(column), NULL, np.arange(len(column), dtype=np.int32))
    values = [_numbers(column) if _is_integer(column) else _strings(column) for _, column in columns]
    return RowSlice(tuple(name for name, _ in columns), [[Part(one, len(one))] for one in values], indices)


def _is_flat(column: Any) -> bool:
    return not column.type.num_fields


def _readable(column: Any) -> Any:
    """Whole numbers as they are, times as the seconds that AWS writes (queries make timestamps of them), else texts."""
    if _is_integer(column):
        return column
    if str(column.type).startswith("timestamp"):
        arrow = _arrow()
        return column.cast(arrow.timestamp("s", column.type.tz), safe=False).cast(arrow.int64())
    return _texts(column)


def _is_integer(column: Any) -> bool:
    return str(column.type) in _INTEGERS


def _numbers(column: Any) -> Numbers:
    buffer, dtype = column.buffers()[1], _INTEGERS[str(column.type)]
    if buffer is None:
        return Numbers(np.zeros(len(column), dtype=np.int64))
    values = np.frombuffer(buffer, dtype=dtype)[column.offset : column.offset + len(column)]
    values = (values.view(np.int64) if dtype == np.uint64 else values).astype(np.int64)
    return Numbers(values, dtype != np.uint64)


def _texts(column: Any) -> Any:
    """Any column as bytes with offsets of 32 bits, in the characters that text would have."""
    arrow = _arrow()
    if hasattr(column, "indices"):
        column = column.dictionary_decode()
    kind = str(column.type)
    if kind == "binary":
        return column
    if kind != "string":
        column = column.cast(arrow.binary() if "binary" in kind else arrow.string())
    return column.view(arrow.binary()) if str(column.type) == "string" else column


def _strings(column: Any) -> Strings:
    _, offset_buffer, data = column.buffers()
    if offset_buffer is None or not len(column):
        nothing = np.zeros(len(column), dtype=np.int32)
        return Strings(np.zeros(MARGIN_BYTES, dtype=np.uint8), nothing, nothing)
    offsets = np.frombuffer(offset_buffer, dtype=np.int32)[column.offset : column.offset + len(column) + 1]
    start, size = int(offsets[0]), int(offsets[-1] - offsets[0])
    text = np.zeros(size + MARGIN_BYTES, dtype=np.uint8)
    if size:
        text[:size] = np.frombuffer(data, dtype=np.uint8, count=size, offset=start)
    places = offsets - np.int32(start)
    return Strings(text, places[:-1], places[1:])


def _nulls(column: Any) -> Flags:
    """bool[n], true where the column holds null."""
    if not column.null_count:
        return np.zeros(len(column), dtype=np.bool_)
    if column.buffers()[0] is None:  # a column that never has a value
        return np.ones(len(column), dtype=np.bool_)
    validity = np.frombuffer(column.buffers()[0], dtype=np.uint8)[column.offset // 8 :]
    bits = np.unpackbits(validity, count=column.offset % 8 + len(column), bitorder="little")
    marks: Flags = bits[column.offset % 8 :] == 0
    return marks


def _translated(error: Exception) -> Exception:
    """pyarrow raises OSError for broken pages, too, but without the number that a disk or a socket gives."""
    if isinstance(error, OSError) and error.errno is not None:
        return error
    return BadParquetError(str(error))


def _arrow() -> Any:
    try:
        import pyarrow
    except ImportError as error:
        raise MissingPrerequisiteError(
            "this Parquet object is of a kind that only pyarrow reads: pip install 'vpcflow[parquet]'"
        ) from error
    return pyarrow

"""What the end of a Parquet object tells: its columns, its row groups, where each column lies in them.

Belongs here: the parts of parquet.thrift's FileMetaData that reading rows needs. Does not: pages (page.py).
Numbers of fields are those of parquet.thrift.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any, BinaryIO

from consumer.errors import BadParquetError, UnknownParquetError
from consumer.parquet.thrift import Struct, read_struct

MAGIC = b"PAR1"
_TAIL_BYTES = 8
_FOOTER_LIMIT_BYTES = 2 << 20
"""Some 300 row groups of 29 columns; more is left to pyarrow, for here every field becomes a Python object."""

INT32, INT64, BYTE_ARRAY = 1, 2, 6
UNCOMPRESSED, GZIP = 0, 2
_OPTIONAL, _REPEATED = 1, 2
_UTF8 = 0
_UNSIGNED_TYPES, _SIGNED_TYPES = range(11, 15), range(15, 19)
_STRING, _INTEGER, _NULL = 1, 10, 11  # of LogicalType


@dataclass(frozen=True, slots=True)
class Leaf:
    """A flat column. `place`: its number among the columns of a row group.

    `is_known`: its values are whole numbers or strings, written as those; else only pyarrow reads it.
    """

    name: str
    place: int
    physical: int
    is_optional: bool
    is_signed: bool
    is_known: bool


@dataclass(frozen=True, slots=True)
class ColumnChunk:
    """Where a column of a row group lies: `size_bytes` from `start`. `unpacked_bytes`: what it says of itself."""

    physical: int
    codec: int
    value_count: int
    start: int
    size_bytes: int
    unpacked_bytes: int
    is_here: bool
    """False when it is encrypted, or in another file."""


@dataclass(frozen=True, slots=True)
class RowGroup:
    """`number`: of the object's. `columns`: by `Leaf.place`, nested ones, too."""

    number: int
    row_count: int
    columns: tuple[ColumnChunk, ...]


@dataclass(frozen=True, slots=True)
class Footer:
    """`leaves`: the flat columns in order; nested ones are left out."""

    leaves: tuple[Leaf, ...]
    row_groups: tuple[RowGroup, ...]


def read_footer(handle: BinaryIO) -> Footer:
    """Raises BadParquetError, UnknownParquetError, and what `handle` raises."""
    size = handle.seek(0, io.SEEK_END)
    if size < _TAIL_BYTES + len(MAGIC):
        raise BadParquetError("too short")
    handle.seek(size - _TAIL_BYTES)
    tail = handle.read(_TAIL_BYTES)
    footer_bytes = int.from_bytes(tail[:4], "little")
    if tail[4:] != MAGIC or footer_bytes > size - _TAIL_BYTES - len(MAGIC):
        raise BadParquetError("no footer")
    if footer_bytes > _FOOTER_LIMIT_BYTES:
        raise UnknownParquetError("a footer that large")
    handle.seek(size - _TAIL_BYTES - footer_bytes)
    found, end = read_struct(handle.read(footer_bytes))
    if end != footer_bytes:
        raise BadParquetError("a footer of another size than it says")
    try:
        return _footer(found, size)
    except (KeyError, TypeError, ValueError, AttributeError, IndexError):
        raise BadParquetError("a footer that lacks something") from None


def _footer(found: Struct, size: int) -> Footer:
    if 8 in found:
        raise UnknownParquetError("encrypted")
    leaves, leaf_count = _leaves(found[2])
    groups = tuple(_row_group(number, group, leaf_count, size) for number, group in enumerate(found[4]))
    return Footer(leaves, groups)


def _leaves(schema: list[Struct]) -> tuple[tuple[Leaf, ...], int]:
    """(flat columns, how many columns there are at all); the schema is a tree, written depth first."""
    leaves: list[Leaf] = []
    open_children = [int(schema[0].get(5, 0))]
    place = 0
    for element in schema[1:]:
        while open_children and not open_children[-1]:
            open_children.pop()
        if not open_children:
            raise BadParquetError("more columns than the schema announced")
        open_children[-1] -= 1
        if element.get(5):
            open_children.append(int(element[5]))
            continue
        if len(open_children) == 1 and element.get(3) != _REPEATED:
            leaves.append(_leaf(element, place))
        place += 1
    return tuple(leaves), place


def _leaf(element: Struct, place: int) -> Leaf:
    physical = int(element[1])
    converted, logical = element.get(6), next(iter(element.get(10, ())), None)
    if physical == BYTE_ARRAY:
        is_known = converted in (None, _UTF8) and logical in (None, _STRING)
    else:
        is_number = converted is None or converted in _UNSIGNED_TYPES or converted in _SIGNED_TYPES
        is_known = physical in (INT32, INT64) and is_number and logical in (None, _INTEGER, _NULL)
    is_signed = converted not in _UNSIGNED_TYPES
    if logical == _INTEGER:
        is_signed = bool(element[10][_INTEGER].get(2, True))
    name = element[4].decode("utf-8", "replace")
    return Leaf(name, place, physical, element.get(3) == _OPTIONAL, is_signed, is_known)


def _row_group(number: int, group: Struct, leaf_count: int, size: int) -> RowGroup:
    columns = tuple(_column_chunk(column, size) for column in group[1])
    row_count = int(group[3])
    if len(columns) != leaf_count or row_count < 0:
        raise BadParquetError("a row group that does not fit the schema")
    return RowGroup(number, row_count, columns)


def _column_chunk(column: Struct, size: int) -> ColumnChunk:
    if 3 not in column or 8 in column or column.get(1):
        return ColumnChunk(0, 0, 0, 0, 0, 0, is_here=False)
    data: dict[int, Any] = column[3]
    # A dictionary at 0 is none: some writers say so of columns without one.
    start = min(place for place in (data.get(11), data[9]) if place) if data.get(11) else data[9]
    if not (len(MAGIC) <= start and 0 <= data[7] <= size - start and data[5] >= 0):
        raise BadParquetError("a column outside the object")
    return ColumnChunk(data[1], data[4], data[5], start, data[7], data[6], is_here=True)

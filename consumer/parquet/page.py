"""The pages of a column: their headers, their bytes unpacked.

Belongs here: PageHeader of parquet.thrift, both versions of data pages, gzip. Does not: the values (column.py).
A page is unpacked into room of the size that its header says, which is bounded, so a bomb gets no more than that.
"""

from __future__ import annotations

import io
import zlib
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np
from isal import isal_zlib

from consumer.errors import BadParquetError, UnknownParquetError
from consumer.model.text_word import MARGIN_BYTES, Bytes
from consumer.parquet import arrow
from consumer.parquet.footer import GZIP, UNCOMPRESSED, ColumnChunk
from consumer.parquet.thrift import Struct, read_struct

DATA_PAGE, DICTIONARY_PAGE, DATA_PAGE_V2 = 0, 2, 3
PLAIN, PLAIN_DICTIONARY, RLE, RLE_DICTIONARY = 0, 2, 3, 8

_PIECE_BYTES = 1 << 20
"""Read at once of each column, so that a row group of any size is streamed."""
_HEADER_LIMIT_BYTES = 64 << 10
"""A header may carry the smallest and the largest string of its page."""
_ARROW_CODECS = {1: "snappy", 4: "brotli", 6: "zstd", 7: "lz4_raw"}
"""Nothing that AWS writes, but what its copies may be packed with."""
CODECS = frozenset({UNCOMPRESSED, GZIP, *_ARROW_CODECS})
_GZIP_FAULTS: tuple[type[Exception], ...] = (EOFError, OSError, zlib.error, isal_zlib.error)  # type: ignore[assignment]


class ColumnBytes:
    """The bytes of one column of a row group, read a piece at a time. Mutable, one thread."""

    def __init__(self, handle: BinaryIO, chunk: ColumnChunk) -> None:
        self._handle = handle
        self._next = chunk.start
        self._end = chunk.start + chunk.size_bytes
        self._piece = b""
        self._at = 0

    @property
    def is_over(self) -> bool:
        return self._at == len(self._piece) and self._next == self._end

    def read_header(self) -> Struct:
        """The page header that comes next."""
        self._hold(_HEADER_LIMIT_BYTES)
        found, self._at = read_struct(self._piece, self._at)
        return found

    def take(self, size_bytes: int) -> bytes:
        """The next bytes. Raises BadParquetError when there are fewer."""
        if self._hold(size_bytes) < size_bytes:
            raise BadParquetError("a page ends behind its column")
        start, self._at = self._at, self._at + size_bytes
        return self._piece[start : self._at]

    def _hold(self, size_bytes: int) -> int:
        """Bytes at hand after trying to have so many."""
        held = len(self._piece) - self._at
        if held < size_bytes and self._next < self._end:
            wanted = min(max(_PIECE_BYTES, size_bytes - held), self._end - self._next)
            self._handle.seek(self._next)
            read = self._handle.read(wanted)
            if len(read) < wanted:
                raise BadParquetError("the object ends within a column")
            self._piece, self._at = self._piece[self._at :] + read, 0
            self._next += wanted
            held = len(self._piece)
        return held


@dataclass(frozen=True, slots=True, eq=False)
class Page:
    """An unpacked page. `data`: uint8 with a margin behind `size`; levels lie from `levels_at` to `levels_end`, values
    from `values_at` to `size`; `levels_end` 0: the column has none."""

    is_dictionary: bool
    encoding: int
    value_count: int
    data: Bytes
    size: int
    levels_at: int
    levels_end: int
    values_at: int


def next_page(column: ColumnBytes, codec: int, limit_bytes: int, *, is_optional: bool) -> Page | None:
    """The next page that holds values or a dictionary; None at the column's end.

    Raises UnknownParquetError for one of more than `limit_bytes`, packed or unpacked.
    """
    while not column.is_over:
        header = column.read_header()
        try:
            kind, unpacked_bytes, packed_bytes = header[1], int(header[2]), int(header[3])
            if min(unpacked_bytes, packed_bytes) < 0:
                raise BadParquetError("a page of negative size")
            if max(unpacked_bytes, packed_bytes) > limit_bytes:
                raise UnknownParquetError("a page that large")
            packed = column.take(packed_bytes)
            if kind == DATA_PAGE:
                return _data_page(header[5], packed, codec, unpacked_bytes, is_optional=is_optional)
            if kind == DATA_PAGE_V2:
                return _data_page_v2(header[8], packed, codec, unpacked_bytes, is_optional=is_optional)
            if kind == DICTIONARY_PAGE:
                return _dictionary_page(header[7], packed, codec, unpacked_bytes)
        except (KeyError, TypeError, ValueError, AttributeError):
            raise BadParquetError("a page header that lacks something") from None
    return None


def _dictionary_page(header: Struct, packed: bytes, codec: int, unpacked_bytes: int) -> Page:
    if header[2] not in (PLAIN, PLAIN_DICTIONARY):
        raise UnknownParquetError(f"a dictionary of encoding {header[2]}")
    data = _room(unpacked_bytes)
    _unpack(packed, codec, data, 0, unpacked_bytes)
    return Page(True, PLAIN, _count(header[1]), data, unpacked_bytes, 0, 0, 0)


def _data_page(header: Struct, packed: bytes, codec: int, unpacked_bytes: int, *, is_optional: bool) -> Page:
    """Levels and values are packed together; before the levels stands how many bytes they take."""
    data = _room(unpacked_bytes)
    _unpack(packed, codec, data, 0, unpacked_bytes)
    values_at = levels_at = levels_end = 0
    if is_optional:
        if header[3] != RLE:
            raise UnknownParquetError(f"levels of encoding {header[3]}")
        levels_at = 4
        levels_end = values_at = levels_at + int.from_bytes(data[:4].tobytes(), "little")
        if levels_end > unpacked_bytes:
            raise BadParquetError("levels end behind their page")
    return Page(False, int(header[2]), _count(header[1]), data, unpacked_bytes, levels_at, levels_end, values_at)


def _data_page_v2(header: Struct, packed: bytes, codec: int, unpacked_bytes: int, *, is_optional: bool) -> Page:
    """Levels come first, never packed; only the values behind them may be."""
    repetition_bytes, level_bytes = int(header[6]), int(header[5])
    if repetition_bytes:
        raise BadParquetError("a flat column with repetition levels")
    if not 0 <= level_bytes <= min(len(packed), unpacked_bytes) or (level_bytes and not is_optional):
        raise BadParquetError("levels end behind their page")
    data = _room(unpacked_bytes)
    data[:level_bytes] = np.frombuffer(packed, dtype=np.uint8, count=level_bytes)
    codec = codec if header.get(7, True) else UNCOMPRESSED
    if len(packed) > level_bytes or unpacked_bytes > level_bytes:
        _unpack(packed[level_bytes:], codec, data, level_bytes, unpacked_bytes)
    levels_end = level_bytes if is_optional else 0
    return Page(False, int(header[4]), _count(header[1]), data, unpacked_bytes, 0, levels_end, level_bytes)


def _count(number: Any) -> int:
    if not 0 <= number < 1 << 31:
        raise BadParquetError("a page of negative length")
    return int(number)


def _room(size: int) -> Bytes:
    data = np.empty(size + MARGIN_BYTES, dtype=np.uint8)
    data[size:] = 0
    return data


def _unpack(packed: bytes, codec: int, data: Bytes, start: int, end: int) -> None:
    """Fill `data[start:end]`, exactly."""
    view = memoryview(data)[start:end]  # type: ignore[arg-type]  # NumPy arrays are buffers
    if codec == UNCOMPRESSED:
        if len(packed) != end - start:
            raise BadParquetError("a page of another size than it says")
        view[:] = packed
    elif codec == GZIP:
        _gunzip(packed, view)
    elif packed or len(view):
        found = arrow.unpacked(packed, _ARROW_CODECS[codec], len(view))
        if len(found) != len(view):
            raise BadParquetError("a page of another size than it says")
        view[:] = found


def _gunzip(packed: bytes, view: memoryview) -> None:
    """Every member (parquet-format, Compression.md: GZIP), checksums verified."""
    reader = isal_zlib._GzipReader(packed, max(len(packed), io.DEFAULT_BUFFER_SIZE))  # type: ignore[arg-type]  # bytes, too
    size = 0
    try:
        while read := reader.readinto(view[size:] if size < len(view) else bytearray(1)):
            size += read
            if size > len(view):
                break
    except _GZIP_FAULTS:
        raise BadParquetError("a page that gzip cannot read") from None
    if size != len(view):
        raise BadParquetError("a page of another size than it says")

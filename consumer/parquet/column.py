"""One column of a row group as a stream of values: page after page, so many rows at a time.

Belongs here: which encoding a page has, its dictionary, nulls. Does not: bytes and headers (page.py), the loops
(encodings.py).
"""

from __future__ import annotations

from typing import BinaryIO

import numpy as np

from consumer.errors import BadParquetError, UnknownParquetError
from consumer.model.row_slice import NO_FLAGS, Flags, Numbers, Part, Places, Strings
from consumer.parquet import encodings
from consumer.parquet.encodings import LEFT, VALUE
from consumer.parquet.footer import BYTE_ARRAY, INT32, ColumnChunk, Leaf
from consumer.parquet.page import CODECS, PLAIN, PLAIN_DICTIONARY, RLE_DICTIONARY, ColumnBytes, Page, next_page

_DICTIONARY_LIMIT = 1 << 18
"""Values: whole numbers in 1 MiB, where writers give up a dictionary; a larger one is left to pyarrow."""


class ColumnReader:
    """Mutable, one thread. Every method raises BadParquetError, UnknownParquetError, and what the handle raises."""

    def __init__(self, handle: BinaryIO, leaf: Leaf, chunk: ColumnChunk, page_limit_bytes: int) -> None:
        if not (leaf.is_known and chunk.is_here and chunk.codec in CODECS):
            raise UnknownParquetError(f"column {leaf.name}")
        if chunk.physical != leaf.physical:
            raise BadParquetError("a column of another type than the schema says")
        self._leaf = leaf
        self._codec = chunk.codec
        self._page_limit_bytes = page_limit_bytes
        self._bytes = ColumnBytes(handle, chunk)
        self._dictionary: Numbers | Strings | None = None
        self._page: Page | None = None
        self._rows_left = 0
        self._levels = np.zeros(4, dtype=np.int64)
        self._indices = np.zeros(4, dtype=np.int64)
        self._width = 0
        self._at = 0

    def read(self, row_count: int) -> list[Part]:
        """The next rows."""
        parts = []
        while row_count:
            while not self._rows_left:
                self._open_page()
            size = min(row_count, self._rows_left)
            parts.append(self._part(size))
            self._rows_left -= size
            row_count -= size
        return parts

    def _open_page(self) -> None:
        self._page = None  # its room is free before the next one is unpacked
        page = next_page(self._bytes, self._codec, self._page_limit_bytes, is_optional=self._leaf.is_optional)
        if page is None:
            raise BadParquetError("a column with fewer rows than its row group")
        if page.is_dictionary:
            self._read_dictionary(page)
            return
        self._page, self._rows_left, self._at = page, page.value_count, page.values_at
        self._levels[:] = (page.levels_at, 0, 0, 0)
        if page.encoding in (PLAIN_DICTIONARY, RLE_DICTIONARY):
            if self._dictionary is None:
                raise BadParquetError("indices without a dictionary")
            has_width = page.values_at < page.size
            self._width = int(page.data[page.values_at]) if has_width else 0  # none where every row is null
            self._indices[:] = (page.values_at + 1, 0, 0, 0)
            if self._width > 32:
                raise BadParquetError("indices of more than 32 bits")
        elif page.encoding != PLAIN:
            raise UnknownParquetError(f"encoding {page.encoding}")

    def _read_dictionary(self, page: Page) -> None:
        if self._dictionary is not None:
            raise BadParquetError("two dictionaries")
        if page.value_count > _DICTIONARY_LIMIT:
            raise UnknownParquetError("a dictionary that large")
        if 4 * page.value_count > page.size:
            raise BadParquetError("a dictionary that lacks values")
        self._dictionary, _ = self._plain(page, 0, page.value_count, NO_FLAGS)

    def _part(self, row_count: int) -> Part:
        page = self._page
        assert page is not None
        is_null = self._nulls(page, row_count)
        if page.encoding == PLAIN:
            values, self._at = self._plain(page, self._at, row_count, is_null)
            return Part(values, is_null, None)
        assert self._dictionary is not None
        return Part(self._dictionary, is_null, self._read_indices(page, row_count, is_null))

    def _nulls(self, page: Page, row_count: int) -> Flags:
        if not self._leaf.is_optional:
            return NO_FLAGS
        if self._levels[LEFT] >= row_count and self._levels[VALUE] == 1:
            self._levels[LEFT] -= row_count  # mostly one run says that the whole page has no null
            return NO_FLAGS
        is_present = np.empty(row_count, dtype=np.bool_)
        if not encodings.read_runs(
            page.data, page.levels_end, 1, 2, self._levels, row_count, is_present.view(np.uint8)
        ):
            raise BadParquetError("fewer levels than rows")
        return NO_FLAGS if is_present.all() else ~is_present

    def _read_indices(self, page: Page, row_count: int, is_null: Flags) -> Places:
        assert self._dictionary is not None
        present_count = row_count - int(np.count_nonzero(is_null))
        if not self._width or not present_count:
            if present_count and not len(self._dictionary):
                raise BadParquetError("an index into an empty dictionary")
            return np.zeros(row_count, dtype=np.int32)
        indices = np.empty(row_count, dtype=np.int32)
        limit = len(self._dictionary)
        if not encodings.read_runs(page.data, page.size, self._width, limit, self._indices, present_count, indices):
            raise BadParquetError("fewer indices than rows, or one behind its dictionary")
        if len(is_null):
            encodings.spread(is_null, present_count, indices)
        return indices

    def _plain(self, page: Page, at: int, count: int, is_null: Flags) -> tuple[Numbers | Strings, int]:
        """(that many plain values from `at` on, where the next one lies)."""
        values: Numbers | Strings
        if self._leaf.physical == BYTE_ARRAY:
            values = Strings(page.data, np.empty(count, dtype=np.int32), np.empty(count, dtype=np.int32))
            at = encodings.plain_strings(page.data, at, page.size, is_null, values.starts, values.ends)
        else:
            values = Numbers(np.empty(count, dtype=np.int64), self._leaf.is_signed)
            byte_count = 4 if self._leaf.physical == INT32 else 8
            at = encodings.plain_numbers(
                page.data, at, page.size, byte_count, self._leaf.is_signed, is_null, values.values
            )
        if at < 0:
            raise BadParquetError("fewer values than rows")
        return values, at

"""One column of a row group as a stream of values: page after page, so many rows at a time.

Belongs here: which encoding a page has, its dictionary, nulls. Does not: bytes and headers (page.py), the loops
(encodings.py).
"""

from __future__ import annotations

from typing import BinaryIO

import numpy as np

from consumer.errors import BadParquetError, UnknownParquetError
from consumer.model.row_slice import Numbers, Part, Places, Strings
from consumer.parquet import encodings
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
        self._cursor = np.zeros(encodings.CURSOR_LENGTH, dtype=np.int64)
        self._is_present = np.empty(0, dtype=np.bool_)

    def read(self, places: Places) -> list[Part]:
        """The next rows, as many as `places` (int32[n]) has room for the indices of."""
        parts: list[Part] = []
        first = 0
        if len(self._is_present) < len(places):
            self._is_present = np.empty(len(places), dtype=np.bool_)
        while first < len(places):
            while not self._rows_left:
                self._open_page()
            size = min(len(places) - first, self._rows_left)
            values = self._values(places[first : first + size])
            if parts and parts[-1].values is values:  # the next page of the same dictionary
                parts[-1] = Part(values, parts[-1].row_count + size)
            else:
                parts.append(Part(values, size))
            self._rows_left -= size
            first += size
        return parts

    def _open_page(self) -> None:
        self._page = None  # its room is free before the next one is unpacked
        page = next_page(self._bytes, self._codec, self._page_limit_bytes, is_optional=self._leaf.is_optional)
        if page is None:
            raise BadParquetError("a column with fewer rows than its row group")
        if page.is_dictionary:
            self._read_dictionary(page)
            return
        self._page, self._rows_left = page, page.value_count
        width = limit = 0
        if page.encoding in (PLAIN_DICTIONARY, RLE_DICTIONARY):
            if self._dictionary is None:
                raise BadParquetError("indices without a dictionary")
            limit = len(self._dictionary)
            width = int(page.data[page.values_at]) if page.values_at < page.size else 0  # where every row is null
            if width > 32:
                raise BadParquetError("indices of more than 32 bits")
        elif page.encoding != PLAIN:
            raise UnknownParquetError(f"encoding {page.encoding}")
        values_at = page.values_at if page.encoding == PLAIN else page.values_at + 1
        self._cursor[:] = (page.levels_at, 0, 0, 0, values_at, 0, 0, 0, page.levels_end, page.size, width, limit)

    def _read_dictionary(self, page: Page) -> None:
        if self._dictionary is not None:
            raise BadParquetError("two dictionaries")
        if page.value_count > _DICTIONARY_LIMIT:
            raise UnknownParquetError("a dictionary that large")
        if 4 * page.value_count > page.size:
            raise BadParquetError("a dictionary that lacks values")
        self._cursor[:] = 0
        self._cursor[encodings.END] = page.size
        self._dictionary = self._plain(page, np.empty(page.value_count, dtype=np.int32))

    def _values(self, places: Places) -> Numbers | Strings:
        """What the indices of the page's next rows, written to `places`, point into."""
        page = self._page
        assert page is not None
        if page.encoding == PLAIN:
            return self._plain(page, places)
        assert self._dictionary is not None
        if not encodings.read_indices(page.data, self._cursor, self._is_present, places):
            raise BadParquetError("fewer levels or indices than rows, or an index behind its dictionary")
        return self._dictionary

    def _plain(self, page: Page, places: Places) -> Numbers | Strings:
        """The next plain values, one a row."""
        count = len(places)
        values: Numbers | Strings
        if self._leaf.physical == BYTE_ARRAY:
            values = Strings(page.data, np.empty(count, dtype=np.int32), np.empty(count, dtype=np.int32))
            is_read = encodings.plain_strings(
                page.data, self._cursor, self._is_present, values.starts, values.ends, places
            )
        else:
            values = Numbers(np.empty(count, dtype=np.int64), self._leaf.is_signed)
            byte_count = 4 if self._leaf.physical == INT32 else 8
            is_read = encodings.plain_numbers(
                page.data, self._cursor, byte_count, self._leaf.is_signed, self._is_present, values.values, places
            )
        if not is_read:
            raise BadParquetError("fewer levels or values than rows")
        return values

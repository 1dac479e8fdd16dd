"""Names in the form they are sent, made once per row of an entity table.

Belongs here: turning tables into blobs (all strings a template takes from one row, back to back) and keeping them.
Does not: copying blobs into records (records.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from consumer.encode.octets import MARGIN_BYTES
from consumer.model.compiling import KERNEL
from consumer.model.flow_batch import Rows
from consumer.model.inventory import EntityTable


class NameColumn(NamedTuple):
    """A string column, and the one to read where it is empty."""

    column: str
    fallback: str = ""


@dataclass(frozen=True, slots=True)
class Blobs:
    """`arena`: uint8 with MARGIN_BYTES to spare. `places`: uint64[n, 2], where blob i begins in it and its size: beside
    each other, for both are asked of each record, and mostly come from far away."""

    arena: NDArray[np.uint8]
    places: NDArray[np.uint64]


NO_BLOBS = Blobs(np.zeros(MARGIN_BYTES, dtype=np.uint8), np.zeros((1, 2), dtype=np.uint64))


@njit(**KERNEL)
def _write_blobs(text_arena, text_starts, choices, starts, arena):  # type: ignore[no-untyped-def]
    """Write, for every row, its strings in sendable form. `choices`: int64[rows, columns], indices of texts."""
    for row in range(choices.shape[0]):
        position = starts[row]
        for column in range(choices.shape[1]):
            text = choices[row, column]
            begin, end = text_starts[text], text_starts[text + 1]
            size = end - begin
            if size < 255:
                arena[position] = np.uint8(size)
                position += 1
            else:
                arena[position] = np.uint8(255)
                arena[position + 1] = np.uint8(size >> 8)
                arena[position + 2] = np.uint8(size & 0xFF)
                position += 3
            for k in range(size):
                arena[position + k] = text_arena[begin + k]
            position += size


def build_blobs(table: EntityTable, columns: Sequence[NameColumn]) -> Blobs:
    """Blobs of every row; row 0 (unknown) and missing columns give empty strings."""
    texts = [text if len(text) <= 65_535 else _shortened(text) for text in table.texts]
    text_sizes = np.fromiter(map(len, texts), dtype=np.int64, count=len(texts))
    text_starts = np.concatenate((np.zeros(1, dtype=np.int64), np.cumsum(text_sizes)))
    text_arena = np.frombuffer(b"".join(texts) + bytes(1), dtype=np.uint8)

    choices = np.zeros((table.row_count, len(columns)), dtype=np.int64)
    for index, (column, fallback) in enumerate(columns):
        first, second = (table.strings.get(name) for name in (column, fallback))
        if first is not None:
            choices[:, index] = first
        if second is not None:
            choices[:, index] = np.where(text_sizes[choices[:, index]] == 0, second, choices[:, index])
    form_sizes = text_sizes + np.where(text_sizes < 255, 1, 3)
    sizes = form_sizes[choices].sum(axis=1, dtype=np.int64)
    starts = np.cumsum(sizes) - sizes
    arena = np.zeros(int(sizes.sum()) + MARGIN_BYTES, dtype=np.uint8)
    _write_blobs(text_arena, text_starts, choices, starts, arena)
    return Blobs(arena, np.stack((starts, sizes), axis=1).astype(np.uint64))


def _shortened(text: bytes) -> bytes:
    """At most what two length octets can say, cut at a UTF-8 boundary."""
    return text[:65_535].decode(errors="ignore").encode()


def blobs_of_texts(texts: Sequence[bytes]) -> Blobs:
    """One blob a text."""
    column = NameColumn("text")
    rows = np.arange(len(texts), dtype=np.int32)
    return build_blobs(EntityTable("texts", len(texts), {}, {column.column: rows}, texts), (column,))


@njit(**KERNEL)
def _unwritten(words, rows, columns, bases, places, found):  # type: ignore[no-untyped-def]
    """Rows of tables that `columns` (uint64[k]) of `words` refer to and that have no blob yet, each once; how many.

    Into `found`, uint64[…, 2]: which of the columns, and the row of its table. A blob has at least one octet, so size 0
    says it is not written; each one found is marked with 1.
    """
    count = 0
    for i in range(rows.shape[0]):
        row = np.uint64(rows[i])
        for k in range(columns.shape[0]):
            number = words[row, columns[k]]
            if places[bases[k] + number, 1] == 0:
                places[bases[k] + number, 1] = 1
                found[count, 0] = k
                found[count, 1] = number
                count += 1
    return count


Reference = tuple[str, tuple[NameColumn, ...]]
"""A table, and what is taken from each row of it."""
_NOT_ASKED: tuple[Sequence[Reference], NDArray[np.uint64]] = ((), np.zeros(0, dtype=np.uint64))


class NameStore:
    """Blobs of one inventory snapshot, all in one arena. Mutable, one per encoder.

    A row is written when a batch first refers to it: writing all 200,000 of a large estate when a new snapshot came
    held the lane for 0.3 s, and nobody asks for most of them. `write` gives each (table, columns) pair a range of
    blob numbers, which stays until a table of that name is replaced; that empties the store.
    """

    def __init__(self) -> None:
        self.blobs = NO_BLOBS
        self._tables: dict[str, EntityTable] = {}
        self._bases: dict[Reference, int] = {}
        self._last = _NOT_ASKED
        """References asked for last, and their bases: mostly the same list again."""
        self._used = 0
        self._found = np.zeros((0, 2), dtype=np.uint64)

    def use(self, tables: Mapping[str, EntityTable]) -> None:
        """Tables of the batch at hand; forgets everything when one is not the one of before."""
        for name, table in tables.items():
            if self._tables.get(name) is not table:
                self._forget(tables)
                return

    def _forget(self, tables: Mapping[str, EntityTable]) -> None:
        self._tables = dict(tables)
        self._bases.clear()
        self._last = _NOT_ASKED
        self._used = 0
        self.blobs = NO_BLOBS

    def write(
        self, references: Sequence[Reference], columns: NDArray[np.uint64], words: NDArray[np.uint64], rows: Rows
    ) -> NDArray[np.uint64]:
        """Make sure of the blob of every row of a table that words[rows] refer to.

        `columns`: for each of `references` the word of the batch that refers to it. Returns for each the number of the
        blob of its table's row 0.
        """
        if not references:
            return columns
        bases = self._prepare(references)
        if len(self._found) < len(rows) * len(references):
            self._found = np.zeros((len(rows) * len(references), 2), dtype=np.uint64)
        count = _unwritten(words, rows, columns, bases, self.blobs.places, self._found)
        if count:
            found = self._found[:count].astype(np.int64)
            for index, (table, names) in enumerate(references):
                numbers = found[found[:, 0] == index, 1]
                if len(numbers):
                    self._write_some(numbers, int(bases[index]), self._tables[table], names)
        return bases

    def _prepare(self, references: Sequence[Reference]) -> NDArray[np.uint64]:
        """Number of the blob of row 0 of each."""
        asked, bases = self._last
        if asked is references:
            return bases
        missing = [one for one in dict.fromkeys(references) if one not in self._bases]
        if missing:
            old, count = self.blobs, sum(self._tables[table].row_count for table, _ in self._bases)
            for one in missing:
                self._bases[one] = count
                count += self._tables[one[0]].row_count
            places = np.zeros((count, 2), dtype=np.uint64)  # pages never used cost nothing
            places[: len(old.places)] = old.places
            self.blobs = Blobs(old.arena, places)
        bases = np.array([self._bases[one] for one in references], dtype=np.uint64)
        self._last = references, bases
        return bases

    def _write_some(
        self, numbers: NDArray[np.int64], base: int, table: EntityTable, columns: tuple[NameColumn, ...]
    ) -> None:
        """Blobs of some rows of a table."""
        more = build_blobs(_some_rows(table, columns, numbers), columns)
        begin = self._append(more.arena[: len(more.arena) - MARGIN_BYTES])
        self.blobs.places[base + numbers] = more.places + np.array((begin, 0), dtype=np.uint64)

    def _append(self, more: NDArray[np.uint8]) -> int:
        """Where in the arena it lies now."""
        begin, self._used = self._used, self._used + len(more)
        arena = self.blobs.arena
        if self._used + MARGIN_BYTES > len(arena):
            arena = np.zeros(2 * self._used + MARGIN_BYTES, dtype=np.uint8)
            arena[:begin] = self.blobs.arena[:begin]
            self.blobs = Blobs(arena, self.blobs.places)
        arena[begin : self._used] = more
        return begin


def _some_rows(table: EntityTable, columns: Sequence[NameColumn], rows: NDArray[np.int64]) -> EntityTable:
    """`rows` of a table, with the texts that they have in these columns and no others."""
    wanted = {name for column in columns for name in column if name in table.strings}
    chosen = [table.strings[name][rows] for name in sorted(wanted)]
    if not chosen:
        return EntityTable(table.name, len(rows), {}, {}, (b"",))
    known, places = np.unique(np.concatenate(chosen), return_inverse=True)
    strings = np.split((places + 1).astype(np.int32), len(chosen))
    texts = (b"", *(table.texts[number] for number in known.tolist()))
    return EntityTable(table.name, len(rows), {}, dict(zip(sorted(wanted), strings, strict=True)), texts)

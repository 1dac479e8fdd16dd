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

from consumer.encode.records import MARGIN_BYTES
from consumer.model.inventory import EntityTable


class NameColumn(NamedTuple):
    """A string column, and the one to read where it is empty."""

    column: str
    fallback: str = ""


@dataclass(frozen=True, slots=True)
class Blobs:
    """`arena`: uint8 with MARGIN_BYTES to spare; blob i = arena[starts[i] : starts[i] + sizes[i]], int64 both."""

    arena: NDArray[np.uint8]
    starts: NDArray[np.int64]
    sizes: NDArray[np.int64]


NO_BLOBS = Blobs(np.zeros(MARGIN_BYTES, dtype=np.uint8), np.zeros(1, dtype=np.int64), np.zeros(1, dtype=np.int64))


@njit(cache=True, nogil=True)
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
    return Blobs(arena, starts, sizes)


def _shortened(text: bytes) -> bytes:
    """At most what two length octets can say, cut at a UTF-8 boundary."""
    return text[:65_535].decode(errors="ignore").encode()


def blobs_of_texts(texts: Sequence[bytes]) -> Blobs:
    """One blob a text."""
    column = NameColumn("text")
    rows = np.arange(len(texts), dtype=np.int32)
    return build_blobs(EntityTable("texts", len(texts), {}, {column.column: rows}, texts), (column,))


class NameStore:
    """Blobs of the tables of one inventory snapshot, all in one arena. Mutable, one per encoder.

    A (table, columns) pair is written when first asked for; its blobs then begin at the same base until a table of
    that name is replaced (a new snapshot), which empties the store: so it never holds more than one snapshot.
    """

    def __init__(self) -> None:
        self.blobs = NO_BLOBS
        self._tables: dict[str, EntityTable] = {}
        self._bases: dict[tuple[str, tuple[NameColumn, ...]], int] = {}

    def use(self, tables: Mapping[str, EntityTable]) -> None:
        """Tables of the batch at hand; forgets everything when one is not the one of before."""
        if any(self._tables.get(name) is not table for name, table in tables.items()):
            self._tables = dict(tables)
            self._bases.clear()
            self.blobs = NO_BLOBS

    def base(self, table: str, columns: tuple[NameColumn, ...]) -> int:
        """Index of the blob of row 0 of `table` with these columns."""
        base = self._bases.get((table, columns))
        if base is None:
            base = self._append(build_blobs(self._tables[table], columns))
            self._bases[table, columns] = base
        return base

    def _append(self, more: Blobs) -> int:
        if not self._bases:
            self.blobs = more
            return 0
        used = len(self.blobs.arena) - MARGIN_BYTES
        base = len(self.blobs.starts)
        self.blobs = Blobs(
            np.concatenate((self.blobs.arena[:used], more.arena)),
            np.concatenate((self.blobs.starts, more.starts + used)),
            np.concatenate((self.blobs.sizes, more.sizes)),
        )
        return base

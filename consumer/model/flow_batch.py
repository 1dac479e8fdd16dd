"""Flow log records as columns: what decode makes, what select, enrich and encode read.

Belongs here: the shape of a batch. Does not: making one (decode/) or naming what is in it (enrich/).

Storage is one row-major matrix of 64-bit words: both loops that touch every record (text to columns, columns to
messages) go row by row, so a record's words lie beside each other. A column is a strided view of that matrix.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from consumer.model.inventory import EntityTable
from consumer.model.log_format import LogFormat
from consumer.model.vocabulary import Vocabulary

Words = NDArray[np.uint64]
Rows = NDArray[np.int64]

ADDRESS_WORD_COUNT = 3
MAX_COLUMN_COUNT = 128
"""Two words of null bits a row. AWS has 54 fields (version 11); a wider format is refused when it is read."""


class Kind(IntEnum):
    """What a column's words mean."""

    UNSIGNED = 1
    """One word: the number."""
    ADDRESS = 2
    """Three words: high half, low half, family (4 or 6; 0 when null). IPv4 lies in the low half, high half 0."""
    STRING = 3
    """One word: id in the batch's vocabulary, 0 = null."""
    REFERENCE = 4
    """One word: row of an entity table, 0 = unknown."""


@dataclass(frozen=True, slots=True)
class Column:
    """Where a column lies. `table` names the entity table of a REFERENCE."""

    name: str
    kind: Kind
    word: int
    table: str = ""

    @property
    def word_count(self) -> int:
        return ADDRESS_WORD_COUNT if self.kind is Kind.ADDRESS else 1


@dataclass(frozen=True, slots=True)
class FlowBatch:
    """`n` records of one log format.

    `words`: uint64[n, w], C order. `columns`: name (AWS's spelling, `interface-id`) → where it lies; in order of
    the log format, so the position of a column is its null bit. `nulls`: uint64[n, 2]; bit c%64 of word c//64 is
    set when column c of that row was `-`. A null column's words are 0. Never changed once handed on.
    `line_numbers`: int64[n], position of the row's line among the lines of its payload (for event ids).
    """

    log_format: LogFormat
    columns: Mapping[str, Column]
    words: Words
    nulls: Words
    vocabulary: Vocabulary
    line_numbers: Rows

    @property
    def row_count(self) -> int:
        return int(self.words.shape[0])

    def column(self, name: str) -> Words:
        """View of a one-word column: uint64[n]. KeyError when the log format has no such field."""
        return self.words[:, self.columns[name].word]

    def is_null(self, name: str) -> NDArray[np.bool_]:
        """bool[n]: true where the field was `-`. KeyError when the log format has no such field."""
        position = list(self.columns).index(name)
        bit = np.uint64(1 << (position % 64))
        marks: NDArray[np.bool_] = (self.nulls[:, position // 64] & bit) != 0
        return marks


@dataclass(frozen=True, slots=True)
class JoinedColumns:
    """What enrich adds to the rows of a batch.

    `words`: uint64[n, k], C order, row i belongs to row i of the batch (rows that were not selected hold
    anything). `columns`: name → where; kinds UNSIGNED and REFERENCE only. `tables`: name → entity table that the
    references point into; immutable, so its identity is a cache key.
    """

    columns: Mapping[str, Column]
    words: Words
    tables: Mapping[str, EntityTable]

"""Rows of a columnar object (Parquet) to flow batches, the same ones as the text of the same records gives.

Belongs here: which column becomes which words. Does not: reading row groups (sources/parquet.py), what lies in
Arrow's arrays (arrow.py), the loops (columns.py), what a field is (fields.py). Pure.

Column by column, with Python only per column and per distinct string. AWS writes missing values of Parquet nowhere
down, so null, the empty string and `-` all are null; a 0 is a 0. What a column cannot hold in its own type (a port of
70,000, a negative count, an address that is none, numbers kept as strings) is written as the line of text it would
have been and read by the text kernel: so it has the same reason, and the dead letter a line that `replay` reads back.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from consumer.decode import columns as kernels
from consumer.decode.arrow import (
    INTEGERS,
    arrow_integers,
    as_binary,
    lines_of,
    nulls_of,
    text_of,
    values_of,
    without_views,
)
from consumer.decode.candidates import LinePositions, Outcome
from consumer.decode.columns import UNKNOWN, Flags, Numbers, Offsets
from consumer.decode.fields import FIELDS, field_named
from consumer.decode.parser import BATCH_ROW_LIMIT, Parsed, Parser
from consumer.decode.plan import ParsePlan, is_readable, plan_of
from consumer.decode.text import MAX_LINE_BYTES, TABLE_FULL, VOCABULARY_FULL
from consumer.errors import ProtocolError
from consumer.model.flow_batch import Kind, Words
from consumer.model.log_format import LogFormat
from consumer.model.text_word import MARGIN_BYTES, Bytes
from consumer.model.vocabulary import Vocabulary

_NAME = re.compile(r"[a-z][a-z0-9-]*")
_PADDING_WORDS = 24
"""Between columns: see `turn`."""
NOT_FLOW_LOGS = "not_flow_logs"
"""Reason of a whole payload: columns of something else."""
_NO_LINES = np.empty(0, dtype=np.int32)


class _VocabularyFullError(Exception):
    """A new string has no room: begin the batch again with an empty vocabulary."""


@dataclass(slots=True)
class _Distinct:
    """What is known of one dictionary. `numbers`: int64[values], id of each or UNKNOWN."""

    dictionary: Any
    place: tuple[int, ...]
    vocabulary: Vocabulary
    numbers: Numbers


@dataclass(frozen=True, slots=True, eq=False)
class _Rows:
    """A batch being made, column after column; `words`: uint64[w, n + padding], `nulls`: uint64[2, n + padding].

    `is_bad`: rows that only text can tell the reason of.
    """

    plan: ParsePlan
    words: Words
    nulls: Words
    is_bad: Flags

    def null_bit(self, position: int) -> tuple[Words, np.uint64]:
        """Where nulls of the column at `position` are marked."""
        return self.nulls[position // 64, : len(self.is_bad)], np.uint64(1 << position % 64)

    def turned(self, columns: Words) -> Words:
        """Row after row, as a flow batch has it."""
        word_count, stride = columns.shape
        rows = np.empty((len(self.is_bad), word_count), dtype=np.uint64)
        kernels.turn(columns.ravel(), stride, len(rows), word_count, rows.ravel())
        return rows


def format_of(schema: Any) -> tuple[LogFormat, list[int]] | None:
    """The log format that a pyarrow.Schema tells and where its fields are; None when it is not that of flow logs.

    AWS writes underscores where text has hyphens. At least half of the names must be known, as in a header line.
    """
    found: dict[str, int] = {}
    for number, field in enumerate(schema):
        name = field.name.replace("_", "-").lower()
        if _NAME.fullmatch(name) and name not in found and not field.type.num_fields:
            found[name] = number
    log_format = LogFormat(tuple(found))
    if not found or 2 * sum(name in FIELDS for name in found) < len(found) or not is_readable(log_format):
        return None
    return log_format, list(found.values())


class ColumnReader:
    """Mutable, one thread at a time; fills the vocabulary of the decoder it belongs to."""

    def __init__(self, parser: Parser) -> None:
        self._parser = parser
        self._scratch: Bytes = np.zeros(MAX_LINE_BYTES + 1 + MARGIN_BYTES, dtype=np.uint8)
        self._known: dict[str, _Distinct] = {}
        self._is_fresh = False  # nothing was read yet since the vocabulary was renewed

    def read(
        self, batch: Any, log_format: LogFormat, places: list[int]
    ) -> Iterator[tuple[Outcome, LinePositions, int]]:
        """Pieces of at most 8,192 rows: (rows and rejects, the lines of the rejects, position of the first row).

        `places`: the batch's columns in order of the format. A piece must be used before the next one is asked for,
        which may renew the vocabulary.
        """
        plan, columns = plan_of(log_format), [without_views(batch.column(place)) for place in places]
        first, room = 0, BATCH_ROW_LIMIT
        while first < batch.num_rows:
            size = min(room, batch.num_rows - first)
            try:
                outcome, lines = self._read(plan, [column.slice(first, size) for column in columns], size)
            except _VocabularyFullError:
                if self._is_fresh and size == 1:
                    raise ProtocolError("an empty vocabulary has no room for one row") from None
                # Not even a fresh vocabulary has room for the strings of so many rows: fewer at a time.
                room = max(1, size // 2) if self._is_fresh else BATCH_ROW_LIMIT
                self._parser.renew_vocabulary()
                self._is_fresh = True
                continue
            self._is_fresh = False
            yield outcome, lines, first
            first, room = first + size, BATCH_ROW_LIMIT

    def _read(self, plan: ParsePlan, columns: list[Any], size: int) -> tuple[Outcome, LinePositions]:
        rows = _Rows(
            plan,
            np.empty((plan.word_count, size + _PADDING_WORDS), dtype=np.uint64),
            np.zeros((2, size + _PADDING_WORDS), dtype=np.uint64),
            np.zeros(size, dtype=np.bool_),
        )
        for position, (name, array) in enumerate(zip(plan.log_format.fields, columns, strict=True)):
            kind, word = plan.columns[name].kind, plan.columns[name].word
            if kind is Kind.UNSIGNED:
                _read_numbers(rows, position, word, field_named(name).maximum, array)
            elif kind is Kind.ADDRESS:
                _read_addresses(rows, position, word, array)
            else:
                self._read_strings(rows, position, word, name, array)
        source, destination = plan.families.tolist()
        if source >= 0:
            families = rows.words[source, :size], rows.words[destination, :size]
            mixed = (families[0] != families[1]) & (families[0] != 0) & (families[1] != 0)
            np.logical_or(rows.is_bad, mixed, out=rows.is_bad)
        return self._outcome(rows, columns)

    def _read_strings(self, rows: _Rows, position: int, word: int, name: str, array: Any) -> None:
        """Ids of a column's strings, each distinct one looked up once where Parquet kept a dictionary."""
        is_null = nulls_of(array)
        if hasattr(array, "indices"):
            strings, numbers = array.dictionary, self._distinct(name, array.dictionary).numbers
            indices = values_of(array.indices).astype(np.int32, copy=False)
        else:
            strings, numbers = array, np.full(len(array), UNKNOWN, dtype=np.int64)
            indices = np.arange(len(array), dtype=np.int32)
        target = rows.words[word, : len(array)], *rows.null_bit(position), rows.is_bad
        if kernels.place_strings(indices, is_null, numbers, *target):
            return
        used = _used_values(indices[~is_null] if len(is_null) else indices, len(numbers))
        wanted = used[numbers[used] == UNKNOWN]
        text, offsets = text_of(as_binary(strings))
        self._intern(text, offsets, wanted, numbers, is_encoded=field_named(name).is_percent_encoded)
        kernels.place_strings(indices, is_null, numbers, *target)

    def _distinct(self, name: str, dictionary: Any) -> _Distinct:
        """What is known of the column's dictionary, which neighbouring slices of a row group share."""
        place = (len(dictionary), dictionary.offset, *(part.address if part else 0 for part in dictionary.buffers()))
        known = self._known.get(name)
        if known is None or known.place != place or known.vocabulary is not self._parser.vocabulary:
            numbers = np.full(len(dictionary), UNKNOWN, dtype=np.int64)
            known = self._known[name] = _Distinct(dictionary, place, self._parser.vocabulary, numbers)
        return known

    def _intern(self, text: Bytes, offsets: Offsets, wanted: Numbers, numbers: Numbers, *, is_encoded: bool) -> None:
        vocabulary = self._parser.vocabulary
        position, ended = 0, TABLE_FULL
        while ended == TABLE_FULL:
            position, ended = kernels.intern_values(
                text, offsets, wanted, numbers, position, is_encoded, self._scratch, vocabulary.table.ravel(),
                vocabulary.arena, vocabulary.starts, vocabulary.sizes, vocabulary.used,
            )  # fmt: skip
            if ended == TABLE_FULL:
                vocabulary.grow_table()
        if ended == VOCABULARY_FULL:
            raise _VocabularyFullError

    def _outcome(self, rows: _Rows, columns: list[Any]) -> tuple[Outcome, LinePositions]:
        """The rows that are right, and what the text kernel makes of the others."""
        if not rows.is_bad.any():
            numbers = np.arange(len(rows.is_bad))
            words, nulls = rows.turned(rows.words), rows.turned(rows.nulls)
            parsed = Parsed(rows.plan, words, nulls, numbers, _NO_LINES, _NO_LINES, len(numbers))
            return Outcome([parsed], [], len(numbers)), LinePositions(self._scratch, _NO_LINES, _NO_LINES)
        bad, good = np.flatnonzero(rows.is_bad), np.flatnonzero(~rows.is_bad)
        lines = lines_of(columns, bad)
        by_text = self._parser.parse(lines.data, lines.starts, lines.ends, 0, len(lines), rows.plan)
        if by_text.stop < len(lines):
            raise _VocabularyFullError
        rejects = by_text.rejects()
        parsed = Parsed(
            rows.plan,
            np.concatenate([rows.turned(rows.words)[good], by_text.words]),
            np.concatenate([rows.turned(rows.nulls)[good], by_text.nulls]),
            np.concatenate([good, bad[by_text.line_numbers]]),
            _NO_LINES,
            _NO_LINES,
            len(rows.is_bad),
        )
        return Outcome([parsed], rejects, len(rows.is_bad)), lines


def _used_values(indices: Offsets, value_count: int) -> Numbers:
    """Which values of a dictionary occur, each once: by marks, for sorting 8,192 indices took 13 times as long."""
    marks = np.zeros(value_count, dtype=np.bool_)
    marks[indices] = True
    return np.flatnonzero(marks)


def _read_numbers(rows: _Rows, position: int, word: int, maximum: int, array: Any) -> None:
    if str(array.type) not in INTEGERS:
        rows.is_bad[:] = True  # numbers kept as text, or as something else: the text kernel says what they are
        return
    values = values_of(array)
    # Taken as unsigned, negative numbers are the largest of all; no field's maximum has the highest bit.
    values = values.view(np.int64) if values.dtype == np.uint64 else values.astype(np.int64, copy=False)
    nulls, bit = rows.null_bit(position)
    kernels.place_numbers(values, nulls_of(array), np.uint64(maximum), rows.words[word], nulls, bit, rows.is_bad)


def _read_addresses(rows: _Rows, position: int, word: int, array: Any) -> None:
    if hasattr(array, "indices"):
        _read_distinct_addresses(rows, position, word, array)
        return
    text, offsets = text_of(as_binary(array))
    high, low, family = rows.words[word : word + 3, : len(array)]
    kernels.read_addresses(text, offsets, nulls_of(array), high, low, family, *rows.null_bit(position), rows.is_bad)


def _read_distinct_addresses(rows: _Rows, position: int, word: int, array: Any) -> None:
    """Each distinct address once, then placed by index; only those of the dictionary that the rows use."""
    is_null = nulls_of(array)
    indices = values_of(array.indices)
    present = np.flatnonzero(~is_null) if len(is_null) else np.arange(len(array))
    used = _used_values(indices[present], len(array.dictionary))
    places_of_values = np.zeros(len(array.dictionary), dtype=np.int32)
    places_of_values[used] = np.arange(len(used), dtype=np.int32)
    places = places_of_values[indices[present]]
    text, offsets = text_of(as_binary(array.dictionary.take(arrow_integers(used))))
    words, nulls = np.zeros((3, len(used)), dtype=np.uint64), np.zeros(len(used), dtype=np.uint64)
    are_bad = np.zeros(len(used), dtype=np.bool_)
    high, low, family = words
    kernels.read_addresses(text, offsets, are_bad[:0], high, low, family, nulls, np.uint64(1), are_bad)
    rows.words[word : word + 3] = 0
    rows.words[word : word + 3, present] = words[:, places]
    rows.is_bad[present] |= are_bad[places]
    marks, bit = rows.null_bit(position)
    marks[rows.words[word + 2, : len(array)] == 0] |= bit

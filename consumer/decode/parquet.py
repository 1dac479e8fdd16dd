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
from consumer.decode.columns import UNKNOWN, UNREADABLE, Flags, Numbers, Offsets
from consumer.decode.fields import FIELDS, field_named
from consumer.decode.parser import BATCH_ROW_LIMIT, Parsed, Parser
from consumer.decode.plan import ParsePlan, is_readable, plan_of
from consumer.decode.text import MAX_LINE_BYTES, TABLE_FULL, VOCABULARY_FULL
from consumer.decode.words import MARGIN_BYTES, Bytes
from consumer.errors import ProtocolError
from consumer.model.flow_batch import Kind, Words
from consumer.model.log_format import LogFormat
from consumer.model.vocabulary import Vocabulary

_NAME = re.compile(r"[a-z][a-z0-9-]*")
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
    """A batch being made: `words`, `nulls` as in FlowBatch; `is_bad`: rows that only text can tell the reason of."""

    plan: ParsePlan
    words: Words
    nulls: Words
    is_bad: Flags


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
            np.zeros((size, plan.word_count), dtype=np.uint64),
            np.zeros((size, 2), dtype=np.uint64),
            np.zeros(size, dtype=np.bool_),
        )
        for position, array in enumerate(columns):
            is_null = self._read_column(rows, position, array)
            if is_null is not None and is_null.any():
                rows.nulls[:, position // 64] |= is_null.astype(np.uint64) << np.uint64(position % 64)
        source, destination = plan.families.tolist()
        if source >= 0:
            families = rows.words[:, source], rows.words[:, destination]
            np.logical_or(
                rows.is_bad, (families[0] != families[1]) & (families[0] != 0) & (families[1] != 0), out=rows.is_bad
            )
        return self._outcome(rows, columns)

    def _read_column(self, rows: _Rows, position: int, array: Any) -> Flags | None:
        """Fill the words of one column; bool[n], true where it is null (None: nowhere)."""
        name = rows.plan.log_format.fields[position]
        column = rows.plan.columns[name]
        if column.kind is Kind.UNSIGNED:
            return _read_numbers(rows, column.word, field_named(name).maximum, array)
        if column.kind is Kind.ADDRESS:
            return _read_addresses(rows, column.word, array)
        numbers = self._strings(name, array, is_encoded=field_named(name).is_percent_encoded)
        np.logical_or(rows.is_bad, numbers == UNREADABLE, out=rows.is_bad)
        rows.words[:, column.word] = numbers
        is_null: Flags = numbers == 0
        return is_null

    def _strings(self, name: str, array: Any, *, is_encoded: bool) -> Numbers:
        """int64[n]: ids of a column's strings, each distinct one looked up once where Parquet kept a dictionary."""
        if not hasattr(array, "indices"):
            text, offsets = text_of(as_binary(array))
            numbers = np.full(len(array), UNKNOWN, dtype=np.int64)
            is_null = nulls_of(array)
            wanted = np.arange(len(array)) if is_null is None else np.flatnonzero(~is_null)
            self._intern(text, offsets, wanted, numbers, is_encoded=is_encoded)
            numbers[numbers == UNKNOWN] = 0
            return numbers
        known = self._distinct(name, array.dictionary)
        indices = values_of(array.indices).astype(np.int64)
        is_null = nulls_of(array)
        if is_null is not None:
            indices = np.where(is_null, 0, indices)
            if not len(known.numbers):
                return np.zeros(len(array), dtype=np.int64)
        numbers = known.numbers[indices]
        unknown = numbers == UNKNOWN
        if unknown.any():
            text, offsets = text_of(as_binary(array.dictionary))
            self._intern(text, offsets, np.unique(indices[unknown]), known.numbers, is_encoded=is_encoded)
            numbers = known.numbers[indices]
        return numbers if is_null is None else np.where(is_null, 0, numbers)

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
            numbers = np.arange(len(rows.words))
            parsed = Parsed(rows.plan, rows.words, rows.nulls, numbers, _NO_LINES, _NO_LINES, len(numbers))
            return Outcome([parsed], [], len(numbers)), LinePositions(self._scratch, _NO_LINES, _NO_LINES)
        bad, good = np.flatnonzero(rows.is_bad), np.flatnonzero(~rows.is_bad)
        lines = lines_of(columns, bad)
        by_text = self._parser.parse(lines.data, lines.starts, lines.ends, 0, len(lines), rows.plan)
        if by_text.stop < len(lines):
            raise _VocabularyFullError
        rejects = by_text.rejects()
        parsed = Parsed(
            rows.plan,
            np.concatenate([rows.words[good], by_text.words]),
            np.concatenate([rows.nulls[good], by_text.nulls]),
            np.concatenate([good, bad[by_text.line_numbers]]),
            _NO_LINES,
            _NO_LINES,
            len(rows.words),
        )
        return Outcome([parsed], rejects, len(rows.words)), lines


def _read_numbers(rows: _Rows, word: int, maximum: int, array: Any) -> Flags | None:
    is_null = nulls_of(array)
    if str(array.type) not in INTEGERS:
        rows.is_bad[:] = True  # numbers kept as text, or as something else: the text kernel says what they are
        return is_null
    values = values_of(array)
    numbers = values.astype(np.int64).view(np.uint64) if values.dtype != np.uint64 else values
    if is_null is not None:
        numbers = np.where(is_null, np.uint64(0), numbers)
    if len(numbers) and int(numbers.max()) > maximum:  # negative ones are the largest of all
        np.logical_or(rows.is_bad, numbers > np.uint64(maximum), out=rows.is_bad)
    rows.words[:, word] = numbers
    return is_null


def _read_addresses(rows: _Rows, word: int, array: Any) -> Flags:
    if hasattr(array, "indices"):
        return _read_distinct_addresses(rows, word, array)
    text, offsets = text_of(as_binary(array))
    is_null = nulls_of(array)
    marks = np.zeros(len(array), dtype=np.bool_) if is_null is None else is_null
    kernels.read_addresses(text, offsets, rows.words.ravel(), rows.plan.word_count, word, marks, rows.is_bad)
    return marks


def _read_distinct_addresses(rows: _Rows, word: int, array: Any) -> Flags:
    """Each distinct address once, then placed by index; only those of the dictionary that the rows use."""
    is_null = nulls_of(array)
    indices = values_of(array.indices).astype(np.int64)
    marks = np.zeros(len(array), dtype=np.bool_) if is_null is None else is_null
    used, places = np.unique(indices[~marks], return_inverse=True)
    text, offsets = text_of(as_binary(array.dictionary.take(arrow_integers(used))))
    words = np.zeros((len(used), 3), dtype=np.uint64)
    are_null, are_bad = np.zeros((2, len(used)), dtype=np.bool_)
    kernels.read_addresses(text, offsets, words.ravel(), 3, 0, are_null, are_bad)
    present = np.flatnonzero(~marks)
    rows.words[present, word : word + 3] = words[places]
    rows.is_bad[present] |= are_bad[places]
    marks = marks.copy()
    marks[present] = are_null[places]
    return marks

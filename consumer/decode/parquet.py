"""Rows of a columnar object (Parquet) to flow batches, the same ones as the text of the same records gives.

Belongs here: which column becomes which words. Does not: reading the object (parquet/), the loops (columns.py), what a
field is (fields.py). Pure.

Column by column, with Python only per column and per distinct string. AWS writes missing values of Parquet nowhere
down, so null, the empty string and `-` all are null; a 0 is a 0. What a column cannot hold in its own type (a port of
70,000, a negative count, an address that is none, numbers kept as strings) is written as the line of text it would
have been and read by the text kernel: so it has the same reason, and the dead letter a line that `replay` reads back.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

import numpy as np

from consumer.decode import columns as kernels
from consumer.decode.candidates import LinePositions, Outcome
from consumer.decode.columns import UNKNOWN
from consumer.decode.fields import FIELDS, field_named
from consumer.decode.parser import BATCH_ROW_LIMIT, Parsed, Parser
from consumer.decode.plan import ParsePlan, is_readable, plan_of
from consumer.decode.row_lines import lines_of, text_of
from consumer.decode.text import MAX_LINE_BYTES, TABLE_FULL, VOCABULARY_FULL
from consumer.errors import ProtocolError
from consumer.model.flow_batch import Column, Kind, Words
from consumer.model.log_format import LogFormat
from consumer.model.row_slice import Flags, Integers, Numbers, Places, RowSlice, Strings
from consumer.model.text_word import MARGIN_BYTES, Bytes
from consumer.model.vocabulary import Vocabulary

_NAME = re.compile(r"[a-z][a-z0-9-]*")
NOT_FLOW_LOGS = "not_flow_logs"
"""Reason of a whole payload: columns of something else."""
_NO_LINES = np.empty(0, dtype=np.int32)
_NO_TABLES = (np.empty(0, dtype=np.uint64),) * kernels.TABLE_COUNT


class _VocabularyFullError(Exception):
    """A new string has no room: begin the batch again with an empty vocabulary."""


class _TooMuchTextError(Exception):
    """Rows that only text can tell the reason of are too many bytes: begin again with fewer."""


@dataclass(frozen=True, slots=True, eq=False)
class _Known:
    """What is known of a column's values. `words`: as `how` says (columns.py). Strings that were not looked up yet have
    the id UNKNOWN, others one of `vocabulary`."""

    values: Numbers | Strings
    how: int
    words: Words
    strings: Strings | None
    vocabulary: Vocabulary


@dataclass(frozen=True, slots=True, eq=False)
class _Step:
    """One column on its way. `firsts`, `known`: first row of each of its parts, and what is known of their values."""

    name: str
    column: int
    word: int
    position: int
    firsts: list[int]
    known: list[_Known]

    def known_at(self, row: int) -> _Known:
        """What is known of the values that this row's index points into; an object may have a page for every row."""
        return self.known[bisect_right(self.firsts, row) - 1]

    def words(self, row: int) -> tuple[int, int, int, int, int]:
        """As `place_rows` wants them, for the rows from `row` on that are of the same part."""
        return self.known_at(row).how, self.column, self.word, self.position, field_named(self.name).maximum


@dataclass(frozen=True, slots=True, eq=False)
class _Rows:
    """A batch being made. `words`, `nulls`: as in FlowBatch. `is_bad`: rows that only text can tell the reason of."""

    words: Words
    nulls: Words
    is_bad: Flags


def format_of(names: Sequence[str]) -> tuple[LogFormat, list[int]] | None:
    """The log format that names of columns tell and where its fields are; None when it is not that of flow logs.

    AWS writes underscores where text has hyphens. At least half of the names must be known, as in a header line.
    """
    found: dict[str, int] = {}
    for number, column in enumerate(names):
        name = column.replace("_", "-").lower()
        if _NAME.fullmatch(name) and name not in found:
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
        self._known: dict[str, _Known] = {}
        self._is_fresh = False  # nothing was read yet since the vocabulary was renewed

    def read(
        self, rows: RowSlice, log_format: LogFormat, places: list[int]
    ) -> Iterator[tuple[Outcome, LinePositions, int]]:
        """Pieces of at most 16,384 rows: (rows and rejects, the lines of the rejects, position of the first row).

        `places`: the columns in order of the format. A piece must be used before the next one is asked for, which may
        renew the vocabulary.
        """
        plan = plan_of(log_format)
        first, room = 0, BATCH_ROW_LIMIT
        while first < rows.row_count:
            size = min(room, rows.row_count - first)
            try:
                outcome, lines = self._read(plan, rows.cut(first, first + size), places)
            except _VocabularyFullError:
                if self._is_fresh and size == 1:
                    raise ProtocolError("an empty vocabulary has no room for one row") from None
                # Not even a fresh vocabulary has room for the strings of so many rows: fewer at a time.
                room = max(1, size // 2) if self._is_fresh else BATCH_ROW_LIMIT
                self._parser.renew_vocabulary()
                self._is_fresh = True
                continue
            except _TooMuchTextError:
                room = max(1, size // 2)
                continue
            self._is_fresh = False
            yield outcome, lines, first
            first, room = first + size, BATCH_ROW_LIMIT

    def _read(self, plan: ParsePlan, rows: RowSlice, places: list[int]) -> tuple[Outcome, LinePositions]:
        size = rows.row_count
        words, nulls = np.empty((size, plan.word_count), dtype=np.uint64), np.zeros((size, 2), dtype=np.uint64)
        made = _Rows(words, nulls, np.zeros(size, dtype=np.bool_))
        steps = self._steps(plan, rows, places)
        edges = sorted({0, size}.union(*(step.firsts for step in steps)))
        for first, stop in pairwise(edges):
            for number in range(0, len(steps), kernels.TABLE_COUNT):
                self._place(rows, first, stop, steps[number : number + kernels.TABLE_COUNT], made)
        source, destination = plan.families.tolist()
        if source >= 0:
            kernels.mark_mixed(words.ravel(), plan.word_count, source, destination, made.is_bad)
        return self._outcome(plan, made, rows, places)

    def _steps(self, plan: ParsePlan, rows: RowSlice, places: list[int]) -> list[_Step]:
        steps = []
        for position, (column, place) in enumerate(zip(plan.columns.values(), places, strict=True)):
            parts = rows.columns[place]
            firsts = [0, *accumulate(part.row_count for part in parts)][:-1]
            known = [self._known_of(column, part.values) for part in parts]
            steps.append(_Step(column.name, place, column.word, position, firsts, known))
        return steps

    def _place(self, rows: RowSlice, first: int, stop: int, steps: list[_Step], made: _Rows) -> None:
        """Place rows whose columns all have one part; each distinct string is looked up once."""
        known = [step.known_at(first) for step in steps]
        tables = tuple(one.words for one in known) + _NO_TABLES[len(known) :]
        words = np.array([step.words(first) for step in steps], dtype=np.uint64).ravel()
        while True:
            first, step = kernels.place_rows(
                rows.indices.ravel(), rows.row_count, first, stop, words, tables,
                made.words.ravel(), made.words.shape[1], made.nulls.ravel(), made.is_bad,
            )  # fmt: skip
            if step == len(steps):
                return
            self._look_up(known[step], rows.indices[steps[step].column, first:stop], steps[step].name)

    def _known_of(self, column: Column, values: Numbers | Strings) -> _Known:
        """What is known of these values; kept for the next rows, for all of a row group share their dictionary."""
        vocabulary = self._parser.vocabulary
        known = self._known.get(column.name)
        if (
            known is None
            or known.values is not values
            or (known.strings is not None and known.vocabulary is not vocabulary)
        ):
            known = self._known[column.name] = _begin(column, values, vocabulary)
        return known

    def _look_up(self, known: _Known, indices: Places, name: str) -> None:
        """Learn the ids of the strings that these rows have and that are UNKNOWN. Raises _VocabularyFullError."""
        numbers = known.words.view(np.int64)
        used = _used_values(indices, len(numbers))
        wanted = used[numbers[used] == UNKNOWN]
        vocabulary, strings = known.vocabulary, known.strings
        assert strings is not None
        position, ended = 0, TABLE_FULL
        while ended == TABLE_FULL:
            position, ended = kernels.intern_values(
                strings.text, strings.starts, strings.ends, wanted, numbers, position,
                field_named(name).is_percent_encoded, self._scratch,
                vocabulary.table.ravel(), vocabulary.arena, vocabulary.starts, vocabulary.sizes, vocabulary.used,
            )  # fmt: skip
            if ended == TABLE_FULL:
                vocabulary.grow_table()
        if ended == VOCABULARY_FULL:
            raise _VocabularyFullError

    def _outcome(
        self, plan: ParsePlan, made: _Rows, rows: RowSlice, places: list[int]
    ) -> tuple[Outcome, LinePositions]:
        """The rows that are right, and what the text kernel makes of the others."""
        size = rows.row_count
        if not made.is_bad.any():
            parsed = Parsed(plan, made.words, made.nulls, np.arange(size), _NO_LINES, _NO_LINES, size)
            return Outcome([parsed], [], size), LinePositions(self._scratch, _NO_LINES, _NO_LINES)
        bad, good = np.flatnonzero(made.is_bad), np.flatnonzero(~made.is_bad)
        lines = lines_of(rows, places, bad)
        if lines is None:
            raise _TooMuchTextError
        by_text = self._parser.parse(lines.data, lines.starts, lines.ends, 0, len(lines), plan)
        if by_text.stop < len(lines):
            raise _VocabularyFullError
        parsed = Parsed(
            plan,
            np.concatenate([made.words[good], by_text.words]),
            np.concatenate([made.nulls[good], by_text.nulls]),
            np.concatenate([good, bad[by_text.line_numbers]]),
            _NO_LINES,
            _NO_LINES,
            size,
        )
        return Outcome([parsed], by_text.rejects(), size), lines


def _begin(column: Column, values: Numbers | Strings, vocabulary: Vocabulary) -> _Known:
    """What can be known of values without looking up strings."""
    if column.kind is Kind.UNSIGNED:
        if isinstance(values, Numbers):
            return _Known(values, kernels.NUMBER, values.values.view(np.uint64), None, vocabulary)
        return _Known(values, kernels.OTHER, _NO_TABLES[0], None, vocabulary)  # numbers kept as text
    strings = values if isinstance(values, Strings) else text_of(values)  # numbers are what their digits are
    if column.kind is Kind.ADDRESS:
        words = np.empty(4 * len(strings), dtype=np.uint64)
        kernels.learn_addresses(strings.text, strings.starts, strings.ends, words)
        return _Known(values, kernels.ADDRESS, words, None, vocabulary)
    ids = np.full(len(strings), UNKNOWN, dtype=np.int64)
    return _Known(values, kernels.STRING, ids.view(np.uint64), strings, vocabulary)


def _used_values(indices: Places, value_count: int) -> Integers:
    """Which values of a dictionary occur, each once: by marks, for sorting 8,192 indices took 13 times as long."""
    marks = np.zeros(value_count + 1, dtype=np.bool_)
    marks[indices] = True
    return np.flatnonzero(marks[:-1])  # the last one is NULL's

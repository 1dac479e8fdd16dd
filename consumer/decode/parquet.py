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
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

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
from consumer.model.flow_batch import Kind, Words
from consumer.model.log_format import LogFormat
from consumer.model.row_slice import ColumnRows, Flags, Integers, Numbers, Part, Places, RowSlice, Strings
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


class _TooMuchTextError(Exception):
    """Rows that only text can tell the reason of are too many bytes: begin again with fewer."""


@dataclass(slots=True)
class _KnownStrings:
    """What is known of one dictionary. `numbers`: int64[values], id of each or UNKNOWN."""

    dictionary: Numbers | Strings
    strings: Strings
    vocabulary: Vocabulary
    numbers: Integers


@dataclass(slots=True)
class _KnownAddresses:
    """The addresses of one dictionary. `words`: uint64[values, 4], see `learn_addresses`."""

    dictionary: Numbers | Strings
    words: Words


@dataclass(frozen=True, slots=True, eq=False)
class _Target:
    """Where one part of a column goes: some rows of the batch. `words`: uint64[w, k]; `nulls`: uint64[k]."""

    words: Words
    nulls: Words
    bit: np.uint64
    is_bad: Flags


@dataclass(frozen=True, slots=True, eq=False)
class _Rows:
    """A batch being made, column after column; `words`: uint64[w, n + padding], `nulls`: uint64[2, n + padding].

    `is_bad`: rows that only text can tell the reason of.
    """

    plan: ParsePlan
    words: Words
    nulls: Words
    is_bad: Flags

    def target(self, position: int, word: int, first: int, size: int) -> _Target:
        """Where `size` rows from `first` on of the column at `position` go, whose first word is `word`."""
        here = slice(first, first + size)
        nulls = self.nulls[position // 64, here]
        return _Target(self.words[word : word + 3, here], nulls, np.uint64(1 << position % 64), self.is_bad[here])

    def turned(self, columns: Words) -> Words:
        """Row after row, as a flow batch has it."""
        word_count, stride = columns.shape
        rows = np.empty((len(self.is_bad), word_count), dtype=np.uint64)
        kernels.turn(columns.ravel(), stride, len(rows), word_count, rows.ravel())
        return rows


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
        self._room: Words = np.empty(0, dtype=np.uint64)
        self._strings: dict[str, _KnownStrings] = {}
        self._addresses: dict[str, _KnownAddresses] = {}
        self._is_fresh = False  # nothing was read yet since the vocabulary was renewed

    def read(
        self, rows: RowSlice, log_format: LogFormat, places: list[int]
    ) -> Iterator[tuple[Outcome, LinePositions, int]]:
        """Pieces of at most 8,192 rows: (rows and rejects, the lines of the rejects, position of the first row).

        `places`: the columns in order of the format. A piece must be used before the next one is asked for, which may
        renew the vocabulary.
        """
        plan = plan_of(log_format)
        first, room = 0, BATCH_ROW_LIMIT
        while first < rows.row_count:
            size = min(room, rows.row_count - first)
            piece = rows.cut(first, first + size)
            try:
                outcome, lines = self._read(plan, [piece.columns[place] for place in places], size)
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

    def _read(self, plan: ParsePlan, columns: list[ColumnRows], size: int) -> tuple[Outcome, LinePositions]:
        nulls = np.zeros((2, size + _PADDING_WORDS), dtype=np.uint64)
        rows = _Rows(plan, self._room_for(plan.word_count, size), nulls, np.zeros(size, dtype=np.bool_))
        for position, (name, column) in enumerate(zip(plan.log_format.fields, columns, strict=True)):
            kind, word = plan.columns[name].kind, plan.columns[name].word
            first = 0
            for part in column:
                target = rows.target(position, word, first, len(part))
                if kind is Kind.UNSIGNED:
                    _read_numbers(target, field_named(name).maximum, part)
                elif kind is Kind.ADDRESS:
                    self._read_addresses(target, name, part)
                else:
                    self._read_strings(target, name, part)
                first += len(part)
        source, destination = plan.families.tolist()
        if source >= 0:
            families = rows.words[source, :size], rows.words[destination, :size]
            mixed = (families[0] != families[1]) & (families[0] != 0) & (families[1] != 0)
            np.logical_or(rows.is_bad, mixed, out=rows.is_bad)
        return self._outcome(rows, columns)

    def _room_for(self, word_count: int, size: int) -> Words:
        """uint64[words, rows + padding], anything in it: the same memory for each batch, warm from the one before."""
        stride = size + _PADDING_WORDS
        if len(self._room) < word_count * stride:
            self._room = np.empty(word_count * stride, dtype=np.uint64)
        return self._room[: word_count * stride].reshape(word_count, stride)

    def _read_strings(self, target: _Target, name: str, part: Part) -> None:
        """Ids of a column's strings, each distinct one looked up once where the object kept a dictionary."""
        indices = part.indices
        if indices is not None:
            known = self._known_strings(name, part.values)
            strings, numbers = known.strings, known.numbers
        else:
            strings, numbers = _as_strings(part.values), np.full(len(part), UNKNOWN, dtype=np.int64)
            indices = np.arange(len(part), dtype=np.int32)
        places = target.words[0], target.nulls, target.bit, target.is_bad
        if kernels.place_strings(indices, part.is_null, numbers, *places):
            return
        used = _used_values(indices[~part.is_null] if len(part.is_null) else indices, len(numbers))
        wanted = used[numbers[used] == UNKNOWN]
        self._intern(strings, wanted, numbers, is_encoded=field_named(name).is_percent_encoded)
        kernels.place_strings(indices, part.is_null, numbers, *places)

    def _known_strings(self, name: str, dictionary: Numbers | Strings) -> _KnownStrings:
        """What is known of the column's dictionary, which all rows of a row group share."""
        known = self._strings.get(name)
        if known is None or known.dictionary is not dictionary or known.vocabulary is not self._parser.vocabulary:
            numbers = np.full(len(dictionary), UNKNOWN, dtype=np.int64)
            known = _KnownStrings(dictionary, _as_strings(dictionary), self._parser.vocabulary, numbers)
            self._strings[name] = known
        return known

    def _intern(self, strings: Strings, wanted: Integers, numbers: Integers, *, is_encoded: bool) -> None:
        vocabulary = self._parser.vocabulary
        position, ended = 0, TABLE_FULL
        while ended == TABLE_FULL:
            position, ended = kernels.intern_values(
                strings.text, strings.starts, strings.ends, wanted, numbers, position, is_encoded, self._scratch,
                vocabulary.table.ravel(), vocabulary.arena, vocabulary.starts, vocabulary.sizes, vocabulary.used,
            )  # fmt: skip
            if ended == TABLE_FULL:
                vocabulary.grow_table()
        if ended == VOCABULARY_FULL:
            raise _VocabularyFullError

    def _read_addresses(self, target: _Target, name: str, part: Part) -> None:
        """Each address of a dictionary is read once, then placed by index."""
        places = *target.words, target.nulls, target.bit, target.is_bad
        if part.indices is None:
            strings = _as_strings(part.values)
            kernels.read_addresses(strings.text, strings.starts, strings.ends, part.is_null, *places)
            return
        known = self._addresses.get(name)
        if known is None or known.dictionary is not part.values:
            known = self._addresses[name] = _KnownAddresses(part.values, _addresses_of(_as_strings(part.values)))
        kernels.place_addresses(part.indices, part.is_null, known.words.ravel(), *places)

    def _outcome(self, rows: _Rows, columns: list[ColumnRows]) -> tuple[Outcome, LinePositions]:
        """The rows that are right, and what the text kernel makes of the others."""
        if not rows.is_bad.any():
            numbers = np.arange(len(rows.is_bad))
            words, nulls = rows.turned(rows.words), rows.turned(rows.nulls)
            parsed = Parsed(rows.plan, words, nulls, numbers, _NO_LINES, _NO_LINES, len(numbers))
            return Outcome([parsed], [], len(numbers)), LinePositions(self._scratch, _NO_LINES, _NO_LINES)
        bad, good = np.flatnonzero(rows.is_bad), np.flatnonzero(~rows.is_bad)
        lines = lines_of(columns, bad)
        if lines is None:
            raise _TooMuchTextError
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


def _used_values(indices: Places, value_count: int) -> Integers:
    """Which values of a dictionary occur, each once: by marks, for sorting 8,192 indices took 13 times as long."""
    marks = np.zeros(value_count, dtype=np.bool_)
    marks[indices] = True
    return np.flatnonzero(marks)


def _as_strings(values: Numbers | Strings) -> Strings:
    """Numbers in a column of strings or addresses are what their digits are."""
    return values if isinstance(values, Strings) else text_of(values)


def _read_numbers(target: _Target, maximum: int, part: Part) -> None:
    values = part.values
    if not isinstance(values, Numbers):
        target.is_bad[:] = True  # numbers kept as text: the text kernel says what they are
        return
    places = np.uint64(maximum), target.words[0], target.nulls, target.bit, target.is_bad
    if part.indices is None:
        kernels.place_numbers(values.values, part.is_null, *places)
    else:
        kernels.place_listed_numbers(part.indices, part.is_null, values.values, *places)


def _addresses_of(strings: Strings) -> Words:
    """uint64[values, 4]: see `learn_addresses`."""
    words = np.empty((len(strings), 4), dtype=np.uint64)
    kernels.learn_addresses(strings.text, strings.starts, strings.ends, words.ravel())
    return words

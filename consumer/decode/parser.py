"""The kernel with what it works on: the vocabulary, the room for rows.

Belongs here: calling `parse_lines` until a piece is read. Does not: choosing the log format (candidates.py).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from consumer.decode import text
from consumer.decode.outcomes import LINE_REASONS
from consumer.decode.plan import ParsePlan
from consumer.model.flow_batch import FlowBatch, Rows, Words
from consumer.model.text_word import MARGIN_BYTES, Bytes
from consumer.model.vocabulary import Vocabulary

BATCH_ROW_LIMIT = 16_384
"""Rows of a flow batch. What is done once a batch in Python took a fifth of all time with half as many, which cost 5 to
10 % of the whole job from objects; twice as many saved 2 % more, and double what a killed agent may send twice."""

MIN_ARENA_BYTES = 1 << 20
MIN_CAPACITY = 1 << 10
"""A fresh vocabulary holds at least one line for every candidate format, however long its strings are."""

Positions = NDArray[np.int32]


@dataclass(frozen=True, slots=True, eq=False)
class Parsed:
    """Lines `first` to `stop` read by one plan: rows for those that fit, (line, reason) for the others.

    `words`, `nulls`, `line_numbers`: as in FlowBatch. `reject_lines`, `reject_reasons`: int32[k].
    """

    plan: ParsePlan
    words: Words
    nulls: Words
    line_numbers: Rows
    reject_lines: Positions
    reject_reasons: Positions
    stop: int

    def rejects(self) -> list[tuple[int, str]]:
        """(line, reason) in order of lines."""
        return [
            (line, LINE_REASONS[reason])
            for line, reason in zip(self.reject_lines.tolist(), self.reject_reasons.tolist(), strict=True)
        ]

    def before(self, stop: int) -> Parsed:
        """The same without the lines from `stop` on."""
        rows = int(np.searchsorted(self.line_numbers, stop))
        rejects = int(np.searchsorted(self.reject_lines, stop))
        return Parsed(
            self.plan,
            self.words[:rows],
            self.nulls[:rows],
            self.line_numbers[:rows],
            self.reject_lines[:rejects],
            self.reject_reasons[:rejects],
            stop,
        )


class Parser:
    """Mutable, one thread at a time. `vocabulary` is replaced when it is full: batches keep the one they know."""

    def __init__(self, capacity: int = 1 << 16, arena_bytes: int = 1 << 22) -> None:
        if capacity < MIN_CAPACITY or arena_bytes < MIN_ARENA_BYTES:
            raise ValueError(f"a vocabulary needs {MIN_CAPACITY} ids and {MIN_ARENA_BYTES} bytes at least")
        self._capacity = capacity
        self._arena_bytes = arena_bytes
        self._scratch: Bytes = np.zeros(text.MAX_LINE_BYTES + 1 + MARGIN_BYTES, dtype=np.uint8)
        self.vocabulary = Vocabulary(capacity, arena_bytes)

    def renew_vocabulary(self) -> None:
        """Forget all strings."""
        self.vocabulary = Vocabulary(self._capacity, self._arena_bytes)

    def parse(self, data: Bytes, starts: Positions, ends: Positions, first: int, stop: int, plan: ParsePlan) -> Parsed:
        """Read lines `first` to `stop`; ends early (`Parsed.stop`) where the vocabulary is full."""
        room = stop - first
        words = np.empty((room, plan.word_count), dtype=np.uint64)
        nulls = np.empty((room, 2), dtype=np.uint64)
        line_numbers = np.empty(room, dtype=np.int64)
        rejects = np.empty((room, 2), dtype=np.int32)
        vocabulary = self.vocabulary
        line, row, reject_count = first, 0, 0
        while True:
            line, row, reject_count, ended = text.parse_lines(
                data, starts, ends, line, stop, plan.steps.ravel(), plan.families, words.ravel(), plan.word_count,
                nulls.ravel(), line_numbers, row, rejects.ravel(), reject_count, vocabulary.table.ravel(),
                vocabulary.arena, vocabulary.starts, vocabulary.sizes, vocabulary.used, self._scratch,
            )  # fmt: skip
            if ended != text.TABLE_FULL:
                break
            vocabulary.grow_table()
        lost = rejects[:reject_count]
        return Parsed(plan, words[:row], nulls[:row], line_numbers[:row], lost[:, 0], lost[:, 1], line)

    def token_counts(self, data: Bytes, starts: Positions, ends: Positions) -> Positions:
        """int32[l]: how many tokens each line has; -1 for a line with an empty one, or too long to be any format's."""
        counts = np.empty(len(starts), dtype=np.int32)
        text.count_tokens(data, starts, ends, counts)
        return counts

    def batch(self, parsed: Parsed, first_line_number: int) -> FlowBatch:
        """The rows as a flow batch; line numbers count from the payload's first line."""
        return FlowBatch(
            log_format=parsed.plan.log_format,
            columns=parsed.plan.columns,
            words=parsed.words,
            nulls=parsed.nulls,
            vocabulary=self.vocabulary,
            line_numbers=parsed.line_numbers + first_line_number if first_line_number else parsed.line_numbers,
        )

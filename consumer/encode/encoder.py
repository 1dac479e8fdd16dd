"""Columns to IPFIX messages: the one object of this room that the pipeline holds.

Belongs here: plans per log format, caches, buffers, the order of the kernels. Does not: what is sent (mapping.py),
how (layout.py, records.py), sending (export/).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from cachetools import LRUCache
from numpy.typing import NDArray

from consumer.encode import records, sorting
from consumer.encode.additions import describe_other_fields, with_lost_packets
from consumer.encode.layout import Layout
from consumer.encode.limits import check_message_size, smallest_message_size
from consumer.encode.mapping import MAPPING
from consumer.encode.meanings import DIRECTIONS, VERDICTS, Meanings
from consumer.encode.names import NO_BLOBS, Blobs, NameStore, Reference
from consumer.encode.octets import MARGIN_BYTES
from consumer.encode.plan import FormatPlan, build_plan
from consumer.encode.settings import EncodingSettings
from consumer.encode.slabs import Slab, Slabs
from consumer.encode.template import SHARED_NUMBERS, TemplateNumbers
from consumer.model.flow_batch import Column, FlowBatch, JoinedColumns, Rows
from consumer.model.messages import MessageBatch

_PLANS_KEPT = 64
_UNSEEN_AT_ONCE = 1024
_NO_ROWS = np.zeros(1, dtype=np.int64)
_FIXED_BYTES = 8 + sum(line.element.size for line in MAPPING if not line.element.is_variable)
"""Of a record: no layout has a longer fixed part, and the last store of a field goes beyond it."""


@dataclass(slots=True)
class _Output:
    """Where the messages of one batch go: from `begin` on, `position` is the first free byte of `slab`.

    `messages`: see records.write_records; with room for a message a record, of which hardly any is touched.
    """

    message_size: int
    slab: Slab
    begin: int
    position: int
    messages: NDArray[np.int64]
    message_count: int = 0
    record_count: int = 0
    cut_strings: int = 0

    def result(self, domain: int, templates: dict[int, bytes]) -> MessageBatch:
        """The batch: views of what was written. Each costs 2 to 4 µs here, as all of NumPy does just after a kernel."""
        end = self.message_count + 1
        if not self.message_count:
            self.messages[:, 0] = 0
        return MessageBatch(
            domain=domain,
            buffer=self.slab[self.begin : self.position],
            starts=self.messages[0, :end],
            totals=self.messages[1, :end],
            templates=templates,
            cut_strings=self.cut_strings,
        )


class _LastPlan(NamedTuple):
    """What the batch before was encoded with, found again by the identity of its columns: most batches have the same.

    `references`: tables that the joined columns refer to, by `reference_words`.
    """

    batch_columns: Mapping[str, Column]
    joined_columns: Mapping[str, Column]
    plan: FormatPlan
    references: list[Reference]
    reference_words: NDArray[np.uint64]


def _rounded(count: int) -> int:
    """The next power of two, so that arrays do not grow with every batch."""
    return 1 << max(count - 1, 0).bit_length()


class Encoder:
    """Mutable, one per lane and collector key, used by one thread at a time.

    The bytes of a MessageBatch are used again as soon as nobody holds them (slabs.py).
    """

    def __init__(self, settings: EncodingSettings, numbers: TemplateNumbers = SHARED_NUMBERS) -> None:
        """Raises ConfigurationError when a template or record layout of the profile cannot fit into a message."""
        check_message_size(settings)
        self._settings = settings
        self._smallest = smallest_message_size(settings)
        self._numbers = numbers
        self._plans: LRUCache[object, FormatPlan] = LRUCache(_PLANS_KEPT)
        self._last_plan: _LastPlan | None = None
        self._meanings = Meanings()
        self._names = NameStore()
        self._unseen = np.zeros(_UNSEEN_AT_ONCE, dtype=np.uint64)
        self._counts = np.zeros(sorting.KEY_COUNT, dtype=np.int64)
        self._nexts = np.zeros(sorting.KEY_COUNT, dtype=np.int64)
        self._fixed = np.zeros(records.BLOCK_ROWS * _FIXED_BYTES + MARGIN_BYTES, dtype=np.uint8)
        self._strings = np.zeros((len(MAPPING), records.BLOCK_ROWS, 2), dtype=np.uint64)
        self._totals = np.zeros(records.BLOCK_ROWS, dtype=np.uint64)
        self._keys = self._ordered = np.zeros(0, dtype=np.int64)
        self._slabs = Slabs()

    def encode(
        self, batch: FlowBatch, rows: Rows, joined: JoinedColumns, domain: int, message_limit: int | None = None
    ) -> MessageBatch:
        """All of `rows` (int64, indices into `batch`) as messages; within a template their order is kept.

        Every row becomes exactly one data record. Strings of a record larger than a message are cut and counted.
        `message_limit`: octets, where the path takes less than the setting; messages are larger than that only when the
        profile's largest layout is.
        """
        last = self._plan(batch, joined)
        plan = last.plan
        meanings = self._classify(batch, rows, plan)
        codes = self._counts.nonzero()[0].tolist()
        ordered = rows
        if len(codes) > 1:
            ordered = self._ordered
            sorting.sort_by_key(rows, self._keys, self._counts, self._nexts, ordered)
        if plan.lost_packets is not None:
            joined = with_lost_packets(batch, joined, plan.lost_packets)
        self._names.use(joined.tables)
        bases = self._names.write(last.references, last.reference_words, joined.words, rows)
        other_rows, others = _NO_ROWS, NO_BLOBS
        if plan.others:
            other_rows, others = describe_other_fields(batch, rows, plan.others)

        output = self._new_output(len(rows), message_limit or self._settings.message_size)
        templates: dict[int, bytes] = {}
        begin = 0
        for code in codes:
            end = begin + self._counts.item(code)
            layout = plan.layout(code)
            templates[layout.template_id] = layout.template
            self._write(
                output, batch, ordered[begin:end], joined, plan, layout, meanings, domain, bases, other_rows, others
            )
            begin = end
        self._slabs.keep(output.position)
        return output.result(domain, templates)

    def _plan(self, batch: FlowBatch, joined: JoinedColumns) -> _LastPlan:
        last = self._last_plan
        if last is not None and last.batch_columns is batch.columns and last.joined_columns is joined.columns:
            return last
        key = (
            batch.log_format,
            tuple([column.word for column in batch.columns.values()]),
            tuple([(column.name, column.word) for column in joined.columns.values()]),
            joined.words.shape[1],
        )
        plan = self._plans.get(key)
        if plan is None:
            plan = self._plans[key] = build_plan(
                batch.columns, joined.columns, joined.words.shape[1], self._settings, self._numbers
            )
        references = [(joined.columns[name].table, columns) for name, columns in plan.references]
        words = np.array([joined.columns[name].word for name, _ in plan.references], dtype=np.uint64)
        self._last_plan = _LastPlan(batch.columns, joined.columns, plan, references, words)
        return self._last_plan

    def _new_output(self, rows: int, message_limit: int) -> _Output:
        """Each record may need a message of its own, so room for that is taken; memory never touched costs nothing."""
        slab, begin = self._slabs.take(_rounded(rows) * self._settings.message_size + MARGIN_BYTES)
        message_size = min(self._settings.message_size, max(message_limit, self._smallest))
        return _Output(message_size, slab, begin, begin, np.empty((2, rows + 1), dtype=np.int64))

    def _classify(self, batch: FlowBatch, rows: Rows, plan: FormatPlan) -> NDArray[np.uint8]:
        """Fill keys and their counts; strings that decide are looked at once per distinct value. Returns meanings."""
        if len(self._keys) < len(rows):
            self._keys, self._ordered = (np.empty(_rounded(len(rows)), dtype=np.int64) for _ in range(2))
        meanings = self._meanings.of(batch.vocabulary)
        while True:
            count = sorting.classify(
                rows, batch.words, batch.nulls, plan.words, plan.group_nulls, plan.any_nulls,
                meanings, self._keys, self._counts, self._unseen,
            )  # fmt: skip
            if not count:
                return meanings
            self._meanings.learn(batch.vocabulary, meanings, self._unseen[:count].tolist())

    def _write(
        self,
        output: _Output,
        batch: FlowBatch,
        rows: Rows,
        joined: JoinedColumns,
        plan: FormatPlan,
        layout: Layout,
        meanings: NDArray[np.uint8],
        domain: int,
        name_bases: NDArray[np.uint64],
        other_rows: Rows,
        others: Blobs,
    ) -> None:
        """Append the messages of one template."""
        names = self._names.blobs
        vocabulary = batch.vocabulary
        message_size = max(output.message_size, layout.smallest_message_size)
        position, output.message_count, cut = records.write_records(
            rows, batch.words, batch.nulls, joined.words, plan.derived_words, meanings, VERDICTS, DIRECTIONS,
            layout.family, layout.steps, layout.bounds, layout.nulls, np.uint64(layout.fixed_size),
            vocabulary.arena, vocabulary.starts, vocabulary.sizes,
            names.arena, names.places, name_bases, other_rows, others.arena, others.places,
            self._fixed, self._strings, self._totals,
            np.uint64(layout.template_id), np.uint64(domain), np.uint64(message_size),
            output.slab, np.uint64(output.position), np.uint64(output.begin),
            output.messages, output.message_count, output.record_count,
        )  # fmt: skip
        output.position = int(position)
        output.record_count += len(rows)
        output.cut_strings += cut

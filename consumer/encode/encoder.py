"""Columns to IPFIX messages: the one object of this room that the pipeline holds.

Belongs here: plans per log format, caches, buffers, the order of the kernels. Does not: what is sent (mapping.py),
how (layout.py, records.py), sending (export/).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from sys import getrefcount

import numpy as np
from cachetools import LRUCache
from numpy.typing import NDArray

from consumer.encode import records, sorting
from consumer.encode.additions import describe_other_fields, with_lost_packets
from consumer.encode.layout import Layout
from consumer.encode.limits import check_message_size, smallest_message_size
from consumer.encode.meanings import DIRECTIONS, VERDICTS, Meanings
from consumer.encode.names import NO_BLOBS, Blobs, NameStore
from consumer.encode.plan import FormatPlan, build_plan
from consumer.encode.settings import EncodingSettings
from consumer.encode.template import SHARED_NUMBERS, TemplateNumbers
from consumer.model.flow_batch import Column, FlowBatch, JoinedColumns, Rows
from consumer.model.messages import MessageBatch

_PLANS_KEPT = 64
_UNSEEN_AT_ONCE = 1024
_BUFFERS_KEPT = 2
"""The one being filled, and the last one, which a caller's variable may still hold."""
_NO_ROWS = np.zeros(1, dtype=np.int64)


@dataclass(slots=True)
class _Output:
    """Where the messages of one batch go. `position`: first free byte of `buffer`."""

    message_size: int
    buffer: NDArray[np.uint8]
    starts: NDArray[np.int64]
    record_counts: NDArray[np.int64]
    template_ids: NDArray[np.int64]
    position: int = 0
    message_count: int = 0
    cut_strings: int = 0

    def result(self, domain: int, templates: dict[int, bytes]) -> MessageBatch:
        """The batch: `buffer` as a view, the rest cut to size."""
        count = self.message_count
        self.starts[count] = self.position
        return MessageBatch(
            domain=domain,
            buffer=self.buffer[: self.position],
            starts=self.starts[: count + 1],
            record_counts=self.record_counts[:count],
            template_ids=self.template_ids[:count],
            templates=templates,
            cut_strings=self.cut_strings,
        )


def _reference_counts(buffers: Iterable[NDArray[np.uint8]]) -> list[int]:
    """How many hold each buffer. A view holds the buffer it looks into, and a memoryview of a view does."""
    return [getrefcount(buffer) for buffer in buffers]


(_OWN_REFERENCES,) = _reference_counts(deque([np.empty(0, dtype=np.uint8)]))
"""What that says of a buffer nobody else holds; asked, because it is not the same in every Python."""


def _rounded(count: int) -> int:
    """The next power of two, so that arrays do not grow with every batch."""
    return 1 << max(count - 1, 0).bit_length()


class Encoder:
    """Mutable, one per lane and collector key, used by one thread at a time.

    The bytes of a MessageBatch lie in a buffer that is used again as soon as nobody holds them: a new one for every
    batch would be mapped and faulted in anew (measured: 30 ns a record more than these 96).
    """

    def __init__(self, settings: EncodingSettings, numbers: TemplateNumbers = SHARED_NUMBERS) -> None:
        """Raises ConfigurationError when a template or record layout of the profile cannot fit into a message."""
        check_message_size(settings)
        self._settings = settings
        self._smallest = smallest_message_size(settings)
        self._numbers = numbers
        self._plans: LRUCache[object, FormatPlan] = LRUCache(_PLANS_KEPT)
        self._last_plan: tuple[Mapping[str, Column], Mapping[str, Column], FormatPlan] | None = None
        """What it was made for, by identity: most batches have the columns of the one before."""
        self._meanings = Meanings()
        self._names = NameStore()
        self._unseen = np.zeros(_UNSEEN_AT_ONCE, dtype=np.uint64)
        self._counts = np.zeros(sorting.KEY_COUNT, dtype=np.int64)
        self._keys = self._ordered = np.zeros(0, dtype=np.int64)
        self._buffers: deque[NDArray[np.uint8]] = deque(maxlen=_BUFFERS_KEPT)

    def encode(
        self, batch: FlowBatch, rows: Rows, joined: JoinedColumns, domain: int, message_limit: int | None = None
    ) -> MessageBatch:
        """All of `rows` (int64, indices into `batch`) as messages; within a template their order is kept.

        Every row becomes exactly one data record. Strings of a record larger than a message are cut and counted.
        `message_limit`: octets, where the path takes less than the setting; messages are larger than that only when the
        profile's largest layout is.
        """
        plan = self._plan(batch, joined)
        meanings = self._classify(batch, rows, plan)
        codes = np.flatnonzero(self._counts).tolist()
        ordered = rows
        if len(codes) > 1:
            ordered = self._ordered
            sorting.sort_by_key(rows, self._keys, self._counts, ordered)
        if plan.lost_packets is not None:
            joined = with_lost_packets(batch, joined, plan.lost_packets)
        bases = self._write_names(joined, rows, plan)
        other_rows, others = _NO_ROWS, NO_BLOBS
        if plan.others:
            other_rows, others = describe_other_fields(batch, rows, plan.others)

        output = self._new_output(len(rows), message_limit or self._settings.message_size)
        templates: dict[int, bytes] = {}
        begin = 0
        for code in codes:
            end = begin + int(self._counts[code])
            layout = plan.layout(code)
            templates[layout.template_id] = layout.template
            self._write(
                output, batch, ordered[begin:end], joined, plan, layout, meanings, domain, bases, other_rows, others
            )
            begin = end
        return output.result(domain, templates)

    def _plan(self, batch: FlowBatch, joined: JoinedColumns) -> FormatPlan:
        last = self._last_plan
        if last is not None and last[0] is batch.columns and last[1] is joined.columns:
            return last[2]
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
        self._last_plan = (batch.columns, joined.columns, plan)
        return plan

    def _write_names(self, joined: JoinedColumns, rows: Rows, plan: FormatPlan) -> NDArray[np.uint64]:
        """Where the names of each reference of the plan begin; those that `rows` refer to are written."""
        self._names.use(joined.tables)
        references = [(joined.columns[name].table, columns) for name, columns in plan.references]
        bases = self._names.prepare(references)
        for (name, _), reference in zip(plan.references, references, strict=True):
            self._names.write(reference, joined.words, rows, joined.columns[name].word)
        return np.array(bases or [0], dtype=np.uint64)

    def _new_output(self, rows: int, message_limit: int) -> _Output:
        """Each record may need a message of its own, so room for that is taken; memory never touched costs nothing."""
        size = _rounded(rows) * self._settings.message_size + records.MARGIN_BYTES
        for buffer, count in zip(self._buffers, _reference_counts(self._buffers), strict=True):
            if count == _OWN_REFERENCES and len(buffer) >= size:
                break
        else:
            buffer = np.empty(size, dtype=np.uint8)
            self._buffers.append(buffer)
        starts, record_counts, template_ids = (np.empty(rows + 1, dtype=np.int64) for _ in range(3))
        message_size = min(self._settings.message_size, max(message_limit, self._smallest))
        return _Output(message_size, buffer, starts, record_counts, template_ids)

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
        first = output.message_count
        position, output.message_count, cut = records.write_records(
            rows, batch.words, batch.nulls, joined.words, plan.derived_words, meanings, VERDICTS, DIRECTIONS,
            layout.family, layout.steps, layout.bounds, layout.nulls, np.uint64(layout.fixed_size),
            vocabulary.arena, vocabulary.starts, vocabulary.sizes,
            names.arena, names.starts, names.sizes, name_bases,
            other_rows, others.arena, others.starts, others.sizes,
            np.uint64(layout.template_id), np.uint64(domain), np.uint64(message_size),
            output.buffer, np.uint64(output.position), output.starts, output.record_counts, output.message_count,
        )  # fmt: skip
        output.position = int(position)
        output.cut_strings += cut
        output.template_ids[first : output.message_count] = layout.template_id

"""What one collector still has to be sent of one batch.

Belongs here: stamping its octets, how far it has come, and which messages may go in one call. Does not:
deciding when (collector.py).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from consumer.export import stamping
from consumer.export.header import OPTIONS_TEMPLATE_SET, TEMPLATE_SET
from consumer.export.vectors import Vectors
from consumer.model.messages import MessageBatch


class Sent(NamedTuple):
    """A message as it was handed to the kernel. `message`: whole, header stamped. Templates have no records.
    `sequence` may lie above 2³² where the number on the wire has wrapped."""

    domain: int
    sequence: int
    record_count: int
    message: memoryview
    sent_at: float

    @property
    def message_count(self) -> int:
        return 1

    def each(self) -> Iterator[Sent]:
        yield self


class Stretch(NamedTuple):
    """Messages `first` to `end` of a job, sent one after the other, the first numbered `sequence`.

    One tuple for many messages: naming each costs more than all other bookkeeping, and hardly any is ever asked for.
    """

    job: Outgoing
    first: int
    end: int
    sequence: int
    sent_at: float

    @property
    def message_count(self) -> int:
        return self.end - self.first

    def each(self) -> Iterator[Sent]:
        """The messages one by one."""
        job, base = self.job, self.sequence - self.job.totals[self.first]
        for index in range(self.first, self.end):
            count = job.totals[index + 1] - job.totals[index]
            yield Sent(job.domain, base + job.totals[index], count, job.message(index), self.sent_at)


class Outgoing:
    """Mutable; a batch that one collector took: its octets are stamped in place, nobody else may have them.

    They are kept for sending again as long as somebody holds a job or a message of it. `starts`: where each message
    begins in `view`, and the end. `totals`: records before each message, and all. `index`: the next message.
    """

    __slots__ = (
        "_octets", "_starts", "_totals", "count", "domain", "index", "is_options", "largest_bytes",
        "starts", "templates", "totals", "view",
    )  # fmt: skip

    def __init__(self, batch: MessageBatch) -> None:
        first = int(batch.starts[0])
        self._octets = batch.buffer[first : int(batch.starts[-1])]
        self._starts = batch.starts - first if first else batch.starts
        self._totals = np.empty(len(self._starts), dtype=np.int64)
        self.largest_bytes = int(stamping.add_up(self._starts, batch.record_counts, self._totals))
        self.view, self.starts, self.totals = self._octets.data, self._starts.data, self._totals.data
        self.count = len(self.starts) - 1
        self.index = 0
        self.domain = batch.domain
        self.templates = batch.templates
        self.is_options = batch.is_options

    @property
    def set_id(self) -> int:
        """The set that this batch's templates go in."""
        return OPTIONS_TEMPLATE_SET if self.is_options else TEMPLATE_SET

    @property
    def octets(self) -> int:
        return len(self.view)

    @property
    def is_done(self) -> bool:
        return self.index >= self.count

    @property
    def records_left(self) -> int:
        """Flow records; options may be lost without harm, so they count nothing."""
        return 0 if self.is_options else self.totals[-1] - self.totals[self.index]

    def message(self, index: int) -> memoryview:
        return self.view[self.starts[index] : self.starts[index + 1]]

    def lay_out(self, vectors: Vectors, end: int, burst_messages: int) -> None:
        """The messages from `index` to `end`, as one call sends them."""
        vectors.lay_out(self._octets, self._starts, self.index, end, burst_messages)

    def stamp(self, end: int, export_time: int, sequence: int) -> None:
        """Write export time and number into the messages from `index` to `end`, the first numbered `sequence`."""
        stamping.stamp(self._octets, self._starts, self._totals, self.index, end, export_time, sequence)

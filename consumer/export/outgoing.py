"""What one collector still has to be sent of one batch.

Belongs here: stamping its octets, how far it has come, and which messages may go in one call. Does not:
deciding when (collector.py).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

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
        job, sequence = self.job, self.sequence
        for index in range(self.first, self.end):
            count = job.records(index, index + 1)
            yield Sent(job.domain, sequence, count, job.message(index), self.sent_at)
            sequence += count


class Outgoing:
    """Mutable; a batch that one collector took: its octets are stamped in place, nobody else may have them.

    They are kept for sending again as long as somebody holds a job or a message of it. `index`: the next message.
    """

    __slots__ = (
        "_octets", "_starts", "_totals", "count", "domain", "index", "is_options", "templates",
    )  # fmt: skip

    def __init__(self, batch: MessageBatch) -> None:
        self._octets = batch.buffer
        self._starts = batch.starts
        self._totals = batch.totals
        self.count = len(batch.starts) - 1
        self.index = 0
        self.domain = batch.domain
        self.templates = batch.templates
        self.is_options = batch.is_options

    @property
    def set_id(self) -> int:
        """The set that this batch's templates go in."""
        return OPTIONS_TEMPLATE_SET if self.is_options else TEMPLATE_SET

    @property
    def is_done(self) -> bool:
        return self.index >= self.count

    @property
    def records_left(self) -> int:
        """Flow records; options may be lost without harm, so they count nothing."""
        return 0 if self.is_options else self.records(self.index, self.count)

    def records(self, first: int, end: int) -> int:
        """In the messages `first` to `end`."""
        return self._totals.item(end) - self._totals.item(first)

    def octets(self, first: int, end: int) -> int:
        return self._starts.item(end) - self._starts.item(first)

    def message(self, index: int) -> memoryview:
        return self._octets.data[self._starts.item(index) : self._starts.item(index + 1)]

    def lay_out(self, vectors: Vectors, end: int, burst_messages: int) -> None:
        """The messages from `index` to `end`, as one call sends them."""
        vectors.lay_out(self._octets, self._starts, self.index, end, burst_messages)

    def stamp(self, end: int, export_time: int, sequence: int) -> int:
        """Write export time and number into the messages from `index` to `end`, the first numbered `sequence`.

        Returns the octets of the largest of them.
        """
        return int(stamping.stamp(self._octets, self._starts, self._totals, self.index, end, export_time, sequence))

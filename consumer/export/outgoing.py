"""What one collector still has to be sent of one batch.

Belongs here: the private copy that gets stamped, how far it has come, and which messages may go in one call. Does not:
deciding when (collector.py).
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from consumer.export.header import (
    OPTIONS_TEMPLATE_SET,
    SEQUENCE_MASK,
    TEMPLATE_SET,
    TIME_AND_SEQUENCE,
    TIME_OFFSET,
)
from consumer.export.vectors import Vectors
from consumer.model.messages import MessageBatch

_STAMP_OFFSETS = np.arange(TIME_OFFSET, TIME_OFFSET + TIME_AND_SEQUENCE.size)
_FEW = 40
"""Below so many messages a loop (0.15 µs each) is cheaper than NumPy (5 µs, and 0.025 each of unequal length)."""


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
    """Mutable; one collector's copy of a batch: the batch itself is shared between collectors and never changed.

    The copy lets messages be kept for sending again without asking who owns the buffer. `starts`: where each message
    begins, and the end. `totals`: records before each message, and all. `index`: the next message.
    """

    __slots__ = (
        "_runs", "_starts", "_totals", "_vectors", "content", "count", "domain", "index", "is_options", "largest_bytes",
        "starts", "templates", "totals", "view",
    )  # fmt: skip

    def __init__(self, batch: MessageBatch) -> None:
        first, end = int(batch.starts[0]), int(batch.starts[-1])
        self.content = bytearray(batch.buffer[first:end].data)
        self.view = memoryview(self.content)
        self._starts = batch.starts - first
        self._totals = np.zeros(len(self._starts), dtype=np.int64)
        np.cumsum(batch.record_counts, out=self._totals[1:])
        self.starts, self.totals = self._starts.data, self._totals.data
        self.count = len(self.starts) - 1
        self.largest_bytes = int(np.diff(self._starts).max(initial=0))
        self.index = 0
        self.domain = batch.domain
        self.templates = batch.templates
        self.is_options = batch.is_options
        self._runs: list[int] = []
        self._vectors: Vectors | None = None

    @property
    def set_id(self) -> int:
        """The set that this batch's templates go in."""
        return OPTIONS_TEMPLATE_SET if self.is_options else TEMPLATE_SET

    @property
    def octets(self) -> int:
        return len(self.content)

    @property
    def is_done(self) -> bool:
        return self.index >= self.count

    @property
    def records_left(self) -> int:
        """Flow records; options may be lost without harm, so they count nothing."""
        return 0 if self.is_options else self.totals[-1] - self.totals[self.index]

    def message(self, index: int) -> memoryview:
        return self.view[self.starts[index] : self.starts[index + 1]]

    def message_size(self, index: int) -> int:
        return self.starts[index + 1] - self.starts[index]

    def vectors(self) -> Vectors:
        """All messages, as one call sends them."""
        if self._vectors is None:
            self._vectors = Vectors(self.view, self._starts)
        return self._vectors

    def equal_until(self) -> int:
        """End of the messages from `index` on that are as long as that one; one shorter message may come last."""
        if not self._runs:
            self._runs = [*(np.flatnonzero(np.diff(np.diff(self._starts))) + 1).tolist(), self.count]
        end = self._runs[bisect_right(self._runs, self.index)]
        is_shorter = end < self.count and self.message_size(end) < self.message_size(self.index)
        return end + is_shorter

    def stamp(self, end: int, export_time: int, sequence: int) -> None:
        """Write export time and number into the messages from `index` to `end`, the first numbered `sequence`."""
        base = sequence - self.totals[self.index]
        if end - self.index >= _FEW:
            words = (self._totals[self.index : end] + base) & SEQUENCE_MASK | export_time << 32
            if end <= self.equal_until():
                first, size = self.starts[self.index] + TIME_OFFSET, self.message_size(self.index)
                np.ndarray(len(words), dtype=">u8", buffer=self.content, offset=first, strides=(size,))[:] = words
                return
            places = self._starts[self.index : end, None] + _STAMP_OFFSETS
            np.frombuffer(self.view, dtype=np.uint8)[places] = words.astype(">u8").view(np.uint8).reshape(-1, 8)
            return
        write, content = TIME_AND_SEQUENCE.pack_into, self.content
        for start, total in zip(self.starts[self.index : end], self.totals[self.index : end], strict=True):
            write(content, start + TIME_OFFSET, export_time, (base + total) & SEQUENCE_MASK)

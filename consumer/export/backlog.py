"""What a collector that is not required has waiting: accepted, not sent yet, and bounded.

Belongs here: the queue and its limit. Does not: sending from it (collector.py), counting what it refused.
"""

from __future__ import annotations

from collections import deque

from consumer.export.outgoing import Outgoing
from consumer.model.messages import MessageBatch

QUEUE_BYTES = 8 << 20
"""0.3 s at 100,000 records/s, 2 s at the default pace: a stall of the collector's machine, not an outage."""


class Backlog:
    """Mutable; one collector's, guarded by its lock."""

    def __init__(self) -> None:
        self._jobs: deque[Outgoing] = deque()
        self._octets = 0

    def __bool__(self) -> bool:
        return bool(self._jobs)

    @property
    def first(self) -> Outgoing | None:
        """What is sent next."""
        return self._jobs[0] if self._jobs else None

    @property
    def records_left(self) -> int:
        return sum(job.records_left for job in self._jobs)

    def offer(self, batch: MessageBatch) -> bool:
        """Take a batch; false when there is no room for it."""
        octets = int(batch.starts[-1] - batch.starts[0])
        if self._octets + octets > QUEUE_BYTES:
            return False
        self._jobs.append(Outgoing(batch))
        self._octets += octets
        return True

    def drop_first(self) -> None:
        """The first one went."""
        done = self._jobs.popleft()
        self._octets -= done.octets(0, done.count)

    def clear(self) -> None:
        """Nothing of it will be sent."""
        self._jobs.clear()
        self._octets = 0

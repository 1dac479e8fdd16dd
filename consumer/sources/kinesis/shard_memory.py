"""What of each shard this agent has exported in its life, so that what KCL delivers again is not sent again.

After a child or a daemon dies, KCL goes back to the last checkpoint, which is older than what was exported.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

from consumer.kcl.channel import Position


@dataclass(slots=True)
class ShardProgress:
    """One shard. Records come in order, so one position says it all.

    `turn` is held by the thread that exports the shard: after a crash the new child must not run beside an old
    thread that is still exporting.
    """

    start: str | None
    exported: Position | None = None
    turn: threading.Lock = field(default_factory=threading.Lock)


class ShardMemory:
    """Progress by shard; safe to call from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._shards: dict[str, ShardProgress] = {}

    def enter(self, shard: str, start: str | None) -> ShardProgress:
        """Progress of a shard whose child begins at `start` (a sequence number, or a word like TRIM_HORIZON).

        A child that begins before our memory does was rewound on purpose (a reset lease table): forgotten then.
        """
        with self._lock:
            known = self._shards.get(shard)
            if known is None:
                known = self._shards[shard] = ShardProgress(start)
            elif is_before(start, known.start):
                known = self._shards[shard] = ShardProgress(start, turn=known.turn)
            return known


def is_before(start: str | None, known: str | None) -> bool:
    """Whether `start` is an earlier beginning than `known`; words lie before every number, and beside each other."""
    is_number, was_number = bool(start and start.isdigit()), bool(known and known.isdigit())
    if is_number and was_number:
        return int(str(start)) < int(str(known))
    return was_number and not is_number

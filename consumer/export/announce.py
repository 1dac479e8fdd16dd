"""When a collector is told what is no flow: options records (RFC 7011 §3.4.2), per observation domain.

Belongs here: the schedule, pure. Does not: what the records say (encode/), or sending them (process.py). They go
before the data that made them due, at the data's pace, and only in domains that have data.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Protocol

from consumer.export.settings import OptionKind
from consumer.export.status import CollectorCounts
from consumer.model.messages import MessageBatch

TYPES_SECONDS = 3600.0
"""They change with a release only, and are the longest."""
FIRST_NAMES_SECONDS = 10.0
"""Until then the interfaces of a domain have been seen; none is known when its first flow comes."""


class OptionsSource(Protocol):
    """Who makes the records."""

    def build(
        self, kind: OptionKind, encoding_key: Hashable, domain: int, message_limit: int, counts: CollectorCounts
    ) -> MessageBatch | None:
        """The records of one kind for one domain; None when there is nothing to say. `counts`: the collector's."""


class Schedule:
    """Mutable; one collector's, guarded by its lock. Moments are monotonic seconds."""

    def __init__(self, kinds: Sequence[OptionKind], refresh_seconds: float) -> None:
        self._kinds = tuple(kinds)
        self._firsts: dict[OptionKind, float] = {"statistics": refresh_seconds, "interfaces": FIRST_NAMES_SECONDS}
        self._intervals: dict[OptionKind, float] = {"types": TYPES_SECONDS}
        self._refresh_seconds = refresh_seconds
        self._due_at: dict[tuple[int, OptionKind], float] = {}
        self._nothing_before: dict[int, float] = {}
        """The first of these moments, by domain: asked before every batch."""

    def due(self, domain: int, now: float) -> list[OptionKind]:
        """Kinds to send before the next data of `domain`; each is taken as sent."""
        found: list[OptionKind] = []
        if now < self._nothing_before.get(domain, float("-inf")):
            return found
        for kind in self._kinds:
            due_at = self._due_at.setdefault((domain, kind), now + self._firsts.get(kind, 0.0))
            if now >= due_at:
                self._due_at[domain, kind] = now + self._intervals.get(kind, self._refresh_seconds)
                found.append(kind)
        self._nothing_before[domain] = min((self._due_at[domain, kind] for kind in self._kinds), default=float("inf"))
        return found

    def forget(self) -> None:
        """The collector may be another one now: it is told everything again."""
        self._due_at.clear()
        self._nothing_before.clear()

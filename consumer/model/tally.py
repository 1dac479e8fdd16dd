"""Counts by reason, and the balance they must keep.

Belongs here: the counting values. Does not: reasons themselves (each room names its own, metrics list them).

For every delivery: lines = exported + dropped(reason…) + quarantined(reason…). `lines` are data lines or log
events; header and blank lines are not lines. Faults of a whole payload (bad gzip, not JSON, a control message)
are counted in `payloads`, outside the balance, because nobody can know how many lines they held.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field


@dataclass(slots=True)
class Tally:
    """Mutable counts; add them up with `+=`."""

    lines: int = 0
    exported: int = 0
    dropped: Counter[str] = field(default_factory=Counter)
    quarantined: Counter[str] = field(default_factory=Counter)
    payloads: Counter[str] = field(default_factory=Counter)

    def __iadd__(self, other: Tally) -> Tally:
        self.lines += other.lines
        self.exported += other.exported
        for mine, more in (
            (self.dropped, other.dropped),
            (self.quarantined, other.quarantined),
            (self.payloads, other.payloads),
        ):
            if more:  # mostly there is nothing, and a Counter takes long to add that
                mine.update(more)
        return self

    @property
    def is_balanced(self) -> bool:
        """True when every line ended as exactly one of exported, dropped, quarantined."""
        return self.lines == self.exported + self.dropped.total() + self.quarantined.total()


@dataclass(frozen=True, slots=True)
class Reject:
    """One line (or whole payload) that could not be read, kept for the dead letter."""

    reason: str
    line: bytes
    event_id: str | None = None

"""How a collector fares, in words a user can act on, and who is told.

Belongs here: the value and the observer's contract. Does not: metrics and health themselves (telemetry/).
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Literal, Protocol

State = Literal["ok", "pacing", "holding"]


@dataclass(frozen=True, slots=True)
class CollectorStatus:
    """`ok`: messages go at once. `pacing`: the rate limit makes them wait. `holding`: nothing can be sent, `reason`
    says why and what is being done. `since`: Unix seconds of the change to this state."""

    name: str
    state: State
    reason: str
    since: float


@dataclass(slots=True)
class CollectorCounts:
    """Totals since start. `records`: data records, options excluded (decision 26). `messages` and `octets` hold
    templates and repeats too: what went over the wire."""

    messages: int = 0
    records: int = 0
    option_records: int = 0
    octets: int = 0
    template_messages: int = 0
    repeated_messages: int = 0
    dropped_records: int = 0
    paced_seconds: float = 0.0
    errors: Counter[str] = field(default_factory=Counter)


class Observer(Protocol):
    """Told of what happens at a collector, under that collector's lock: must not block."""

    def changed(self, status: CollectorStatus) -> None:
        """State or reason changed."""

    def counted(self, name: str, counts: CollectorCounts) -> None:
        """Totals moved on; called at most once a batch and collector."""


class SilentObserver:
    """Tells nobody."""

    def changed(self, status: CollectorStatus) -> None: ...

    def counted(self, name: str, counts: CollectorCounts) -> None: ...

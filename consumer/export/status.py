"""How a collector fares, in words a user can act on, and who is told.

Belongs here: the value, the observer's contract, when it is told. Does not: metrics and health (telemetry/).
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Literal, Protocol

from consumer.clock import Clock

State = Literal["ok", "pacing", "holding"]

_PACING_SHOWN_SECONDS = 1.0
"""The state stays "pacing" so long after the last wait, or it would flicker with every message."""


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


class Standing:
    """What the observer was last told of one collector. Mutable; the collector's lock guards it."""

    def __init__(self, name: str, rate: int, clock: Clock, observer: Observer) -> None:
        self._rate = rate
        self._clock = clock
        self._observer = observer
        self._facts: tuple[str, bool, object] = ("", False, None)
        self.shown = CollectorStatus(name, "ok", "nothing was sent yet", clock.now())

    def show(self, hold_reason: str, paced_at: float, address: object, now: float) -> None:
        """Tell the observer when state or reason changed. Called for every paced message: the usual answer is no.

        `paced_at`: when the pace last made a message wait. `address`: where messages go, None while unknown.
        """
        is_pacing = now - paced_at < _PACING_SHOWN_SECONDS
        facts = (hold_reason, is_pacing, address)
        if facts == self._facts:
            return
        self._facts = facts
        state: State = "ok"
        reason = f"sending to {address}" if address else "nothing was sent yet"
        if hold_reason:
            state, reason = "holding", hold_reason
        elif is_pacing:
            state, reason = "pacing", f"the rate limit of {self._rate} records/s makes messages wait"
        since = self.shown.since if state == self.shown.state else self._clock.now()
        self.shown = CollectorStatus(self.shown.name, state, reason, since)
        self._observer.changed(self.shown)

"""The balance of the demo: every flow written to the flow logs against every flow that came out as IPFIX.

Belongs here: counting by flow. Does not: reading either side. Pure; the caller holds a lock when threads share it.
A flow is told by its 5-tuple and by the interface that logged it, because a conversation inside a VPC is logged at
both of its ends and both records must arrive. Equal keys are counted, not merged, so overlapping address ranges and
reused ports do no harm.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

REMEMBERED_FLOWS = 200_000
"""Settled flows kept to recognise repeats, about 80 MB; a repeat of an older one counts as unexpected."""


class FlowKey(NamedTuple):
    """What tells flows apart: the 5-tuple (addresses in canonical text) and the observing interface."""

    source: str
    destination: str
    source_port: int
    destination_port: int
    protocol: int
    interface_id: str


@dataclass(frozen=True, slots=True)
class Report:
    """`written`: flows in the flow logs. `received`: of those, how many arrived. `repeated`: arrived again.

    `unexpected`: arrived and were never written. `missing`: written and not arrived (yet).
    """

    written: int
    received: int
    repeated: int
    unexpected: int

    @property
    def missing(self) -> int:
        return self.written - self.received

    @property
    def is_complete(self) -> bool:
        """True when everything written was received. Repeats are allowed: delivery is at least once."""
        return self.missing == 0


class Balance:
    """Mutable: open flows exactly, settled ones up to `remembered`."""

    def __init__(self, remembered: int = REMEMBERED_FLOWS) -> None:
        self._remembered = remembered
        self._open: dict[FlowKey, int] = {}
        self._settled: dict[FlowKey, None] = {}
        self._written = 0
        self._received = 0
        self._repeated = 0
        self._unexpected = 0

    def wrote(self, keys: Iterable[FlowKey]) -> None:
        """Flows about to be written; said *before* they are, so that none can arrive unannounced."""
        for key in keys:
            self._open[key] = self._open.get(key, 0) + 1
            self._written += 1

    def received(self, key: FlowKey) -> None:
        """One flow arrived."""
        waiting = self._open.get(key, 0)
        if waiting > 1:
            self._open[key] = waiting - 1
        elif waiting == 1:
            del self._open[key]
            self._settle(key)
        elif key in self._settled:
            self._repeated += 1
            return
        else:
            self._unexpected += 1
            return
        self._received += 1

    def report(self) -> Report:
        return Report(self._written, self._received, self._repeated, self._unexpected)

    def missing(self, limit: int) -> list[FlowKey]:
        """Some of the flows that did not arrive, oldest first."""
        return [key for key, _ in zip(self._open, range(limit), strict=False)]

    def _settle(self, key: FlowKey) -> None:
        self._settled[key] = None
        if len(self._settled) > self._remembered:
            del self._settled[next(iter(self._settled))]

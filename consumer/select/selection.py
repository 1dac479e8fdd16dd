"""What each step of select says of a batch: the rows to go on with, and the others by reason.

Belongs here: the values and interfaces that the steps share. Does not: the steps (log_status, plan, repeats). Pure.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from consumer.model.delivery import Origin
from consumer.model.flow_batch import FlowBatch, Rows

EXPORTED_BY_POLLING = "exported_by_polling"
REPEAT = "repeat"
"""Reasons to drop a row whose flow went out before, by another way or an earlier delivery."""
NOTHING_DROPPED: Counter[str] = Counter()
"""Shared, never changed: most steps drop nothing, and each batch goes through four."""


@dataclass(frozen=True, slots=True, eq=False)
class Selection:
    """`rows`: int64[k], contiguous, ascending indices of the batch's rows to report. `dropped`: the others by reason.

    Contiguous, because kernels are compiled for that and would be compiled anew for a strided view.
    """

    rows: Rows
    dropped: Counter[str] = field(default_factory=lambda: NOTHING_DROPPED)


class Reporting(Protocol):
    """Which flow logs are reported by which way: an immutable view of the plan, ready for the hot path."""

    def rows(self, batch: FlowBatch, rows: Rows, origin: Origin, arrived_at: float) -> Selection:
        """Of `rows`, those that are reported by the way they came, and the others by reason.

        `arrived_at`: when AWS had them there (Unix seconds): what polling exported for a stream is told by it.
        """


class EveryRow:
    """Reports everything: where there is no plan (replay, discovery switched off)."""

    def rows(self, batch: FlowBatch, rows: Rows, origin: Origin, arrived_at: float) -> Selection:  # noqa: ARG002
        return Selection(rows)


_EVERY_ROW = EveryRow()


def report_every_row() -> Reporting:
    """The plan of an agent that has none."""
    return _EVERY_ROW


CurrentReporting = Callable[[], Reporting]
"""Asked once for each batch, so a new plan takes effect between two."""

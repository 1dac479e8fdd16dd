"""What the pipeline did, told to metrics and /health.

Belongs here: the translation. Does not: counting (model/tally.py) or the metrics' declarations (telemetry/).
"""

from __future__ import annotations

from consumer.enrich.join import JoinCounts
from consumer.model.delivery import Origin
from consumer.model.tally import Tally
from consumer.telemetry.health import Health
from consumer.telemetry.metrics import Metrics


class AgentLedger:
    """Implements pipeline.Ledger; thread-safe."""

    def __init__(self, metrics: Metrics, health: Health) -> None:
        self._metrics = metrics
        self._health = health

    def count(self, origin: Origin, tally: Tally, cut_strings: int, unnamed: JoinCounts) -> None:
        self._metrics.count_tally(origin.kind, tally)
        self._metrics.counter("vpcflow_deliveries_total", source=origin.kind).inc()
        if cut_strings:
            self._metrics.counter("vpcflow_cut_strings_total").inc(cut_strings)
        for reason, count in unnamed.by_reason().items():
            self._metrics.counter("vpcflow_unnamed_total", reason=reason).inc(count)

    def dead_letter_holds(self, error: OSError | None) -> None:
        if error:
            self._health.set("dead letter", "failing", f"{error}; deliveries wait: free some space")
        else:
            self._health.remove("dead letter")

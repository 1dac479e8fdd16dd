"""Tells people how collectors fare: metrics, health and the log of an agent; a line of text of a command.

Belongs here: the translation. Does not: what happened (collector.py) or the metrics' declarations (telemetry/).
"""

from __future__ import annotations

import sys
import threading

from consumer.export.status import CollectorCounts, CollectorStatus
from consumer.telemetry.health import Health, State
from consumer.telemetry.logs import get_logger
from consumer.telemetry.metrics import Metrics

_TOTALS = {
    "vpcflow_collector_records_total": "records",
    "vpcflow_collector_messages_total": "messages",
    "vpcflow_collector_bytes_total": "octets",
    "vpcflow_collector_dropped_records_total": "dropped_records",
    "vpcflow_pacing_wait_seconds_total": "paced_seconds",
}
"""Metric → total in CollectorCounts."""

_HEALTH: dict[str, State] = {"ok": "ok", "pacing": "ok", "holding": "failing"}
"""Pacing is what the user asked for, so it is no fault; its reason says what it does."""


class LineObserver:
    """Implements Observer for a command somebody waits for: says on stderr that a collector holds, and its end."""

    def __init__(self) -> None:
        self._holding: set[str] = set()

    def changed(self, status: CollectorStatus) -> None:
        if status.state == "holding":
            self._holding.add(status.name)
            self._say(f"collector {status.name} holds: {status.reason}")
        elif status.name in self._holding:
            self._holding.discard(status.name)
            self._say(f"collector {status.name} is back: {status.reason}")

    def counted(self, name: str, counts: CollectorCounts) -> None:
        """Nothing to say: the command's summary has the totals."""

    @staticmethod
    def _say(text: str) -> None:
        # On a terminal a live line of progress may stand where this goes.
        start = "\r\x1b[K" if sys.stderr.isatty() else ""
        print(f"{start}vpcflow: {text}", file=sys.stderr, flush=True)


class TelemetryObserver:
    """Implements Observer for one process. Thread-safe."""

    def __init__(self, metrics: Metrics, health: Health) -> None:
        self._metrics = metrics
        self._health = health
        self._log = get_logger("export")
        self._lock = threading.Lock()
        self._holding: dict[str, bool] = {}
        self._told: dict[tuple[str, ...], float] = {}
        """(metric, collector, reason) → total that Prometheus' counter already holds; it can only be raised."""

    def changed(self, status: CollectorStatus) -> None:
        is_holding = status.state == "holding"
        was_holding = self._holding.get(status.name, False)
        self._holding[status.name] = is_holding
        self._metrics.gauge("vpcflow_collector_holding", collector=status.name).set(is_holding)
        if not self._health.set(f"collector {status.name}", _HEALTH[status.state], status.reason):
            return
        if is_holding:
            self._log.warning("collector holds", collector=status.name, reason=status.reason)
        elif was_holding:
            self._log.info("collector is back", collector=status.name, reason=status.reason)
        else:
            self._log.debug("collector state", collector=status.name, state=status.state, reason=status.reason)

    def counted(self, name: str, counts: CollectorCounts) -> None:
        with self._lock:
            for metric, total in _TOTALS.items():
                self._raise(metric, name, float(getattr(counts, total)))
            for reason, total_errors in counts.errors.items():
                self._raise("vpcflow_collector_send_errors_total", name, total_errors, reason=str(reason))

    def _raise(self, metric: str, collector: str, total: float, **labels: str) -> None:
        key = (metric, collector, *labels.values())
        self._metrics.counter(metric, collector=collector, **labels).inc(total - self._told.get(key, 0.0))
        self._told[key] = total

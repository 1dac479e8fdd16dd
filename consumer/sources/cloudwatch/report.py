"""Tells metrics and health how polling a log group is doing.

Belongs here: the translation. Does not: what happened (source.py) or the metrics' declarations (telemetry/).
"""

from __future__ import annotations

from consumer.clock import Clock
from consumer.model.place import LogGroupKey
from consumer.sources.cloudwatch.budget import Share
from consumer.sources.cloudwatch.source import Outcome, State
from consumer.telemetry.health import Health
from consumer.telemetry.metrics import Metrics

_GAUGES = (
    "vpcflow_polling_behind_seconds",
    "vpcflow_polling_pass_pages",
    "vpcflow_polling_pass_seconds",
    "vpcflow_polling_interval_seconds",
    "vpcflow_polling_group_calls_per_second",
)


class PollingReport:
    """Implements PollingObserver for one log group."""

    def __init__(self, group: LogGroupKey, share: Share, metrics: Metrics, health: Health, clock: Clock) -> None:
        self._component = f"log group {group.label()}"
        self._labels = {"log_group": group.label()}
        self._metrics = metrics
        self._health = health
        self._clock = clock
        self._exported_until: float | None = None
        metrics.read_gauge("vpcflow_polling_behind_seconds", self._behind_seconds, **self._labels)
        metrics.read_gauge("vpcflow_polling_group_calls_per_second", lambda: share.rate, **self._labels)

    def state(self, state: State, reason: str) -> None:
        self._health.set(self._component, state, reason)

    def called(self, outcome: Outcome) -> None:
        self._metrics.counter("vpcflow_polling_calls_total", outcome=outcome, **self._labels).inc()

    def passed(self, page_count: int, seconds: float, interval_seconds: float) -> None:
        self._metrics.gauge("vpcflow_polling_pass_pages", **self._labels).set(page_count)
        self._metrics.gauge("vpcflow_polling_pass_seconds", **self._labels).set(seconds)
        self._metrics.gauge("vpcflow_polling_interval_seconds", **self._labels).set(interval_seconds)

    def exported(self, until: float) -> None:
        self._exported_until = until

    def forget(self) -> None:
        """It is not polled any more."""
        self._health.remove(self._component)
        for gauge in _GAUGES:
            self._metrics.forget(gauge, **self._labels)

    def _behind_seconds(self) -> float:
        return 0.0 if self._exported_until is None else max(0.0, self._clock.now() - self._exported_until)

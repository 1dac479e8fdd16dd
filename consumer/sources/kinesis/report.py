"""Tells metrics and health how a stream is doing.

Belongs here: the translation. Does not: what happened (source.py) or the metrics' declarations (telemetry/).
"""

from __future__ import annotations

import threading

from consumer.clock import Clock
from consumer.sources.kinesis.status import State
from consumer.telemetry.health import Health
from consumer.telemetry.metrics import Metrics


class StreamReport:
    """Implements StreamObserver for one stream. Thread-safe."""

    def __init__(self, name: str, metrics: Metrics, health: Health, clock: Clock) -> None:
        self._name = name
        self._metrics = metrics
        self._health = health
        self._lock = threading.Lock()
        self._behind_ms: dict[str, int] = {}
        self._called_at: dict[str, float] = {}
        self._clock = clock
        metrics.read_gauge("vpcflow_stream_silent_seconds", self._silent_seconds, stream=name)

    def state(self, state: State, reason: str) -> None:
        self._health.set(f"stream {self._name}", state, reason)
        self._metrics.gauge("vpcflow_stream_state", stream=self._name).set(state == "ok")

    def called(self, shard: str, behind_ms: int | None, at: float) -> None:
        with self._lock:
            self._behind_ms[shard] = behind_ms or 0
            self._called_at[shard] = at
            self._show()

    def came(self, shard: str) -> None:
        """Its first call will be reported."""

    def exported(self, shard: str, first: float, last: float, *, is_caught_up: bool) -> None:
        """Deliveries are counted where they end."""

    def left(self, shard: str, reason: str | None) -> None:  # noqa: ARG002  its words are in the state that follows
        with self._lock:
            self._behind_ms.pop(shard, None)
            self._called_at.pop(shard, None)
            self._show()

    def restarted(self, reason: str) -> None:  # noqa: ARG002  its words are in the state that follows
        self._metrics.counter("vpcflow_stream_restarts_total", stream=self._name).inc()

    def forget(self) -> None:
        """The stream is not read any more: neither health nor metrics speak of it."""
        self._health.remove(f"stream {self._name}")
        for gauge in ("vpcflow_stream_state", "vpcflow_stream_behind_seconds", "vpcflow_stream_silent_seconds"):
            self._metrics.forget(gauge, stream=self._name)

    def _show(self) -> None:
        behind = max(self._behind_ms.values(), default=0) / 1000
        self._metrics.gauge("vpcflow_stream_behind_seconds", stream=self._name).set(behind)

    def _silent_seconds(self) -> float:
        """Since the quietest shard was last called; the KCL calls every second or so, with or without records."""
        with self._lock:
            return max(0.0, self._clock.now() - min(self._called_at.values(), default=self._clock.now()))

"""Tells metrics and health how a queue and its objects are doing.

Belongs here: the translation. Does not: what happened (source.py, objects.py) or the metrics' declarations
(telemetry/).
"""

from __future__ import annotations

import threading
from typing import cast

from consumer.clock import Clock
from consumer.sources.s3.access import Refusal
from consumer.sources.s3.queue import Message, QueueFacts
from consumer.telemetry.health import Health, State
from consumer.telemetry.logs import get_logger
from consumer.telemetry.metrics import Metrics

log = get_logger("s3")

_WINDOW_SECONDS = 60.0
_REFUSAL_COUNT = 1_000
"""Things in health at most; an estate with more of them needs one look at one of them."""


class QueueReport:
    """Implements QueueObserver and ObjectObserver for one queue. Thread-safe."""

    def __init__(self, name: str, metrics: Metrics, health: Health, clock: Clock) -> None:
        self._name = name
        self._metrics = metrics
        self._health = health
        self._clock = clock
        self._lock = threading.Lock()
        self._refusals: dict[tuple[str, str], str] = {}
        self._highest = 0
        self._highest_at = 0.0
        metrics.read_gauge("vpcflow_queue_receive_count", self._receive_count, queue=name)

    def queue(self, state: str, reason: str) -> None:
        self._health.set(f"queue {self._name}", cast("State", state), reason)

    def facts(self, facts: QueueFacts) -> None:
        self._metrics.gauge("vpcflow_queue_waiting", queue=self._name).set(facts.waiting)
        self._metrics.gauge("vpcflow_queue_in_flight", queue=self._name).set(facts.in_flight)

    def received(self, message: Message) -> None:
        with self._lock:
            now = self._clock.monotonic()
            if message.receive_count >= self._highest or now - self._highest_at > _WINDOW_SECONDS:
                self._highest, self._highest_at = message.receive_count, now

    def message(self, outcome: str) -> None:
        self._metrics.counter("vpcflow_queue_messages_total", queue=self._name, outcome=outcome).inc()

    def part(self, reason: str) -> None:
        self._metrics.counter("vpcflow_queue_parts_total", queue=self._name, reason=reason).inc()

    def working(self, count: int) -> None:
        self._metrics.gauge("vpcflow_queue_workers", queue=self._name).set(count)

    def object(self, outcome: str) -> None:
        self._metrics.counter("vpcflow_objects_total", queue=self._name, outcome=outcome).inc()

    def read(self, size_bytes: int, retries: int) -> None:
        self._metrics.counter("vpcflow_object_bytes_total", queue=self._name).inc(size_bytes)
        if retries:
            self._metrics.counter("vpcflow_object_retries_total", queue=self._name).inc(retries)

    def refused(self, refusal: Refusal) -> None:
        """Said once for each thing to be put right, however many objects suffer from it."""
        place = (refusal.bucket, refusal.folder)
        with self._lock:
            if place not in self._refusals and len(self._refusals) >= _REFUSAL_COUNT:
                return
            old, self._refusals[place] = self._refusals.get(place), refusal.component
            if old not in (None, refusal.component) and old not in self._refusals.values():
                self._health.remove(str(old))
        if self._health.set(refusal.component, "failing", refusal.reason):
            log.error("objects cannot be read", what=refusal.component, reason=refusal.reason)

    def allowed(self, bucket: str, folder: str) -> None:
        with self._lock:
            component = self._refusals.pop((bucket, folder), None)
            is_last = component is not None and component not in self._refusals.values()
        if is_last:
            self._health.remove(str(component))
            log.info("objects can be read again", what=component)

    def forget(self) -> None:
        """The queue is not read any more: its gauges would only mislead."""
        self._health.remove(f"queue {self._name}")
        with self._lock:
            components = set(self._refusals.values())
            self._refusals.clear()
        for component in components:
            self._health.remove(component)
        for name in ("waiting", "in_flight", "receive_count", "workers"):
            self._metrics.forget(f"vpcflow_queue_{name}", queue=self._name)

    def _receive_count(self) -> float:
        with self._lock:
            is_old = self._clock.monotonic() - self._highest_at > _WINDOW_SECONDS
            return 0.0 if is_old else float(self._highest)

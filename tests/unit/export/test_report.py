"""Metrics and health say how collectors fare."""

from __future__ import annotations

import pytest

from consumer.export.report import LineObserver, TelemetryObserver
from consumer.export.status import CollectorCounts, CollectorStatus
from consumer.telemetry.health import Health
from consumer.telemetry.metrics import Metrics


def value(metrics: Metrics, name: str, **labels: str) -> float:
    found = metrics.registry.get_sample_value(name, labels)
    assert found is not None, name
    return found


def test_totals_become_counters_of_the_collector_and_are_added_once() -> None:
    metrics = Metrics()
    observer = TelemetryObserver(metrics, Health(lambda: 0.0))
    counts = CollectorCounts(messages=3, records=20, octets=900, dropped_records=1, paced_seconds=0.5)
    counts.errors["refused"] = 2
    observer.counted("main", counts)
    counts.records = 25
    observer.counted("main", counts)
    observer.counted("main", counts)
    assert value(metrics, "vpcflow_collector_records_total", collector="main") == 25
    assert value(metrics, "vpcflow_collector_messages_total", collector="main") == 3
    assert value(metrics, "vpcflow_collector_bytes_total", collector="main") == 900
    assert value(metrics, "vpcflow_collector_dropped_records_total", collector="main") == 1
    assert value(metrics, "vpcflow_pacing_wait_seconds_total", collector="main") == 0.5
    assert value(metrics, "vpcflow_collector_send_errors_total", collector="main", reason="refused") == 2


def test_holding_shows_in_health_and_as_a_gauge_and_its_end_too() -> None:
    metrics, health = Metrics(), Health(lambda: 0.0)
    observer = TelemetryObserver(metrics, health)
    observer.changed(CollectorStatus("main", "holding", "nobody listens", 1.0))
    assert health.snapshot()["collector main"].state == "failing"
    assert health.snapshot()["collector main"].reason == "nobody listens"
    assert value(metrics, "vpcflow_collector_holding", collector="main") == 1
    observer.changed(CollectorStatus("main", "pacing", "the rate limit", 2.0))
    assert health.snapshot()["collector main"].state == "ok"
    assert value(metrics, "vpcflow_collector_holding", collector="main") == 0


def test_a_command_says_once_that_a_collector_holds_and_once_that_it_is_back(
    capsys: pytest.CaptureFixture[str],
) -> None:
    observer = LineObserver()
    for state, reason in (("ok", "a"), ("holding", "nobody listens"), ("ok", "sending to x"), ("pacing", "b")):
        observer.changed(CollectorStatus("main", state, reason, 0.0))  # type: ignore[arg-type]  # a Literal in a loop
    assert capsys.readouterr().err.splitlines() == [
        "vpcflow: collector main holds: nobody listens",
        "vpcflow: collector main is back: sending to x",
    ]

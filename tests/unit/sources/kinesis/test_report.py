"""Metrics and health of a stream say how it is doing, and how long it has been silent."""

from __future__ import annotations

from prometheus_client import generate_latest

from consumer.sources.kinesis.report import StreamReport
from consumer.telemetry.health import Health
from consumer.telemetry.metrics import Metrics
from tests.support.clock import ManualClock


def scrape(metrics: Metrics) -> dict[str, float]:
    lines = generate_latest(metrics.registry).decode().splitlines()
    values = (line.rsplit(" ", 1) for line in lines if line.startswith("vpcflow_stream_"))
    return {name.partition("{")[0]: float(value) for name, value in values}


def test_the_slowest_and_the_quietest_shard_speak_for_the_stream() -> None:
    metrics, clock = Metrics(), ManualClock()
    report = StreamReport("flow", metrics, Health(clock.now), clock)
    report.called("shard-0", 0, clock.now())
    clock.advance(30)
    report.called("shard-1", 5_000, clock.now())
    seen = scrape(metrics)
    assert seen["vpcflow_stream_behind_seconds"] == 5
    assert seen["vpcflow_stream_silent_seconds"] == 30
    report.left("shard-0", None)
    assert scrape(metrics)["vpcflow_stream_silent_seconds"] == 0


def test_state_and_restarts_reach_metrics_and_health() -> None:
    metrics, clock = Metrics(), ManualClock()
    health = Health(clock.now)
    report = StreamReport("flow", metrics, health, clock)
    report.state("failing", "the daemon cannot start")
    report.restarted("exit code 1")
    assert scrape(metrics)["vpcflow_stream_state"] == 0
    assert scrape(metrics)["vpcflow_stream_restarts_total"] == 1
    assert health.snapshot()["stream flow"].reason == "the daemon cannot start"
    report.state("ok", "reading")
    assert scrape(metrics)["vpcflow_stream_state"] == 1

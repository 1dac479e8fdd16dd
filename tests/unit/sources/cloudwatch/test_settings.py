"""Settings of polling, and what metrics and health say of a group."""

from __future__ import annotations

import pytest
from prometheus_client import generate_latest
from pydantic import ValidationError

from consumer.model.place import LogGroupKey
from consumer.sources.cloudwatch.budget import Budget
from consumer.sources.cloudwatch.report import PollingReport
from consumer.sources.cloudwatch.settings import PollingSettings, moment
from consumer.telemetry.health import Health
from consumer.telemetry.metrics import Metrics
from tests.support.clock import ManualClock

NOW = 1_763_712_000.0


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", NOW),
        ("90s", NOW - 90),
        ("1.5h", NOW - 5_400),
        ("2d", NOW - 172_800),
        ("2025-11-21T08:00:00Z", NOW),
        ("2025-11-21T08:00:00", NOW),
        ("2025-11-21T09:00:00+01:00", NOW),
    ],
)
def test_a_moment_may_be_said_in_several_ways(text: str, expected: float) -> None:
    assert moment(text, NOW) == expected


@pytest.mark.parametrize("text", ["yesterday", "h", "-1h", "6 hours", "1e999d"])
def test_what_is_no_moment_is_refused_with_how_to_write_it(text: str) -> None:
    with pytest.raises(ValidationError, match="write 6h"):
        PollingSettings(since=text)


def test_a_group_is_seen_in_health_and_metrics_until_it_is_forgotten() -> None:
    clock = ManualClock()
    metrics, health = Metrics(), Health(clock.now)
    share = Budget(4.0, 3.0, clock).share("/vpc/flow")
    report = PollingReport(LogGroupKey("123456789012", "us-east-1", "/vpc/flow"), share, metrics, health, clock)
    share.throttled()
    report.state("waiting", "throttled")
    report.called("answered")
    report.passed(3, 1.5, 30.0)
    report.exported(clock.now() - 40)
    shown = generate_latest(metrics.registry).decode()

    label = 'log_group="123456789012/us-east-1//vpc/flow"'
    assert f'vpcflow_polling_calls_total{{{label},outcome="answered"}} 1.0' in shown
    assert f"vpcflow_polling_behind_seconds{{{label}}} 40.0" in shown
    assert f"vpcflow_polling_group_calls_per_second{{{label}}} 1.5" in shown
    assert f"vpcflow_polling_pass_pages{{{label}}} 3.0" in shown
    assert health.snapshot()["log group 123456789012/us-east-1//vpc/flow"].reason == "throttled"
    report.forget()
    assert "vpcflow_polling_behind_seconds{" not in generate_latest(metrics.registry).decode()
    assert not health.snapshot()

"""Names in labels: the first thousand are told, the rest are counted together."""

from __future__ import annotations

import pytest

from consumer.telemetry import metrics as module
from consumer.telemetry.metrics import DECLARED, LIMITED_LABELS, NAMES_LIMIT, Metrics

COUNTER, GAUGE = "vpcflow_polling_calls_total", "vpcflow_polling_pass_pages"


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(name, labels)


@pytest.fixture
def metrics(monkeypatch: pytest.MonkeyPatch) -> Metrics:
    """Room for two names."""
    monkeypatch.setattr(module, "NAMES_LIMIT", 2)
    return Metrics()


def test_a_thousand_names_are_told_of_each_kind() -> None:
    assert NAMES_LIMIT == 1_000
    assert {label for one in DECLARED for label in one.labels} >= LIMITED_LABELS


def test_counters_of_the_names_that_came_later_are_added_up(metrics: Metrics) -> None:
    for group in ("a", "b", "c", "d", "c"):
        metrics.counter(COUNTER, log_group=group, outcome="answered").inc()
    assert [value(metrics, COUNTER, log_group=group, outcome="answered") for group in "abcd"] == [1, 1, None, None]
    assert value(metrics, COUNTER, log_group="other", outcome="answered") == 3


def test_a_gauge_shows_the_highest_of_the_rest(metrics: Metrics) -> None:
    for group, pages in (("a", 9), ("b", 8), ("c", 3), ("d", 5), ("c", 4)):
        metrics.gauge(GAUGE, log_group=group).set(pages)
    metrics.read_gauge("vpcflow_polling_behind_seconds", lambda: 1.0, log_group="a")
    metrics.read_gauge("vpcflow_polling_behind_seconds", lambda: 60.0, log_group="d")
    assert [value(metrics, GAUGE, log_group=group) for group in ("a", "b", "c", "other")] == [9, 8, None, 5]
    assert value(metrics, "vpcflow_polling_behind_seconds", log_group="other") == 60
    metrics.forget(GAUGE, log_group="d")
    assert value(metrics, GAUGE, log_group="other") == 4
    metrics.forget(GAUGE, log_group="c")
    assert value(metrics, GAUGE, log_group="other") is None


def test_one_name_means_the_same_in_every_metric(metrics: Metrics) -> None:
    for group in "abc":
        metrics.gauge(GAUGE, log_group=group).set(1)
    metrics.counter("vpcflow_source_switches_total", log_group="c", to="polling").inc()
    metrics.counter("vpcflow_source_switches_total", log_group="a", to="polling").inc()
    assert value(metrics, "vpcflow_source_switches_total", log_group="other", to="polling") == 1
    assert value(metrics, "vpcflow_source_switches_total", log_group="a", to="polling") == 1


def test_a_name_that_is_gone_makes_room_and_nothing_changes_its_name_meanwhile(metrics: Metrics) -> None:
    for group in "abc":
        metrics.gauge(GAUGE, log_group=group).set(1)
    metrics.forget(GAUGE, log_group="a")
    metrics.gauge(GAUGE, log_group="d").set(7)
    metrics.gauge(GAUGE, log_group="c").set(2)
    assert [value(metrics, GAUGE, log_group=group) for group in ("a", "d", "c", "other")] == [None, 7, None, 2]


def test_a_flow_log_beyond_the_limit_does_not_name_its_resource_either(metrics: Metrics) -> None:
    for number in range(4):
        labels = {"flow_log": f"fl-{number}", "resource": "vpc-1", "source": "s3"}
        metrics.gauge("vpcflow_plan_flow_log", **labels).set(1)
    assert value(metrics, "vpcflow_plan_flow_log", flow_log="other", resource="other", source="s3") == 1
    samples = [sample for family in metrics.registry.collect() for sample in family.samples]
    assert sum(sample.name == "vpcflow_plan_flow_log" for sample in samples) == 3


def test_forgetting_what_was_never_told_is_harmless(metrics: Metrics) -> None:
    metrics.forget(GAUGE, log_group="x")
    for group in "ab":
        metrics.gauge(GAUGE, log_group=group).set(1)
    assert value(metrics, GAUGE, log_group="b") == 1

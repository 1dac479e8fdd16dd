"""Health and metrics of a queue: one line for each thing to be put right, gone when it is."""

from __future__ import annotations

from consumer.sources.s3.access import Refusal
from consumer.sources.s3.queue import Message, QueueFacts
from consumer.sources.s3.report import QueueReport
from consumer.telemetry.health import Health
from consumer.telemetry.metrics import Metrics
from tests.support.clock import ManualClock

KEY = Refusal("key arn:1", "lake", "AWSLogs/1", "allow kms:Decrypt")
SAME_KEY = Refusal("key arn:1", "lake", "AWSLogs/2", "allow kms:Decrypt")


def parts() -> tuple[QueueReport, Metrics, Health, ManualClock]:
    clock, metrics = ManualClock(), Metrics()
    health = Health(clock.now)
    return QueueReport("news", metrics, health, clock), metrics, health, clock


def sample(metrics: Metrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(name, {"queue": "news", **labels})


def test_a_key_that_locks_several_folders_is_one_line_until_all_of_them_can_be_read() -> None:
    report, _, health, _ = parts()
    report.refused(KEY)
    report.refused(SAME_KEY)
    assert [(name, one.state) for name, one in health.snapshot().items()] == [("key arn:1", "failing")]
    report.allowed("lake", "AWSLogs/1")
    assert "key arn:1" in health.snapshot()
    report.allowed("lake", "AWSLogs/2")
    assert health.snapshot() == {}


def test_a_folder_whose_reason_changes_shows_the_new_one_only() -> None:
    report, _, health, _ = parts()
    report.refused(KEY)
    report.refused(Refusal("bucket lake/AWSLogs/1", "lake", "AWSLogs/1", "allow s3:GetObject"))
    assert list(health.snapshot()) == ["bucket lake/AWSLogs/1"]


def test_the_highest_receive_count_of_the_last_minute_is_shown() -> None:
    report, metrics, _, clock = parts()
    report.received(Message("1", "r", "", 4))
    report.received(Message("2", "r", "", 1))
    assert sample(metrics, "vpcflow_queue_receive_count") == 4
    clock.advance(61)
    assert sample(metrics, "vpcflow_queue_receive_count") == 0
    report.received(Message("3", "r", "", 1))
    assert sample(metrics, "vpcflow_queue_receive_count") == 1


def test_a_queue_that_is_not_read_any_more_leaves_no_trace_but_its_counts() -> None:
    report, metrics, health, _ = parts()
    report.queue("ok", "reading")
    report.facts(QueueFacts(7, 2, 5, "arn"))
    report.refused(KEY)
    report.message("deleted")
    assert sample(metrics, "vpcflow_queue_waiting") == 7
    report.forget()
    assert health.snapshot() == {}
    assert sample(metrics, "vpcflow_queue_waiting") is None
    assert sample(metrics, "vpcflow_queue_messages_total", outcome="deleted") == 1

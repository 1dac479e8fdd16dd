"""Which queues are read: those of the settings, and those of buckets that the plan chose; each once."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from consumer.agent.basis import Basis
from consumer.agent.queues import FIRST_PLAN_SECONDS, QueueFactory, queue_tasks
from consumer.aws.roles import Role, Target
from consumer.config import Settings
from consumer.discovery.estate.values import Part, Vpc
from consumer.discovery.plan.buckets import Bucket, Queue
from consumer.discovery.plan.choosing import Wishes, make_plan
from consumer.discovery.plan.survey import Survey
from consumer.model.delivery import SourceKind
from consumer.model.plan import FlowLog, Plan
from consumer.state.identity import StateFolder
from tests.support.clock import ManualClock

ACCOUNT, REGION = "111111111111", "eu-west-1"
QUEUE = f"arn:aws:sqs:{REGION}:{ACCOUNT}:news"
ROLE = "arn:aws:iam::111111111111:role/reader"
LOG = FlowLog("fl-1", ACCOUNT, REGION, "vpc-1", "ALL", "", "s3", "arn:aws:s3:::lake", "", 600, "SUCCESS", "")


def settings(**content: object) -> Settings:
    return Settings.model_validate(content)


def found(bucket: Bucket, chosen: Settings) -> tuple[Survey, Plan]:
    part = Part(ACCOUNT, REGION, 0.0, (Vpc("vpc-1", "", ACCOUNT, ()),), flow_logs=(LOG,))
    target = Target(Role.from_text(ROLE), REGION)
    survey = Survey({target: part}, (LOG,), (), (), (bucket,), ())
    return survey, make_plan(survey, Wishes(buckets=chosen.buckets))


def test_a_queue_of_the_settings_is_read_with_its_role() -> None:
    (task,) = queue_tasks(settings(queues=[{"queue": QUEUE, "role": ROLE}]))
    assert (task.kind, task.key) == (SourceKind.S3, f"{ACCOUNT}/{REGION}/news")
    assert task.what.access == Role.from_text(ROLE)


def test_the_queue_of_a_chosen_bucket_is_read_as_whoever_reads_its_account() -> None:
    survey, plan = found(Bucket("lake", REGION, ACCOUNT, (Queue(QUEUE),)), settings())
    (task,) = queue_tasks(settings(), survey, plan)
    assert (task.key, task.what.access) == (f"{ACCOUNT}/{REGION}/news", Role.from_text(ROLE))
    assert "tells queue news" in task.reason


def test_a_queue_that_settings_and_plan_name_is_read_once_and_the_settings_say_how() -> None:
    chosen = settings(queues=[{"queue": f"https://sqs.{REGION}.amazonaws.com/{ACCOUNT}/news"}])
    survey, plan = found(Bucket("lake", REGION, ACCOUNT, (Queue(QUEUE),)), chosen)
    (task,) = queue_tasks(chosen, survey, plan)
    assert task.what.url.startswith("https://")


def test_a_queue_that_is_switched_off_is_not_read() -> None:
    chosen = settings(queues=[{"queue": QUEUE, "enabled": False}])
    assert queue_tasks(chosen, *found(Bucket("lake", REGION, ACCOUNT, (Queue(QUEUE),)), chosen)) == []


@pytest.mark.parametrize("discovers", [True, False], ids=["discovery", "no-discovery"])
def test_a_buckets_named_queue_is_read_by_the_plan_or_where_nobody_discovers_at_once(discovers: bool) -> None:
    chosen = settings(
        discovery={"enabled": discovers}, buckets=[{"name": "lake", "queue": QUEUE, "requester_pays": True}]
    )
    assert len(queue_tasks(chosen)) == (not discovers)
    (task,) = queue_tasks(chosen, *found(Bucket("lake", REGION, ACCOUNT, is_read=False), chosen))
    (rules,) = task.what.buckets
    assert (rules.name, rules.requester_pays, rules.has_access) == ("lake", True, False)


def test_a_queue_waits_for_the_first_plan_but_not_for_ever(tmp_path: Path) -> None:
    clock = ManualClock()
    plans: list[Plan] = []
    chosen = settings(queues=[{"queue": f"https://sqs.{REGION}.amazonaws.com/{ACCOUNT}/news"}])
    basis = Basis.of(chosen, StateFolder(tmp_path), clock)
    factory = QueueFactory(
        basis,
        lambda origin, rejects: None,
        lambda: plans[0] if plans else None,
        lambda flow_log: True,
    )
    (task,) = queue_tasks(chosen)
    source = factory.make(task.what).source
    stop = threading.Event()
    waited: list[float] = []

    def watch(seconds: float) -> None:
        waited.append(clock.elapsed)
        component = basis.health.snapshot()[f"queue {task.key}"]
        if clock.elapsed < FIRST_PLAN_SECONDS:
            assert (component.state, "not known yet" in component.reason) == ("waiting", True)
        else:
            stop.set()

    clock.on_wait = watch
    source.run(lambda delivery: None, stop)
    assert waited[-1] >= FIRST_PLAN_SECONDS

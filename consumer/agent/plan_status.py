"""What the plan says in log, metrics and /health.

Belongs here: words and figures of decisions. Does not: making them (discovery/plan/choosing.py, select/fallback.py).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Container, Iterator
from datetime import UTC, datetime
from typing import Any

from consumer.discovery.plan.choosing import SOURCE_NAMES
from consumer.discovery.plan.survey import Survey
from consumer.discovery.plan.ways import name_of
from consumer.discovery.report.content import distinct_parts
from consumer.model.delivery import SourceKind
from consumer.model.place import LogGroupKey
from consumer.model.plan import Choice, Plan
from consumer.telemetry.health import Health
from consumer.telemetry.logs import get_logger
from consumer.telemetry.metrics import Metrics

_TOLD_LIMIT = 50
"""Decisions that change at one discovery and are logged one by one."""

log = get_logger("plan")


class PlanStatus:
    """Mutable; used by one thread."""

    def __init__(self, metrics: Metrics, health: Health) -> None:
        self._metrics = metrics
        self._health = health
        self._labelled: dict[str, dict[str, str]] = {}

    def tell(self, before: Plan, plan: Plan, as_of: float = 0.0) -> None:
        """What is new in this plan. `as_of`: when the last run found out what it is made of; 0 = it was just read."""
        old, new = before.choices, plan.choices
        changed = [one for one in new.values() if _decision(old.get(one.flow_log.id)) != _decision(one)]
        for choice in changed[:_TOLD_LIMIT]:
            log.info(
                "flow log planned",
                flow_log=choice.flow_log.id,
                resource=choice.flow_log.resource_id,
                source=choice.source.value if choice.source else None,
                via=choice.via,
                reason=choice.reason,
            )
        if len(changed) > _TOLD_LIMIT:
            log.info("further flow logs planned", count=len(changed) - _TOLD_LIMIT)
        for name in set(old) - set(new):
            log.info("flow log gone", flow_log=name)
        words = _summary(new.values())
        if as_of:
            when = f"{datetime.fromtimestamp(as_of, UTC):%Y-%m-%d %H:%M}"
            self._health.set("plan", "waiting", f"{words}, as it was at {when} UTC; the estate is being read anew")
        else:
            self._health.set("plan", "ok", words)
        self._measure(new.values())

    def _measure(self, choices: Collection[Choice]) -> None:
        counts = Counter(_source_word(one) for one in choices)
        for source in (*SourceKind, "none"):
            if source != SourceKind.FILE:
                self._metrics.gauge("vpcflow_plan_flow_logs", source=str(source)).set(counts[str(source)])
        new = {
            one.flow_log.id: {
                "flow_log": one.flow_log.id,
                "resource": one.flow_log.resource_id,
                "source": _source_word(one),
            }
            for one in choices
        }
        for name, labels in self._labelled.items():
            if new.get(name) != labels:
                self._metrics.forget("vpcflow_plan_flow_log", **labels)
        for labels in new.values():
            self._metrics.gauge("vpcflow_plan_flow_log", **labels).set(1)
        self._labelled = new


def _source_word(choice: Choice) -> str:
    return choice.source.value if choice.source else "none"


def _decision(choice: Choice | None) -> tuple[object, ...] | None:
    return None if choice is None else (choice.source, choice.via, choice.reason)


def _summary(choices: Collection[Choice]) -> str:
    counts = Counter(one.source for one in choices)
    covered = sum(1 for one in choices if one.source is None and one.covered_by)
    words = [f"{counts[kind]} by {name}" for kind, name in SOURCE_NAMES.items() if counts[kind]]
    words += [f"{covered} covered by others"] if covered else []
    unread = counts[None] - covered
    words += [f"{unread} by nobody"] if unread else []
    return f"{len(choices)} flow logs: {', '.join(words)}" if choices else "no flow log is known"


def vpc_rows(
    survey: Survey, plan: Plan, polled: Container[LogGroupKey], stood_in: Container[LogGroupKey] = ()
) -> Iterator[dict[str, Any]]:
    """Each VPC that is logged: by which sources its flows come now. `polled`: groups polled in place of a stream;
    `stood_in`: groups reported from S3, for nothing else delivers them."""
    of_vpc: dict[str, list[Choice]] = {}
    for choice in plan.choices.values():
        resource = choice.flow_log.resource_id
        for place in (resource, *plan.inside.get(resource, ())):
            if place.startswith("vpc-"):
                of_vpc.setdefault(place, []).append(choice)
    names = {vpc.id: vpc.name for part in distinct_parts(survey) for vpc in part.vpcs}
    for vpc, choices in sorted(of_vpc.items()):
        ways = {_way(one, polled, stood_in) for one in choices if one.source}
        yield {"vpc": vpc, "name": names.get(vpc, ""), "reported_by": sorted(ways) or ["nobody"]}


def _way(choice: Choice, polled: Container[LogGroupKey], stood_in: Container[LogGroupKey]) -> str:
    assert choice.source is not None, "asked for chosen ones only"
    via = choice.via if choice.source is SourceKind.CLOUDWATCH else name_of(choice.via)
    name = f"{SOURCE_NAMES[choice.source]} ({via})"
    if choice.group is not None and choice.group in stood_in:
        return f"S3, in place of {name}"
    if choice.source is SourceKind.KINESIS and choice.group is not None and choice.group in polled:
        return f"CloudWatch ({choice.group.name}), in place of {name}"
    return name

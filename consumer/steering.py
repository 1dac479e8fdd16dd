"""What should be read now: the plan of the last discovery, the user's wishes, and what is healthy.

Belongs here: keeping survey and plan, turning them into the conductor's tasks, and saying all of it in log, metrics and
/health. Does not: the rules (discovery/plan.py), starting and stopping (conductor.py).
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

from consumer.aws.roles import Access
from consumer.aws.sessions import Sessions
from consumer.conductor import Task
from consumer.config import Settings
from consumer.discovery.inventory import Refresh
from consumer.discovery.plan import SOURCE_NAMES, Wishes, make_plan
from consumer.discovery.report import distinct_parts, plan_rows
from consumer.discovery.save import stream_settings
from consumer.discovery.survey import Survey, Surveyor
from consumer.discovery.ways import name_of
from consumer.errors import Stopped, VpcflowError
from consumer.kcl.settings import StreamSettings
from consumer.model.delivery import SourceKind
from consumer.model.place import LogGroupKey
from consumer.model.plan import Choice, Plan
from consumer.queues import queue_tasks
from consumer.telemetry.health import Health
from consumer.telemetry.logs import get_logger
from consumer.telemetry.metrics import Metrics

_TOLD_LIMIT = 50
"""Decisions that change at one discovery and are logged one by one."""
_LABELLED_LIMIT = 1_000
"""Flow logs that get a metric of their own; the others are counted together."""

log = get_logger("plan")


@dataclass(frozen=True, slots=True)
class GroupReading:
    """A log group to poll, and as whom."""

    key: LogGroupKey
    access: Access = None


def wishes_of(settings: Settings) -> Wishes:
    """What the configuration says about sources."""
    return Wishes(
        settings.discovery.sources,
        settings.streams,
        settings.log_groups,
        settings.buckets,
        settings.kcl.max_streams,
        {vpc: SourceKind(source) for vpc, source in settings.discovery.vpc_sources.items()},
    )


def stream_task(stream: StreamSettings, reason: str, *, is_others: bool = False) -> Task:
    """Read this stream. `is_others`: of another account, whose streams may be called like ours."""
    key = f"{stream.region}/{stream.name}"
    return Task(SourceKind.KINESIS, f"{stream.account}/{key}" if is_others else key, stream, reason)


@dataclass(frozen=True, slots=True)
class _Known:
    """What one discovery found, swapped whole."""

    survey: Survey
    plan: Plan
    own_account: str


class Steering:
    """Mutable. `refreshed` belongs to the inventory's thread, `tasks` to the conductor's, the rest to any."""

    def __init__(self, settings: Settings, sessions: Sessions, metrics: Metrics, health: Health) -> None:
        self._settings = settings
        self._wishes = wishes_of(settings)
        self._sessions = sessions
        self._surveyor = Surveyor(sessions, settings.aws.parallel_targets)
        self._metrics = metrics
        self._health = health
        self._known: _Known | None = None
        self._labelled: dict[str, dict[str, str]] = {}

    def refreshed(self, refresh: Refresh, stop: threading.Event) -> None:
        """After each reading of the estate: follow its flow logs and plan anew. Raises Stopped.

        Whatever fails keeps the old plan, or within it the old answer.
        """
        try:
            survey = self._surveyor.survey(refresh.parts, refresh.problems, stop)
            own_account = self._sessions.account()
        except Stopped:
            raise
        except VpcflowError as error:
            log.warning("the plan stays as it was", reason=str(error))
            self._health.set("plan", "waiting", f"flow logs could not be followed, the old plan holds: {error}")
            return
        self._adopt(_Known(survey, make_plan(survey, self._wishes), own_account))

    def tasks(self) -> list[Task]:
        """What should be read now."""
        found = {task.label(): task for task in self._wished_tasks()}
        if self._known is not None:
            for task in self._planned_tasks(self._known):
                found.setdefault(task.label(), task)
        known = self._known
        for task in queue_tasks(self._settings, known.survey if known else None, known.plan if known else None):
            found.setdefault(task.label(), task)
        return list(found.values())

    def plan(self) -> Plan | None:
        """The plan in force; None until the first discovery."""
        return self._known.plan if self._known else None

    def idle_reason(self) -> str:
        """Why there is nothing to read, in words."""
        if self._known is None:
            return "nothing to read yet: the estate is being discovered"
        count = len(self._known.survey.flow_logs)
        return f"nothing to read: discovery knows {count} flow logs, none that reaches us; it looks again by its cron"

    def details(self) -> dict[str, Any]:
        """For /health: the decision on each flow log, and each VPC's sources."""
        known = self._known
        if known is None:
            return {"plan": [], "vpcs": []}
        return {"plan": plan_rows(known.plan), "vpcs": list(_vpc_rows(known))}

    def _wished_tasks(self) -> Iterator[Task]:
        for stream in self._settings.streams:
            if stream.enabled:
                yield stream_task(stream, "it is in the settings")
        if self._settings.discovery.enabled:
            return
        for group in self._settings.log_groups:  # without discovery they stand for themselves
            if group.enabled and not group.stream and group.account and group.region and not self._settings.streams:
                key = LogGroupKey(group.account, group.region, group.name)
                yield Task(SourceKind.CLOUDWATCH, key.label(), GroupReading(key), "it is in the settings")

    def _planned_tasks(self, known: _Known) -> Iterator[Task]:
        for choice in known.plan.choices.values():
            if choice.source is SourceKind.KINESIS:
                stream = stream_settings(known.survey, choice.via, known.own_account)
                if stream is not None and not self._is_wished(stream):
                    yield stream_task(stream, choice.reason, is_others=stream.account != known.own_account)
            elif choice.source is SourceKind.CLOUDWATCH and choice.group is not None:
                reading = GroupReading(choice.group, _access(known.survey, choice.group.account))
                yield Task(SourceKind.CLOUDWATCH, choice.group.label(), reading, choice.reason)

    def _is_wished(self, stream: StreamSettings) -> bool:
        """Whether the settings speak of it; then they say how it is read."""
        return any(
            (one.region, one.name) == (stream.region, stream.name) and one.account in ("", stream.account)
            for one in self._settings.streams
        )

    def _adopt(self, known: _Known) -> None:
        old = self._known.plan.choices if self._known else {}
        self._known = known
        new = known.plan.choices
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
        self._health.set("plan", "ok", _summary(new.values()))
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
            for one in list(choices)[:_LABELLED_LIMIT]
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


def _access(survey: Survey, account: str) -> Access:
    return next((target.access for target, part in survey.parts.items() if part.account == account), None)


def _vpc_rows(known: _Known) -> Iterator[dict[str, Any]]:
    """Each VPC that is logged: by which sources its flows come."""
    of_vpc: dict[str, list[Choice]] = {}
    for choice in known.plan.choices.values():
        resource = choice.flow_log.resource_id
        for place in (resource, *known.plan.inside.get(resource, ())):
            if place.startswith("vpc-"):
                of_vpc.setdefault(place, []).append(choice)
    names = {vpc.id: vpc.name for part in distinct_parts(known.survey) for vpc in part.vpcs}
    for vpc, choices in sorted(of_vpc.items()):
        ways = [f"{SOURCE_NAMES[one.source]} ({name_of(one.via)})" for one in choices if one.source]
        yield {"vpc": vpc, "name": names.get(vpc, ""), "reported_by": sorted(set(ways)) or ["nobody"]}

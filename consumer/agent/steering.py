"""What should be read now: the plan of the last discovery, the user's wishes, and what is healthy.

Belongs here: keeping survey and plan, turning them into the conductor's tasks, and saying all of it in log, metrics and
/health. Does not: the rules (discovery/plan.py), starting and stopping (conductor.py).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from consumer.agent.conductor import Task
from consumer.agent.failover import Failover
from consumer.agent.plan_status import PlanStatus, vpc_rows
from consumer.agent.queues import queue_tasks
from consumer.agent.standing_in import StandingIn, helped_groups
from consumer.aws.roles import Access
from consumer.aws.sessions import Sessions
from consumer.config import Settings
from consumer.discovery.inventory import Refresh
from consumer.discovery.plan import Wishes, make_plan
from consumer.discovery.report import plan_rows
from consumer.discovery.save import stream_settings
from consumer.discovery.survey import Survey, Surveyor
from consumer.errors import Stopped, VpcflowError
from consumer.kcl.settings import StreamSettings
from consumer.model.delivery import Origin, SourceKind
from consumer.model.flow_batch import FlowBatch, Rows
from consumer.model.place import LogGroupKey
from consumer.model.plan import Choice, Plan
from consumer.select.fallback import Pair
from consumer.select.plan import Place, PlanReporting, compile_reporting, with_stand_ins
from consumer.select.selection import Reporting, Selection
from consumer.telemetry.health import Health
from consumer.telemetry.logs import get_logger
from consumer.telemetry.metrics import Metrics

log = get_logger("plan")


@dataclass(frozen=True, slots=True)
class StreamReading:
    """A stream to read. `key`: of its task."""

    key: str
    settings: StreamSettings


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
        {queue.place: queue.enabled for queue in settings.queues},
    )


def stream_task(stream: StreamSettings, reason: str, *, is_others: bool = False) -> Task:
    """Read this stream. `is_others`: of another account, whose streams may be called like ours."""
    key = f"{stream.region}/{stream.name}"
    key = f"{stream.account}/{key}" if is_others else key
    return Task(SourceKind.KINESIS, key, StreamReading(key, stream), reason)


@dataclass(frozen=True, slots=True)
class _Known:
    """What one discovery found, swapped whole. `places`: where each flow log's rows come from; `reporting`: what the
    plan leaves out of them."""

    survey: Survey
    plan: Plan
    own_account: str
    places: Mapping[str, Place]
    reporting: PlanReporting


class Steering:
    """Mutable. `refreshed` belongs to the inventory's thread, `tasks` to the conductor's, the rest to any."""

    def __init__(
        self,
        settings: Settings,
        sessions: Sessions,
        failover: Failover,
        standing_in: StandingIn,
        metrics: Metrics,
        health: Health,
    ) -> None:
        self._settings = settings
        self._wishes = wishes_of(settings)
        self._sessions = sessions
        self._surveyor = Surveyor(sessions, settings.aws.parallel_targets)
        self._health = health
        self._failover = failover
        self._standing_in = standing_in
        self._status = PlanStatus(metrics, health)
        self._known: _Known | None = None
        self._polled: set[LogGroupKey] = set()
        """Groups that the plan of the last step had polled."""
        self._failed: dict[str, float] = {}
        self._stood_in_for: _Known | None = None
        self._reporting = PlanReporting()
        self._current: Reporting = _Noting(self._reporting, failover.note)

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
        plan = make_plan(survey, self._wishes)
        places = {name: place for name, one in plan.choices.items() if (place := _place(one))}
        self._adopt(_Known(survey, plan, own_account, places, compile_reporting(plan, places)))

    def tasks(self) -> list[Task]:
        """What should be read now."""
        found = {task.label(): task for task in self._wished_tasks()}
        if self._known is not None:
            for task in self._planned_tasks(self._known):
                found.setdefault(task.label(), task)
        for key, reason in self._failover.polled().items():
            task = Task(SourceKind.CLOUDWATCH, key.label(), GroupReading(key, self.access(key)), reason)
            found.setdefault(task.label(), task)
        known = self._known
        for task in queue_tasks(self._settings, known.survey if known else None, known.plan if known else None):
            found.setdefault(task.label(), task)
        return list(found.values())

    def streams(self) -> dict[str, StreamSettings]:
        """Streams that are read and whose log groups may be polled in their place, by the keys of their tasks."""
        known = self._failover.streams()
        readings = [task.what for task in self.tasks() if task.kind is SourceKind.KINESIS]
        return {one.key: one.settings for one in readings if one.key in known}

    def plan(self) -> Plan | None:
        """The plan in force; None until the first discovery."""
        return self._known.plan if self._known else None

    def step(self) -> None:
        """Once a second: look at streams and groups, and switch what must be switched."""
        if self._known is not None or not self._settings.discovery.enabled:  # until then those of the last run stand
            self._failover.adopt(self._pairs(), self._polled)
            self._polled = self._planned_groups()
        self._failover.step()
        reporting = self._stood_in()
        self._current = _Noting(replace(reporting, cut_offs=self._failover.cut_offs()), self._failover.note)

    def reporting(self) -> Reporting:
        """What the pipeline leaves out by the plan, now."""
        return self._current

    def is_wanted(self, flow_log_id: str) -> bool:
        """Whether a flow log's objects in S3 are to be read now: it is reported from there, stands in for one that
        nothing delivers, or nobody knows it."""
        choice = self._known.plan.choices.get(flow_log_id) if self._known else None
        return (
            choice is None or choice.source is SourceKind.S3 or not self._failed.keys().isdisjoint(choice.stands_in_for)
        )

    def access(self, group: LogGroupKey) -> Access:
        """As whom this log group is asked."""
        return _access(self._known.survey, group.account) if self._known else None

    def idle_reason(self) -> str:
        """Why there is nothing to read, in words."""
        if self._known is None:
            return "nothing to read yet: the estate is being discovered"
        count = len(self._known.survey.flow_logs)
        return f"nothing to read: discovery knows {count} flow logs, none that reaches us; it looks again by its cron"

    def details(self) -> dict[str, Any]:
        """For /health: the decision on each flow log, and each VPC's sources."""
        known = self._known
        polled = self._failover.polled()
        if known is None:
            return {"plan": [], "vpcs": [], **self._failover.details(), "stand_ins": []}
        vpcs = list(vpc_rows(known.survey, known.plan, polled, self._standing_in.reported()))
        further = {**self._failover.details(), "stand_ins": self._standing_in.details()}
        return {"plan": plan_rows(known.plan), "vpcs": vpcs, **further}

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
                if stream is not None and self._wish(stream) is None:
                    yield stream_task(stream, choice.reason, is_others=stream.account != known.own_account)
            elif choice.source is SourceKind.CLOUDWATCH and choice.group is not None:
                reading = GroupReading(choice.group, _access(known.survey, choice.group.account))
                yield Task(SourceKind.CLOUDWATCH, choice.group.label(), reading, choice.reason)

    def _wish(self, stream: StreamSettings) -> StreamSettings | None:
        """What the settings say of it: how it is read, then, too."""
        return next(
            (
                one
                for one in self._settings.streams
                if (one.region, one.name) == (stream.region, stream.name) and one.account in ("", stream.account)
            ),
            None,
        )

    def _adopt(self, known: _Known) -> None:
        self._status.tell(self._known.plan if self._known else Plan(), known.plan)
        self._known = known

    def _stood_in(self) -> PlanReporting:
        """What is left out by the plan in force, but for what nothing else delivers now."""
        known = self._known
        if known is None:
            return PlanReporting()
        if self._settings.fallback.enabled:
            self._standing_in.adopt(helped_groups(known.plan, lambda via: self._stream_key(via, known)))
            self._standing_in.step()
        failed = self._standing_in.failed()
        if known is not self._stood_in_for or failed != self._failed:
            base = known.reporting
            self._reporting = with_stand_ins(base, known.plan, known.places, failed) if failed else base
            self._stood_in_for, self._failed = known, failed
        return self._reporting

    def _pairs(self) -> set[Pair]:
        """Which log group is reported by which stream, where it may be polled instead."""
        if not self._settings.fallback.enabled:
            return set()
        if self._known is None:
            return {
                Pair(LogGroupKey(group.account, group.region, group.name), f"{stream.region}/{stream.name}")
                for group in self._settings.log_groups
                for stream in self._settings.streams
                if group.stream == stream.name and stream.enabled and group.account and group.region and group.enabled
            }
        return {
            Pair(choice.group, self._stream_key(choice.via, self._known))
            for choice in self._known.plan.choices.values()
            if choice.may_be_polled and choice.group is not None
        }

    def _planned_groups(self) -> set[LogGroupKey]:
        choices = self._known.plan.choices.values() if self._known else ()
        return {one.group for one in choices if one.source is SourceKind.CLOUDWATCH and one.group is not None}

    def _stream_key(self, via: str, known: _Known) -> str:
        """The key of the task that reads a stream."""
        stream = stream_settings(known.survey, via, known.own_account)
        if stream is None:
            return via
        wished = self._wish(stream)
        is_others = stream.account != known.own_account and wished is None
        return stream_task(wished or stream, "", is_others=is_others).key


class _Noting:
    """Implements Reporting: the plan's, and fallback hears which groups a stream brings."""

    def __init__(self, reporting: PlanReporting, note: Callable[[Origin, float], None]) -> None:
        self._reporting = reporting
        self._note = note

    def rows(self, batch: FlowBatch, rows: Rows, origin: Origin, arrived_at: float) -> Selection:
        self._note(origin, arrived_at)
        return self._reporting.rows(batch, rows, origin, arrived_at)


def _place(choice: Choice) -> Place | None:
    """Where rows of this flow log come from, in the words of select/plan.py."""
    if choice.group is not None:
        return choice.group.account, choice.group.name
    return ("flow log", choice.flow_log.id) if choice.flow_log.destination_type == "s3" else None


def _access(survey: Survey, account: str) -> Access:
    return next((target.access for target, part in survey.parts.items() if part.account == account), None)

"""What should be read now: the plan of the last discovery, the user's wishes, and what is healthy.

Belongs here: keeping the plan in force, and what follows from it and from fallback: tasks, what is left out, /health.
Does not: the rules (discovery/plan/choosing.py), tasks of a plan (readings.py), starting and stopping (conductor.py).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from consumer.agent.basis import Basis
from consumer.agent.conductor import Task
from consumer.agent.failover import Failover
from consumer.agent.plan_status import PlanStatus, vpc_rows
from consumer.agent.queues import queue_tasks
from consumer.agent.readings import GroupReading, Known, places_of, wished_pairs, wished_tasks, wishes_of
from consumer.agent.standing_in import StandingIn
from consumer.aws.roles import Access
from consumer.discovery.estate.problem import Problem
from consumer.discovery.parallel import in_background, result_of
from consumer.discovery.plan.choosing import make_plan
from consumer.discovery.plan.survey import Survey, Surveyor
from consumer.discovery.plan.survey_file import SURVEY, load_survey, save_survey
from consumer.discovery.reading.keeper import Refresh
from consumer.discovery.report.content import plan_rows
from consumer.errors import ConfigurationError, Stopped, VpcflowError
from consumer.kcl.settings import StreamSettings
from consumer.model.delivery import Origin, SourceKind
from consumer.model.flow_batch import FlowBatch, Rows
from consumer.model.place import LogGroupKey
from consumer.model.plan import Plan
from consumer.select.plan import PlanReporting, with_stand_ins
from consumer.select.selection import Reporting, Selection
from consumer.telemetry.logs import get_logger

IDENTITY_SECONDS = 5.0
"""How long a restarted agent waits to be told who it is before it goes by the account of its last run."""

log = get_logger("plan")


class Steering:
    """Mutable. `restore` and `refreshed` belong to the inventory's thread, `tasks` to the conductor's, the rest to any.

    `folder`: where what was found outlives a restart.
    """

    def __init__(self, basis: Basis, failover: Failover, standing_in: StandingIn, folder: Path) -> None:
        self._settings = basis.settings
        self._wishes = wishes_of(basis.settings)
        self._sessions = basis.sessions
        self._surveyor = Surveyor(basis.sessions, basis.settings.aws.parallel_targets)
        self._health = basis.health
        self._file = folder / SURVEY
        self._failover = failover
        self._standing_in = standing_in
        self._status = PlanStatus(basis.metrics, basis.health)
        self._known: Known | None = None
        self._polled: set[LogGroupKey] = set()
        """Groups that the plan of the last step had polled."""
        self._failed: dict[str, float] = {}
        self._stood_in_for: Known | None = None
        self._reporting = PlanReporting()
        self._current: Reporting = _Noting(self._reporting, failover.note)

    def restore(self, stop: threading.Event) -> None:
        """Plan by what the last run found, until the first reading corrects it. Raises Stopped.

        What is gone by now is a source that fails, by itself; so is one that we may not read any more.
        """
        kept = load_survey(self._file)
        if kept is None:
            return
        try:
            survey = kept.survey(self._sessions.named_accesses(), self._settings.aws.regions)
        except ConfigurationError:
            return  # the reading says it
        if not survey.flow_logs or not self._is_own(kept.own_account, stop):
            return
        self._surveyor.recall(survey)
        self._adopt(survey, kept.own_account, kept.taken_at)

    def _is_own(self, account: str, stop: threading.Event) -> bool:
        """Whether we are still of that account: the plan of another one would have its streams read as ours."""
        try:
            return result_of(in_background(self._sessions.account, "identity"), stop, IDENTITY_SECONDS) == account
        except Stopped:
            raise
        except (VpcflowError, TimeoutError) as error:
            log.warning("who we are is not known yet, the account of the last run counts", reason=str(error))
            return True

    def refreshed(self, refresh: Refresh, stop: threading.Event) -> Sequence[Problem]:
        """After each reading of the estate: follow its flow logs and plan anew; what could not be read. Raises Stopped.

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
            return [*refresh.problems, Problem.of("flow logs", error)]
        self._adopt(survey, own_account)
        try:
            save_survey(survey, own_account, self._file)
        except OSError as error:
            log.warning("what was found is not kept: a restart waits for its first reading", reason=str(error))
        return survey.problems

    def _adopt(self, survey: Survey, own_account: str, as_of: float = 0.0) -> None:
        """Plan anew. `as_of`: when an earlier run found this out; 0 = it is new."""
        known = Known.of(self._settings, survey, make_plan(survey, self._wishes), own_account)
        self._status.tell(self._known.plan if self._known else Plan(), known.plan, as_of)
        self._known = known

    def tasks(self) -> list[Task]:
        """What should be read now."""
        found = {task.label(): task for task in wished_tasks(self._settings)}
        if self._known is not None:
            for task in self._known.tasks():
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
        known = self._known
        may_fall_back = self._settings.fallback.enabled
        if known is not None or not self._settings.discovery.enabled:  # until then those of the last run stand
            pairs = known.pairs() if known else wished_pairs(self._settings)
            self._failover.adopt(pairs if may_fall_back else set(), self._polled)
            self._polled = known.polled_groups() if known else set()
        self._failover.step()
        if known is not None and may_fall_back:
            self._standing_in.adopt(known.helped())
            self._standing_in.step()
        failed = self._standing_in.failed()
        if known is not None and (known is not self._stood_in_for or failed != self._failed):
            base = known.reporting
            self._reporting = with_stand_ins(base, known.plan, places_of(known.plan), failed) if failed else base
            self._stood_in_for = known
        self._current = _Noting(replace(self._reporting, cut_offs=self._failover.cut_offs()), self._failover.note)
        self._failed = failed  # last: what is fetched is reported

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
        return self._known.access(group.account) if self._known else None

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


class _Noting:
    """Implements Reporting: the plan's, and fallback hears which groups a stream brings."""

    def __init__(self, reporting: PlanReporting, note: Callable[[Origin, float], None]) -> None:
        self._reporting = reporting
        self._note = note

    def rows(self, batch: FlowBatch, rows: Rows, origin: Origin, arrived_at: float) -> Selection:
        self._note(origin, arrived_at)
        return self._reporting.rows(batch, rows, origin, arrived_at)

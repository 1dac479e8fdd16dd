"""What the agent may do and what it may not, from what came of the very calls it makes.

Belongs here: making them once, and putting each outcome in words. Does not: printing (tools/check_aws.py). Only
calls that this estate needs are made, so nothing is asked for that the user could do without.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any, Literal

from consumer.aws import operations
from consumer.aws.operations import Feature
from consumer.aws.roles import Target
from consumer.aws.sessions import Asked, Sessions
from consumer.clock import Clock
from consumer.discovery.access.log_group import SECOND_WAY, try_log_group
from consumer.discovery.access.objects import is_harmless, try_objects, try_queue
from consumer.discovery.access.stream import try_leases, try_stream
from consumer.discovery.arn import Arn
from consumer.discovery.plan.choosing import make_plan
from consumer.discovery.plan.survey import Survey, Surveyor
from consumer.discovery.plan.ways import Wishes
from consumer.discovery.reading.keeper import InventoryKeeper, Refresh
from consumer.discovery.report.save import stream_settings
from consumer.errors import (
    ConfigurationError,
    Fault,
    PermissionDeniedError,
    RefusedError,
    RetryableError,
    VpcflowError,
)
from consumer.kcl.settings import KclSettings, StreamSettings
from consumer.model.delivery import SourceKind
from consumer.model.place import LogGroupKey
from consumer.model.plan import Plan

REQUIRED = frozenset(
    {
        Feature.IDENTITY,
        Feature.MEMBER_ACCOUNTS,
        Feature.FLOW_LOGS,
        Feature.STREAM_READING,
        Feature.LEASES,
        Feature.MESSAGES,
        Feature.OBJECTS,
    }
)
"""Without these flows are lost or never read. Without the others they go out with fewer names."""
SKEW_LIMIT_SECONDS = 240.0
"""AWS refuses requests signed more than 5 minutes from its own time (IAM user guide, "Signing requests")."""

State = Literal["ok", "denied", "failed"]


@dataclass(frozen=True, slots=True)
class Finding:
    """What came of one operation in one place. `policy`: the line that allows it, where it was denied."""

    account: str
    region: str
    feature: str
    action: str
    resource: str
    state: State
    is_required: bool
    reason: str = ""
    policy: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """`clock_skew_seconds`: how far this machine is ahead of AWS; None = nobody answered. `may_run`: the main job."""

    findings: tuple[Finding, ...]
    clock_skew_seconds: float | None
    notes: tuple[str, ...]

    @property
    def is_late(self) -> bool:
        """This machine's clock is so wrong, either way, that AWS refuses us or soon will."""
        return abs(self.clock_skew_seconds or 0.0) > SKEW_LIMIT_SECONDS

    @property
    def may_run(self) -> bool:
        """Nothing that is required is missing."""
        return not self.is_late and not any(one.is_required and one.state != "ok" for one in self.findings)


class AccessCheck:
    """One check. Blocks for seconds; what fails becomes a finding, never an exception but ConfigurationError."""

    def __init__(
        self,
        sessions: Sessions,
        keeper: InventoryKeeper,
        kcl: KclSettings,
        wishes: Wishes,
        clock: Clock,
        thread_count: int,
    ) -> None:
        self._sessions = sessions
        self._keeper = keeper
        self._kcl = kcl
        self._wishes = wishes
        self._clock = clock
        self._thread_count = thread_count

    def run(self) -> Verdict:
        """Do everything a discovery does, then try whatever its plan would read."""
        skew = self._clock_skew()
        stop = threading.Event()
        refresh = self._keeper.refresh(stop)
        survey = Surveyor(self._sessions, self._thread_count).survey(refresh.parts, refresh.problems, stop)
        plan = make_plan(survey, self._wishes)
        streams = self._streams(survey, plan)
        for stream in streams:
            try_stream(self._sessions, stream)
            try_leases(self._sessions, self._kcl, stream)
        polled = self._try_log_groups(survey, plan)
        self._try_buckets(survey, plan)
        notes = list(self._sessions.warnings)
        if not streams:
            notes.append("there is no stream: reading Kinesis and keeping leases were not tried")
        findings = [*self._findings(polled), *self._unread(refresh), *map(_missing_member, self._sessions.role_faults)]
        findings.sort(key=lambda one: (one.account, one.region, one.feature, one.action))
        return Verdict(tuple(findings), skew, tuple(notes))

    def _streams(self, survey: Survey, plan: Plan) -> list[StreamSettings]:
        """Those of the settings, and what the plan reads besides."""
        own_account = self._account(Target(None, self._sessions.region))
        vias = dict.fromkeys(one.via for one in plan.choices.values() if one.source is SourceKind.KINESIS)
        found = (stream_settings(survey, via, own_account) for via in vias)
        named = [stream for stream in self._wishes.streams if stream.enabled]
        known = {(stream.region, stream.name) for stream in named}
        return named + [stream for stream in found if stream and (stream.region, stream.name) not in known]

    def _try_log_groups(self, survey: Survey, plan: Plan) -> frozenset[str]:
        """Groups that the plan polls, or would if their stream failed; returns the names of the former."""
        groups: dict[LogGroupKey, bool] = {}
        for choice in plan.choices.values():
            is_polled = choice.source is SourceKind.CLOUDWATCH
            if choice.group is not None and (is_polled or choice.may_be_polled):
                groups[choice.group] = groups.get(choice.group, False) or is_polled
        for group in groups:
            target = Target(survey.access(group.account), group.region)
            try_log_group(self._sessions, target, group.name, self._clock.now())
        return frozenset(group.name for group, is_polled in groups.items() if is_polled)

    def _try_buckets(self, survey: Survey, plan: Plan) -> None:
        """The buckets that the plan would read, and their queues."""
        buckets = {one.name: one for one in survey.buckets}
        for choice in plan.choices.values():
            bucket = buckets.pop(choice.via, None) if choice.source is SourceKind.S3 else None
            queue = bucket.queue_for(choice.flow_log) if bucket else None
            arn = Arn.parse(queue.arn) if queue else None
            if bucket and queue and arn:
                access = survey.access(arn.account)
                try_queue(self._sessions, Target(access, arn.region), queue)
                try_objects(self._sessions, Target(access, bucket.region), choice.flow_log)

    def _clock_skew(self) -> float | None:
        """By the Date of an answer, half the way there is not worth correcting; of a refusal, too, for that is what a
        wrong clock gets."""
        try:
            answer: dict[str, Any] = self._sessions.call(
                operations.GET_CALLER_IDENTITY, Target(None, self._sessions.region)
            )
        except ConfigurationError:
            raise
        except VpcflowError as error:
            answer = getattr(error.__cause__, "response", {})
        try:
            said = answer["ResponseMetadata"]["HTTPHeaders"]["date"]
            return round(self._clock.now() - parsedate_to_datetime(said).timestamp(), 1)
        except (KeyError, ValueError):
            return None

    def _findings(self, polled: frozenset[str]) -> Iterator[Finding]:
        for asked, error in dict(self._sessions.outcomes).items():
            is_needed = asked.operation in SECOND_WAY and asked.resource in polled
            yield _finding(asked, self._account(asked.target), error, is_needed=is_needed)

    def _unread(self, refresh: Refresh) -> Iterator[Finding]:
        """Places where another call failed first, so that nobody could ask for flow logs."""
        tried = {asked.target for asked in self._sessions.outcomes if asked.operation is operations.DESCRIBE_FLOW_LOGS}
        reasons = {problem.target: problem.reason for problem in refresh.problems}
        for account in self._sessions.account_targets():
            for target in account.targets():
                if target not in refresh.parts and target not in tried:
                    reason = f"not tried, because {reasons.get(target.label(), 'the region could not be read')}"
                    asked = Asked(operations.DESCRIBE_FLOW_LOGS, target)
                    yield _finding(asked, self._account(target), RetryableError(reason))

    def _account(self, target: Target) -> str:
        try:
            return self._sessions.account(target.access)
        except VpcflowError:
            return target.label().partition("/")[0]


def _missing_member(fault: Fault) -> Finding:
    """A line of the role file that names nobody: whoever was meant is not read, like one whose role denies us."""
    feature = str(Feature.MEMBER_ACCOUNTS)
    return Finding("", "", feature, fault.key, str(fault.value), "failed", is_required=True, reason=str(fault))


def _finding(asked: Asked, account: str, error: VpcflowError | None, *, is_needed: bool = False) -> Finding:
    """`is_needed`: flows are lost where this very call is denied, whatever its feature."""
    operation = asked.operation
    state: State = "ok"
    reason = policy = ""
    if isinstance(error, PermissionDeniedError):
        state, reason, policy = "denied", f"{error.action} → {error.feature}", error.policy_line
        if operation is operations.ASSUME_ROLE:
            reason += " (or the role's trust policy does not name us, or asks for another external id)"
    elif isinstance(error, RefusedError) and operation.service == "dynamodb":
        pass  # allowed: there is no such table yet, or the condition of the trial held it back
    elif isinstance(error, RefusedError) and operation is operations.GET_LOG_EVENTS:
        pass  # allowed: the stream of the trial is not there
    elif is_harmless(error):
        pass  # allowed: what was tried is not there, on purpose
    elif error is not None:
        state, reason = "failed", str(error)
    return Finding(
        account,
        asked.target.region,
        str(operation.feature),
        operation.action,
        asked.resource,
        state,
        operation.feature in REQUIRED or (is_needed and state == "denied"),
        reason,
        policy,
    )

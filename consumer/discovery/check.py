"""What the agent may do and what it may not, from what came of the very calls it makes.

Belongs here: making them once, and putting each outcome in words. Does not: printing (tools/check_aws.py). Only
calls that this estate needs are made, so nothing is asked for that the user could do without.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any, Literal

from consumer.aws import operations
from consumer.aws.operations import Feature
from consumer.aws.roles import Target
from consumer.aws.sessions import Asked, Sessions
from consumer.clock import Clock
from consumer.discovery.arn import Arn
from consumer.discovery.inventory import InventoryKeeper, Refresh
from consumer.discovery.object_access import is_harmless, try_objects, try_queue
from consumer.discovery.plan import make_plan
from consumer.discovery.save import entries_of
from consumer.discovery.stream_access import try_leases, try_stream
from consumer.discovery.survey import Survey, Surveyor
from consumer.discovery.ways import Wishes
from consumer.errors import ConfigurationError, PermissionDeniedError, RefusedError, RetryableError, VpcflowError
from consumer.kcl.settings import KclSettings, StreamSettings
from consumer.model.delivery import SourceKind

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
    def may_run(self) -> bool:
        """Nothing that is required is missing."""
        is_late = abs(self.clock_skew_seconds or 0.0) > SKEW_LIMIT_SECONDS
        return not is_late and not any(one.is_required and one.state != "ok" for one in self.findings)


class AccessCheck:
    """One check. Blocks for seconds; what fails becomes a finding, never an exception but ConfigurationError."""

    def __init__(
        self,
        sessions: Sessions,
        keeper: InventoryKeeper,
        kcl: KclSettings,
        streams: Sequence[StreamSettings],
        clock: Clock,
        thread_count: int,
    ) -> None:
        self._sessions = sessions
        self._keeper = keeper
        self._kcl = kcl
        self._streams = [stream for stream in streams if stream.enabled]
        self._clock = clock
        self._thread_count = thread_count

    def run(self) -> Verdict:
        """Do everything a discovery does, then try each stream."""
        skew = self._clock_skew()
        stop = threading.Event()
        refresh = self._keeper.refresh(stop)
        survey = Surveyor(self._sessions, self._thread_count).survey(refresh.parts, refresh.problems, stop)
        streams = self._streams or _streams_of(survey, self._account(Target(None, self._sessions.region)))
        for stream in streams:
            try_stream(self._sessions, stream)
            try_leases(self._sessions, self._kcl, stream)
        self._try_buckets(survey)
        notes = list(self._sessions.warnings)
        if not streams:
            notes.append("there is no stream: reading Kinesis and keeping leases were not tried")
        findings = [*self._findings(), *self._unread(refresh)]
        findings.sort(key=lambda one: (one.account, one.region, one.feature, one.action))
        return Verdict(tuple(findings), skew, tuple(notes))

    def _try_buckets(self, survey: Survey) -> None:
        """The buckets that the plan would read, and their queues."""
        accesses = {part.account: target.access for target, part in survey.parts.items()}
        buckets = {one.name: one for one in survey.buckets}
        for choice in make_plan(survey, Wishes()).choices.values():
            bucket = buckets.pop(choice.via, None) if choice.source is SourceKind.S3 else None
            queue = bucket.queue_for(choice.flow_log) if bucket else None
            arn = Arn.parse(queue.arn) if queue else None
            if bucket and queue and arn:
                access = accesses.get(arn.account)
                try_queue(self._sessions, Target(access, arn.region), queue)
                try_objects(self._sessions, Target(access, bucket.region), choice.flow_log)

    def _clock_skew(self) -> float | None:
        """By the Date of an answer; half the way there is not worth correcting."""
        try:
            answer: dict[str, Any] = self._sessions.call(
                operations.GET_CALLER_IDENTITY, Target(None, self._sessions.region)
            )
            said = answer["ResponseMetadata"]["HTTPHeaders"]["date"]
            return round(self._clock.now() - parsedate_to_datetime(said).timestamp(), 1)
        except ConfigurationError:
            raise
        except (VpcflowError, KeyError, ValueError):
            return None

    def _findings(self) -> Iterator[Finding]:
        for asked, error in dict(self._sessions.outcomes).items():
            yield _finding(asked, self._account(asked.target), error)

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


def _streams_of(survey: Survey, own_account: str) -> list[StreamSettings]:
    """The streams that were found, as `discover --save` would write them."""
    entries = [entry for entry in entries_of(survey, own_account) if entry.section == "streams"]
    return [StreamSettings.model_validate({**entry.identity, **entry.further}) for entry in entries]


def _finding(asked: Asked, account: str, error: VpcflowError | None) -> Finding:
    operation = asked.operation
    state: State = "ok"
    reason = policy = ""
    if isinstance(error, PermissionDeniedError):
        state, reason, policy = "denied", f"{error.action} → {error.feature}", error.policy_line
        if operation is operations.ASSUME_ROLE:
            reason += " (or the role's trust policy does not name us, or asks for another external id)"
    elif isinstance(error, RefusedError) and operation.service == "dynamodb":
        pass  # allowed: there is no such table yet, or the condition of the trial held it back
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
        operation.feature in REQUIRED,
        reason,
        policy,
    )

"""What the flow logs of an estate lead to: log groups, subscriptions, streams, buckets, queues.

Belongs here: the values, and reading them from AWS. Does not: what one account has in one region (reading/region.py),
buckets (buckets.py), choosing a source (choosing.py). Each look-up is made once however many flow logs lead there; a
failing one is a problem of its own and leaves the others alone. Shapes: CloudWatch Logs, Kinesis, S3 and SQS API
references.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import orjson

from consumer.aws import operations
from consumer.aws.paging import items
from consumer.aws.roles import Access, Target
from consumer.aws.sessions import Sessions
from consumer.discovery.arn import Arn
from consumer.discovery.estate.problem import Problem
from consumer.discovery.estate.values import Part
from consumer.discovery.parallel import side_by_side
from consumer.discovery.plan.buckets import Bucket, BucketReader, bucket_of
from consumer.errors import PermissionDeniedError, RefusedError, VpcflowError
from consumer.model.place import LogGroupKey
from consumer.model.plan import FlowLog

Thing = TypeVar("Thing")
Found = TypeVar("Found")


@dataclass(frozen=True, slots=True)
class Subscription:
    """One subscription filter. `stream`: ARN of the Kinesis stream it leads to, empty = it leads elsewhere.

    `is_accounts`: it is a policy of the whole account, not the group's own.
    """

    name: str
    destination: str
    stream: str
    pattern: str
    is_accounts: bool = False


@dataclass(frozen=True, slots=True)
class LogGroup:
    """`unread`: why policies of the whole account, which may subscribe it, could not be read; empty = they were."""

    account: str
    region: str
    name: str
    subscriptions: tuple[Subscription, ...] = ()
    unread: str = ""

    @property
    def key(self) -> LogGroupKey:
        return LogGroupKey(self.account, self.region, self.name)


@dataclass(frozen=True, slots=True)
class Consumer:
    """A registered consumer (enhanced fan-out)."""

    name: str
    status: str


@dataclass(frozen=True, slots=True)
class Stream:
    """`status` as Kinesis says; DENIED = we may not look, DELETED = it is not there; empty = it could not be read."""

    arn: str
    status: str = ""
    mode: str = ""
    shard_count: int = 0
    retention_hours: int = 0
    consumers: tuple[Consumer, ...] = ()


@dataclass(frozen=True, slots=True)
class Survey:
    """Everything one run found. `parts` by target; the other things in order of their names."""

    parts: Mapping[Target, Part]
    flow_logs: tuple[FlowLog, ...]
    log_groups: tuple[LogGroup, ...]
    streams: tuple[Stream, ...]
    buckets: tuple[Bucket, ...]
    problems: tuple[Problem, ...]

    def access(self, account: str) -> Access:
        """As whom an account is asked: the first who read it; ourselves where nobody did."""
        return next((target.access for target, part in self.parts.items() if part.account == account), None)


def group_of(flow_log: FlowLog) -> LogGroup | None:
    """The log group a flow log writes into, without its subscriptions; another account's when the ARN says so."""
    if flow_log.destination_type != "cloud-watch-logs":
        return None
    arn = Arn.parse(flow_log.destination)
    if arn is None:
        return LogGroup(flow_log.account, flow_log.region, flow_log.log_group) if flow_log.log_group else None
    name = arn.resource.removeprefix("log-group:").removesuffix(":*")
    return LogGroup(arn.account or flow_log.account, arn.region or flow_log.region, name)


def flow_logs_of(parts: Iterable[Part]) -> tuple[FlowLog, ...]:
    """Those of all parts, each once and in a stable order."""
    known = {one.id: one for part in parts for one in part.flow_logs}
    return tuple(sorted(known.values(), key=lambda one: (one.account, one.region, one.resource_id, one.id)))


class Surveyor:
    """One survey at a time. Blocks for seconds; a failing look-up becomes a problem, never an exception.

    What could be read the last time and cannot now is taken to be as it was: a throttled call changes no plan.
    """

    def __init__(self, sessions: Sessions, thread_count: int) -> None:
        self._sessions = sessions
        self._thread_count = thread_count
        self._streams: dict[str, Stream] = {}
        self._groups: dict[LogGroupKey, LogGroup] = {}
        self._buckets: dict[str, Bucket] = {}
        self._policies: dict[tuple[str, str], _Policies] = {}

    def recall(self, survey: Survey) -> None:
        """Take a survey of an earlier process as the last one."""
        self._groups = {one.key: one for one in survey.log_groups}
        self._streams = {one.arn: one for one in survey.streams if one.mode}
        self._buckets = {one.name: one for one in survey.buckets}

    def survey(
        self, parts: Mapping[Target, Part], problems: Iterable[Problem], stop: threading.Event | None = None
    ) -> Survey:
        """Follow every flow log of `parts`. Raises Stopped when `stop` is set meanwhile."""
        self._stop = stop or threading.Event()
        self._problems = list(problems)
        self._accesses: dict[str, Access] = {}
        for target, part in parts.items():
            self._accesses.setdefault(part.account, target.access)
        flow_logs = flow_logs_of(parts.values())
        found = sorted({g for one in flow_logs if (g := group_of(one))}, key=lambda one: one.key)
        places = sorted({(one.account, one.region) for one in found})
        self._policies = dict(zip(places, self._each(self._account_policies, places), strict=True))
        groups = self._each(self._group, found)
        arns = sorted({subscription.stream for group in groups for subscription in group.subscriptions} - {""})
        owners = {name: one for one in flow_logs if (name := bucket_of(one))}
        reader = BucketReader(self._sessions, self._target, self._told, self._buckets)
        buckets = self._each(reader.read, sorted(owners.values(), key=bucket_of))
        self._buckets = {one.name: one for one in buckets}
        streams = self._each(self._stream, arns)
        return Survey(parts, flow_logs, tuple(groups), tuple(streams), tuple(buckets), tuple(self._problems))

    def _each(self, work: Callable[[Thing], Found], things: Sequence[Thing]) -> list[Found]:
        return side_by_side(work, things, self._thread_count, self._stop, "survey")

    def _target(self, account: str, region: str) -> Target:
        """Whoever reads that account; ourselves where nobody does (a resource policy may let us)."""
        return Target(self._accesses.get(account), region)

    def _told(self, target: Target, error: VpcflowError) -> None:
        self._problems.append(Problem.of(target.label(), error))

    def _group(self, group: LogGroup) -> LogGroup:
        target = self._target(group.account, group.region)
        try:
            found = list(
                items(self._sessions, operations.DESCRIBE_SUBSCRIPTION_FILTERS, target, logGroupName=group.name)
            )
        except VpcflowError as error:
            self._told(target, error)
            return self._groups.get(group.key, group)
        own = [
            Subscription(
                raw["filterName"],
                raw["destinationArn"],
                self._stream_behind(raw["destinationArn"]),
                raw.get("filterPattern", "").strip(),
            )
            for raw in found
        ]
        policies = self._policies[group.account, group.region]
        accounts = [one for one, excluded in policies.subscriptions if group.name not in excluded]
        self._groups[group.key] = LogGroup(group.account, group.region, group.name, (*own, *accounts), policies.unread)
        return self._groups[group.key]

    def _account_policies(self, place: tuple[str, str]) -> _Policies:
        """Subscriptions of the whole account. Where they cannot be read the groups say so, no problem is made of it:
        few accounts have one."""
        target = self._target(*place)
        try:
            answer = self._sessions.call(
                operations.DESCRIBE_ACCOUNT_POLICIES, target, policyType="SUBSCRIPTION_FILTER_POLICY"
            )
        except VpcflowError as error:
            denied = isinstance(error, PermissionDeniedError)
            why = str(error) if denied else f"{operations.DESCRIBE_ACCOUNT_POLICIES.action} was not answered"
            old = self._policies.get(place, _Policies())
            return _Policies(old.subscriptions, why)
        try:
            return _Policies(tuple(map(self._account_policy, answer.get("accountPolicies", ()))))
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            return _Policies(
                unread=f"{operations.DESCRIBE_ACCOUNT_POLICIES.action} says what is not known here: {error}"
            )

    def _account_policy(self, raw: Mapping[str, Any]) -> tuple[Subscription, frozenset[str]]:
        """The subscription, and the log groups it leaves out."""
        document = orjson.loads(raw["policyDocument"])
        subscription = Subscription(
            raw["policyName"],
            document["DestinationArn"],
            self._stream_behind(document["DestinationArn"]),
            document.get("FilterPattern", "").strip(),
            is_accounts=True,
        )
        return subscription, excluded_groups(raw.get("selectionCriteria", ""))

    def _stream_behind(self, destination: str) -> str:
        """ARN of the stream, also behind a destination of another account where we may look there."""
        arn = Arn.parse(destination)
        if arn is None:
            return ""
        if arn.service == "kinesis":
            return destination
        if arn.service != "logs" or not arn.resource.startswith("destination:"):
            return ""
        target = self._target(arn.account, arn.region)
        name = arn.resource.removeprefix("destination:")
        try:
            found = items(self._sessions, operations.DESCRIBE_DESTINATIONS, target, DestinationNamePrefix=name)
            behind = next((raw["targetArn"] for raw in found if raw["destinationName"] == name), "")
        except VpcflowError as error:
            self._told(target, error)
            return ""
        end = Arn.parse(behind)
        return behind if end and end.service == "kinesis" else ""

    def _stream(self, text: str) -> Stream:
        arn = Arn.parse(text)
        assert arn is not None, "only parsed ARNs come here"
        target = self._target(arn.account, arn.region)
        try:
            summary: Any = self._sessions.call(operations.DESCRIBE_STREAM_SUMMARY, target, StreamARN=text)
            found = list(items(self._sessions, operations.LIST_STREAM_CONSUMERS, target, StreamARN=text))
        except VpcflowError as error:
            self._told(target, error)
            if isinstance(error, RefusedError) and error.code == "ResourceNotFoundException":
                return Stream(text, "DELETED")
            if text in self._streams:
                return self._streams[text]
            return Stream(text, "DENIED" if isinstance(error, PermissionDeniedError) else "")
        raw = summary["StreamDescriptionSummary"]
        self._streams[text] = Stream(
            text,
            raw["StreamStatus"],
            raw.get("StreamModeDetails", {}).get("StreamMode", "PROVISIONED"),
            raw.get("OpenShardCount", 0),
            raw.get("RetentionPeriodHours", 0),
            tuple(Consumer(one["ConsumerName"], one["ConsumerStatus"]) for one in found),
        )
        return self._streams[text]


@dataclass(frozen=True, slots=True)
class _Policies:
    """Subscriptions of one whole account in one region, each with the log groups it leaves out."""

    subscriptions: tuple[tuple[Subscription, frozenset[str]], ...] = ()
    unread: str = ""


_LEAVES_OUT = re.compile(r"LogGroupName\s+NOT\s+IN\s*(\[.*\])", re.IGNORECASE)


def excluded_groups(criteria: str) -> frozenset[str]:
    """Names in `LogGroupName NOT IN ["a", "b"]`, the one form there is (CloudWatch Logs, PutAccountPolicy)."""
    match = _LEAVES_OUT.search(criteria)
    try:
        return frozenset(orjson.loads(match.group(1))) if match else frozenset()
    except orjson.JSONDecodeError:
        return frozenset()

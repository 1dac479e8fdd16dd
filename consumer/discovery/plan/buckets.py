"""Buckets that flow logs are written into, and the queues that are told of new objects there.

Belongs here: the values, and reading them from AWS. Does not: choosing (ways.py, choosing.py), reading objects
(sources/). A bucket tells a queue itself, or a topic that tells a queue; what EventBridge does with its events nobody
can follow. Shapes: S3 API reference, GetBucketNotificationConfiguration; SNS API reference, ListSubscriptionsByTopic.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from consumer.aws import operations
from consumer.aws.paging import items
from consumer.aws.roles import Target
from consumer.aws.sessions import Sessions
from consumer.discovery.arn import Arn
from consumer.errors import PermissionDeniedError, RefusedError, VpcflowError
from consumer.model.plan import FlowLog

EVENT_BRIDGE = "EventBridge"
_CREATED = ("s3:ObjectCreated:*", "s3:ObjectCreated:Put", "s3:ObjectCreated:CompleteMultipartUpload")
_ENDINGS = (".log.gz", ".log.parquet")
_EUROPE = "EU"
"""What GetBucketLocation calls eu-west-1 in old buckets; us-east-1 is null (S3 API reference)."""


@dataclass(frozen=True, slots=True)
class Queue:
    """A queue that a bucket tells of new objects. `waiting` -1 = it could not be read. `topic`: ARN of the SNS topic in
    between. `prefix`, `suffix`: of the keys it is told of."""

    arn: str
    url: str = ""
    waiting: int = -1
    dead_letter_arn: str = ""
    topic: str = ""
    prefix: str = ""
    suffix: str = ""

    def hears(self, key_prefix: str) -> bool:
        """Whether it is told of flow log objects whose keys begin so."""
        begins = self.prefix.startswith(key_prefix) or key_prefix.startswith(self.prefix)
        return begins and any(ending.endswith(self.suffix) for ending in _ENDINGS)


@dataclass(frozen=True, slots=True)
class Bucket:
    """`region`: where it is, as far as we may ask, else that of its flow log. `others`: where else it tells of new
    objects (topics, functions, EventBridge). `is_read`: we may look there."""

    name: str
    region: str
    account: str
    queues: tuple[Queue, ...] = ()
    others: tuple[str, ...] = ()
    is_read: bool = True

    def queue_for(self, flow_log: FlowLog) -> Queue | None:
        """The first queue that is told of this flow log's objects, of those that S3 tells itself before others."""
        place = prefix_of(flow_log)
        hearing = [one for one in self.queues if one.hears(place)]
        return next(iter(sorted(hearing, key=lambda one: bool(one.topic))), None)


def bucket_of(flow_log: FlowLog) -> str:
    """Name of the bucket a flow log writes into; empty = none."""
    arn = Arn.parse(flow_log.destination)
    return arn.resource.partition("/")[0] if arn and flow_log.destination_type == "s3" else ""


def prefix_of(flow_log: FlowLog) -> str:
    """How the keys of its objects begin: `[prefix/]AWSLogs/`."""
    arn = Arn.parse(flow_log.destination)
    folder = arn.resource.partition("/")[2].strip("/") if arn else ""
    return f"{folder}/AWSLogs/" if folder else "AWSLogs/"


class BucketReader:
    """Looks at buckets and queues; thread-safe. `target_of`: as whom an account is asked in a region; `told`: who hears
    of what could not be read. Never raises."""

    def __init__(
        self,
        sessions: Sessions,
        target_of: Callable[[str, str], Target],
        told: Callable[[Target, VpcflowError], None],
        known: Mapping[str, Bucket],
    ) -> None:
        self._sessions = sessions
        self._target_of = target_of
        self._told = told
        self._known = known

    def read(self, flow_log: FlowLog) -> Bucket:
        """The bucket as the flow log's account sees it, else as we see it: its owner is told nowhere.

        What cannot be read now and could be before is taken to be as it was.
        """
        name = bucket_of(flow_log)
        seen_by = dict.fromkeys((self._target_of(flow_log.account, flow_log.region), Target(None, flow_log.region)))
        errors: list[tuple[Target, VpcflowError]] = []
        for target in seen_by:
            try:
                raw = self._sessions.call(operations.GET_BUCKET_NOTIFICATION, target, Bucket=name)
            except (PermissionDeniedError, RefusedError) as error:
                errors.append((target, error))
            except VpcflowError as error:
                errors.append((target, error))
                break
            else:
                region = self._region(name, target)
                return Bucket(name, region, flow_log.account, tuple(self._queues(raw)), tuple(_others(raw)))
        self._told(*errors[0])
        return self._known.get(name) or Bucket(name, flow_log.region, flow_log.account, is_read=False)

    def _region(self, name: str, target: Target) -> str:
        try:
            raw = self._sessions.call(operations.GET_BUCKET_LOCATION, target, Bucket=name)
        except VpcflowError as error:
            self._told(target, error)
            return target.region
        found = raw.get("LocationConstraint") or "us-east-1"
        return "eu-west-1" if found == _EUROPE else str(found)

    def _queues(self, raw: Mapping[str, Any]) -> Iterator[Queue]:
        """Queues told by S3 itself, then those told by a topic; each once."""
        seen: set[str] = set()
        for one in _creations(raw.get("QueueConfigurations", ())):
            if one["QueueArn"] not in seen:
                seen.add(one["QueueArn"])
                yield self._queue(one["QueueArn"], "", *_filter(one))
        for one in _creations(raw.get("TopicConfigurations", ())):
            for arn in self._subscribed(one["TopicArn"]):
                if arn not in seen:
                    seen.add(arn)
                    yield self._queue(arn, one["TopicArn"], *_filter(one))

    def _subscribed(self, topic: str) -> list[str]:
        """ARNs of the queues that a topic tells, as far as we may see them."""
        arn = Arn.parse(topic)
        if arn is None:
            return []
        target = self._target_of(arn.account, arn.region)
        try:
            found = list(items(self._sessions, operations.LIST_SUBSCRIPTIONS_BY_TOPIC, target, TopicArn=topic))
        except VpcflowError as error:
            self._told(target, error)
            return []
        return [one["Endpoint"] for one in found if one.get("Protocol") == "sqs"]

    def _queue(self, text: str, topic: str, prefix: str, suffix: str) -> Queue:
        arn = Arn.parse(text)
        if arn is None:
            return Queue(text, topic=topic, prefix=prefix, suffix=suffix)
        target = self._target_of(arn.account, arn.region)
        try:
            url = self._sessions.call(
                operations.GET_QUEUE_URL, target, QueueName=arn.resource, QueueOwnerAWSAccountId=arn.account
            )["QueueUrl"]
            names = ["ApproximateNumberOfMessages", "RedrivePolicy"]
            raw = self._sessions.call(operations.GET_QUEUE_ATTRIBUTES, target, QueueUrl=url, AttributeNames=names).get(
                "Attributes", {}
            )
        except VpcflowError as error:
            self._told(target, error)
            return Queue(text, topic=topic, prefix=prefix, suffix=suffix)
        redrive = orjson.loads(raw.get("RedrivePolicy") or "{}")
        waiting = int(raw.get("ApproximateNumberOfMessages", -1))
        return Queue(text, url, waiting, redrive.get("deadLetterTargetArn", ""), topic, prefix, suffix)


def _creations(configurations: Iterable[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    """Those that speak of new objects."""
    return (one for one in configurations if set(_CREATED).intersection(one.get("Events", ())))


def _others(raw: Mapping[str, Any]) -> Iterator[str]:
    yield from (one["TopicArn"] for one in raw.get("TopicConfigurations", ()))
    yield from (one["LambdaFunctionArn"] for one in raw.get("LambdaFunctionConfigurations", ()))
    if "EventBridgeConfiguration" in raw:
        yield EVENT_BRIDGE


def _filter(configuration: Mapping[str, Any]) -> tuple[str, str]:
    """(prefix, suffix) of the keys; AWS spells the names in either case."""
    rules = configuration.get("Filter", {}).get("Key", {}).get("FilterRules", ())
    found = {str(rule["Name"]).lower(): str(rule["Value"]) for rule in rules}
    return found.get("prefix", ""), found.get("suffix", "")

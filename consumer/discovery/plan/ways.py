"""How a flow log could reach us: every way there is, and why the others are none.

Belongs here: looking at one flow log by itself. Pure. Does not: overlaps between flow logs (choosing.py), finding
anything out (survey.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from consumer.aws.profiles import Profile
from consumer.discovery.arn import Arn
from consumer.discovery.plan.buckets import EVENT_BRIDGE, Bucket, bucket_of, prefix_of
from consumer.discovery.plan.stand_ins import QueuePlace
from consumer.discovery.plan.survey import LogGroup, Subscription, Survey, group_of
from consumer.discovery.settings import BucketSettings, LogGroupSettings
from consumer.kcl.settings import StreamSettings
from consumer.model.delivery import SourceKind
from consumer.model.place import LogGroupKey
from consumer.model.plan import FlowLog

SOURCE_NAMES = {SourceKind.KINESIS: "Kinesis", SourceKind.CLOUDWATCH: "CloudWatch", SourceKind.S3: "S3"}
_UNREADABLE = {"DENIED": "may not be looked at", "DELETED": "does not exist", "DELETING": "is being deleted"}
"""A stream's status → why it is not begun with, unless the settings name it."""


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the user wants or does not want to be read. `vpc_sources`: VPC id → the source that goes before all.
    `queues`: those of [[queues]], (account, region, name) → whether it is read."""

    precedence: tuple[SourceKind, ...] = (SourceKind.KINESIS, SourceKind.CLOUDWATCH, SourceKind.S3)
    streams: tuple[StreamSettings, ...] = ()
    log_groups: tuple[LogGroupSettings, ...] = ()
    buckets: tuple[BucketSettings, ...] = ()
    max_streams: int = 10
    vpc_sources: Mapping[str, SourceKind] = field(default_factory=dict)
    queues: Mapping[QueuePlace, bool] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Way:
    """One way: `via` a stream (ARN, or `REGION/NAME`), a log group or a bucket. `is_partial`: a pattern lets only some
    lines through. `queue`: ARN of the one that tells of the bucket's objects."""

    source: SourceKind
    via: str
    reason: str
    is_partial: bool = False
    queue: str = ""


@dataclass(frozen=True, slots=True)
class Ways:
    """`ways`: the usable ones. `refusals`: why others are none. `via`: where it goes, whether read or not."""

    ways: tuple[Way, ...]
    refusals: tuple[str, ...]
    via: str
    group: LogGroupKey | None = None
    notes: tuple[str, ...] = ()


class WayFinder:
    """`ways` for each flow log of one survey."""

    def __init__(self, survey: Survey, wishes: Wishes) -> None:
        self._wishes = wishes
        self._groups = {one.key: one for one in survey.log_groups}
        self._buckets = {one.name: one for one in survey.buckets}
        self._refused_streams = dict(refused_streams(survey, wishes))
        self._formats: dict[LogGroupKey, set[str]] = {}
        for flow_log in survey.flow_logs:
            if group := group_of(flow_log):
                self._formats.setdefault(group.key, set()).add(flow_log.log_format)

    def ways(self, flow_log: FlowLog) -> Ways:
        """Every way of this flow log, the more direct first."""
        group, bucket = group_of(flow_log), bucket_of(flow_log)
        if group is not None:
            return self._ways_of_group(self._groups.get(group.key, group))
        if bucket:
            return self._ways_of_bucket(self._buckets[bucket], flow_log)
        kind = flow_log.destination_type
        return Ways((), (f"it goes to {kind}, which is not read",), flow_log.destination)

    def _ways_of_group(self, group: LogGroup) -> Ways:
        ways: list[Way] = []
        refusals: list[str] = []
        notes: list[str] = []
        wish = next((one for one in self._wishes.log_groups if is_wish_for(one, group.key)), None)
        if wish is not None and wish.stream:
            self._add_wished_stream(wish, group, ways, refusals)
        else:
            self._add_subscriptions(group, ways, refusals, notes)
        if wish is not None and not wish.enabled:
            refusals.append(f"log group {group.name} is switched off in the settings")
        else:
            ways.append(Way(SourceKind.CLOUDWATCH, group.name, ""))  # its reason is why it is not another
        count = len(self._formats.get(group.key, ()))
        if count > 1:
            notes.append(f"flow logs of {count} formats write into its log group: each line is told by its fields")
        return Ways(tuple(ways), tuple(refusals), group.name, group.key, tuple(notes))

    def _add_wished_stream(self, wish: LogGroupSettings, group: LogGroup, ways: list[Way], refusals: list[str]) -> None:
        named = [one for one in self._wishes.streams if one.name == wish.stream and one.enabled]
        if named:
            reason = f"log group {group.name} is subscribed to stream {wish.stream}, say the settings"
            ways.append(Way(SourceKind.KINESIS, f"{named[0].region}/{named[0].name}", reason))
        else:
            refusals.append(f"stream {wish.stream} of [[log_groups]] is not in [[streams]], or is switched off there")

    def _add_subscriptions(self, group: LogGroup, ways: list[Way], refusals: list[str], notes: list[str]) -> None:
        to_stream: dict[str, list[Subscription]] = {}
        for one in group.subscriptions:
            if one.stream:
                to_stream.setdefault(one.stream, []).append(one)
            else:
                refusals.append(_elsewhere(one))
        for stream, subscriptions in to_stream.items():
            refusal = self._refused_streams.get(stream, "")
            if refusal:
                refusals.append(refusal)
                continue
            whole = [one for one in subscriptions if not one.pattern]
            note = "" if whole else f", of which only lines that match {subscriptions[0].pattern!r}"
            by = ", by a policy of the account" if all(one.is_accounts for one in subscriptions) else ""
            reason = f"log group {group.name} is subscribed to stream {name_of(stream)}{by}{note}"
            ways.append(Way(SourceKind.KINESIS, stream, reason, is_partial=not whole))
            if len(subscriptions) > 1:
                names = " and ".join(one.name for one in subscriptions)
                notes.append(f"subscriptions {names} lead into the same stream: every event comes twice, one is sent")
        if len([one for one in ways if one.source is SourceKind.KINESIS]) > 1:
            notes.append("it reaches several streams that are read: every event comes by each, one is sent")
        if not group.subscriptions:
            unread = f" (policies of the whole account are not known: {group.unread})" if group.unread else ""
            refusals.append(f"it is not subscribed to a stream{unread}")

    def _ways_of_bucket(self, bucket: Bucket, flow_log: FlowLog) -> Ways:
        wish = next((one for one in self._wishes.buckets if one.name == bucket.name), None)
        if wish is not None and not wish.enabled:
            return Ways((), (f"bucket {bucket.name} is switched off in the settings",), bucket.name)
        found = bucket.queue_for(flow_log)
        queue = wish.queue if wish and wish.queue else found.arn if found else ""
        if queue:
            topic = found.topic if found and found.arn == queue else ""
            by = f" by topic {name_of(topic)}" if topic else ""
            reason = f"bucket {bucket.name} tells queue {name_of(queue)} of new objects{by}"
            notes = tuple(_bucket_notes(bucket, flow_log, queue, topic))
            return Ways((Way(SourceKind.S3, bucket.name, reason, queue=queue),), (), bucket.name, notes=notes)
        if not bucket.is_read:
            return Ways((), (f"the queue of bucket {bucket.name} is not known: name it in [[buckets]]",), bucket.name)
        if bucket.queues:
            told = f"{name_of(bucket.queues[0].arn)} (filter {bucket.queues[0].prefix}*{bucket.queues[0].suffix})"
            why = f"bucket {bucket.name} tells queue {told} nothing of keys like {prefix_of(flow_log)}*.log.gz"
            return Ways((), (why,), bucket.name)
        others = f" (only {', '.join(bucket.others)})" if bucket.others else ""
        why = f"bucket {bucket.name} tells no queue of new objects{others}"
        if EVENT_BRIDGE in bucket.others:
            why += "; where a rule of EventBridge leads to a queue, name that in [[buckets]]"
        return Ways((), (why,), bucket.name)


def _bucket_notes(bucket: Bucket, flow_log: FlowLog, queue: str, topic: str) -> Iterator[str]:
    """What is odd about regions."""
    if bucket.is_read and bucket.region != flow_log.region:
        yield (
            f"bucket {bucket.name} is in {bucket.region}, its flow log in {flow_log.region}: AWS delivers across, and "
            f"the queue is in {bucket.region}"
        )
    arn = Arn.parse(queue)
    if arn and bucket.is_read and arn.region != bucket.region and not topic:
        yield (
            f"queue {name_of(queue)} is in {arn.region}, bucket {bucket.name} in {bucket.region}: S3 tells only queues "
            "of its own region, so a topic or EventBridge must lead there"
        )


def is_wish_for(wish: LogGroupSettings, group: LogGroupKey) -> bool:
    """Whether an entry of [[log_groups]] is about this group."""
    return wish.name == group.name and wish.account in ("", group.account) and wish.region in ("", group.region)


def name_of(arn: str) -> str:
    """The name of a stream or a queue, for people."""
    parsed = Arn.parse(arn)
    return parsed.resource.removeprefix("stream/") if parsed else arn.rpartition("/")[2]


def _elsewhere(subscription: Subscription) -> str:
    """A subscription that leads to no stream we know, in words."""
    arn = Arn.parse(subscription.destination)
    kind = arn.service if arn else ""
    name = f"subscription {subscription.name}"
    if kind == "lambda":
        return f"{name} leads to Lambda ({subscription.destination}), which is not read"
    if kind == "firehose":
        return f"{name} leads to Firehose ({subscription.destination}), which is not read"
    if arn is not None and kind == "logs":
        where = f"a destination of account {arn.account} that we may not look behind ({subscription.destination})"
        return f"{name} leads to {where}: if this agent reads its stream, name it in [[log_groups]]"
    return f"{name} leads to no stream ({subscription.destination})"


def refused_streams(survey: Survey, wishes: Wishes) -> Iterator[tuple[str, str]]:
    """Each stream (ARN) with why it is not read, empty = it is. Those of the settings come first, so `max_streams`
    never drops them."""
    places = {one.arn: place for one in survey.streams if (place := Arn.parse(one.arn))}
    states = {one.arn: one.status for one in survey.streams}
    profiles = {part.account for target, part in survey.parts.items() if isinstance(target.access, Profile)}
    wished = {arn: wish for arn, place in places.items() if (wish := wish_for(wishes.streams, place))}
    count = sum(one.enabled for one in wishes.streams)
    for arn in sorted(places, key=lambda arn: (arn not in wished, arn)):
        name = name_of(arn)
        if arn in wished:
            yield arn, "" if wished[arn].enabled else f"stream {name} is switched off in the settings"
        elif states[arn] in _UNREADABLE:
            yield arn, f"stream {name} {_UNREADABLE[states[arn]]}"
        elif places[arn].account in profiles:
            yield arn, f"stream {name} is of an account that is read by a profile: give it a role in [[streams]]"
        elif count >= wishes.max_streams:
            yield arn, f"stream {name} is one more than kcl.max_streams = {wishes.max_streams}"
        else:
            count += 1
            yield arn, ""


def wish_for(wishes: Iterable[StreamSettings], place: Arn) -> StreamSettings | None:
    """The entry of [[streams]] that is about this stream."""
    name = place.resource.removeprefix("stream/")
    return next(
        (
            one
            for one in wishes
            if (one.region, one.name) == (place.region, name) and one.account in ("", place.account)
        ),
        None,
    )

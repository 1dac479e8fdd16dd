"""Choosing, for every flow log, which source reports it, and saying why.

Belongs here: the rules. Pure. Does not: finding anything out (survey.py), leaving rows out (select/). The plan is
static: it knows what is set up, not what is healthy right now; a delivery that AWS itself calls failed counts, because
it says so for days.

Overlaps: flow logs of a VPC, its subnets and its interfaces each record the same flow. ACCEPT-only and REJECT-only
logs are complements. A flow log of which every flow is reported by better ones is left out; one of which only a part
is, leaves those parts to them (`excluding`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from types import MappingProxyType

from consumer.discovery.arn import Arn
from consumer.discovery.estate import Part
from consumer.discovery.settings import BucketSettings, LogGroupSettings
from consumer.discovery.survey import Bucket, LogGroup, Stream, Survey, bucket_of, group_of
from consumer.kcl.settings import StreamSettings
from consumer.model.delivery import SourceKind
from consumer.model.plan import Choice, FlowLog, Plan

SOURCE_NAMES = {SourceKind.KINESIS: "Kinesis", SourceKind.CLOUDWATCH: "CloudWatch", SourceKind.S3: "S3"}


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the user wants or does not want to be read."""

    precedence: tuple[SourceKind, ...] = (SourceKind.KINESIS, SourceKind.CLOUDWATCH, SourceKind.S3)
    streams: tuple[StreamSettings, ...] = ()
    log_groups: tuple[LogGroupSettings, ...] = ()
    buckets: tuple[BucketSettings, ...] = ()
    max_streams: int = 10


@dataclass(frozen=True, slots=True)
class _Way:
    """How one flow log could reach us; `source` None = not at all, for `reason`."""

    source: SourceKind | None
    via: str
    reason: str


def make_plan(survey: Survey, wishes: Wishes) -> Plan:
    """A choice for every flow log of the survey."""
    return _Planner(survey, wishes).plan()


@dataclass(slots=True)
class _Planner:
    survey: Survey
    wishes: Wishes
    _inside: dict[str, tuple[str, ...]] = field(init=False)
    _groups: dict[tuple[str, str, str], LogGroup] = field(init=False)
    _buckets: dict[str, Bucket] = field(init=False)
    _readable: dict[str, str] = field(init=False)
    """Why a stream is not read, by ARN; empty = it is."""

    def plan(self) -> Plan:
        self._inside = dict(_containers(self.survey.parts.values()))
        self._groups = {(one.account, one.region, one.name): one for one in self.survey.log_groups}
        self._buckets = {one.name: one for one in self.survey.buckets}
        self._readable = dict(_readable_streams(self.survey.streams, self.wishes))
        ways = {one.id: self._way(one) for one in self.survey.flow_logs}
        picked: list[FlowLog] = []
        choices: dict[str, Choice] = {}
        for flow_log in sorted(self.survey.flow_logs, key=lambda one: self._rank(one, ways[one.id])):
            way = ways[flow_log.id]
            choice = Choice(flow_log, way.source, way.via, way.reason)
            if way.source is not None:
                choice = self._without_overlap(choice, picked, choices)
            if choice.source is not None:
                picked.append(flow_log)
            choices[flow_log.id] = choice
        return Plan(MappingProxyType({one.id: choices[one.id] for one in self.survey.flow_logs}))

    def _rank(self, flow_log: FlowLog, way: _Way) -> tuple[object, ...]:
        """Better ones first: delivered, by the preferred source, everything before a part, wide before narrow, rich."""
        order = self.wishes.precedence
        return (
            way.source is None,
            flow_log.is_failing,
            order.index(way.source) if way.source else 0,
            -len(flow_log.actions),
            len(self._inside.get(flow_log.resource_id, ())),
            -len(flow_log.log_format.split()),
            flow_log.id,
        )

    def _without_overlap(self, choice: Choice, picked: list[FlowLog], choices: dict[str, Choice]) -> Choice:
        flow_log = choice.flow_log
        above = {flow_log.resource_id, *self._inside.get(flow_log.resource_id, ())}
        covering = [one for one in picked if one.resource_id in above and one.actions & flow_log.actions]
        left = flow_log.actions.difference(*(one.actions for one in covering))
        if not left:
            best = choices[covering[0].id]
            names = " and ".join(one.id for one in covering)
            source = SOURCE_NAMES[best.source] if best.source else ""
            reason = f"its flows are already reported from {names} by {source}, which goes before"
            return Choice(flow_log, None, choice.via, reason, covered_by=tuple(one.id for one in covering))
        inside = [
            one
            for one in picked
            if flow_log.resource_id in self._inside.get(one.resource_id, ()) and one.actions & flow_log.actions
        ]
        excluding = tuple(one.id for one in (*covering, *inside))
        reason = choice.reason + (f"; without the flows of {', '.join(excluding)}" if excluding else "")
        return Choice(flow_log, choice.source, choice.via, reason, excluding)

    def _way(self, flow_log: FlowLog) -> _Way:
        group, bucket = group_of(flow_log), bucket_of(flow_log)
        if group is not None:
            way = self._way_of_group(self._groups.get((group.account, group.region, group.name), group))
        elif bucket:
            way = self._way_of_bucket(self._buckets[bucket])
        else:
            way = _Way(None, flow_log.destination, f"it goes to {flow_log.destination_type}, which is not read")
        if way.source is not None and way.source not in self.wishes.precedence:
            way = _Way(None, way.via, f"{SOURCE_NAMES[way.source]} is not in discovery.precedence")
        if flow_log.is_failing:
            error = flow_log.delivery_error or "no reason given"
            way = _Way(way.source, way.via, f"{way.reason}; but AWS cannot deliver it: {error}")
        return way

    def _way_of_group(self, group: LogGroup) -> _Way:
        """Kinesis where a subscription leads to a stream that is read, else the group itself, with the reason."""
        refusals = []
        for subscription in group.subscriptions:
            if not subscription.stream:
                refusals.append(f"subscription {subscription.name} leads to no stream ({subscription.destination})")
                continue
            if self._readable.get(subscription.stream, ""):
                refusals.append(self._readable[subscription.stream])
                continue
            if SourceKind.KINESIS not in self.wishes.precedence:
                refusals.append("Kinesis is not in discovery.precedence")
                continue
            note = f", of which only lines that match {subscription.pattern!r}" if subscription.pattern else ""
            reason = f"log group {group.name} is subscribed to stream {_name(subscription.stream)}{note}"
            return _Way(SourceKind.KINESIS, subscription.stream, reason)
        if any(not one.enabled and _is_wish_for(one, group) for one in self.wishes.log_groups):
            return _Way(None, group.name, f"log group {group.name} is switched off in the settings")
        why = "; ".join(refusals) or "it is not subscribed to a stream"
        return _Way(SourceKind.CLOUDWATCH, group.name, f"log group {group.name} is polled: {why}")

    def _way_of_bucket(self, bucket: Bucket) -> _Way:
        wish = next((one for one in self.wishes.buckets if one.name == bucket.name), None)
        if wish is not None and not wish.enabled:
            return _Way(None, bucket.name, f"bucket {bucket.name} is switched off in the settings")
        queue = wish.queue if wish and wish.queue else bucket.queues[0].arn if bucket.queues else ""
        if queue:
            return _Way(SourceKind.S3, bucket.name, f"bucket {bucket.name} tells queue {_name(queue)} of new objects")
        if not bucket.is_read:
            return _Way(None, bucket.name, f"the queue of bucket {bucket.name} is not known: name it in [[buckets]]")
        others = f" (only {', '.join(bucket.others)})" if bucket.others else ""
        return _Way(None, bucket.name, f"bucket {bucket.name} tells no queue of new objects{others}")


def _is_wish_for(wish: LogGroupSettings, group: LogGroup) -> bool:
    return wish.name == group.name and wish.account in ("", group.account) and wish.region in ("", group.region)


def _name(arn: str) -> str:
    parsed = Arn.parse(arn)
    return parsed.resource.removeprefix("stream/") if parsed else arn


def _readable_streams(streams: Iterable[Stream], wishes: Wishes) -> Iterator[tuple[str, str]]:
    """Each stream with why it is not read. Those the user named come first, so `max_streams` never drops them."""
    wished = {(one.region, one.name): one for one in wishes.streams}
    count = 0
    places = {one.arn: Arn.parse(one.arn) for one in streams}
    by_name = {arn: (place.region, _name(arn)) for arn, place in places.items() if place}
    for arn in sorted(by_name, key=lambda arn: (by_name[arn] not in wished, arn)):
        name = by_name[arn]
        if name in wished and not wished[name].enabled:
            yield arn, f"stream {name[1]} is switched off in the settings"
        elif count >= wishes.max_streams:
            yield arn, f"stream {name[1]} is one more than kcl.max_streams = {wishes.max_streams}"
        else:
            count += 1
            yield arn, ""


def _containers(parts: Iterable[Part]) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Resource id → what it lies in: interface → subnet, VPC; subnet → VPC; attachment → transit gateway."""
    for part in parts:
        for subnet in part.subnets:
            yield subnet.id, (subnet.vpc_id,)
        for interface in part.interfaces:
            yield interface.id, (interface.subnet_id, interface.vpc_id)
        for gateway in part.nat_gateways:
            yield gateway.id, (gateway.vpc_id,)
        for attachment in part.attachments:
            yield attachment.id, (attachment.gateway_id,)

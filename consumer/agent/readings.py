"""What discovery and settings say is to be read, as tasks of the conductor.

Belongs here: the values, and turning a plan into them. Does not: the rules of the plan (discovery/plan/choosing.py),
what is healthy (failover.py), when (steering.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from consumer.agent.conductor import Task
from consumer.agent.standing_in import Helped, helped_groups
from consumer.aws.roles import Access
from consumer.config import Settings
from consumer.discovery.plan.choosing import Wishes
from consumer.discovery.plan.survey import Survey
from consumer.discovery.report.save import stream_settings
from consumer.kcl.settings import StreamSettings
from consumer.model.delivery import SourceKind
from consumer.model.place import LogGroupKey
from consumer.model.plan import Choice, Plan
from consumer.select.fallback import Pair
from consumer.select.plan import Place, PlanReporting, compile_reporting


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


def wished_tasks(settings: Settings) -> Iterator[Task]:
    """What is read whatever discovery finds."""
    for stream in settings.streams:
        if stream.enabled:
            yield stream_task(stream, "it is in the settings")
    if settings.discovery.enabled:
        return
    for group in settings.log_groups:  # without discovery they stand for themselves
        if group.enabled and not group.stream and group.account and group.region and not settings.streams:
            key = LogGroupKey(group.account, group.region, group.name)
            yield Task(SourceKind.CLOUDWATCH, key.label(), GroupReading(key), "it is in the settings")


def wished_pairs(settings: Settings) -> set[Pair]:
    """Which log group is reported by which stream, as far as the settings say."""
    return {
        Pair(LogGroupKey(group.account, group.region, group.name), f"{stream.region}/{stream.name}")
        for group in settings.log_groups
        for stream in settings.streams
        if group.stream == stream.name and stream.enabled and group.account and group.region and group.enabled
    }


@dataclass(frozen=True, slots=True)
class Known:
    """What one discovery found, swapped whole. `reporting`: what the plan leaves out."""

    settings: Settings
    survey: Survey
    plan: Plan
    own_account: str
    reporting: PlanReporting

    @classmethod
    def of(cls, settings: Settings, survey: Survey, plan: Plan, own_account: str) -> Known:
        """With its plan compiled."""
        return cls(settings, survey, plan, own_account, compile_reporting(plan, places_of(plan)))

    def tasks(self) -> Iterator[Task]:
        """Streams and log groups that the plan chose, but for streams that the settings name."""
        for choice in self.plan.choices.values():
            if choice.source is SourceKind.KINESIS:
                stream = stream_settings(self.survey, choice.via, self.own_account)
                if stream is not None and self._wish(stream) is None:
                    yield stream_task(stream, choice.reason, is_others=stream.account != self.own_account)
            elif choice.source is SourceKind.CLOUDWATCH and choice.group is not None:
                reading = GroupReading(choice.group, self.access(choice.group.account))
                yield Task(SourceKind.CLOUDWATCH, choice.group.label(), reading, choice.reason)

    def pairs(self) -> set[Pair]:
        """Which log group is reported by which stream, where it may be polled instead."""
        return {
            Pair(choice.group, self._stream_key(choice.via))
            for choice in self.plan.choices.values()
            if choice.may_be_polled and choice.group is not None
        }

    def polled_groups(self) -> set[LogGroupKey]:
        """Groups that the plan has polled."""
        choices = self.plan.choices.values()
        return {one.group for one in choices if one.source is SourceKind.CLOUDWATCH and one.group is not None}

    def helped(self) -> Mapping[LogGroupKey, Helped]:
        """Groups for which S3 may stand in."""
        return helped_groups(self.plan, self._stream_key)

    def access(self, account: str) -> Access:
        """As whom this account's log groups are asked."""
        return self.survey.access(account)

    def _stream_key(self, via: str) -> str:
        """The key of the task that reads a stream."""
        stream = stream_settings(self.survey, via, self.own_account)
        if stream is None:
            return via
        wished = self._wish(stream)
        is_others = stream.account != self.own_account and wished is None
        return stream_task(wished or stream, "", is_others=is_others).key

    def _wish(self, stream: StreamSettings) -> StreamSettings | None:
        """What the settings say of it: how it is read, then, too."""
        return next(
            (
                one
                for one in self.settings.streams
                if (one.region, one.name) == (stream.region, stream.name) and one.account in ("", stream.account)
            ),
            None,
        )


def places_of(plan: Plan) -> dict[str, Place]:
    """Flow log id → where its rows come from, in the words of select/plan.py."""
    return {name: place for name, one in plan.choices.items() if (place := _place(one))}


def _place(choice: Choice) -> Place | None:
    if choice.group is not None:
        return choice.group.account, choice.group.name
    return ("flow log", choice.flow_log.id) if choice.flow_log.destination_type == "s3" else None

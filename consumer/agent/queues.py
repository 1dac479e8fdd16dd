"""Queues that announce flow log objects: which are read, as whom, and the source of each.

Belongs here: joining settings, plan and survey to tasks of the conductor, and making their sources. Does not: the rules
of the plan (discovery/plan/choosing.py), reading (sources/s3/source.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from consumer.agent.basis import Basis
from consumer.agent.conductor import Made, Task
from consumer.aws.operations import GET_QUEUE_URL
from consumer.aws.roles import Access, Role, Target
from consumer.config import Settings
from consumer.discovery.plan.survey import Survey
from consumer.errors import RetryableError
from consumer.model.delivery import SourceKind
from consumer.model.plan import Plan
from consumer.sources.s3.objects import BucketRules, ObjectReader
from consumer.sources.s3.queue import MessageQueue
from consumer.sources.s3.report import QueueReport
from consumer.sources.s3.settings import QueueSettings
from consumer.sources.s3.source import KeepRejects, S3Source
from consumer.state.object_journal import ObjectJournal

_DAY_SECONDS = 86_400.0
FIRST_PLAN_SECONDS = 90.0
"""How long a queue of the settings waits for the first plan; without one its objects are read, whoever else may."""


@dataclass(frozen=True, slots=True)
class QueueReading:
    """A queue to read, and as whom. `url` empty = AWS is asked for it. `buckets`: those with rules of their own."""

    account: str
    region: str
    name: str
    url: str = ""
    access: Access = None
    buckets: tuple[BucketRules, ...] = ()

    def label(self) -> str:
        """`123456789012/us-east-1/flow-logs`."""
        return f"{self.account}/{self.region}/{self.name}"


def queue_tasks(settings: Settings, survey: Survey | None = None, plan: Plan | None = None) -> list[Task]:
    """Queues that the settings name, and those of buckets that the plan chose; each once."""
    rules = bucket_rules(settings)
    accesses = _accesses(survey)
    found: dict[str, Task] = {}
    off = {one.place for one in settings.queues if not one.enabled}

    def add(queue: QueueSettings, reason: str) -> None:
        account, region, name = queue.place
        access = Role.from_text(queue.role) if queue.role else accesses.get(account)
        reading = QueueReading(account, region, name, queue.url, access, rules)
        if (account, region, name) not in off and reading.label() not in found:
            found[reading.label()] = Task(SourceKind.S3, reading.label(), reading, reason)

    for queue in settings.queues:
        if queue.enabled:
            add(queue, "it is in the settings")
    for arn, reason in (*_wished(settings), *_planned(plan)):
        add(QueueSettings(queue=arn), reason)
    return list(found.values())


def bucket_rules(settings: Settings) -> tuple[BucketRules, ...]:
    """[[buckets]] as the source reads them."""
    return tuple(
        BucketRules(
            one.name,
            one.enabled,
            bool(one.role),
            Role.from_text(one.role) if one.role else None,
            one.requester_pays,
            one.expected_owner,
            one.delete_prefix,
            one.delete_unversioned,
        )
        for one in settings.buckets
    )


def _wished(settings: Settings) -> Iterator[tuple[str, str]]:
    """Queues of [[buckets]] where nobody discovers; else the plan decides whether a bucket is read."""
    if not settings.discovery.enabled:
        for one in settings.buckets:
            if one.enabled and one.queue:
                yield one.queue, f"the settings name it for bucket {one.name}"


def _planned(plan: Plan | None) -> Iterator[tuple[str, str]]:
    for choice in plan.choices.values() if plan else ():
        if choice.source is SourceKind.S3 and choice.queue:
            yield choice.queue, choice.reason


def _accesses(survey: Survey | None) -> Mapping[str, Access]:
    found: dict[str, Access] = {}
    for target, part in survey.parts.items() if survey else ():
        found.setdefault(part.account, target.access)
    return found


class QueueFactory:
    """Makes the source of a QueueReading. One journal for all of them: two queues may announce one object.

    `plan`: the plan in force, None = there is none yet. `is_wanted`: whether a flow log's objects are to be read.
    """

    def __init__(
        self,
        basis: Basis,
        keep_rejects: KeepRejects,
        plan: Callable[[], Plan | None],
        is_wanted: Callable[[str], bool],
    ) -> None:
        settings = basis.settings
        self._settings = settings.s3
        self._sessions = basis.sessions
        self._keep_rejects = keep_rejects
        self._metrics = basis.metrics
        self._health = basis.health
        self._clock = basis.clock
        self._plan = plan
        self._is_wanted = is_wanted
        # A long poll must be answered before botocore gives up waiting.
        self._wait_seconds = max(1, min(settings.s3.wait_seconds, int(settings.aws.read_timeout_seconds) - 2))
        self._waits_for_plan = settings.discovery.enabled
        keep_seconds = settings.s3.remember_days * _DAY_SECONDS
        self.journal = ObjectJournal(
            basis.state.path / "objects.sqlite", basis.clock.now, keep_seconds, settings.s3.remember_count
        )

    def make(self, reading: QueueReading) -> Made:
        """Inert, as the conductor asks for."""
        target = Target(reading.access, reading.region)
        made_at = self._clock.monotonic()
        rules = {one.name: one for one in reading.buckets}
        report = QueueReport(reading.label(), self._metrics, self._health, self._clock)
        reader = ObjectReader(
            self._sessions,
            target,
            lambda bucket: rules.get(bucket, BucketRules(bucket)),
            self.journal,
            self._clock,
            report,
            self._is_wanted,
        )
        source = S3Source(
            reading.label(),
            lambda: self._open(reading, target, made_at),
            reader,
            self._settings,
            self._keep_rejects,
            self._clock,
            report,
            self._wait_seconds,
        )
        return Made(source, report.forget)

    def _open(self, reading: QueueReading, target: Target, made_at: float) -> MessageQueue:
        """Blocks for one call where only the ARN is known. RetryableError while objects could be of flow logs that
        another source reports."""
        is_early = self._clock.monotonic() - made_at < FIRST_PLAN_SECONDS
        if self._waits_for_plan and self._plan() is None and is_early:
            raise RetryableError("the estate is being discovered: which flow logs come by S3 is not known yet")
        url = reading.url
        if not url:
            answer = self._sessions.call(
                GET_QUEUE_URL, target, QueueName=reading.name, QueueOwnerAWSAccountId=reading.account
            )
            url = str(answer["QueueUrl"])
        return MessageQueue(self._sessions, target, url)

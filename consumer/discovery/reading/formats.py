"""Which log formats a log group's records can have: settings first, else DescribeFlowLogs of the account that owns it,
else, where that fails, what discovery found last: a flow log's format never changes.

Belongs here: asking, caching, and bounding the wait. Does not: telling candidate formats apart by their lines
(decode/). Records from CloudWatch and Kinesis carry neither header nor flow log id, and `version` inside a record is
only the highest version among the fields chosen, so the log group is all there is to go by.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from functools import partial
from typing import NamedTuple

from cachetools import TLRUCache

from consumer.aws.operations import DESCRIBE_FLOW_LOGS
from consumer.aws.paging import items
from consumer.aws.roles import Target
from consumer.aws.sessions import Sessions
from consumer.clock import Clock
from consumer.discovery.parallel import in_background, result_of
from consumer.discovery.settings import DiscoverySettings, LogFormatSettings
from consumer.errors import RetryableError, VpcflowError
from consumer.model.delivery import Origin, SourceKind
from consumer.model.log_format import LogFormat
from consumer.model.plan import Plan
from consumer.telemetry.logs import get_logger

CACHED_GROUPS = 10_000
UNKNOWN_CACHE_SECONDS = 30
"""How long "nobody knows" is believed: short, because a new flow log's records are quarantined meanwhile."""
RETRY_SECONDS = 2.0
PLANNED_SECONDS = 5.0
"""How long a look-up may hold deliveries whose formats discovery knows: it would only add flow logs made since, and a
region that does not answer is asked for longer than a minute."""


class Group(NamedTuple):
    """Whose log group. `region`: where it is, or with `is_region_sure` false, where to look first."""

    account: str
    region: str
    is_region_sure: bool
    log_group: str


class FormatFinder:
    """`Origin → candidate formats`, callable from any thread. Mutable: a cache, bounded and timed.

    `error_counts`: failed look-ups by kind of error. Its threads end with the process, however long AWS takes.
    """

    def __init__(
        self,
        sessions: Sessions | None,
        settings: DiscoverySettings,
        known: Sequence[LogFormatSettings],
        clock: Clock,
        planned: Callable[[], Plan | None] = lambda: None,
    ) -> None:
        """`sessions` None: AWS is never asked. `known`: what the user wrote down; it always wins. `planned`: the flow
        logs of the last discovery, a restart included."""
        self._sessions = sessions
        self._timeout_seconds = settings.format_timeout_seconds
        self._cache_seconds = settings.format_cache_seconds
        self._known = [(rule, LogFormat.from_text(rule.format)) for rule in known]
        self._clock = clock
        self._planned = planned
        self._lock = threading.Lock()
        self._cache: TLRUCache[Group, tuple[LogFormat, ...]] = TLRUCache(
            CACHED_GROUPS, ttu=self._usable_until, timer=clock.monotonic
        )
        self._running: dict[Group, tuple[Future[tuple[LogFormat, ...]], float]] = {}
        """Look-ups that were begun, and when."""
        self._closed = threading.Event()
        self._log = get_logger("discovery")
        self.error_counts: Counter[str] = Counter()

    def __call__(self, origin: Origin) -> Sequence[LogFormat]:
        """Formats of the log group that `origin` names; empty = unknown.

        Blocks while AWS is asked, at most `format_timeout_seconds`, and PLANNED_SECONDS in all where discovery knows
        some; several threads that want the same group share one look-up, and one that came too late still fills the
        cache. Raises Stopped after `close`, nothing else.
        """
        if not origin.log_group:
            return ()
        chosen = tuple(self._chosen(origin))
        if chosen or self._sessions is None:
            return chosen
        # A stream may carry groups of other regions than its own, and an envelope does not name the region.
        is_region_sure = origin.kind is not SourceKind.KINESIS and bool(origin.region)
        group = Group(origin.account or "", origin.region or "", is_region_sure, origin.log_group)
        with self._lock:
            if group in self._cache:
                return self._cache[group]
            if group not in self._running:
                ask = partial(self._ask_and_keep, self._sessions, group)
                self._running[group] = in_background(ask, "formats"), self._clock.monotonic()
            lookup, began = self._running[group]
        planned = tuple(dict.fromkeys(self._formats_planned(group)))
        left = max(0.0, began + PLANNED_SECONDS - self._clock.monotonic())
        patience = min(left, self._timeout_seconds) if planned else self._timeout_seconds
        try:
            return result_of(lookup, self._closed, patience)
        except TimeoutError:
            if patience:
                self._log.warning("format look-up takes too long", **group._asdict(), planned=len(planned))
            return planned

    def close(self) -> None:
        """Let every waiting call raise Stopped."""
        self._closed.set()

    def _chosen(self, origin: Origin) -> Iterator[LogFormat]:
        for rule, log_format in self._known:
            if (
                rule.log_group == origin.log_group
                and rule.account in ("", origin.account or "")
                and rule.region in ("", origin.region or "")
            ):
                yield log_format

    def _usable_until(self, _: Group, formats: tuple[LogFormat, ...], now: float) -> float:
        return now + (self._cache_seconds if formats else UNKNOWN_CACHE_SECONDS)

    def _ask_and_keep(self, sessions: Sessions, group: Group) -> tuple[LogFormat, ...]:
        """The formats, cached; asked again while nobody knows, AWS only says "later" and somebody may be waiting."""
        formats: tuple[LogFormat, ...] = ()
        try:
            deadline = self._clock.monotonic() + self._timeout_seconds
            while True:
                formats, errors = self._ask(sessions, group)
                if errors:  # somewhere: what discovery found there counts
                    formats = tuple(dict.fromkeys((*formats, *self._formats_planned(group))))
                is_late = self._clock.monotonic() + RETRY_SECONDS >= deadline
                may_retry = any(isinstance(error, RetryableError) for error in errors)
                if formats or not may_retry or is_late or self._clock.wait(self._closed, RETRY_SECONDS):
                    break
            for error in errors:
                self._log.warning("format look-up failed", log_group=group.log_group, reason=str(error))
            if not formats and not errors:
                self._log.warning("no flow log writes into this log group", **group._asdict())
        finally:
            with self._lock:
                self._cache[group] = formats
                del self._running[group]
        return formats

    def _ask(self, sessions: Sessions, group: Group) -> tuple[tuple[LogFormat, ...], list[VpcflowError]]:
        """Formats of every flow log that writes into the group, and what went wrong (counted here)."""
        found: dict[LogFormat, None] = {}
        errors: list[VpcflowError] = []
        try:
            for target in self._targets(sessions, group):
                try:
                    found.update(dict.fromkeys(self._formats_at(sessions, target, group.log_group)))
                except VpcflowError as error:
                    errors.append(error)
        except VpcflowError as error:
            errors.append(error)
        with self._lock:
            self.error_counts.update(type(error).__name__ for error in errors)
        return tuple(found), errors

    def _formats_planned(self, group: Group) -> Iterator[LogFormat]:
        """Formats of the flow logs that write into the group as far as discovery knows."""
        plan = self._planned()
        for choice in plan.choices.values() if plan else ():
            place = choice.group
            if place is None or place.name != group.log_group or group.account not in ("", place.account):
                continue
            if place.region == group.region or not group.is_region_sure:
                yield from self._read(choice.flow_log.log_format, choice.flow_log.id)

    @staticmethod
    def _targets(sessions: Sessions, group: Group) -> list[Target]:
        """Where the group can be: in its own account if we may read that, in its region if that is known.

        Who cannot say which account they are (a profile whose keys are gone) is passed over where others can.
        """
        targets: list[Target] = []
        failure: VpcflowError | None = None
        for one in sessions.account_targets():
            try:
                if group.account and sessions.account(one.access) != group.account:
                    continue
            except VpcflowError as error:
                failure = error
                continue
            regions = (group.region,) if group.is_region_sure else (group.region, *one.regions)
            targets += [Target(one.access, region) for region in dict.fromkeys(regions) if region]
        if failure and not targets:
            raise failure
        return targets

    def _formats_at(self, sessions: Sessions, target: Target, log_group: str) -> Iterator[LogFormat]:
        by_group = [{"Name": "log-group-name", "Values": [log_group]}]
        for flow_log in items(sessions, DESCRIBE_FLOW_LOGS, target, Filter=by_group):
            yield from self._read(flow_log.get("LogFormat", ""), flow_log.get("FlowLogId", ""))

    def _read(self, text: str, flow_log: str) -> Iterator[LogFormat]:
        try:
            yield LogFormat.from_text(text)
        except ValueError as error:
            self._log.warning("unreadable log format", flow_log=flow_log, reason=str(error))

"""Making the sources of streams and log groups, each with all it needs.

Belongs here: that, and the calls that the groups of an account and region share. Does not: sources of queues
(queues.py), which are wanted (steering.py), running them (conductor.py).
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from typing import Any

from consumer.agent.basis import Basis
from consumer.agent.conductor import Made
from consumer.agent.failover import Failover
from consumer.agent.readings import GroupReading, StreamReading
from consumer.agent.standing_in import StandingIn
from consumer.aws.log_events import LogEvents
from consumer.aws.roles import Target
from consumer.errors import RefusedError
from consumer.model.place import LogGroupKey
from consumer.sources.cloudwatch.budget import Budget, Share
from consumer.sources.cloudwatch.report import PollingReport
from consumer.sources.cloudwatch.source import CloudWatchSource
from consumer.sources.kinesis.report import StreamReport
from consumer.sources.kinesis.source import KinesisSource
from consumer.state.cursors import Positions


class StreamFactory:
    """Makes the source of a StreamReading. `failover` hears how it fares, beside health and metrics. `worker`: the
    first part of our KCL worker ids."""

    def __init__(self, basis: Basis, failover: Failover, worker: Callable[[], str]) -> None:
        self._basis = basis
        self._failover = failover
        self._worker = worker

    def make(self, reading: StreamReading) -> Made:
        basis = self._basis
        report = StreamReport(reading.settings.name, basis.metrics, basis.health, basis.clock)
        watch = self._failover.watch(reading.key, report)
        source = KinesisSource(
            reading.settings,
            basis.settings.kcl,
            basis.state.path,
            self._worker(),
            basis.clock,
            watch,
            aws_settings=basis.settings.aws.model_dump_json().encode(),
        )
        return Made(source, report.forget, watch.failed)


class GroupFactory:
    """Makes the source of a GroupReading; thread-safe. `standing_in` hears how polling fares, beside health and
    metrics. `pollers`: how many agents poll groups of an account and region."""

    def __init__(
        self, basis: Basis, positions: Positions, standing_in: StandingIn, pollers: Callable[[str, str], int]
    ) -> None:
        self._settings = basis.settings
        self._sessions = basis.sessions
        self._positions = positions
        self._clock = basis.clock
        self._metrics = basis.metrics
        self._health = basis.health
        self._standing_in = standing_in
        self._pollers = pollers
        self._lock = threading.Lock()
        self._budgets: dict[tuple[str, str], Budget] = {}

    def make(self, reading: GroupReading) -> Made:
        share = self.share(reading.key)
        report = PollingReport(reading.key, share, self._metrics, self._health, self._clock)
        watch = self._standing_in.watch(reading.key, report)

        def forget() -> None:
            report.forget()
            self._standing_in.forget(reading.key)

        source = CloudWatchSource(
            reading.key,
            self.log_events(reading),
            self._settings.polling,
            self._positions,
            share,
            self._clock,
            watch,
            margin_seconds=float(self._settings.repeats.margin_seconds),
        )
        return Made(source, forget, watch.failed)

    def log_events(self, reading: GroupReading) -> LogEvents:
        """The calls for a log group."""
        return LogEvents(self._sessions, partial(self._target, reading), reading.key.name)

    def _target(self, reading: GroupReading) -> Target:
        """As whom and where. Asked on the source's thread: where nobody chose an access, AWS is asked who we are."""
        if reading.access is not None:
            return Target(reading.access, reading.key.region)
        targets = self._sessions.targets_of(reading.key.account, reading.key.region)
        if not targets:
            fix = "add a role of it to [aws], or correct the log group"
            text = f"no credentials of ours are of account {reading.key.account}: {fix}"
            raise RefusedError("logs:FilterLogEvents", "NoCredentials", text)
        return targets[0]

    def share(self, group: LogGroupKey) -> Share:
        """A group's own; all groups of an account and region have one budget, for they share its quota."""
        place = (group.account, group.region)
        with self._lock:
            budget = self._budgets.get(place)
            if budget is None:
                polling = self._settings.polling
                agents = partial(self._pollers, group.account, group.region)
                budget = Budget(polling.calls_per_second, polling.group_calls_per_second, self._clock, agents)
                self._budgets[place] = budget
                self._metrics.read_gauge(
                    "vpcflow_polling_region_calls_per_second",
                    partial(getattr, budget, "rate"),
                    account=group.account,
                    region=group.region,
                )
        return budget.share(group.name)

    def details(self) -> dict[str, Any]:
        """For /health: what each account and region, and each group in it, may call and has called."""
        with self._lock:
            budgets = sorted(self._budgets.items())
        return {
            "polling": [
                {
                    "account": account,
                    "region": region,
                    "calls_per_second": budget.rate,
                    "log_groups": {
                        name: {
                            "calls_per_second": share.rate,
                            "calls": share.calls,
                            "throttled": share.throttled_calls,
                        }
                        for name, share in sorted(budget.shares().items())
                    },
                }
                for (account, region), budget in budgets
            ]
        }

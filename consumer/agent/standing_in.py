"""Carrying out that S3 stands in for a log group that nothing else delivers.

Belongs here: seeing, stepping, telling, keeping it over a restart. Does not: deciding (select/stand_in.py), who may
(discovery/plan/stand_ins.py), which rows (select/plan.py).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from consumer.agent.basis import Basis
from consumer.agent.switches import Switches
from consumer.model.delivery import SourceKind
from consumer.model.place import LogGroupKey
from consumer.model.plan import Plan
from consumer.select.fallback import Rules
from consumer.select.stand_in import StandIn, step
from consumer.sources.cloudwatch.source import PollingObserver
from consumer.sources.cloudwatch.watch import PollingWatch

CHOSEN, S3 = "chosen", "s3"
"""Who reports a log group, as `source switched` says it."""


@dataclass(frozen=True, slots=True)
class Helped:
    """A log group for which S3 may stand in. `streams`: keys of the tasks that deliver it; none = it is polled.

    `flow_logs`: those that write into it and are helped; `helpers`: those in S3, in words. `may_be_polled`: it is, at
    the latest when its streams fail.
    """

    streams: frozenset[str] = frozenset()
    flow_logs: frozenset[str] = frozenset()
    helpers: tuple[str, ...] = ()
    may_be_polled: bool = False


def helped_groups(plan: Plan, stream_key: Callable[[str], str]) -> dict[LogGroupKey, Helped]:
    """Groups of the plan for which S3 may stand in. `stream_key`: `via` of a choice → key of the stream's task."""
    found: dict[LogGroupKey, Helped] = {}
    for helper in plan.choices.values():
        for name in helper.stands_in_for:
            choice = plan.choices[name]
            if choice.group is None:
                continue
            known = found.get(choice.group, Helped())
            is_stream = choice.source is SourceKind.KINESIS
            keys = {stream_key(choice.via)} if is_stream else set()
            may_be_polled = known.may_be_polled or choice.may_be_polled or not is_stream
            words = f"flow log {helper.flow_log.id} (bucket {helper.via})"
            helpers = known.helpers if words in known.helpers else (*known.helpers, words)
            found[choice.group] = Helped(known.streams | keys, known.flow_logs | {name}, helpers, may_be_polled)
    return found


@dataclass(slots=True)
class _Group:
    helped: Helped
    unit: StandIn = field(default_factory=StandIn)
    reason: str = ""


class StandingIn:
    """Mutable. `adopt` and `step` belong to the conductor's thread, everything else to any.

    `stream_trouble`: why this stream does not deliver this group, empty = it does.
    """

    def __init__(
        self,
        basis: Basis,
        rules: Rules,
        stream_trouble: Callable[[LogGroupKey, str], str],
        switches: Switches,
    ) -> None:
        self._rules = rules
        self._stream_trouble = stream_trouble
        self._switches = switches
        self._metrics = basis.metrics
        self._health = basis.health
        self._clock = basis.clock
        self._state = basis.state
        self._lock = threading.Lock()
        self._pollings: dict[LogGroupKey, PollingWatch] = {}
        self._groups: dict[LogGroupKey, _Group] = {}

    def watch(self, group: LogGroupKey, inner: PollingObserver) -> PollingWatch:
        """Who is told how polling this group fares; what was wrong before its source was made anew stays wrong."""
        with self._lock:
            known = self._pollings.get(group)
            self._pollings[group] = PollingWatch(inner, known.trouble if known else "")
            return self._pollings[group]

    def forget(self, group: LogGroupKey) -> None:
        """It is not polled any more."""
        with self._lock:
            self._pollings.pop(group, None)

    def adopt(self, helped: Mapping[LogGroupKey, Helped]) -> None:
        """Which groups have flow logs in S3 that may stand in: those of the plan."""
        for group in self._groups.keys() - helped.keys():
            gone = self._groups.pop(group)
            if gone.unit.is_standing:
                self._told(group, gone, "the plan has no flow log in S3 for it any more", is_over=True)
        for group, one in helped.items():
            if group in self._groups:
                self._groups[group].helped = one
                continue
            since = self._state.recall(_key(group))
            began = float(since) if isinstance(since, int | float) and since else None
            self._groups[group] = _Group(one, StandIn(began, hold_seconds=self._rules.failover_after_seconds))
            if began is not None:
                self._show(group, one, "nothing delivered it before this agent was started, either")

    def step(self) -> None:
        """Look at every group, and switch what must be switched."""
        for group, known in self._groups.items():
            trouble = self._trouble(group, known.helped)
            was = known.unit.since
            known.unit, reason = step(known.unit, self._clock.monotonic(), self._clock.now(), trouble, self._rules)
            if known.unit.since != was:
                self._told(group, known, reason, is_over=not known.unit.is_standing)

    def failed(self) -> dict[str, float]:
        """Flow logs that nothing delivers: id → start of flows from which S3 reports theirs."""
        return {
            name: known.unit.since
            for known in list(self._groups.values())
            if known.unit.since is not None
            for name in known.helped.flow_logs
        }

    def reported(self) -> set[LogGroupKey]:
        """Groups that are reported from S3."""
        return {group for group, known in list(self._groups.items()) if known.unit.is_standing}

    def details(self) -> list[dict[str, Any]]:
        """For /health."""
        return [
            {"log_group": group.label(), "from": list(known.helped.helpers), "since": known.unit.since}
            for group, known in sorted(self._groups.items())
            if known.unit.since is not None
        ]

    def _trouble(self, group: LogGroupKey, helped: Helped) -> str:
        """Why nothing delivers it; empty = something does, or nobody knows."""
        troubles = [self._stream_trouble(group, one) for one in sorted(helped.streams)]
        if helped.may_be_polled:
            with self._lock:
                polling = self._pollings.get(group)
            troubles.append(polling.trouble if polling else "")
        return "; ".join(troubles) if all(troubles) else ""

    def _told(self, group: LogGroupKey, known: _Group, reason: str, *, is_over: bool) -> None:
        before, after = (S3, CHOSEN) if is_over else (CHOSEN, S3)
        self._switches.tell(group, ", ".join(sorted(known.helped.streams)), before, after, reason)
        self._state.keep(_key(group), known.unit.since or 0.0)
        if is_over:
            self._metrics.gauge("vpcflow_reported_from_s3", log_group=group.label()).set(0)
            self._health.remove(f"stand-in {group.label()}")
        else:
            self._show(group, known.helped, reason)

    def _show(self, group: LogGroupKey, helped: Helped, reason: str) -> None:
        self._metrics.gauge("vpcflow_reported_from_s3", log_group=group.label()).set(1)
        words = f"reported from S3, {' and '.join(helped.helpers)}: {reason}"
        self._health.set(f"stand-in {group.label()}", "waiting", words)


def _key(group: LogGroupKey) -> str:
    return f"stand_in/{group.label()}"

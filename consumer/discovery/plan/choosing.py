"""Choosing, for every flow log, which source reports it, and saying why.

Belongs here: the rules. Pure. Does not: the ways of one flow log (ways.py), leaving rows out (select/), what happens
when a source fails (select/fallback.py). The plan knows what is set up, not what is healthy right now; a delivery that
AWS itself calls failed counts, because it says so for days.

Overlaps: flow logs of a VPC, its subnets and its interfaces each record the same flow. ACCEPT-only and REJECT-only
logs are complements. A flow log of which every flow is reported by better ones is left out; one of which only a part
is, leaves those parts to them (`excluding`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from consumer.discovery.estate.values import Part
from consumer.discovery.plan.stand_ins import NOTHING_ELSE, stand_ins
from consumer.discovery.plan.survey import Survey
from consumer.discovery.plan.ways import SOURCE_NAMES, Way, WayFinder, Ways, Wishes, name_of
from consumer.model.delivery import SourceKind
from consumer.model.plan import Choice, FlowLog, Plan

__all__ = ["SOURCE_NAMES", "Wishes", "make_plan"]


def make_plan(survey: Survey, wishes: Wishes) -> Plan:
    """A choice for every flow log of the survey."""
    return _Planner(survey, wishes).plan()


@dataclass(slots=True)
class _Planner:
    survey: Survey
    wishes: Wishes
    _inside: dict[str, tuple[str, ...]] = field(init=False)

    def plan(self) -> Plan:
        self._inside = dict(_containers(self.survey.parts.values()))
        finder = WayFinder(self.survey, self.wishes)
        found = {one.id: self._choose(one, finder.ways(one)) for one in self.survey.flow_logs}
        picked = _Picked(self._inside)
        choices: dict[str, Choice] = {}
        for flow_log in sorted(self.survey.flow_logs, key=lambda one: self._rank(found[one.id])):
            choice = found[flow_log.id]
            if choice.source is not None:
                choice = self._without_overlap(choice, picked, choices)
            if choice.source is not None:
                picked.add(flow_log)
            choices[flow_log.id] = choice
        choices = _with_twins(stand_ins(choices, self.wishes.queues))
        told = {one.id: choices[one.id] for one in self.survey.flow_logs}
        return Plan(MappingProxyType(told), tuple(one.id for one in picked.order), MappingProxyType(self._inside))

    def _order(self, flow_log: FlowLog) -> tuple[SourceKind, ...]:
        """The precedence for this flow log: what is said of its VPC goes first."""
        first = self._wished(flow_log)
        rest = tuple(one for one in self.wishes.precedence if one is not first)
        return rest if first is None else (first, *rest)

    def _wished(self, flow_log: FlowLog) -> SourceKind | None:
        places = (flow_log.resource_id, *self._inside.get(flow_log.resource_id, ()))
        return next((self.wishes.vpc_sources[place] for place in places if place in self.wishes.vpc_sources), None)

    def _choose(self, flow_log: FlowLog, ways: Ways) -> Choice:
        """The first usable way by precedence, as if this flow log were alone."""
        order = self._order(flow_log)
        usable = sorted((one for one in ways.ways if one.source in order), key=lambda one: order.index(one.source))
        refusals = list(ways.refusals)
        refusals += [
            f"{SOURCE_NAMES[one.source]} is not in discovery.precedence" for one in ways.ways if one not in usable
        ]
        if usable:
            chosen, others = usable[0], usable[1:]
            reason = chosen.reason
            if chosen.source is SourceKind.CLOUDWATCH:
                refusals += [f"{SOURCE_NAMES[chosen.source]} goes before {SOURCE_NAMES[o.source]}" for o in others]
                reason = f"log group {chosen.via} is polled: {'; '.join(refusals)}"
            choice = Choice(flow_log, chosen.source, chosen.via, reason, ways.group, tuple(map(_words, others)))
            may_be_polled, then = _if_it_fails(chosen, others)
            choice = replace(choice, if_it_fails=then, may_be_polled=may_be_polled, queue=chosen.queue)
        else:
            choice = Choice(flow_log, None, ways.via, "; ".join(refusals), ways.group)
        if choice.source is SourceKind.KINESIS:
            choice = replace(choice, also=(*choice.also, *ways.refusals))
        if flow_log.is_failing:
            error = flow_log.delivery_error or "no reason given"
            choice = replace(choice, reason=f"{choice.reason}; but AWS cannot deliver it: {error}")
        wished = self._wished(flow_log)
        if wished is not None and choice.source is not wished:
            note = f"discovery.vpc_sources wants it by {SOURCE_NAMES[wished]}, which is no way for it"
            choice = replace(choice, notes=(note,))
        return replace(choice, notes=(*choice.notes, *ways.notes))

    def _rank(self, choice: Choice) -> tuple[object, ...]:
        """Better ones first: delivered, by the preferred source, everything before a part, wide before narrow, rich."""
        flow_log, order = choice.flow_log, self._order(choice.flow_log)
        return (
            choice.source is None,
            flow_log.is_failing,
            order.index(choice.source) if choice.source else 0,
            -len(flow_log.actions),
            len(self._inside.get(flow_log.resource_id, ())),
            -len(flow_log.log_format.split()),
            flow_log.id,
        )

    def _without_overlap(self, choice: Choice, picked: _Picked, choices: dict[str, Choice]) -> Choice:
        flow_log = choice.flow_log
        covering = [one for one in picked.around(flow_log.resource_id) if one.actions & flow_log.actions]
        left = flow_log.actions.difference(*(one.actions for one in covering))
        if not left:
            best = choices[covering[0].id]
            names = " and ".join(one.id for one in covering)
            source = SOURCE_NAMES[best.source] if best.source else ""
            reason = f"its flows are already reported from {names} by {source}, which goes before"
            covered_by = tuple(one.id for one in covering)
            return replace(
                choice, source=None, reason=reason, also=(), if_it_fails="", may_be_polled=False, covered_by=covered_by
            )
        inside = [one for one in picked.within(flow_log.resource_id) if one.actions & flow_log.actions]
        excluding = tuple(one.id for one in (*covering, *inside))
        reason = choice.reason + (f"; without the flows of {', '.join(excluding)}" if excluding else "")
        return replace(choice, reason=reason, excluding=excluding)


class _Picked:
    """Flow logs that report something, found by resource: an estate has thousands, and each is held against all."""

    def __init__(self, inside: Mapping[str, tuple[str, ...]]) -> None:
        self._inside = inside
        self._on: defaultdict[str, list[int]] = defaultdict(list)
        self._within: defaultdict[str, list[int]] = defaultdict(list)
        self.order: list[FlowLog] = []

    def add(self, flow_log: FlowLog) -> None:
        """The next one."""
        number, resource = len(self.order), flow_log.resource_id
        self.order.append(flow_log)
        self._on[resource].append(number)
        for outer in self._inside.get(resource, ()):
            self._within[outer].append(number)

    def around(self, resource: str) -> list[FlowLog]:
        """Those about the resource or what it lies in, in order."""
        places = {resource, *self._inside.get(resource, ())}
        return [self.order[number] for number in sorted(n for place in places for n in self._on.get(place, ()))]

    def within(self, resource: str) -> list[FlowLog]:
        """Those about something that lies in the resource, in order."""
        return [self.order[number] for number in self._within.get(resource, ())]


def _with_twins(choices: Mapping[str, Choice]) -> dict[str, Choice]:
    """Each names the flow logs that record the same flows and are left out for its sake."""
    twins: defaultdict[str, list[str]] = defaultdict(list)
    for name, choice in choices.items():
        for covering in choice.covered_by:
            twins[covering].append(f"flow log {name} records some or all of the same flows and is left out")
    return {
        name: replace(choice, also=(*choice.also, *twins[name])) if name in twins else choice
        for name, choice in choices.items()
    }


def _words(way: Way) -> str:
    if way.source is SourceKind.CLOUDWATCH:
        return f"log group {way.via} can be polled"
    return f"it also arrives by {SOURCE_NAMES[way.source]}, {name_of(way.via)}"


def _if_it_fails(chosen: Way, others: Sequence[Way]) -> tuple[bool, str]:
    """Whether its log group is polled then, and what the running agent does by itself, no more."""
    polled = next((one for one in others if one.source is SourceKind.CLOUDWATCH), None)
    if chosen.source is not SourceKind.KINESIS or polled is None:
        return False, NOTHING_ELSE
    if chosen.is_partial:
        return False, f"{NOTHING_ELSE}: polling would bring the lines, too, that its subscription leaves out"
    return True, f"polled from log group {polled.via}"


def _containers(parts: Iterable[Part]) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Resource id → what it lies in: interface → subnet, VPC; subnet → VPC; attachment → transit gateway."""
    for part in parts:
        for subnet in part.subnets:
            yield subnet.id, (subnet.vpc_id,)
        for interface in part.interfaces:
            yield interface.id, (interface.subnet_id, interface.vpc_id)
        yield from part.located.items()
        for gateway in part.nat_gateways:
            yield gateway.id, (gateway.vpc_id,)
        for attachment in part.attachments:
            yield attachment.id, (attachment.gateway_id,)

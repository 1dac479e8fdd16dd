"""Which rows the plan has reported: each interface's record once, where several flow logs record it.

Belongs here: the compiled view of a plan, and leaving rows out by it, per distinct interface. Pure. Does not: choosing
(discovery/plan/choosing.py), repeats of one log event (repeats.py).

For each interface and each of ACCEPT and REJECT, one flow log is the *reporter*: the first in the plan's order of those
whose resource is the interface or holds it. A row is left out when the flow logs that can have written it (those of its
log group, or the one its object names, with its format) are known, and the reporter is another one. What is not known
(an interface, a group, a format, an action) is reported: an unknown thing may be told twice, but is never lost.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from consumer.model.delivery import Origin, SourceKind
from consumer.model.flow_batch import FlowBatch, Rows
from consumer.model.log_format import LogFormat
from consumer.model.plan import FlowLog, Plan
from consumer.select.selection import EXPORTED_BY_POLLING, Selection

NOT_CHOSEN = "not_chosen"
"""Another flow log reports the same flow."""
ACCEPT, REJECT, OTHER = 1, 2, 4
_EVERY = ACCEPT | REJECT | OTHER
_RESOURCE_FIELDS = ("interface-id", "tgw-attachment-id")
"""Fields that say which resource a row is about; flow logs hang on what they lie in."""

Place = tuple[str, str]
"""(owner account, log group), or ("flow log", id) where objects name it. A subscription does not tell its region."""


@dataclass(frozen=True, slots=True)
class CutOff:
    """Rows of a log group that reached Kinesis after `after` and until `until` went out by polling, those at least that
    start at `started_from` or later: older ones it was not asked for. Unix seconds."""

    after: float
    until: float
    started_from: float


@dataclass(frozen=True, slots=True)
class _Rules:
    """For one place and format. `bits`: resource id → which actions are reported from here; of a resource that is not
    in it, `otherwise` are."""

    bits: Mapping[bytes, int]
    otherwise: int


RulesByFormat = Mapping[tuple[Place, LogFormat], _Rules]


@dataclass(frozen=True, slots=True)
class _Standing:
    """Rows that start at `since` (Unix seconds) or later are reported by these rules, too."""

    since: float
    rules: RulesByFormat


@dataclass(frozen=True, slots=True)
class PlanReporting:
    """Implements Reporting. Immutable; `compile_reporting` makes one. `standing`: places that stand in for others."""

    rules: RulesByFormat = field(default_factory=lambda: MappingProxyType({}))
    cut_offs: Mapping[Place, CutOff] = field(default_factory=lambda: MappingProxyType({}))
    standing: Mapping[Place, _Standing] = field(default_factory=lambda: MappingProxyType({}))

    def rows(self, batch: FlowBatch, rows: Rows, origin: Origin, arrived_at: float) -> Selection:
        """Of `rows`, those that are reported by the way they came; the others by reason."""
        place = place_of(origin)
        dropped: Counter[str] = Counter()
        if origin.kind is SourceKind.KINESIS:
            cut_off = self.cut_offs.get(place)
            if cut_off is not None and cut_off.after < arrived_at <= cut_off.until:
                kept = _started_before(batch, rows, cut_off.started_from)
                dropped[EXPORTED_BY_POLLING] = len(rows) - len(kept)
                rows = kept
        rules = self.rules.get((place, batch.log_format))
        if rules is not None and len(rows):
            kept = _chosen(batch, rows, rules)
            if (standing := self.standing.get(place)) is not None:
                kept = np.union1d(kept, _stood_in(batch, rows, standing, place))
            dropped[NOT_CHOSEN] = len(rows) - len(kept)
            rows = kept
        return Selection(rows, +dropped)


def place_of(origin: Origin) -> Place:
    """Where an origin's rows were written into, as far as it says."""
    if origin.flow_log_id:
        return "flow log", origin.flow_log_id
    return origin.account or "", origin.log_group or ""


def _started_before(batch: FlowBatch, rows: Rows, moment: float) -> Rows:
    """Rows that started before the moment; none where the format does not tell."""
    if "start" not in batch.columns:
        return rows[:0]
    return np.ascontiguousarray(rows[batch.column("start")[rows] < np.uint64(max(0.0, moment))])


def _stood_in(batch: FlowBatch, rows: Rows, standing: _Standing, place: Place) -> Rows:
    """Rows that this place reports in place of another; of a format that tells no start, all that may be."""
    if "start" in batch.columns:
        rows = rows[batch.column("start")[rows] >= np.uint64(max(0.0, standing.since))]
    rules = standing.rules.get((place, batch.log_format))
    return rows if rules is None else _chosen(batch, rows, rules)


def _chosen(batch: FlowBatch, rows: Rows, rules: _Rules) -> Rows:
    """One look-up a distinct resource; rows by masks."""
    name = next((name for name in _RESOURCE_FIELDS if name in batch.columns), None)
    if name is None:
        allowed = np.full(len(rows), rules.otherwise, dtype=np.uint8)
    else:
        ids, places = np.unique(batch.column(name)[rows], return_inverse=True)
        text = batch.vocabulary.text
        bits = [rules.bits.get(text(one), rules.otherwise) if one else _EVERY for one in ids.tolist()]
        allowed = np.array(bits, dtype=np.uint8)[places]
    return np.ascontiguousarray(rows[(allowed & _actions(batch, rows)) != 0])


def _actions(batch: FlowBatch, rows: Rows) -> NDArray[np.uint8]:
    """The bit of each row's action; a format without one has all of them."""
    if "action" not in batch.columns:
        return np.full(len(rows), ACCEPT | REJECT, dtype=np.uint8)
    found = np.full(len(rows), OTHER, dtype=np.uint8)
    column = batch.column("action")[rows]
    for text, bit in ((b"ACCEPT", ACCEPT), (b"REJECT", REJECT)):
        number = batch.vocabulary.find(text)
        if number:
            found[column == np.uint64(number)] = bit
    return found


def compile_reporting(
    plan: Plan, places: Mapping[str, Place], cut_offs: Mapping[Place, CutOff] | None = None
) -> PlanReporting:
    """`places`: flow log id → where its rows come from. Places at which nothing is left out get no rule."""
    here: defaultdict[tuple[Place, LogFormat], list[FlowLog]] = defaultdict(list)
    for choice in plan.choices.values():
        place, log_format = places.get(choice.flow_log.id), _format(choice.flow_log)
        if place is not None and log_format is not None:
            here[place, log_format].append(choice.flow_log)
    reporters = _Reporters(plan)
    rules = {}
    for key, flow_logs in here.items():
        made = _rules(flow_logs, key[0], reporters)
        if made is not None:
            rules[key] = made
    return PlanReporting(MappingProxyType(rules), MappingProxyType(dict(cut_offs or {})))


def with_stand_ins(
    reporting: PlanReporting, plan: Plan, places: Mapping[str, Place], failed: Mapping[str, float]
) -> PlanReporting:
    """`reporting` while flow logs have failed: id → since when others stand in for it, Unix seconds.

    Who stands in reports what it would if those that failed were not there; those go on, too, as far as they come.
    """
    helpers = {
        name: min(failed[one] for one in choice.stands_in_for if one in failed)
        for name, choice in plan.choices.items()
        if failed.keys() & set(choice.stands_in_for)
    }
    order = [name for name in plan.order if name not in failed]
    order += [name for name in helpers if name not in plan.order]
    rules = compile_reporting(replace(plan, order=tuple(order)), places).rules
    standing = {places[name]: _Standing(since, rules) for name, since in helpers.items() if name in places}
    return replace(reporting, standing=MappingProxyType(standing))


class _Reporters:
    """Who reports what."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._logged = {choice.flow_log.resource_id for choice in plan.choices.values()}
        self._by_resource: defaultdict[str, list[tuple[int, FlowLog]]] = defaultdict(list)
        for rank, name in enumerate(plan.order):
            flow_log = plan.choices[name].flow_log
            self._by_resource[flow_log.resource_id].append((rank, flow_log))
        self._members: defaultdict[str, list[str]] = defaultdict(list)
        for resource, outer in plan.inside.items():
            for one in outer:
                self._members[one].append(resource)

    def leaves_of(self, flow_logs: Iterable[FlowLog]) -> Iterator[str]:
        """Every resource that rows of these flow logs can name."""
        for resource in {one.resource_id for one in flow_logs}:
            yield resource
            yield from self._members.get(resource, ())

    def around(self, resource: str) -> tuple[str, ...]:
        """The resource and what it lies in, as far as flow logs are about it: all that is to be known of it here."""
        return tuple(one for one in (resource, *self._plan.inside.get(resource, ())) if one in self._logged)

    def of(self, around: Iterable[str]) -> tuple[str, str]:
        """Flow logs that report ACCEPT and REJECT of what has these around; empty = none."""
        known = sorted(
            (found for place in around for found in self._by_resource.get(place, ())),
            key=lambda found: found[0],
        )
        accept = next((one.id for _, one in known if "ACCEPT" in one.actions), "")
        reject = next((one.id for _, one in known if "REJECT" in one.actions), "")
        return accept, reject


def _rules(flow_logs: list[FlowLog], place: Place, reporters: _Reporters) -> _Rules | None:
    """None where every row of the place is reported from it."""
    bits: dict[bytes, int] = {}
    here: defaultdict[str, list[FlowLog]] = defaultdict(list)
    for flow_log in flow_logs:
        here[flow_log.resource_id].append(flow_log)
    allowed: dict[tuple[str, ...], int] = {}  # the same for hundreds of thousands of interfaces
    for resource in reporters.leaves_of(flow_logs):
        around = reporters.around(resource)
        if around not in allowed:
            allowed[around] = _allowed(around, [one for outer in around for one in here.get(outer, ())], reporters)
        if allowed[around] != _EVERY:
            bits[resource.encode()] = allowed[around]
    # An object names its flow log, so its rows lie inside what that is about, whatever interface they name.
    otherwise = bits.get(flow_logs[0].resource_id.encode(), _EVERY) if place[0] == "flow log" else _EVERY
    if not bits:
        return None
    if otherwise != _EVERY:
        known = {one.encode() for one in reporters.leaves_of(flow_logs)}
        bits |= dict.fromkeys(known - set(bits), _EVERY)
    return _Rules(MappingProxyType(bits), otherwise)


def _allowed(around: tuple[str, ...], writers: list[FlowLog], reporters: _Reporters) -> int:
    """Which actions are reported from where these flow logs write."""
    accept, reject = reporters.of(around)
    allowed = OTHER
    for bit, action, reporter in ((ACCEPT, "ACCEPT", accept), (REJECT, "REJECT", reject)):
        can = [one.id for one in writers if action in one.actions]
        if not can or not reporter or reporter in can:
            allowed |= bit
    return allowed


def _format(flow_log: FlowLog) -> LogFormat | None:
    try:
        return LogFormat.from_text(flow_log.log_format)
    except ValueError:
        return None

"""Carrying fallback out: what is seen of streams and log groups, the state machines, and what they mean for others.

Belongs here: observing and stepping. Does not: deciding (select/fallback.py), telling (switches.py), keeping it over a
restart (fallback_file.py), starting and stopping sources (conductor.py).
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from consumer.agent.basis import Basis
from consumer.agent.fallback_file import FallbackFile, Kept
from consumer.agent.switches import Switches
from consumer.kcl.leases import Leased
from consumer.kcl.settings import KclSettings
from consumer.model.delivery import Origin, SourceKind
from consumer.model.place import LogGroupKey
from consumer.select.fallback import Mode, Pair, Rules, Seen, Switch, Unit, step
from consumer.select.plan import CutOff, Place, place_of
from consumer.sources.kinesis.status import StreamObserver
from consumer.sources.kinesis.watch import StreamState, StreamWatch
from consumer.state.cursors import Position, Positions
from consumer.state.heard import Heard

SAVE_SECONDS = 10.0
"""Between two writes of how far polling got; a switch is written at once. What an older one says is true, too."""
_NOT_READ = "the stream is not being read"
_HANDED_OVER = "the plan gives it to this stream, which has not passed yet what was polled"


@dataclass(slots=True)
class _Group:
    """What is known of one pair. `reason`, `is_shared`: see Kept; `trouble`: as it was seen last; `last_arrival`: of
    its newest event by the stream; `broken`: a probe's finding."""

    unit: Unit = field(default_factory=Unit)
    reason: str = ""
    is_shared: bool = False
    trouble: str = ""
    last_arrival: float = 0.0
    broken: str = ""


class Failover:
    """Mutable. `step` and `adopt` belong to the conductor's thread, everything else to any."""

    def __init__(self, basis: Basis, rules: Rules, positions: Positions, switches: Switches) -> None:
        self.rules = rules
        self._positions = positions
        self._clock = basis.clock
        self._health = basis.health
        self._switches = switches
        self._file = FallbackFile(basis.state.path)
        self._silent_seconds = silent_seconds(basis.settings.kcl)
        self._look_back_seconds = basis.settings.polling.look_back_seconds
        self._lock = threading.Lock()
        self._watches: dict[str, StreamWatch] = {}
        self._arrivals: dict[Place, float] = {}
        self._leased: dict[str, Leased] = {}
        self._heard: dict[str, Heard] = {}
        self._saved_at = float("-inf")
        self._groups = {
            pair: _Group(kept.unit, kept.reason, kept.is_shared) for pair, kept in self._file.load().items()
        }
        self._started_at = self._clock.now()

    def watch(self, stream: str, inner: StreamObserver) -> StreamWatch:
        """Who is told how the stream fares; the same one over restarts of its source."""
        with self._lock:
            known = self._watches.get(stream)
            if known is None:
                position = self._positions.get("stream", stream)
                until = position.exported_until if position else None
                known = self._watches[stream] = StreamWatch(inner, self._clock, self._silent_seconds, until)
            else:
                known.tell(inner)
            return known

    def note(self, origin: Origin, arrived_at: float) -> None:
        """A record of a log group came by Kinesis."""
        if origin.kind is SourceKind.KINESIS and origin.log_group:
            place = place_of(origin)
            if arrived_at > self._arrivals.get(place, 0.0):
                self._arrivals[place] = arrived_at

    def adopt(self, pairs: set[Pair], polled: Collection[LogGroupKey] = ()) -> None:
        """Which groups are reported by which stream and may be polled instead: those of the plan.

        `polled`: groups that the plan had polled until now. Handed to a stream they are polled on until
        it is read and has passed them; a group that its stream loses is polled from where the stream left it.
        """
        for pair in pairs - set(self._groups):
            position = self._positions.get("log_group", pair.group.label()) if pair.group in polled else None
            began = Unit(Mode.POLLING, hold_seconds=self.rules.failover_after_seconds)
            unit = replace(began, began_from=position.exported_until) if position else Unit()
            self._groups[pair] = _Group(unit, _HANDED_OVER if position else "")
        for pair in set(self._groups) - pairs:
            gone = self._groups.pop(pair)
            if gone.unit.is_polled:
                self._tell(pair, Switch(gone.unit.mode, Mode.STREAM, "the plan no longer reports it by this stream"))
            else:
                until = self._state(pair.stream).exported_until
                until = min(until, gone.last_arrival or until)
                self._positions.advance("log_group", pair.group.label(), Position.at(until))

    def step(self) -> None:
        """Look at every stream and group, and switch what must be switched."""
        with self._lock:
            states = {stream: watch.look() for stream, watch in self._watches.items()}
        for stream, state in states.items():
            self._positions.advance("stream", stream, Position.at(state.exported_until))
        for pair, known in self._groups.items():
            state = self._judged(pair.stream, states.get(pair.stream) or self._unread(pair.stream))
            seen = self._seen(pair, known, state)
            known.trouble = seen.trouble
            unit, switch = step(known.unit, seen, self.rules)
            if switch is not None and switch.before is Mode.STREAM:
                assert unit.began_from is not None, "set when polling begins"
                known.is_shared = self._is_shared(pair.stream)
                self._positions.advance("log_group", pair.group.label(), Position.at(unit.began_from))
            known.unit = unit
            if switch is not None:
                known.reason = switch.reason
                self._tell(pair, switch)
                self._saved_at = float("-inf")
        self._switches.show(
            {
                pair.group: f"polled in place of stream {pair.stream}: {known.reason}"
                for pair, known in self._groups.items()
                if known.unit.is_polled
            }
        )
        if self._clock.monotonic() >= self._saved_at + SAVE_SECONDS:
            self.save()

    def found(self, pair: Pair, broken: str) -> None:
        """A probe's finding: why the stream does not deliver this group though it has newer events; empty = it may."""
        known = self._groups.get(pair)
        if known is not None:
            known.broken = broken

    def leased(self, stream: str, leased: Leased | None) -> None:
        """What a look at the stream's leases found; None = nothing."""
        if leased is None:
            self._leased.pop(stream, None)
            return
        self._leased[stream] = leased
        if leased.are_others:
            with self._lock:
                if (watch := self._watches.get(stream)) is not None:
                    watch.lost()

    def holders(self, stream: str) -> frozenset[str]:
        """Workers that hold the shards of a stream that others share with us; empty = nobody does, or nobody knows."""
        leased = self._leased.get(stream)
        return leased.owners if leased is not None and leased.is_shared else frozenset()

    def own_hearing(self, stream: str) -> Heard:
        """What came by our own shards of it."""
        until = self._state(stream).exported_until  # first: what is exported by then has been noted
        groups = {
            pair.group.label(): (self._arrivals.get(_place(pair), 0.0), known.last_arrival)
            for pair, known in list(self._groups.items())
            if pair.stream == stream and known.last_arrival
        }
        return Heard(until, groups)

    def heard(self, stream: str, heard: Heard | None) -> None:
        """What all that hold a shard of it have heard together; None = that is not known."""
        if heard is None:
            self._heard.pop(stream, None)
        else:
            self._heard[stream] = heard

    def streams(self) -> set[str]:
        """Streams whose log groups may be polled in their place."""
        return {pair.stream for pair in list(self._groups)}

    def trouble_of(self, group: LogGroupKey, stream: str) -> str:
        """Why this stream does not deliver this group, and polling in its place, where it may be polled, has begun;
        empty = the stream does, or polling is still to come."""
        known = self._groups.get(Pair(group, stream))
        if known is None:
            return self._state(stream).trouble
        return known.trouble if known.unit.is_polled else ""

    def suspects(self) -> list[tuple[Pair, float, float]]:
        """Groups whose stream is well and that are reported by it: with the arrival of their newest event, and the
        watermark of the stream. A probe may look at them. Where other agents hold some of the shards both are what all
        have heard together, for what is silent here may come there."""
        with self._lock:
            states = {stream: watch.look() for stream, watch in self._watches.items()}
        found = []
        for pair, known in list(self._groups.items()):
            state = states.get(pair.stream)
            if state is None or state.trouble or known.unit.mode is not Mode.STREAM:
                continue
            if not self._is_shared(pair.stream):
                last, until = known.last_arrival, state.exported_until
            elif (heard := self._heard.get(pair.stream)) is not None:
                last, until = heard.groups.get(pair.group.label(), (0.0, 0.0))[1], heard.until
            else:
                continue
            if last:
                found.append((pair, last, until))
        return found

    def polled(self) -> dict[LogGroupKey, str]:
        """Groups to poll in place of their stream, with the reason."""
        return {
            pair.group: f"in place of stream {pair.stream}, {known.unit.mode}"
            for pair, known in list(self._groups.items())
            if known.unit.is_polled
        }

    def cut_offs(self) -> Mapping[Place, CutOff]:
        """What went out by polling. A subscription does not tell a group's region, so where two groups of an account
        have one name, only what went out for both counts."""
        spans: dict[Place, list[tuple[float, float] | None]] = {}
        shared = set()
        for pair, known in list(self._groups.items()):
            place = _place(pair)
            spans.setdefault(place, []).append(known.unit.exported_by_polling())
            if known.is_shared:
                shared.add(place)
        found = {}
        for place, every in spans.items():
            whole = [one for one in every if one is not None]
            if len(whole) == len(every):
                after, until = max(one[0] for one in whole), min(one[1] for one in whole) - self.rules.margin_seconds
                # Where others hold shards nobody here knows since when its subscription has been silent: sure to be
                # polled is then only what started within the margin, for nothing arrives before it starts.
                reach = self.rules.margin_seconds if place in shared else self._look_back_seconds
                found[place] = CutOff(after, until, after - reach)
        return found

    def details(self) -> dict[str, Any]:
        """For /health: groups that are polled in place of their stream, and the last switches."""
        rows = [
            {
                "log_group": pair.group.label(),
                "stream": pair.stream,
                "mode": known.unit.mode.value,
                "polled_from": known.unit.began_from,
                "polled_until": known.unit.swept_until,
            }
            for pair, known in sorted(self._groups.items(), key=lambda item: (item[0].group, item[0].stream))
        ]
        return {"fallback": rows, "switches": self._switches.last()}

    def _state(self, stream: str) -> StreamState:
        with self._lock:
            watch = self._watches.get(stream)
            return self._judged(stream, watch.look() if watch else self._unread(stream))

    def _judged(self, stream: str, state: StreamState) -> StreamState:
        """With what its leases say: our own shards may be well while another one has nobody; and without any shard of
        ours all is well where others hold them."""
        leased = self._leased.get(stream)
        if leased is None:
            return state
        if leased.are_others and not state.has_shards:
            return replace(state, trouble="")
        if not leased.trouble:
            return state
        trouble = f"{state.trouble}; {leased.trouble}" if state.trouble else leased.trouble
        since = state.now - (self._clock.monotonic() - leased.since)
        return replace(state, trouble=trouble, exported_until=min(state.exported_until, since), since=leased.since)

    def _is_shared(self, stream: str) -> bool:
        leased = self._leased.get(stream)
        return leased is not None and leased.is_shared

    def _unread(self, stream: str) -> StreamState:
        """A stream without a source: exported up to where the last run left it."""
        position = self._positions.get("stream", stream)
        until = position.exported_until if position else self._started_at
        return StreamState(_NOT_READ, until, self._clock.now())

    def _seen(self, pair: Pair, known: _Group, state: StreamState) -> Seen:
        arrival = self._arrivals.get(_place(pair), 0.0)
        if (heard := self._heard.get(pair.stream)) is not None:
            arrival = max(arrival, heard.groups.get(pair.group.label(), (0.0, 0.0))[0])
        if arrival > known.last_arrival:
            known.last_arrival, known.broken = arrival, ""
        elif not known.last_arrival:
            known.last_arrival = state.exported_until
        trouble, until = state.trouble or known.broken, state.exported_until
        if trouble and (known.broken or not self._is_shared(pair.stream)):
            # What its subscription may have held back since its last event arrived later in CloudWatch than that one;
            # polling begins a margin earlier than it is told, and so finds it, and nothing that came by the stream.
            until = min(until, known.last_arrival + self.rules.margin_seconds)
        swept = self._positions.get("log_group", pair.group.label()) if known.unit.is_polled else None
        return Seen(self._clock.monotonic(), trouble, until, swept.swept_until if swept else None, state.since)

    def _tell(self, pair: Pair, switch: Switch) -> None:
        self._switches.tell(pair.group, pair.stream, switch.before.value, switch.after.value, switch.reason)

    def save(self) -> None:
        """Keep what must be known after a death. Also at the end."""
        self._saved_at = self._clock.monotonic()
        try:
            self._file.save(
                {pair: Kept(known.unit, known.reason, known.is_shared) for pair, known in self._groups.items()}
            )
            self._health.remove("fallback")
        except OSError as error:
            self._health.set("fallback", "failing", f"{self._file.path} cannot be written: {error}")


def _place(pair: Pair) -> Place:
    """A group as the records of a stream name it: without its region."""
    return pair.group.account, pair.group.name


def silent_seconds(kcl: KclSettings) -> float:
    """How long a shard may go without a call: KCL reads each once in idle_time_ms, with or without records."""
    return max(10.0, 5 * kcl.idle_time_ms / 1000)

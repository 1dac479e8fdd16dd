"""What fallback does, told: each switch as an event, and who is polled in place of a stream as a state.

Belongs here: log, metrics, /health. Does not: deciding (select/fallback.py, select/stand_in.py), carrying out
(failover.py, standing_in.py).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Any

from consumer.agent.basis import Basis
from consumer.model.place import LogGroupKey
from consumer.telemetry.logs import get_logger

_KEPT_SWITCHES = 100

log = get_logger("fallback")


class Switches:
    """Mutable; told by one thread, `last` may be asked by any."""

    def __init__(self, basis: Basis) -> None:
        self._metrics = basis.metrics
        self._health = basis.health
        self._clock = basis.clock
        self._last: deque[dict[str, Any]] = deque(maxlen=_KEPT_SWITCHES)
        self._shown: dict[LogGroupKey, str] = {}

    def tell(self, group: LogGroupKey, stream: str, before: str, after: str, reason: str) -> None:
        """Who reports the group now: a line in the log, a count, an entry of `switches` in /health."""
        said = {"log_group": group.label(), "stream": stream, "before": before, "after": after, "reason": reason}
        log.warning("source switched", **said)
        self._metrics.counter("vpcflow_source_switches_total", log_group=group.label(), to=after).inc()
        self._last.append({"at": self._clock.now(), **said})

    def show(self, polled: Mapping[LogGroupKey, str]) -> None:
        """Who is polled in place of a stream now, and why: also what was so before this agent started."""
        for group in self._shown.keys() - polled.keys():
            self._metrics.gauge("vpcflow_polled_for_stream", log_group=group.label()).set(0)
            self._health.remove(f"fallback {group.label()}")
        for group, reason in polled.items():
            if self._shown.get(group) != reason:
                self._metrics.gauge("vpcflow_polled_for_stream", log_group=group.label()).set(1)
                self._health.set(f"fallback {group.label()}", "waiting", reason)
        self._shown = dict(polled)

    def last(self) -> list[dict[str, Any]]:
        """The last switches, for /health; the newest at the end."""
        return list(self._last)

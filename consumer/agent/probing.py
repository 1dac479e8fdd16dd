"""Looking, one event at a time, whether a log group has events that its stream does not bring.

Belongs here: when to look, and what an answer means. Does not: what follows from it (failover.py). A subscription may
break without a word: its role, its destination, a key. Then the stream is well, caught up, and silent.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Protocol

import orjson

from consumer.agent.failover import Failover
from consumer.aws.log_events import Page
from consumer.clock import Clock
from consumer.errors import RetryableError, VpcflowError
from consumer.model.place import LogGroupKey
from consumer.select.fallback import Pair
from consumer.sources.cloudwatch.budget import Share
from consumer.telemetry.logs import get_logger

BROKEN = "its subscription brings nothing, while the log group has newer events"
PAGE_LIMIT = 20
"""Empty pages with a token that one look follows; AWS gives them while it searches."""
_LOOK_SECONDS = 1.0

log = get_logger("fallback")


class FirstEvent(Protocol):
    """One event of a log group; aws/log_events.py."""

    def first(self, start: float, token: str | None) -> Page: ...


class Prober:
    """One thread looks at every silent group, every `probe_seconds`. `calls_of`: how a group is asked; `share_of`: its
    share of the calls, which polling takes from, too."""

    def __init__(
        self,
        failover: Failover,
        calls_of: Callable[[LogGroupKey], FirstEvent],
        share_of: Callable[[LogGroupKey], Share],
        probe_seconds: float,
        clock: Clock,
    ) -> None:
        self._failover = failover
        self._calls_of = calls_of
        self._share_of = share_of
        self._probe_seconds = probe_seconds
        self._clock = clock
        self._looked: dict[Pair, tuple[float, float]] = {}
        """(arrival of the newest event at the last look, monotonic moment of that look)."""

    def run(self, stop: threading.Event) -> None:
        """Until `stop`; blocks."""
        while not self._clock.wait(stop, _LOOK_SECONDS):
            self.look(stop)

    def look(self, stop: threading.Event) -> None:
        """Look at every group that is due."""
        after = self._failover.rules.failover_after_seconds
        for pair, arrival, exported_until in self._failover.suspects():
            if stop.is_set():
                return
            if exported_until - arrival < after:
                continue
            looked = self._looked.get(pair)
            now = self._clock.monotonic()
            if looked is not None and looked[0] == arrival and now - looked[1] < self._probe_seconds:
                continue
            self._looked[pair] = (arrival, now)
            ingested_at = self._first_ingestion(pair.group, arrival, stop)
            if ingested_at is not None and ingested_at + after <= exported_until:
                self._failover.found(pair, BROKEN)

    def _first_ingestion(self, group: LogGroupKey, start: float, stop: threading.Event) -> float | None:
        """When the first event with a timestamp since `start` arrived; None = there is none, or nobody says."""
        token: str | None = None
        share = self._share_of(group)
        try:
            for _ in range(PAGE_LIMIT):
                if not share.take(stop):
                    return None
                page = self._calls_of(group).first(start, token)
                share.answered()
                events = orjson.loads(page.body).get("events") or []
                if events:
                    return float(events[0].get("ingestionTime", 0)) / 1000
                token = page.token
                if token is None:
                    return None
        except VpcflowError as error:
            if isinstance(error, RetryableError):
                share.throttled()
            log.warning("log group could not be looked at", log_group=group.label(), reason=str(error))
        return None

"""How a stream is doing, from what its daemon and its children do: states with a reason a user can act on."""

from __future__ import annotations

import threading
from typing import Literal, Protocol

from cachetools import TTLCache

from consumer.clock import Clock
from consumer.kcl.channel import Child
from consumer.telemetry.logs import get_logger

log = get_logger("kinesis")

State = Literal["ok", "waiting", "failing"]
_REASON_LIMIT = 200
_SAID_LIMIT, _SAID_SECONDS = 256, 60.0
"""The same line again within a minute is not logged again; KCL repeats itself at every read."""
_LEVELS = {"ERROR": "error", "WARN": "warning"}


class StreamObserver(Protocol):
    """Who hears how one stream is doing; called from several threads."""

    def state(self, state: State, reason: str) -> None:
        """The stream as a whole; called when it changes."""

    def called(self, shard: str, behind_ms: int | None, at: float) -> None:
        """KCL called us for a shard, with or without records; `at`: Unix seconds. No call for long means stuck."""

    def came(self, shard: str) -> None:
        """A child for this shard has come: it is leased to us."""

    def exported(self, shard: str, first: float, last: float, *, is_caught_up: bool) -> None:
        """The last call is answered: its records, which arrived from `first` to `last` (Unix seconds of AWS's clock, 0
        = it brought none), are exported; `is_caught_up`: all of them, and there were no more at that time."""

    def left(self, shard: str, reason: str | None) -> None:
        """We do not read this shard any more: `reason` as its child said, None = the child died."""

    def restarted(self, reason: str) -> None:
        """The daemon ended against our will and is started again."""


class StreamStatus:
    """Watches a daemon (kcl.daemon.DaemonWatcher) and its children, and tells the observer what it means."""

    def __init__(self, stream: str, observer: StreamObserver, clock: Clock) -> None:
        self._stream = stream
        self._observer = observer
        self._clock = clock
        self._lock = threading.Lock()
        self._children: set[Child] = set()
        self._reported: tuple[State, str] | None = None
        self._last_error = ""
        self._said: TTLCache[tuple[str, str], None] = TTLCache(_SAID_LIMIT, _SAID_SECONDS, timer=clock.monotonic)

    def daemon_started(self, pid: int) -> None:
        self._last_error = ""
        log.info("daemon started", stream=self._stream, pid=pid)
        self._report("waiting", "the daemon has started and takes its leases")

    def daemon_said(self, line: str) -> None:
        """`LEVEL|LOGGER|TEXT` as properties/logback.xml lays it out; anything else is what something printed."""
        level, _, rest = line.partition("|")
        logger, _, text = rest.partition("|")
        if level not in _LEVELS:
            level, logger, text = "WARN", "", line
        if level == "ERROR":
            self._last_error = text.partition(" / at ")[0][:_REASON_LIMIT]
            if not self._is_reading():  # else the next call would only say again that all is well
                self._report("failing", f"the daemon takes no shard and says: {self._last_error}")
        with self._lock:
            if (logger, text) in self._said:
                return
            self._said[logger, text] = None
        write = log.error if level == "ERROR" else log.warning
        write("daemon says", stream=self._stream, logger=logger, text=text.rstrip())

    def daemon_ended(self, reason: str, delay_seconds: float) -> None:
        if self._last_error:
            reason = f"{reason}; it said: {self._last_error}"
        log.error("daemon ended", stream=self._stream, reason=reason, next_start_seconds=delay_seconds)
        self._observer.restarted(reason)
        self._report("failing", f"{reason}; started again in {delay_seconds:.0f} s")

    def has_children(self) -> bool:
        with self._lock:
            return bool(self._children)

    def child_came(self, child: Child) -> None:
        log.info("shard taken", stream=self._stream, shard=child.shard, start=child.start)
        with self._lock:
            self._children.add(child)
        self._observer.came(child.shard)

    def child_left(self, child: Child) -> None:
        log.info("shard left", stream=self._stream, shard=child.shard, reason=child.ended or "its child died")
        with self._lock:
            self._children.discard(child)
            is_last = not self._children
        self._observer.left(child.shard, child.ended)
        if is_last and child.ended is not None:
            self._report("waiting", f"no shard is leased to this agent (the last one: {child.ended})")

    def called(self, child: Child, behind_ms: int | None) -> None:
        self._observer.called(child.shard, behind_ms, self._clock.now())
        self._report("ok", "reading")

    def exported(self, child: Child, first: float, last: float, *, is_caught_up: bool) -> None:
        self._observer.exported(child.shard, first, last, is_caught_up=is_caught_up)

    def _is_reading(self) -> bool:
        with self._lock:
            return self._reported is not None and self._reported[0] == "ok"

    def failed(self, reason: str) -> None:
        self._report("failing", reason)

    def _report(self, state: State, reason: str) -> None:
        with self._lock:
            if self._reported == (state, reason):
                return
            self._reported = (state, reason)
        self._observer.state(state, reason)

"""The exporting process: every collector gets every message, at its own pace and in its own numbering.

Belongs here: which collectors are waited for, and all the waiting. Does not: what one collector needs (collector.py).
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from types import TracebackType
from typing import Self

from consumer.clock import Clock
from consumer.errors import Stopped
from consumer.export.announce import OptionsSource
from consumer.export.collector import Collector
from consumer.export.outgoing import Outgoing
from consumer.export.status import CollectorStatus
from consumer.model.messages import MessageBatch

_TEND_SECONDS = 1.0
_QUEUE_POLL_SECONDS = 0.05
_DRAIN_SECONDS = 2.0
"""How long closing tries to get rid of what was accepted."""


def _always() -> bool:
    return True


class ExportingProcess:
    """Thread-safe: several sources send at once; messages of one batch keep their order at each collector."""

    def __init__(self, collectors: Sequence[Collector], clock: Clock, options: OptionsSource | None = None) -> None:
        self.collectors = tuple(collectors)
        self._required = tuple(collector for collector in collectors if collector.settings.required)
        self._optional = tuple(collector for collector in collectors if not collector.settings.required)
        self._owners = frozenset({one.encoding_key: one for one in (*self._optional, *self._required)}.values())
        """The last of each encoding to be given a batch: it gets the batch itself."""
        self._clock = clock
        self._options = options
        self.may_send: Callable[[], bool] = _always
        """Asked before each message (or burst): false = another agent may be what we are, and nothing may go out."""
        self._closing = threading.Event()
        self._tender: threading.Thread | None = None

    @property
    def encoding_keys(self) -> frozenset[Hashable]:
        """What a batch must be encoded for."""
        return frozenset(collector.encoding_key for collector in self.collectors)

    def message_limit(self, encoding_key: Hashable) -> int:
        """Octets a message of this encoding may have now: what the narrowest path of its collectors takes."""
        return min(collector.message_limit for collector in self.collectors if collector.encoding_key == encoding_key)

    def send(self, batches: Mapping[Hashable, MessageBatch], stop: threading.Event) -> None:
        """Hand every message to the kernel for every required collector, and queue it for the others.

        The batches are given away: their octets are stamped in place, and kept for sending again. Blocks while a
        required collector paces or holds. Raises Stopped when `stop` is set first (some messages may
        have gone).
        """
        for collector in self._optional:
            for batch in self._batches_for(collector, batches):
                collector.offer(batch)
        left = {collector: _jobs(self._batches_for(collector, batches)) for collector in self._required}
        while left:
            if not self.may_send():
                raise Stopped("this agent's slot is lost: another one may be sending")
            waits = {collector: _advance(collector, jobs) for collector, jobs in left.items()}
            left = {collector: jobs for collector, jobs in left.items() if jobs}
            if not left:
                return
            pause = min(waits[collector] for collector in left)
            if self._clock.wait(stop, pause) if pause else stop.is_set():
                reasons = "; ".join(f"{collector.name}: {collector.status().reason}" for collector in left)
                raise Stopped(f"stopped while sending to {reasons}")

    def _batches_for(self, collector: Collector, batches: Mapping[Hashable, MessageBatch]) -> Iterator[MessageBatch]:
        """What this collector is to be told now besides flows, then its batch: all its own."""
        batch = batches[collector.encoding_key]
        if self._options is not None:
            for kind in collector.due_options(batch.domain):
                options = self._options.build(
                    kind, collector.encoding_key, batch.domain, collector.message_limit, collector.counts
                )
                if options is not None:
                    yield options
        yield batch if collector in self._owners else batch.copy()

    def start(self) -> None:
        """Open the sockets and start the thread that looks after collectors between deliveries.

        Raises ConfigurationError when a source port is taken.
        """
        for collector in self.collectors:
            collector.advance(None)
            if collector.configuration_error is not None:
                raise collector.configuration_error
        self._tender = threading.Thread(target=self._tend, name="export", daemon=True)
        self._tender.start()

    def close(self) -> None:
        """Send what waits at the collectors or comes back from them (two seconds at most in all), then give the ports
        back."""
        self._closing.set()
        if self._tender is not None:
            self._tender.join()
        give_up_at = self._clock.monotonic() + _DRAIN_SECONDS
        for collector in self.collectors:
            self._drain(collector, give_up_at)
            collector.abandon()

    def _drain(self, collector: Collector, give_up_at: float) -> None:
        """Until nothing waits, and what was sent last would have come back by now."""
        never = threading.Event()
        while (left := give_up_at - self._clock.monotonic()) > 0:
            wait = collector.advance(None) or 0.0
            if not collector.waiting_records:
                wait = collector.unsettled_seconds
                if not wait:
                    return
            self._clock.wait(never, min(wait, left))

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def statuses(self) -> list[CollectorStatus]:
        """How each collector fares now."""
        return [collector.status() for collector in self.collectors]

    def _tend(self) -> None:
        """Send what is queued; notice a collector that went away or came back while nothing is being sent."""
        tended_at = float("-inf")
        while not self._closing.is_set():
            now = self._clock.monotonic()
            everybody = now - tended_at >= _TEND_SECONDS
            if everybody:
                tended_at = now
            waits = [collector.advance(None) for collector in (self.collectors if everybody else self._optional)]
            pause = min((wait for wait in waits if wait is not None), default=_TEND_SECONDS)
            self._clock.wait(self._closing, min(pause, _QUEUE_POLL_SECONDS if self._optional else _TEND_SECONDS))


def _jobs(batches: Iterable[MessageBatch]) -> deque[Outgoing]:
    """What is to be sent, in this order. Options templates are told all at once: one head start does for all kinds.

    Those of flows come later, as before: libfixbuf names our elements only in templates it reads after their types.
    """
    jobs = deque(map(Outgoing, batches))
    if len(jobs) == 1:
        return jobs
    options = [job for job in jobs if job.is_options]
    templates = {number: record for job in options for number, record in job.templates.items()}
    for job in options:
        job.templates = templates
    return jobs


def _advance(collector: Collector, jobs: deque[Outgoing]) -> float:
    """Send what may go of the first job; the seconds until it is worth calling again. A job that is done leaves."""
    wait = collector.advance(jobs[0])
    if wait is not None:
        return wait
    jobs.popleft()
    return 0.0

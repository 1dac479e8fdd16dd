"""One collector: what may be sent to it now, in which order.

Belongs here: the order (the way there, lost messages, then new ones), behind one lock. Does not: waiting (process.py
waits, so that one thread can serve several collectors), the way there (link.py), the sending itself
(transmission.py), numbers and templates (session.py), what an error leads to (recovery.py).
"""

from __future__ import annotations

import threading
from collections.abc import Hashable, Iterable

from consumer.clock import Clock
from consumer.errors import ConfigurationError
from consumer.export.announce import Schedule
from consumer.export.backlog import Backlog
from consumer.export.link import Link, LinkState
from consumer.export.outgoing import Outgoing
from consumer.export.recovery import Recovery
from consumer.export.session import Session
from consumer.export.settings import UNKNOWN_PATH_MESSAGE, CollectorSettings, OptionKind
from consumer.export.status import CollectorCounts, CollectorStatus, Observer, SilentObserver, Standing
from consumer.export.transmission import Transmission
from consumer.model.messages import MessageBatch


class Collector:
    """Thread-safe: numbering, stamping and sending a message is one step under one lock."""

    def __init__(
        self,
        settings: CollectorSettings,
        clock: Clock,
        encoding_key: Hashable = None,
        observer: Observer | None = None,
    ) -> None:
        self.settings = settings
        self.name = settings.name
        self.encoding_key = encoding_key
        self.counts = CollectorCounts()
        self.configuration_error: ConfigurationError | None = None
        self._clock = clock
        self._observer = observer or SilentObserver()
        self._lock = threading.Lock()
        self._link = Link(settings)
        self._session = Session(
            UNKNOWN_PATH_MESSAGE if settings.message_size == "auto" else settings.message_size,
            settings.template_refresh_seconds,
            settings.template_refresh_messages,
            settings.template_lead_ms / 1000,
        )
        self._schedule = Schedule(settings.options, settings.template_refresh_seconds)
        self._recovery = Recovery(settings, self._link, self._session, self._schedule, self.counts)
        self._transmission = Transmission(settings, clock, self._link, self._session, self.counts)
        self._backlog = Backlog()
        self._standing = Standing(self.name, settings.rate, clock, self._observer)

    @property
    def source_port(self) -> int:
        """The bound port, to be kept across restarts; 0 until the collector has an address."""
        return self._link.udp.source_port

    @property
    def message_limit(self) -> int:
        """Octets the next messages made for this collector may have: the setting, or less where the path takes less."""
        return self._session.message_limit

    # What the exporting process calls.

    def advance(self, job: Outgoing | None) -> float | None:
        """Send what may go now of `job` (None: of what waits here anyway). Never blocks.

        Returns None when nothing is left to send, else the seconds after which it is worth calling again (0: at
        once).
        """
        with self._lock:
            now = self._clock.monotonic()
            try:
                wait = self._reach(job, now)
                if wait is None:
                    wait = self._send_waiting(job, now)
            except ConfigurationError as error:
                # Seldom after the start: the address, and with it the family to bind, was not known before.
                self.configuration_error = error
                wait = self._recovery.hold(str(error), now)
            except OSError as error:
                wait = self._recovery.failed(error, now)
                self._observer.counted(self.name, self.counts)
            self._show(now)
            return wait

    def due_options(self, domain: int) -> list[OptionKind]:
        """What is to be told before the next data of `domain`; asking is taken as telling."""
        with self._lock:
            return self._schedule.due(domain, self._clock.monotonic())

    def offer(self, batch: MessageBatch) -> None:
        """Queue a batch for a collector that is not required; what does not fit is dropped and counted."""
        with self._lock:
            if not self._backlog.offer(batch):
                self.counts.dropped_records += 0 if batch.is_options else batch.record_count
                self._observer.counted(self.name, self.counts)

    @property
    def waiting_records(self) -> int:
        """Records accepted and not (or in vain) sent: of a collector that is not required, or just refused."""
        with self._lock:
            return self._backlog.records_left + sum(sent.record_count for sent in self._recovery.lost)

    @property
    def unsettled_seconds(self) -> float:
        """How long what was sent last may still come back."""
        with self._lock:
            return max(0.0, self._link.settles_at - self._clock.monotonic())

    def abandon(self) -> int:
        """At the very end: drop what still waits and give the port back; returns the records dropped."""
        left = self.waiting_records
        with self._lock:
            self._backlog.clear()
            self._recovery.lost.clear()
            self._link.close()
            self.counts.dropped_records += left
            self._observer.counted(self.name, self.counts)
            return left

    def status(self) -> CollectorStatus:
        """How it fares now."""
        with self._lock:
            self._show(self._clock.monotonic())
            return self._standing.shown

    def _show(self, now: float) -> None:
        self._standing.show(self._recovery.hold_reason, self._transmission.paced_at, self._link.address, now)

    # The way there.

    def _reach(self, job: Outgoing | None, now: float) -> float | None:
        """Bring the link to READY; None when it is, else the seconds to wait."""
        link = self._link
        address = link.address
        wait = link.connect(now)
        if wait is not None:
            return wait
        if address not in (None, link.address):
            self._session.start_anew()
            self._schedule.forget()
        if link.state is LinkState.UNPROVEN or job is None:
            self._recovery.learn_limit()
        if link.state is LinkState.UNPROVEN:
            self._probe(job, now)
            if link.wake_at > now:
                return link.wake_at - now
        if link.state is LinkState.SETTLING:
            link.udp.check()
            link.state = LinkState.READY
            self._recovery.hold_reason = ""
        return None

    def _probe(self, job: Outgoing | None, now: float) -> None:
        """Send templates only: they cost no record when nobody is there."""
        session, link = self._session, self._link
        session.forget_announcements()
        probes: Iterable[bytearray] = session.newest_templates()
        if job is not None:
            probes = session.due_templates(job.domain, job.templates, job.set_id, now)
        link.expect_answer(float("-inf"))  # none, where there is nothing to send
        for message in probes:
            link.expect_answer(now)
            self._transmission.send_template(message, now)

    # What goes, in this order.

    def _send_waiting(self, job: Outgoing | None, now: float) -> float | None:
        """Lost messages first, then `job` or the backlog; at the end one look for a refusal."""
        lost = self._recovery.lost
        while lost:
            delay = self._transmission.send_again(lost[0], now)
            if delay:
                return delay
            lost.popleft()
        waiting = self._backlog.first
        job = job or waiting
        if job is not None and not job.is_done:
            delay = self._transmission.send_job(job, now)
            if not job.is_done:
                return delay
        self._link.udp.check()
        if waiting is not None and job is waiting:
            self._backlog.drop_first()
        self._observer.counted(self.name, self.counts)
        return 0.0 if self._backlog else None

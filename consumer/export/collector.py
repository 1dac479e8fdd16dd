"""One collector: may a message go now, and if so it goes, numbered and stamped.

Belongs here: the order of what is sent, and what each error leads to. Does not: waiting (process.py waits, so that
one thread can serve several collectors), the way there (link.py), numbers (session.py).

What can be promised over UDP. Messages that a refusal proves lost are sent again, from the first refused one on,
under their old numbers; the kernel names it (udp.py), and on one machine the refusal is known before `send` returns,
so nothing is lost to a collector that is not there. Between machines the messages of one round trip are known as
lost only when the refusal arrives; 2,048 are kept for that (measured over 40 ms at 20,000 records/s: a collector
stopped and started 1.5 s later; 61 messages sent again, no record lost, none twice, no gap in the numbers). Lost
without a word stay: what the collector's full buffer drops, what it had received and not stored when it died, what
is still unknown when we stop ourselves, and all behind a firewall that eats ICMP.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Hashable
from contextlib import suppress

from consumer.clock import Clock
from consumer.errors import ConfigurationError
from consumer.export.announce import Schedule
from consumer.export.header import DOMAIN_OFFSET, HEADER, SEQUENCE_MASK, TIME_AND_SEQUENCE, TIME_OFFSET
from consumer.export.link import Link, LinkState
from consumer.export.outgoing import Outgoing, Sent, Stretch
from consumer.export.pace import Pace
from consumer.export.resolve import Address
from consumer.export.session import Session
from consumer.export.settings import SMALLEST_MESSAGE, UNKNOWN_PATH_MESSAGE, CollectorSettings, OptionKind
from consumer.export.status import CollectorCounts, CollectorStatus, Observer, SilentObserver, State
from consumer.export.udp import BURST_BYTES, BURST_MESSAGES, FaultKind, classify
from consumer.model.messages import MessageBatch

QUEUE_BYTES = 8 << 20
"""What a collector that is not required may have waiting; the rest is dropped and counted."""
_BUSY_SECONDS = 0.002
"""Pause after a full device queue: at 1 Gbit/s it drains 180 messages meanwhile."""
_QUANTUM = 256
"""Messages sent before other threads, other collectors and a stop get their turn: 0.2 to 0.8 ms."""
_PACING_SHOWN_SECONDS = 1.0
"""The state stays "pacing" so long after the last wait, or it would flicker with every message."""

_WORDS = {
    FaultKind.REFUSED: "nobody listens at {address} (port unreachable)",
    FaultKind.UNREACHABLE: "{address} cannot be reached: {error}",
    FaultKind.TOO_LARGE: "messages are too large for the way to {address}: lower message_size",
    FaultKind.UNRESOLVED: "{error}",
    FaultKind.OTHER: "sending to {address} fails: {error}",
}


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
        first_limit = UNKNOWN_PATH_MESSAGE if settings.message_size == "auto" else settings.message_size
        self._session = Session(first_limit, settings.template_refresh_seconds, settings.template_refresh_messages)
        self._schedule = Schedule(settings.options, settings.template_refresh_seconds)
        self._pace = Pace(settings.rate)
        self._again: deque[Sent] = deque()
        self._queue: deque[Outgoing] = deque()
        self._queued_octets = 0
        self._hold_reason = ""
        self._paced_at = float("-inf")
        self._pacing_since: float | None = None
        self._shown_facts: tuple[str, bool, Address | None] = ("", False, None)
        self._shown = CollectorStatus(self.name, "ok", "nothing was sent yet", clock.now())

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
                wait = self._hold(str(error), now)
            except OSError as error:
                wait = self._failed(error, now)
            self._show(now)
            return wait

    def due_options(self, domain: int) -> list[OptionKind]:
        """What is to be told before the next data of `domain`; asking is taken as telling."""
        with self._lock:
            return self._schedule.due(domain, self._clock.monotonic())

    def offer(self, batch: MessageBatch) -> None:
        """Queue a batch for a collector that is not required; what does not fit is dropped and counted."""
        octets = int(batch.starts[-1] - batch.starts[0])
        with self._lock:
            if self._queued_octets + octets > QUEUE_BYTES:
                self.counts.dropped_records += 0 if batch.is_options else batch.record_count
                self._observer.counted(self.name, self.counts)
                return
            self._queue.append(Outgoing(batch))
            self._queued_octets += octets

    @property
    def waiting_records(self) -> int:
        """Records accepted and not (or in vain) sent: of a collector that is not required, or just refused."""
        with self._lock:
            return sum(job.records_left for job in self._queue) + sum(sent.record_count for sent in self._again)

    def abandon(self) -> int:
        """At the very end: drop what still waits and give the port back; returns the records dropped."""
        left = self.waiting_records
        with self._lock:
            self._queue.clear()
            self._queued_octets = 0
            self._again.clear()
            self._link.close()
            self.counts.dropped_records += left
            self._observer.counted(self.name, self.counts)
            return left

    def status(self) -> CollectorStatus:
        """How it fares now."""
        with self._lock:
            self._show(self._clock.monotonic())
            return self._shown

    # The link: is it there, and what an error leads to.

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
            self._learn_limit()
        if link.state is LinkState.UNPROVEN:
            self._probe(job, now)
            if link.wake_at > now:
                return link.wake_at - now
        if link.state is LinkState.SETTLING:
            link.udp.check()
            link.state = LinkState.READY
            self._hold_reason = ""
        return None

    def _learn_limit(self) -> bool:
        """Ask the kernel what the path takes; true when it takes less than was believed.

        What was encoded already stays as it is: the kernel sends it in fragments. What comes next is made smaller.
        """
        before = self._session.message_limit
        with suppress(OSError):  # no route any more: the send will say so
            room = self._link.udp.path_room()
            self._session.message_limit = max(SMALLEST_MESSAGE, min(self.settings.largest_message, room))
        return self._session.message_limit < before

    def _probe(self, job: Outgoing | None, now: float) -> None:
        """Send templates only: they cost no record when nobody is there."""
        self._session.forget_announcements()
        if job is None:
            probes = self._session.newest_templates()
        else:
            probes = self._session.due_templates(job.domain, job.templates, job.set_id, now)
        self._link.expect_answer(now if probes else float("-inf"))
        for message in probes:
            self._send_template(message, now)

    def _failed(self, error: OSError, now: float) -> float:
        """Count the error and do what its kind asks for; returns the seconds to wait."""
        kind = classify(error)
        self.counts.errors[kind] += 1
        self._observer.counted(self.name, self.counts)
        bounces = self._link.udp.bounces()
        if kind is FaultKind.NO_BUFFER:
            return _BUSY_SECONDS
        if kind is FaultKind.REFUSED and self.settings.on_refused == "send":
            self._link.state = LinkState.READY
            return 0.0
        if kind is FaultKind.REFUSED:
            self._schedule.forget()
        if bounces or kind is FaultKind.REFUSED:
            lost = self._session.rewind([bounce.head for bounce in bounces if bounce.head], now)
            self._again.extendleft(reversed(lost))
        if kind is FaultKind.TOO_LARGE:
            # Learnt late (ICMP), the message that taught it is among the lost ones, and now goes in fragments.
            if self._learn_limit():
                return 0.0
            if not self._link.udp.allows_fragments:
                self._link.udp.allow_fragments()
                return 0.0
        address = self._link.address or self.settings.address
        return self._hold(_WORDS[kind].format(address=address, error=error.strerror or error), now)

    def _hold(self, words: str, now: float) -> float:
        """Try the next address at once, or hold; returns the seconds to wait."""
        wait = self._link.back_off(now)
        if wait:
            self._hold_reason = f"{words}; trying again every second"
        return wait

    # Sending.

    def _send_waiting(self, job: Outgoing | None, now: float) -> float | None:
        """Lost messages first, then `job` or the queue; at the end one look for a refusal."""
        while self._again:
            delay = self._send_again(now)
            if delay:
                return delay
        if job is None and self._queue:
            job = self._queue[0]
        if job is not None and not job.is_done:
            delay = self._send_job(job, now)
            if not job.is_done:
                return delay
        self._link.udp.check()
        if self._queue and job is self._queue[0]:
            self._queued_octets -= self._queue.popleft().octets
        self._observer.counted(self.name, self.counts)
        return 0.0 if self._queue else None

    def _send_job(self, job: Outgoing, now: float) -> float:
        """Up to a quantum of messages, each numbered, stamped and sent in one step; returns the seconds to wait."""
        for template in self._session.due_templates(job.domain, job.templates, job.set_id, now):
            self._send_template(template, now)
        last = min(job.index + _QUANTUM, job.index + self._session.allowance(job.domain), job.count)
        if self._pace.rate == 0:
            self._send_messages(job, last, now)
            return 0.0
        while job.index < last:
            now = self._clock.monotonic()
            delay = self._wait_for_pace(now)
            if delay:
                return delay
            self._send_messages(job, min(job.index + self.settings.burst_messages, last), now)
        return 0.0

    def _send_messages(self, job: Outgoing, end: int, now: float) -> None:
        """Number and stamp the messages of `job` up to `end`, hand them to the kernel, account for those that went."""
        first, sequence = job.index, self._session.sequences.get(job.domain, 0)
        job.stamp(end, self._export_time(), sequence)
        try:
            if end - first > 1 and self._link.udp.has_offload:
                self._hand_over_bursts(job, end)
            self._hand_over(job, end)
        finally:
            if job.index > first:
                self._account(Stretch(job, first, job.index, sequence, now))

    def _hand_over(self, job: Outgoing, end: int) -> None:
        """Message by message."""
        send, view, index = self._link.udp.sender(), job.view, job.index
        start = job.starts[index]
        try:
            for stop in job.starts[index + 1 : end + 1]:
                send(view[start:stop])
                start = stop
                index += 1
        finally:
            job.index = index

    def _hand_over_bursts(self, job: Outgoing, end: int) -> None:
        """Equally long messages in one call, until `end` or until the way turns out not to take bursts."""
        while job.index < end:
            size = job.message_size(job.index)
            burst_end = min(job.equal_until(), end, job.index + min(BURST_MESSAGES, max(1, BURST_BYTES // size)))
            if burst_end - job.index == 1:
                self._hand_over(job, burst_end)
                continue
            if not self._link.udp.send_burst(job.view[job.starts[job.index] : job.starts[burst_end]], size):
                return
            job.index = burst_end

    def _account(self, sent: Stretch) -> None:
        """Count what went; the pace counts from it, too."""
        job = sent.job
        records = job.totals[sent.end] - job.totals[sent.first]
        self._session.note_data(sent, job.domain, records)
        self._pace.note(sent.sent_at, records)
        self._link.used_at = sent.sent_at
        self.counts.messages += sent.message_count
        self.counts.octets += job.starts[sent.end] - job.starts[sent.first]
        if job.is_options:
            self.counts.option_records += records
        else:
            self.counts.records += records

    def _send_again(self, now: float) -> float:
        """The oldest lost message, under its old number; returns the seconds the pace makes it wait."""
        delay = self._wait_for_pace(now)
        if delay:
            return delay
        sent = self._again[0]
        for template in self._session.due_templates(sent.domain, {}, 0, now):
            self._send_template(template, now)
        sequence = self._session.sequences.get(sent.domain, 0)
        self._send_one(sent.message, sequence, now)
        self._again.popleft()
        self._session.note_data(
            sent._replace(sequence=sequence, sent_at=now), domain=sent.domain, record_count=sent.record_count
        )
        self._pace.note(now, sent.record_count)
        self.counts.repeated_messages += 1
        return 0.0

    def _send_template(self, template: bytearray, now: float) -> None:
        domain = int.from_bytes(template[DOMAIN_OFFSET : HEADER.size], "big")
        sequence, message = self._session.sequences.get(domain, 0), memoryview(template)
        self._send_one(message, sequence, now)
        self._session.note_template(Sent(domain, sequence, 0, message, now))
        self.counts.template_messages += 1

    def _send_one(self, message: memoryview, sequence: int, now: float) -> None:
        """Stamp and send a message outside the hot loop."""
        TIME_AND_SEQUENCE.pack_into(message, TIME_OFFSET, self._export_time(), sequence)
        self._link.udp.sender()(message)
        self._link.used_at = now
        self.counts.messages += 1
        self.counts.octets += len(message)

    def _wait_for_pace(self, now: float) -> float:
        delay = self._pace.delay(now)
        if delay:
            self._paced_at = now
            if self._pacing_since is None:
                self._pacing_since = now
        elif self._pacing_since is not None:
            self.counts.paced_seconds += now - self._pacing_since
            self._pacing_since = None
        return delay

    def _export_time(self) -> int:
        """RFC 7011 §3.1: seconds since the epoch, 32 bits."""
        return int(self._clock.now()) & SEQUENCE_MASK

    # What others see.

    def _show(self, now: float) -> None:
        """Tell the observer when state or reason changed. Called for every paced message: the usual answer is no."""
        is_pacing = now - self._paced_at < _PACING_SHOWN_SECONDS
        facts = (self._hold_reason, is_pacing, self._link.address)
        if facts == self._shown_facts:
            return
        self._shown_facts = facts
        state: State = "ok"
        reason = f"sending to {self._link.address}" if self._link.address else "nothing was sent yet"
        if self._hold_reason:
            state, reason = "holding", self._hold_reason
        elif is_pacing:
            state, reason = "pacing", f"the rate limit of {self.settings.rate} records/s makes messages wait"
        since = self._shown.since if state == self._shown.state else self._clock.now()
        self._shown = CollectorStatus(self.name, state, reason, since)
        self._observer.changed(self._shown)

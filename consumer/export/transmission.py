"""Messages on their way to one collector: numbered, stamped, paced, handed to the kernel, accounted for.

Belongs here: the hot loop, plainly and in bursts, and templates ahead of what needs them. Does not: which message
comes next (collector.py), numbers (session.py), what an error leads to (recovery.py). Nothing here waits: what must
wait gives the seconds. Errors of the socket (OSError) pass through; what went before one is accounted for.
"""

from __future__ import annotations

from collections.abc import Mapping

from consumer.clock import Clock
from consumer.export.header import DOMAIN_OFFSET, HEADER, SEQUENCE_MASK, TIME_AND_SEQUENCE, TIME_OFFSET
from consumer.export.link import Link
from consumer.export.outgoing import Outgoing, Sent, Stretch
from consumer.export.pace import Pace
from consumer.export.session import Session
from consumer.export.settings import CollectorSettings
from consumer.export.status import CollectorCounts
from consumer.export.vectors import HAS_VECTORS, Vectors

_QUANTUM = 512
"""Messages sent before other threads, other collectors and a stop get their turn: 0.3 to 1.5 ms."""
_MANY = 8
"""From so many messages on one call is cheaper than as many: laying it out costs 3 µs, a call less saves 0.5 µs.
Of bursts already two: what they save is the way through the kernel."""


class Transmission:
    """Mutable; one collector's, guarded by its lock. `paced_at`: when the pace last made a message wait (monotonic)."""

    def __init__(
        self, settings: CollectorSettings, clock: Clock, link: Link, session: Session, counts: CollectorCounts
    ) -> None:
        self._burst_messages = settings.burst_messages
        self._clock = clock
        self._link = link
        self._session = session
        self._counts = counts
        self._pace = Pace(settings.rate)
        self._pacing_since: float | None = None
        self._vectors = Vectors(_QUANTUM)
        self.paced_at = float("-inf")

    # What the collector calls.

    def send_job(self, job: Outgoing, now: float) -> float:
        """Up to a quantum of messages of `job`; the seconds to wait before the next (0: none)."""
        lead = self._announce(job.domain, job.templates, job.set_id, now)
        if lead:
            return lead
        last = min(job.index + _QUANTUM, job.index + self._session.allowance(job.domain), job.count)
        if self._pace.rate == 0:
            self._send_messages(job, last, now)
            return 0.0
        while job.index < last:
            now = self._clock.monotonic()
            delay = self._wait_for_pace(now)
            if delay:
                return delay
            self._send_messages(job, min(job.index + self._burst_messages, last), now)
        return 0.0

    def send_again(self, lost: Sent, now: float) -> float:
        """A message that was lost, under its old number; the seconds it must still wait (0: it went)."""
        delay = self._wait_for_pace(now) or self._announce(lost.domain, {}, 0, now)
        if delay:
            return delay
        self._send_one(lost.message, lost.sequence & SEQUENCE_MASK, now)
        self._session.note_data(lost._replace(sent_at=now), lost.domain, lost.record_count)
        self._pace.note(now, lost.record_count)
        self._counts.repeated_messages += 1
        return 0.0

    def send_template(self, template: bytearray, now: float) -> None:
        """A template message; it counts nothing and the pace does not hold it."""
        domain = int.from_bytes(template[DOMAIN_OFFSET : HEADER.size], "big")
        sequence, message = self._session.sequences.get(domain, 0), memoryview(template)
        self._send_one(message, sequence, now)
        self._session.note_template(Sent(domain, sequence, 0, message, now))
        self._counts.template_messages += 1

    # Templates.

    def _announce(self, domain: int, templates: Mapping[int, bytes], set_id: int, now: float) -> float:
        """Send what the collector must know before data of `domain`; the seconds it still needs to learn it."""
        if self._session.knows(domain, templates, set_id, now):
            return 0.0
        for template in self._session.due_templates(domain, templates, set_id, now):
            self.send_template(template, now)
        return self._session.lead_left(domain, now)

    # Data.

    def _send_messages(self, job: Outgoing, end: int, now: float) -> None:
        """Number and stamp the messages of `job` up to `end`, hand them to the kernel, account for those that went."""
        first, sequence = job.index, self._session.sequences.get(job.domain, 0)
        self._link.udp.fit(job.stamp(end, self._export_time(), sequence))
        try:
            self._hand_over(job, end)
        finally:
            if job.index > first:
                self._account(Stretch(job, first, job.index, sequence, now))

    def _hand_over(self, job: Outgoing, end: int) -> None:
        """Many in one call, few one by one."""
        udp, vectors = self._link.udp, self._vectors
        while HAS_VECTORS and end - job.index >= (_MANY if udp.burst_messages == 1 else 2):
            job.lay_out(vectors, end, udp.burst_messages)
            job.index = udp.send_many(vectors)
            if job.index < end:
                udp.raise_bounce()
        send = self._link.udp.sender()
        while job.index < end:
            send(job.message(job.index))
            job.index += 1

    def _account(self, sent: Stretch) -> None:
        """Count what went; the pace counts from it, too."""
        job = sent.job
        records = job.records(sent.first, sent.end)
        self._session.note_data(sent, job.domain, records)
        self._pace.note(sent.sent_at, records)
        self._link.used_at = sent.sent_at
        self._counts.messages += sent.message_count
        self._counts.octets += job.octets(sent.first, sent.end)
        if job.is_options:
            self._counts.option_records += records
        else:
            self._counts.records += records

    def _send_one(self, message: memoryview, sequence: int, now: float) -> None:
        """Stamp and send a message outside the hot loop."""
        TIME_AND_SEQUENCE.pack_into(message, TIME_OFFSET, self._export_time(), sequence)
        self._link.udp.fit(len(message))
        self._link.udp.sender()(message)
        self._link.used_at = now
        self._counts.messages += 1
        self._counts.octets += len(message)

    def _wait_for_pace(self, now: float) -> float:
        delay = self._pace.delay(now)
        if delay:
            self.paced_at = now
            if self._pacing_since is None:
                self._pacing_since = now
        elif self._pacing_since is not None:
            self._counts.paced_seconds += now - self._pacing_since
            self._pacing_since = None
        return delay

    def _export_time(self) -> int:
        """RFC 7011 §3.1: seconds since the epoch, 32 bits."""
        return int(self._clock.now()) & SEQUENCE_MASK

"""The way of a record as one function: decode → select → enrich → encode → export, and the balance of counts.

Belongs here: the order of the stages and the accounting between them. Does not: what a stage does (its room) or who
calls (a source, on its own thread). There are no queues: a call that blocks in export is the back-pressure.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from queue import LifoQueue
from typing import TYPE_CHECKING, Protocol

from cachetools import LRUCache

from consumer.clock import Clock
from consumer.decode.decoder import Decoded, Decoder, FormatLookup
from consumer.encode.activity import ActiveInterfaces
from consumer.encode.domain import observation_domain
from consumer.encode.encoder import Encoder
from consumer.enrich.join import JoinCounts, Joiner
from consumer.errors import ProtocolError, Stopped
from consumer.model.delivery import Delivery, Origin, SourceKind
from consumer.model.flow_batch import FlowBatch, Rows
from consumer.model.inventory import Inventory
from consumer.model.messages import MessageBatch
from consumer.model.tally import Reject, Tally
from consumer.select.arrival import newly_arrived
from consumer.select.log_status import reportable_rows
from consumer.select.selection import REPEAT, CurrentReporting, Selection, report_every_row

if TYPE_CHECKING:
    from collections.abc import Iterator


_POLLED_REJECTS = 1 << 16
"""Unreadable lines of log groups that are remembered, at some 200 bytes; beyond, they go to the dead letter again."""


@dataclass(frozen=True, slots=True)
class Lane:
    """Working memory of one delivery at a time: vocabulary, caches, buffers. One per core, borrowed per delivery."""

    decoder: Decoder
    joiner: Joiner
    encoders: Mapping[Hashable, Encoder]
    """Encoding key (what differs between collectors) → encoder."""
    active_interfaces: ActiveInterfaces | None = None
    """Told which interfaces recorded flows, so that theirs are the names sent; shared by all lanes."""


class Exporter(Protocol):
    """What the pipeline needs of the exporting process."""

    def message_limit(self, encoding_key: Hashable) -> int:
        """Octets a message of this encoding may have now."""

    def send(self, batches: Mapping[Hashable, MessageBatch], stop: threading.Event) -> None:
        """Hand every message to the kernel for every required collector, and keep the batches; may block; raises
        Stopped."""


class Ledger(Protocol):
    """Who is told what happened: counts of finished deliveries, and a dead letter that cannot be written."""

    def count(self, origin: Origin, tally: Tally, cut_strings: int, unnamed: JoinCounts) -> None:
        """A delivery is complete: exported and acknowledged."""

    def dead_letter_holds(self, error: OSError | None) -> None:
        """The dead letter cannot be written (disk full) and the delivery waits; None when it can again."""


Claim = Callable[[Decoded, Rows, threading.Event], AbstractContextManager[Selection]]
"""Of these rows of a piece, those whose log events did not go out yet, by whatever way they came.

They are claimed inside the `with`: seen when it ends well, not seen when it ends with an exception. Waits while
another delivery has claimed one of them; raises Stopped when the event is set first.
"""


def claim_every_row(piece: Decoded, rows: Rows, stop: threading.Event) -> AbstractContextManager[Selection]:  # noqa: ARG001
    """Nothing comes twice (replay)."""
    return nullcontext(Selection(rows))


NoteUnknown = Callable[[Origin, Sequence[bytes]], None]
"""Told of interface ids that the inventory does not know, each once as long as a vocabulary lives."""


def ignore_unknown(origin: Origin, ids: Sequence[bytes]) -> None:
    """Nobody can be asked (replay)."""


class Pipeline:
    """Policy only; the state of a delivery is on the stack, what outlives it is in a lane."""

    def __init__(
        self,
        lanes: Sequence[Lane],
        *,
        formats: FormatLookup,
        inventory: Callable[[], Inventory],
        exporter: Exporter,
        keep_rejects: Callable[[Origin, Sequence[Reject]], None],
        ledger: Ledger,
        clock: Clock,
        abort: threading.Event,
        domain: int = 0,
        reporting: CurrentReporting = report_every_row,
        claim: Claim = claim_every_row,
        note_unknown: NoteUnknown = ignore_unknown,
    ) -> None:
        self._lanes: LifoQueue[Lane] = LifoQueue()
        for lane in lanes:
            self._lanes.put(lane)
        self._formats = formats
        self._inventory = inventory
        self._exporter = exporter
        self._keep_rejects = keep_rejects
        self._ledger = ledger
        self._clock = clock
        self._abort = abort
        self._domain = domain
        self._rejects_lock = threading.Lock()
        self._polled_rejects: LRUCache[tuple[str | None, ...], None] = LRUCache(_POLLED_REJECTS)
        self._reporting = reporting
        self._claim = claim
        self._note_unknown = note_unknown

    def process(self, delivery: Delivery) -> Tally:
        """Export one delivery, then acknowledge it. Blocks while pacing or a collector holds.

        Raises Stopped when the agent must end first: the delivery is then not acknowledged and AWS gives it again.
        """
        tally = Tally()
        cut_strings = 0
        if delivery.fault:
            tally.payloads[delivery.fault] += 1
        with self._lane() as lane:
            for piece in lane.decoder.decode_delivery(delivery, self._formats):
                tally += piece.tally
                self._quarantine(piece, tally)
                if piece.batch is not None:
                    cut_strings += self._select(lane, piece, piece.batch, delivery, tally)
            unnamed = lane.joiner.take_counts()
        if not tally.is_balanced:
            raise ProtocolError(f"the counts of {delivery.origin.label()} do not balance: {tally}")
        delivery.acknowledge()
        self._ledger.count(delivery.origin, tally, cut_strings, unnamed)
        return tally

    def _select(self, lane: Lane, piece: Decoded, batch: FlowBatch, delivery: Delivery, tally: Tally) -> int:
        """Export the rows that are flows, that the plan reports by this way, and that did not go out before.

        Returns how many strings were cut. Claimed batch by batch: a batch's rows are *seen* once its last datagram
        is handed over, so of a delivery that fails half-way only the batch at hand goes out again, and nobody who
        waits for a claim ever holds one.
        """
        origin = piece.origin
        rows = _kept(reportable_rows(batch), tally)
        if piece.events is not None:
            times = piece.events.ingestion_times
            rows = _kept(newly_arrived(batch.line_numbers, rows, times, delivery.arrived_after), tally)
        rows = _kept(self._reporting().rows(batch, rows, origin, delivery.received_at), tally)
        if not len(rows):
            return 0
        with self._claim(piece, rows, self._abort) as new:
            rows = _kept(new, tally)
            return self._export(lane, batch, rows, origin, tally) if len(rows) else 0

    def _export(self, lane: Lane, batch: FlowBatch, rows: Rows, origin: Origin, tally: Tally) -> int:
        """The stages after select, for one batch; returns how many strings were cut."""
        joined = lane.joiner.join(batch, rows, self._inventory())
        unknown = lane.joiner.take_unknown_interfaces()
        if unknown:
            self._note_unknown(origin, unknown)
        domain = self._domain or observation_domain(origin.account, origin.region)
        if lane.active_interfaces is not None:
            lane.active_interfaces.note(joined, rows, domain, self._clock.monotonic())
        encoded = {
            key: encoder.encode(batch, rows, joined, domain, self._exporter.message_limit(key))
            for key, encoder in lane.encoders.items()
        }
        self._exporter.send(encoded, self._abort)
        tally.exported += len(rows)
        return max((messages.cut_strings for messages in encoded.values()), default=0)

    def _quarantine(self, piece: Decoded, tally: Tally) -> None:
        """Keep what could not be read. A full disk holds the delivery: a reject is never dropped unseen."""
        rejects = self._new_rejects(piece, tally)
        if not rejects:
            return
        has_waited = False
        while True:
            try:
                self._keep_rejects(piece.origin, rejects)
            except OSError as error:
                self._ledger.dead_letter_holds(error)
                has_waited = True
                if self._clock.wait(self._abort, 1.0):
                    raise Stopped("the dead letter cannot be written") from error
            else:
                break
        if has_waited:
            self._ledger.dead_letter_holds(None)
        if piece.origin.kind is SourceKind.CLOUDWATCH:
            with self._rejects_lock:
                self._polled_rejects.update(dict.fromkeys(_reject_keys(piece.origin, rejects)))

    def _new_rejects(self, piece: Decoded, tally: Tally) -> Sequence[Reject]:
        """Polling reads a line that cannot be read again at every sweep: it is kept and counted once."""
        if piece.origin.kind is not SourceKind.CLOUDWATCH or not piece.rejects:
            return piece.rejects
        new = []
        with self._rejects_lock:
            for key, reject in zip(_reject_keys(piece.origin, piece.rejects), piece.rejects, strict=True):
                if reject.event_id is not None and key in self._polled_rejects:
                    tally.quarantined[reject.reason] -= 1
                    tally.dropped[REPEAT] += 1
                else:
                    new.append(reject)
        return new

    @contextmanager
    def _lane(self) -> Iterator[Lane]:
        lane = self._lanes.get()
        try:
            yield lane
        finally:
            self._lanes.put(lane)


def _reject_keys(origin: Origin, rejects: Sequence[Reject]) -> list[tuple[str | None, ...]]:
    return [(origin.account, origin.region, origin.log_group, reject.event_id) for reject in rejects]


def _kept(selection: Selection, tally: Tally) -> Rows:
    """The rows to go on with; the others are counted."""
    if selection.dropped:
        tally.dropped.update(selection.dropped)
    return selection.rows

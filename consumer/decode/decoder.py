"""A payload in, flow batches out: the decode context.

Belongs here: the order of things — what the payload is, which log formats its lines may have, pieces of at most
16,384 rows, a new vocabulary when the old one is full. Does not: any of these steps themselves.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from consumer.decode import cut
from consumer.decode.candidates import LinePositions, Outcome, Shapes, read_lines
from consumer.decode.documents import Fault
from consumer.decode.envelope import BYTE_ORDER_MARK, Lines, read_payload
from consumer.decode.equal_lines import tell_apart
from consumer.decode.events import Events
from consumer.decode.fields import DEFAULT_FORMAT
from consumer.decode.inflate import Text, plain
from consumer.decode.parquet import NOT_FLOW_LOGS, ColumnReader, format_of
from consumer.decode.parser import BATCH_ROW_LIMIT, Parser
from consumer.decode.plan import header_format, is_readable
from consumer.decode.text import MAX_LINE_BYTES
from consumer.errors import ProtocolError
from consumer.model.delivery import Delivery, EqualLines, Origin, TextState
from consumer.model.flow_batch import FlowBatch
from consumer.model.log_format import LogFormat
from consumer.model.row_slice import RowSlice
from consumer.model.tally import Reject, Tally
from consumer.model.vocabulary import Vocabulary

FormatLookup = Callable[[Origin], Sequence[LogFormat]]
"""The log formats that records of an origin may have; empty = unknown. May block while it asks AWS."""


@dataclass(frozen=True, slots=True, eq=False)
class Decoded:
    """One piece of a payload: rows, and what was no row.

    `tally`: `lines` of this piece, `quarantined`, and `payloads` (faults of a whole payload); nothing is exported
    yet. `origin`: what the delivery said, refined by the envelope. `events`: where ids and timestamps of the rows
    are found, by `batch.line_numbers`; None for plain text, which has none.
    """

    batch: FlowBatch | None
    tally: Tally
    rejects: list[Reject]
    origin: Origin
    events: Events | None = None


class Decoder:
    """Mutable, used by one thread at a time: owns a vocabulary and the room to work in."""

    def __init__(self, vocabulary_capacity: int = 1 << 16, arena_bytes: int = 1 << 22) -> None:
        self._parser = Parser(vocabulary_capacity, arena_bytes)
        self._shapes = Shapes()
        self._column_reader = ColumnReader(self._parser)
        self._starts = np.empty(BATCH_ROW_LIMIT, dtype=np.int32)
        self._ends = np.empty(BATCH_ROW_LIMIT, dtype=np.int32)

    @property
    def vocabulary(self) -> Vocabulary:
        """The one in use now; a batch made earlier may hold an older one."""
        return self._parser.vocabulary

    def decode_delivery(self, delivery: Delivery, formats: FormatLookup) -> Iterator[Decoded]:
        """Read all of a delivery's payloads and columns, piece by piece."""
        for payload in delivery.payloads:
            yield from self.decode(payload, delivery.origin, delivery.text, formats, delivery.equal_lines)
        for rows in delivery.columns:
            yield from self.decode_columns(rows, delivery.origin)

    def decode_columns(self, rows: RowSlice, origin: Origin) -> Iterator[Decoded]:
        """Read the rows of a columnar object, whose columns name the log format."""
        found = format_of(rows.names)
        if found is None:
            yield Decoded(None, Tally(payloads=Counter({NOT_FLOW_LOGS: 1})), [], origin)
            return
        for outcome, lines, first in self._column_reader.read(rows, *found):
            yield from self._decoded(outcome, lines, first, origin, None)

    def decode(
        self,
        payload: bytes,
        origin: Origin,
        text: TextState | None,
        formats: FormatLookup,
        equal_lines: EqualLines | None = None,
    ) -> Iterator[Decoded]:
        """Read one payload, piece by piece; never raises for bad bytes.

        `text` given: the payload is a chunk of plain text that ends at a line boundary. None: it stands alone, gzip
        or plain: an envelope, other JSON (documents.py), or plain text that looks like flow log records. `equal_lines`
        given: its events have no ids.
        """
        if text is not None:
            yield from self._decode_text(plain(payload), origin, text, formats)
            return
        for part in read_payload(payload, origin):
            if isinstance(part, Text):
                if self._is_flow_text(part, origin, formats):
                    yield from self._decode_text(part, origin, TextState(), formats)
                else:
                    yield _faulty(Fault("not_json"), payload, origin)
            elif isinstance(part, Fault):
                yield _faulty(part, payload, origin)
            else:
                yield from self._decode_events(part, formats, equal_lines)

    def _decode_events(self, lines: Lines, formats: FormatLookup, equal_lines: EqualLines | None) -> Iterator[Decoded]:
        known = [lines.log_format] if lines.log_format else formats(lines.origin)
        events = lines.events if equal_lines is None else tell_apart(lines.events, equal_lines)
        positions = LinePositions(events.text, events.starts, events.ends)
        yield from self._decode_lines(positions, 0, _readable(known), lines.origin, events)

    def _decode_text(self, text: Text, origin: Origin, state: TextState, formats: FormatLookup) -> Iterator[Decoded]:
        """Lines in pieces; a header ends a piece and switches the format of what follows."""
        position = 3 if text.data[:3].tobytes() == BYTE_ORDER_MARK else 0
        known: list[LogFormat] | None = None
        first_line_number, count = 0, 0
        while position < text.size or count:
            position, count, may_be_header = cut.split_lines(
                text.data, position, text.size, self._starts, self._ends, count
            )
            lines = LinePositions(text.data, self._starts[:count], self._ends[:count])
            header = header_format(lines.line(count - 1, MAX_LINE_BYTES)) if may_be_header else None
            if may_be_header and header is None and count < BATCH_ROW_LIMIT and position < text.size:
                continue
            if header:
                count -= 1
                lines = LinePositions(text.data, self._starts[:count], self._ends[:count])
            if count:
                if state.log_format is None and known is None:
                    known = _readable(formats(origin))
                in_force = [state.log_format] if state.log_format else known or []
                yield from self._decode_lines(lines, first_line_number, in_force, origin, None)
                first_line_number, count = first_line_number + count, 0
            if header:
                state.log_format = header

    def _decode_lines(
        self, lines: LinePositions, first_number: int, formats: list[LogFormat], origin: Origin, events: Events | None
    ) -> Iterator[Decoded]:
        first, room = 0, BATCH_ROW_LIMIT
        while first < len(lines):
            stop = min(first + room, len(lines))
            outcome = read_lines(self._parser, self._shapes, lines, first, stop, formats)
            yield from self._decoded(outcome, lines, first_number, origin, events)
            if outcome.stop < stop:
                if outcome.stop == first and room == 1:
                    raise ProtocolError("an empty vocabulary has no room for one line")
                # Several formats may fill a fresh vocabulary with the first one's strings before the last one had its
                # turn: then fewer lines at a time, down to one, for which there is room (MIN_ARENA_BYTES).
                room = max(1, (stop - first) // 2) if outcome.stop == first else BATCH_ROW_LIMIT
                self._parser.renew_vocabulary()
            first = outcome.stop

    def _decoded(
        self, outcome: Outcome, lines: LinePositions, first_number: int, origin: Origin, events: Events | None
    ) -> Iterator[Decoded]:
        """One piece for each format that has rows; the rejects go with the first."""
        rejects = [
            Reject(reason, lines.line(line, MAX_LINE_BYTES), events.event_id(line) if events else None)
            for line, reason in outcome.rejects
        ]
        quarantined = Counter(reject.reason for reject in rejects)
        batches = [self._parser.batch(parsed, first_number) for parsed in outcome.parsed if len(parsed.words)]
        for batch in batches:
            tally = Tally(lines=batch.row_count + len(rejects), quarantined=quarantined)
            yield Decoded(batch, tally, rejects, origin, events)
            rejects, quarantined = [], Counter()
        if rejects:
            yield Decoded(None, Tally(lines=len(rejects), quarantined=quarantined), rejects, origin, events)

    def _is_flow_text(self, text: Text, origin: Origin, formats: FormatLookup) -> bool:
        """Plain text in place of an envelope: the first line is a header, or has as many tokens as a format."""
        line = bytes(text.view()[: MAX_LINE_BYTES + 1]).split(b"\n", 1)[0].rstrip(b"\r")
        if header_format(line) is not None:
            return True
        widths = {len(log_format.fields) for log_format in _readable(formats(origin)) or [DEFAULT_FORMAT]}
        return len(line.split(b" ")) in widths


def _readable(formats: Sequence[LogFormat]) -> list[LogFormat]:
    """Each format once, without those too wide for a batch."""
    return [log_format for log_format in dict.fromkeys(formats) if is_readable(log_format)]


def _faulty(fault: Fault, payload: bytes, origin: Origin) -> Decoded:
    """A payload without lines, counted by its reason; kept for the dead letter unless nothing is wrong with it."""
    rejects = [] if fault.is_expected else [Reject(fault.reason, fault.payload or payload)]
    return Decoded(None, Tally(payloads=Counter({fault.reason: 1})), rejects, origin)

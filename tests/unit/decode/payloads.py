"""Payloads for the tests of decode, and a way to see all of what came out."""

from __future__ import annotations

import gzip
import json
from collections.abc import Sequence
from dataclasses import dataclass, field

from consumer.decode.decoder import Decoded, Decoder
from consumer.decode.fields import DEFAULT_FORMAT
from consumer.model.delivery import Origin, SourceKind, TextState
from consumer.model.log_format import LogFormat
from consumer.model.tally import Tally
from tests.support.reference import Row, rows_of

ORIGIN = Origin(SourceKind.KINESIS, stream="flows", shard="shardId-0")
LINE = "2 123456789012 eni-0123456789abcdef0 10.0.0.1 10.0.0.2 40000 443 6 20 4249 1418530010 1418530070 ACCEPT OK"
OTHER = LINE.replace("10.0.0.1", "10.0.0.9")


@dataclass(slots=True)
class Result:
    """Everything a payload gave."""

    rows: list[Row] = field(default_factory=list)
    formats: list[LogFormat] = field(default_factory=list)
    ids: list[str | None] = field(default_factory=list)
    rejects: list[tuple[str, bytes, str | None]] = field(default_factory=list)
    tally: Tally = field(default_factory=Tally)
    pieces: list[Decoded] = field(default_factory=list)
    asked: list[Origin] = field(default_factory=list)

    @property
    def line_numbers(self) -> list[int]:
        return [number for piece in self.pieces if piece.batch for number in piece.batch.line_numbers.tolist()]

    @property
    def reasons(self) -> list[str]:
        return [reason for reason, _, _ in self.rejects]


def decode(
    payload: bytes,
    formats: Sequence[LogFormat] = (DEFAULT_FORMAT,),
    *,
    text: TextState | None = None,
    decoder: Decoder | None = None,
    origin: Origin = ORIGIN,
) -> Result:
    """Read a payload to its end; lines must always be rows or rejects."""
    result = Result()

    def lookup(asked: Origin) -> Sequence[LogFormat]:
        result.asked.append(asked)
        return formats

    for piece in (decoder or Decoder()).decode(payload, origin, text, lookup):
        result.pieces.append(piece)
        result.tally += piece.tally
        result.rejects += [(reject.reason, reject.line, reject.event_id) for reject in piece.rejects]
        if piece.batch is not None:
            numbers = piece.batch.line_numbers.tolist()
            result.rows += rows_of(piece.batch)
            result.formats += [piece.batch.log_format] * piece.batch.row_count
            result.ids += [piece.events.event_id(number) if piece.events else None for number in numbers]
        assert piece.batch is None or piece.batch.row_count <= 16_384
    assert result.tally.lines == len(result.rows) + result.tally.quarantined.total()
    return result


def envelope(messages: Sequence[object], *, is_compact: bool = True, **changed: object) -> bytes:
    """A subscription's envelope around the messages; compact is CloudWatch's own layout."""
    events = [
        {"id": f"{number:056d}", "timestamp": 1_418_530_010_000 + number, "message": message}
        for number, message in enumerate(messages)
    ]
    content = {
        "messageType": "DATA_MESSAGE",
        "owner": "123456789012",
        "logGroup": "/vpc/flow-logs",
        "logStream": "eni-0123456789abcdef0-all",
        "subscriptionFilters": ["to-kinesis"],
        "logEvents": events,
        **changed,
    }
    return json.dumps(content, separators=(",", ":") if is_compact else None).encode()


def packed(*messages: object) -> bytes:
    """The same as Kinesis carries it."""
    return gzip.compress(envelope(messages))

"""Log events as positions in a text: nothing is made per event until somebody asks.

Belongs here: the value and how ids and lines are read back from it. Does not: finding the positions (cut.py,
documents.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from consumer.decode.words import MARGIN_BYTES, Bytes

Positions = NDArray[np.int32]


@dataclass(frozen=True, slots=True, eq=False)
class Events:
    """`n` log events; event i is line i of its payload, so `FlowBatch.line_numbers` are indices here.

    `text`: uint8 with a margin of 64 bytes. `starts`, `ends`: int32[n], the message. `id_starts`, `id_ends`:
    int32[n], the event id (equal when there is none). `timestamps`: int64[n], ms since the epoch, 0 when unknown.
    `log_streams`: one a event where the payload names them one by one, else empty: then all are of the origin's.
    An event's identity is (owner account, log group, log stream, event id).
    """

    text: Bytes
    starts: Positions
    ends: Positions
    id_starts: Positions
    id_ends: Positions
    timestamps: NDArray[np.int64]
    log_streams: Sequence[str | None] = ()

    def __len__(self) -> int:
        return len(self.starts)

    def event_id(self, number: int) -> str | None:
        """The id as CloudWatch wrote it (an integer as its digits); None when the event has none."""
        start, end = int(self.id_starts[number]), int(self.id_ends[number])
        return self.text[start:end].tobytes().decode("utf-8", "replace") if end > start else None

    def log_stream(self, number: int) -> str | None:
        """The event's own log stream, None when it is the origin's."""
        return self.log_streams[number] if self.log_streams else None


@dataclass(frozen=True, slots=True)
class Event:
    """One log event, as the readers of unusual layouts find it."""

    message: bytes
    identity: bytes = b""
    timestamp: int = 0
    log_stream: str | None = None


def events_of(found: Sequence[Event]) -> Events:
    """The same events as positions in a text of their own."""
    parts = [part for event in found for part in (event.identity, event.message)]
    sizes = np.fromiter((len(part) + 1 for part in parts), dtype=np.int64, count=len(parts))
    # One byte between the parts: the kernel writes a blank after each message.
    joined = b"\n".join(parts) + b"\n" + bytes(MARGIN_BYTES)
    starts = (np.cumsum(sizes) - sizes).astype(np.int32)
    ends = (starts + sizes - 1).astype(np.int32)
    has_streams = any(event.log_stream is not None for event in found)
    return Events(
        text=np.frombuffer(bytearray(joined), dtype=np.uint8),
        starts=starts[1::2].copy(),
        ends=ends[1::2].copy(),
        id_starts=starts[0::2].copy(),
        id_ends=ends[0::2].copy(),
        timestamps=np.fromiter((event.timestamp for event in found), dtype=np.int64, count=len(found)),
        log_streams=[event.log_stream for event in found] if has_streams else (),
    )

"""Log events as positions in a text: nothing is made per event until somebody asks.

Belongs here: the value and how ids and lines are read back from it. Does not: finding the positions (cut.py,
documents.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from consumer.model.text_word import MARGIN_BYTES, Bytes

Positions = NDArray[np.int32]

_NO_NUMBERS: Positions = np.empty(0, dtype=np.int32)
_NO_TIMES: NDArray[np.int64] = np.empty(0, dtype=np.int64)
_NO_HASHES: NDArray[np.uint64] = np.empty((0, 3), dtype=np.uint64)


@dataclass(frozen=True, slots=True, eq=False)
class Events:
    """`n` log events; event i is line i of its payload, so `FlowBatch.line_numbers` are indices here.

    `text`: uint8 with a margin of 64 bytes. `starts`, `ends`: int32[n], the message. `id_starts`, `id_ends`:
    int32[n], the event id (equal when there is none). `timestamps`: int64[n], ms since the epoch, 0 when unknown.
    `stream_numbers`: int32[n], index into `stream_names` (each name once), -1 = no name of its own; empty when no
    event names its log stream: then all are of the origin's. `ingestion_times`: int64[n], ms since the epoch, when
    CloudWatch took the event, 0 when unknown; empty when no event says. `hashes`: uint64[n, 3], where events have no
    ids, two words of hash and how many equal ones came before (equal_lines.py); else empty.
    An event's identity is (owner account, log group, log stream, event id).
    """

    text: Bytes
    starts: Positions
    ends: Positions
    id_starts: Positions
    id_ends: Positions
    timestamps: NDArray[np.int64]
    stream_numbers: Positions = field(default_factory=lambda: _NO_NUMBERS)
    stream_names: tuple[str, ...] = ()
    ingestion_times: NDArray[np.int64] = field(default_factory=lambda: _NO_TIMES)
    hashes: NDArray[np.uint64] = field(default_factory=lambda: _NO_HASHES)

    def __len__(self) -> int:
        return len(self.starts)

    def event_id(self, number: int) -> str | None:
        """The id as CloudWatch wrote it (an integer as its digits); None when the event has none."""
        start, end = int(self.id_starts[number]), int(self.id_ends[number])
        return self.text[start:end].tobytes().decode("utf-8", "replace") if end > start else None

    def log_stream(self, number: int) -> str | None:
        """The event's own log stream, None when it is the origin's."""
        if not self.stream_names or self.stream_numbers[number] < 0:
            return None
        return self.stream_names[int(self.stream_numbers[number])]


@dataclass(frozen=True, slots=True)
class Event:
    """One log event, as the readers of unusual layouts find it."""

    message: bytes
    identity: bytes = b""
    timestamp: int = 0
    log_stream: str | None = None
    ingestion_time: int = 0


def events_of(found: Sequence[Event]) -> Events:
    """The same events as positions in a text of their own."""
    parts = [part for event in found for part in (event.identity, event.message)]
    sizes = np.fromiter((len(part) + 1 for part in parts), dtype=np.int64, count=len(parts))
    # One byte between the parts: the kernel writes a blank after each message.
    joined = b"\n".join(parts) + b"\n" + bytes(MARGIN_BYTES)
    starts = (np.cumsum(sizes) - sizes).astype(np.int32)
    ends = (starts + sizes - 1).astype(np.int32)
    names: dict[str, int] = {}
    numbers = [-1 if event.log_stream is None else names.setdefault(event.log_stream, len(names)) for event in found]
    has_times = any(event.ingestion_time for event in found)
    return Events(
        text=np.frombuffer(bytearray(joined), dtype=np.uint8),
        starts=starts[1::2].copy(),
        ends=ends[1::2].copy(),
        id_starts=starts[0::2].copy(),
        id_ends=ends[0::2].copy(),
        timestamps=np.fromiter((event.timestamp for event in found), dtype=np.int64, count=len(found)),
        stream_numbers=np.array(numbers, dtype=np.int32) if names else _NO_NUMBERS,
        stream_names=tuple(names),
        ingestion_times=np.array([event.ingestion_time for event in found], dtype=np.int64) if has_times else _NO_TIMES,
    )

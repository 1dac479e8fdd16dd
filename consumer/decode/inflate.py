"""Payload bytes into one padded text, gunzipped when they are gzip.

Belongs here: gzip, its bound, and the padding the kernels need. Does not: what the text says (envelope.py).
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import numpy as np
from isal import isal_zlib

from consumer.model.text_word import MARGIN_BYTES, Bytes

TEXT_LIMIT_BYTES = 64 << 20
"""No envelope is larger unpacked; flow text packs about tenfold and a Kinesis record holds at most 10 MiB."""

GZIP_MAGIC = b"\x1f\x8b"
_GZIP_FAULTS: tuple[type[Exception], ...] = (EOFError, OSError, zlib.error, isal_zlib.error)  # type: ignore[assignment]
"""Early end; bad header or checksum; bad stream."""
_GUESS_BYTES = 1 << 20
_BLOCK_BYTES = 512 << 10


@dataclass(frozen=True, slots=True, eq=False)
class Text:
    """`size` bytes in `data` (uint8), and at least 64 bytes after them that belong to nobody."""

    data: Bytes
    size: int

    def view(self) -> memoryview:
        """The text itself, not copied."""
        return memoryview(self.data)[: self.size]  # type: ignore[arg-type]  # NumPy arrays are buffers


def plain(payload: bytes) -> Text:
    """A padded copy."""
    size = len(payload)
    data = np.empty(size + MARGIN_BYTES, dtype=np.uint8)
    data[:size] = np.frombuffer(payload, dtype=np.uint8)
    data[size:] = 0
    return Text(data, size)


def gunzip(payload: bytes) -> Text | str:
    """Every member of a gzip payload, checksums verified; else the reason: `bad_gzip`, `too_large`.

    Unpacked straight into the array (no copy), whose first size is what the last member's trailer says (RFC 1952
    §2.3.1: ISIZE), so an honest payload is allocated once and a bomb never gets more than the limit.
    """
    reader = isal_zlib._GzipReader(payload, _BLOCK_BYTES)  # type: ignore[arg-type]  # takes bytes, too
    room = min(max(int.from_bytes(payload[-4:], "little"), len(payload)), TEXT_LIMIT_BYTES) + 1
    data = np.empty(room + MARGIN_BYTES, dtype=np.uint8)
    view, size = data.data, 0
    try:
        while read := reader.readinto(view[size:room]):
            size += read
            if size > TEXT_LIMIT_BYTES:
                return "too_large"
            if size == room:
                room = min(2 * room + _GUESS_BYTES, TEXT_LIMIT_BYTES + 1)
                larger = np.empty(room + MARGIN_BYTES, dtype=np.uint8)
                larger[:size] = data[:size]
                data, view = larger, larger.data
    except _GZIP_FAULTS:
        return "bad_gzip"
    data[size : size + MARGIN_BYTES] = 0
    return Text(data, size)

"""An object of a bucket to chunks, whatever is in it: text as one stream, Parquet by ranges.

Belongs here: choosing between the two by how the object begins. Does not: fetching (aws/stored_object.py), cutting
(text.py, parquet.py), which objects are read at all (s3/objects.py).
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from itertools import chain
from typing import Any, Protocol

from consumer.sources.chunks.parquet import read_rows
from consumer.sources.chunks.text import BEGINNING, PARQUET_MAGIC, Chunk, Position, read_chunks

_WHOLE_BYTES = 8 << 20
"""A Parquet object up to this size is fetched at once: one request instead of one a column, and most are smaller."""


class Stored(Protocol):
    """What is needed of aws.stored_object.StoredObject."""

    @property
    def size_bytes(self) -> int:
        """Of the whole object."""

    def blocks(self) -> Iterator[bytes]:
        """All bytes in order."""

    def read(self, start: int, size_bytes: int) -> bytes:
        """`size_bytes` from `start`, fewer at the end of the object."""


def read_object(stored: Stored, start: Position = BEGINNING) -> Iterator[Chunk]:
    """The object's chunks from `start` on. Raises what `stored` raises, and MissingPrerequisiteError (parquet.py)."""
    blocks = stored.blocks()
    head = next(blocks, b"")
    if not head.startswith(PARQUET_MAGIC):
        yield from read_chunks(chain([head], blocks), start)
    elif stored.size_bytes <= _WHOLE_BYTES:
        yield from read_rows(io.BytesIO(b"".join(chain([head], blocks))), start)
    else:
        yield from read_rows(io.BufferedReader(SeekableObject(stored), 64 << 10), start)


class SeekableObject(io.RawIOBase):
    """A stored object as a file: every read asks for just its range. One thread."""

    def __init__(self, stored: Stored) -> None:
        super().__init__()
        self._stored = stored
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        origin = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._stored.size_bytes}[whence]
        self._position = max(0, origin + offset)
        return self._position

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer).cast("B")
        found = self._stored.read(self._position, len(view))
        view[: len(found)] = found
        self._position += len(found)
        return len(found)

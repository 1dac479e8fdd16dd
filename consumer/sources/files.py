"""Source 4: flow log files, what `vpcflow replay` reads. Plain, gzip or Parquet; `-` is standard input.

Belongs here: opening files and handing their chunks over as deliveries. Does not: how an object is cut
(chunks/text.py), understanding lines or envelopes (decode/).
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path
from tempfile import TemporaryFile
from typing import BinaryIO

from consumer.clock import Clock
from consumer.model.delivery import Delivery, Origin, SourceKind
from consumer.model.log_format import LogFormat
from consumer.sources.chunks.parquet import read_rows
from consumer.sources.chunks.text import PARQUET_MAGIC, Chunk, ObjectName, Position, read_chunks

_READ_BYTES = 256 << 10


class FileSource:
    """Reads `paths` one after the other; `process` is called on the calling thread."""

    name = "files"

    def __init__(self, paths: list[str], clock: Clock, log_format: LogFormat | None = None) -> None:
        self._paths = paths
        self._clock = clock
        self._log_format = log_format
        self.bytes_read = 0

    def run(self, process: Callable[[Delivery], object], stop: threading.Event) -> None:
        """Read every file to its end. OSError names the file that cannot be read."""
        for path in self._paths:
            for delivery in self._deliveries(path):
                if stop.is_set():
                    return
                process(delivery)

    def _deliveries(self, path: str) -> Iterator[Delivery]:
        origin = _origin(path)
        with nullcontext(sys.stdin.buffer) if path == "-" else Path(path).open("rb") as handle:
            for chunk in self._chunks(handle):
                self.bytes_read += len(chunk.payload)
                yield chunk.delivery(origin, self._clock.now())

    def _chunks(self, handle: BinaryIO) -> Iterator[Chunk]:
        head = handle.read(_READ_BYTES)
        if not head.startswith(PARQUET_MAGIC):
            yield from read_chunks(_blocks(head, handle), Position(log_format=self._log_format))
        elif handle.seekable():
            handle.seek(0)
            yield from read_rows(handle)
        else:  # the index of Parquet lies at its end
            with TemporaryFile() as copy:
                copy.writelines(_blocks(head, handle))
                yield from read_rows(copy)


def _blocks(block: bytes, handle: BinaryIO) -> Iterator[bytes]:
    while block:
        yield block
        block = handle.read(_READ_BYTES)


def _origin(path: str) -> Origin:
    name = ObjectName.of(path)
    return Origin(SourceKind.FILE, account=name.account, region=name.region, path=path)

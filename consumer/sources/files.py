"""Source 4: flow log files, what `vpcflow replay` reads. Plain or gzip, `-` is standard input.

Belongs here: opening files and handing their chunks over as deliveries. Does not: how an object is cut (objects.py),
understanding lines or envelopes (decode/).
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import BinaryIO

from consumer.clock import Clock
from consumer.model.delivery import Delivery, Origin, SourceKind
from consumer.model.log_format import LogFormat
from consumer.sources.objects import ObjectName, Position, read_chunks

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
            for chunk in read_chunks(_blocks(handle), Position(log_format=self._log_format)):
                self.bytes_read += len(chunk.payload)
                payloads = (chunk.payload,) if chunk.payload else ()
                yield Delivery(origin, payloads, self._clock.now(), chunk.text, chunk.fault)


def _blocks(handle: BinaryIO) -> Iterator[bytes]:
    while block := handle.read(_READ_BYTES):
        yield block


def _origin(path: str) -> Origin:
    name = ObjectName.of(path)
    return Origin(SourceKind.FILE, account=name.account, region=name.region, path=path)

"""Source 4: flow log files, what `vpcflow replay` reads. Plain or gzip, `-` is standard input.

Belongs here: reading a file as a stream in bounded memory and cutting it into deliveries. Does not: understanding
lines or envelopes (decode/). A file that begins with `{` or `[` is JSON (an envelope, JSON lines, the output of
`aws logs filter-log-events`) and is handed over whole or cut between lines; anything else is text, cut at line ends.
"""

from __future__ import annotations

import re
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from isal import isal_zlib

from consumer.clock import Clock
from consumer.model.delivery import Delivery, Origin, SourceKind, TextState
from consumer.model.log_format import LogFormat

CHUNK_BYTES = 1 << 20
"""Text handed over at once: about one full batch (8,192 records of the default format)."""
LINE_LIMIT_BYTES = 64 << 10
JSON_LIMIT_BYTES = 64 << 20
_READ_BYTES = 256 << 10
_GZIP_MAGIC = b"\x1f\x8b"
_FILE_NAME = re.compile(r"(?P<account>\d{12})_vpcflowlogs_(?P<region>[a-z0-9-]+)_fl-")
"""S3's object name (AWS: flow log files): `<acct>_vpcflowlogs_<region>_<fl-id>_<stamp>_<hash>.log.gz`."""


@dataclass(slots=True)
class _Unpacked:
    """The bytes of a file, gunzipped when it is gzip. `fault` is set when they ended early."""

    handle: BinaryIO
    fault: str = ""
    _first: bytes = field(default=b"")

    def blocks(self) -> Iterator[bytes]:
        self._first = self.handle.read(_READ_BYTES)
        if self._first.startswith(_GZIP_MAGIC):
            yield from self._gunzip()
            return
        block = self._first
        while block:
            yield block
            block = self.handle.read(_READ_BYTES)

    def _gunzip(self) -> Iterator[bytes]:
        """Every member of a gzip stream (re-packers concatenate them), never more than one block unpacked at once."""
        reader = isal_zlib.decompressobj(wbits=31)
        packed = self._first
        while True:
            try:
                if reader.eof:
                    packed = (reader.unused_data + packed).lstrip(b"\0")
                    if not packed:
                        packed = self.handle.read(_READ_BYTES)
                        if not packed:
                            return
                    reader = isal_zlib.decompressobj(wbits=31)
                block = reader.decompress(packed, _READ_BYTES * 4)
            except isal_zlib.error:  # type: ignore[misc]  # the package's stub does not say it is an exception
                self.fault = "bad_gzip"
                return
            if block:
                yield block
            packed = reader.unconsumed_tail
            if not packed and not reader.eof:
                packed = self.handle.read(_READ_BYTES)
                if not packed:
                    self.fault = "bad_gzip"  # the file ends in the middle of a member
                    return
            elif reader.eof:
                packed = b""


class FileSource:
    """Reads `paths` one after the other; `process` is called on the calling thread."""

    name = "files"

    def __init__(self, paths: list[str], clock: Clock, log_format: LogFormat | None = None) -> None:
        self._paths = paths
        self._clock = clock
        self._log_format = log_format
        self.bytes_read = 0

    def run(self, process: Callable[[Delivery], None], stop: threading.Event) -> None:
        """Read every file to its end. OSError names the file that cannot be read."""
        for path in self._paths:
            for delivery in self._deliveries(path):
                if stop.is_set():
                    return
                process(delivery)

    def _deliveries(self, path: str) -> Iterator[Delivery]:
        origin = _origin(path)
        with nullcontext(sys.stdin.buffer) if path == "-" else Path(path).open("rb") as handle:
            unpacked = _Unpacked(handle)
            blocks = unpacked.blocks()
            head = b""
            for block in blocks:
                head += block
                if head.lstrip(b"\xef\xbb\xbf \t\r\n"):
                    break
            text = None if head.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] in (b"{", b"[") else TextState(self._log_format)
            cut = cut_json if text is None else cut_text
            for payload in cut(_chain(head, blocks), lambda: bool(unpacked.fault)):
                self.bytes_read += len(payload)
                fault = ""
                if len(payload) > JSON_LIMIT_BYTES:
                    payload, fault = b"", "too_large"
                yield Delivery(origin, (payload,) if payload else (), self._clock.now(), text, fault)
            if unpacked.fault:
                yield Delivery(origin, (), self._clock.now(), text, unpacked.fault)


def _chain(head: bytes, blocks: Iterator[bytes]) -> Iterator[bytes]:
    yield head
    yield from blocks


def cut_text(blocks: Iterator[bytes], is_broken: Callable[[], bool]) -> Iterator[bytes]:
    """Cut at line ends into chunks of about CHUNK_BYTES; the last line may lack its line end.

    Where the bytes broke off (`is_broken`), what follows the last line end is part of a line: it is left out, for
    half a number would read as a whole one.

    A line longer than LINE_LIMIT_BYTES is shortened to one byte over the limit, so that decode counts it once as
    too long and memory stays bounded.
    """
    kept = bytearray()
    is_skipping = False
    for block in blocks:
        if is_skipping:
            end = block.find(b"\n")
            if end < 0:
                continue
            block = block[end:]
            is_skipping = False
        kept += block
        if len(kept) < CHUNK_BYTES:
            continue
        end = kept.rfind(b"\n") + 1
        rest = len(kept) - end
        if rest > LINE_LIMIT_BYTES:
            yield bytes(kept[: end + LINE_LIMIT_BYTES + 1]) + b"\n"
            kept.clear()
            is_skipping = True
        else:
            yield bytes(kept[:end])
            del kept[:end]
    if is_broken():
        del kept[kept.rfind(b"\n") + 1 :]
    if kept:
        yield bytes(kept)


def cut_json(blocks: Iterator[bytes], is_broken: Callable[[], bool]) -> Iterator[bytes]:
    """Whole when small; JSON lines are cut where a line begins with `{`. Over the limit: one oversized piece."""
    kept = bytearray()
    for block in blocks:
        kept += block
        if len(kept) > 8 * CHUNK_BYTES:
            end = kept.rfind(b"\n{") + 1
            if end > 0:
                yield bytes(kept[:end])
                del kept[:end]
            elif len(kept) > JSON_LIMIT_BYTES:
                yield bytes(kept)  # the caller counts it as too large; the rest of this file is not read
                return
    if is_broken():
        del kept[kept.rfind(b"\n") + 1 :]
    if kept:
        yield bytes(kept)


def _origin(path: str) -> Origin:
    match = _FILE_NAME.search(path)
    account, region = match.group("account", "region") if match else (None, None)
    return Origin(SourceKind.FILE, account=account, region=region, path=path)

"""An object in bounded memory: blocks of bytes in, chunks that end at a line's end out.

Belongs here: gzip (every member, also packed twice), UTF-16, the position behind each chunk. Does not: where text and
JSON are cut (cutters.py), what other programs put around lines (wrapping.py), who brings the blocks (files.py a file or
standard input, s3 the body of GetObject), what a line says (decode/), rows of columns (parquet.py). What begins with
`{` or `[` is JSON (an envelope, JSON lines, the output of `aws logs filter-log-events`) and is handed over whole or cut
between documents; anything else is text, cut at line ends.

Where blocks end never matters: an object gives the same rows however it was cut on its way
(tests/property/test_source_objects.py).
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import chain

import orjson
from isal import isal_zlib

from consumer.model.delivery import Delivery, Origin, TextState
from consumer.model.log_format import LogFormat
from consumer.model.row_slice import RowSlice
from consumer.sources.chunks.cutters import LINE_LIMIT_BYTES, JsonCutter, TextCutter
from consumer.sources.chunks.wrapping import unwrapping

CHUNK_BYTES = 7 << 18
"""Text handed over at once: just under a full batch (16,384 records of the default format)."""
_BLOCK_BYTES = 256 << 10
_UNPACKED_BYTES = 1 << 20
"""The most that is unpacked at once, so that a bomb costs time and no memory."""
PARQUET_MAGIC = b"PAR1"
BAD_PARQUET = "bad_parquet"
NOT_TEXT = "not_text"
"""Reason of a whole object: packed otherwise than by gzip, or something else altogether."""
_GZIP_MAGIC = b"\x1f\x8b"
_GZIP_LAYERS = 2
"""Firehose packs the envelopes of CloudWatch, which are gzip, once more when its own compression is on."""
_UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
"""What PowerShell writes where `>` stands behind a command."""
_FOREIGN_PACKINGS = (_GZIP_MAGIC, b"PK\3\4", b"BZh", b"\xfd7zXZ\0", b"\x28\xb5\x2f\xfd", b"7z\xbc\xaf")
"""gzip once too often, zip, bzip2, xz, zstd, 7z."""
_TELLING_BYTES = 64
"""A zero among the first ones is in no text; later ones cost their lines."""
_LEADING_BLANKS = b"\xef\xbb\xbf \t\r\n"

_KEY = re.compile(r"(?P<account>\d{12})_vpcflowlogs_(?P<region>[a-z0-9-]+)_(?P<flow_log>fl-[0-9a-f]+)_")
"""S3's object name (AWS: flow log files): `<acct>_vpcflowlogs_<region>_<fl-id>_<stamp>_<hash>.log.gz`."""


@dataclass(frozen=True, slots=True)
class Position:
    """Where reading an object may go on: behind a chunk that was acknowledged.

    `offset`: bytes of the unpacked object (rows of a columnar one). `log_format`: in force there, for a header is not
    read again.
    """

    offset: int = 0
    log_format: LogFormat | None = None

    def mark(self) -> str:
        """As a journal keeps it."""
        return orjson.dumps([self.offset, self.log_format.text() if self.log_format else ""]).decode()

    @classmethod
    def at(cls, mark: str) -> Position:
        """The position that `mark` wrote; the beginning where it is none."""
        try:
            offset, fields = orjson.loads(mark)
            return cls(int(offset), LogFormat.from_text(fields) if fields else None)
        except (ValueError, TypeError):
            return BEGINNING


BEGINNING = Position()


@dataclass(frozen=True, slots=True, eq=False)
class Chunk:
    """Whole lines of an object. `text`: None for JSON, which stands alone; else shared by all chunks of the object.

    `end`: offset behind it in the unpacked object. `fault`: what could not be read after it, or in its place.
    `columns`: rows of a columnar object, which has no payload.
    """

    payload: bytes
    end: int
    text: TextState | None
    fault: str = ""
    columns: RowSlice | None = None

    def delivery(self, origin: Origin, received_at: float, acknowledge: Callable[[], None] = lambda: None) -> Delivery:
        """The chunk as a delivery of its own."""
        payloads = (self.payload,) if self.payload else ()
        columns = () if self.columns is None else (self.columns,)
        return Delivery(origin, payloads, received_at, self.text, self.fault, acknowledge, columns=columns)

    def position(self) -> Position:
        """Where to go on once this chunk is exported; ask only then, for decode learns the log format from it."""
        return Position(self.end, self.text.log_format if self.text else None)


@dataclass(frozen=True, slots=True)
class ObjectName:
    """What the name of an object tells of the flow log that wrote it; None = nothing."""

    account: str | None = None
    region: str | None = None
    flow_log_id: str | None = None

    @classmethod
    def of(cls, key: str) -> ObjectName:
        """Read the last part of a key or path, whatever folders it was copied to."""
        match = _KEY.search(key)
        return cls(*match.group("account", "region", "flow_log")) if match else cls()


def read_chunks(
    blocks: Iterable[bytes], start: Position = BEGINNING, chunk_bytes: int = CHUNK_BYTES
) -> Iterator[Chunk]:
    """The object's chunks from `start` on. `blocks` are its bytes from the first one, of any sizes.

    Blocks before `start` are unpacked and forgotten: gzip knows no other way. What raises while a block is fetched
    goes through to the caller, and every chunk before it was whole.
    """
    unpacked = _Unpacked(_bounded(blocks))
    head, pieces = _begun(unpacked.blocks())
    if head.startswith(_UTF_16):
        head, pieces = _begun(_utf_8(pieces))
    if head.startswith(PARQUET_MAGIC):
        yield Chunk(b"", start.offset, None, BAD_PARQUET)  # packed once more, or not seekable: its end comes first
    elif head.startswith(_FOREIGN_PACKINGS) or b"\0" in head[:_TELLING_BYTES]:
        if not start.offset:
            yield Chunk(b"", len(head), None, NOT_TEXT)
    elif head.lstrip(_LEADING_BLANKS)[:1] in (b"{", b"["):
        yield from _cut(pieces, JsonCutter(start.offset, chunk_bytes), None, unpacked)
    else:
        unwrap = unwrapping(head.removeprefix(codecs.BOM_UTF8), start.log_format)
        for chunk in _cut(pieces, TextCutter(start.offset, chunk_bytes), TextState(start.log_format), unpacked):
            yield replace(chunk, payload=unwrap(chunk.payload.removeprefix(codecs.BOM_UTF8))) if unwrap else chunk


def _cut(
    pieces: Iterable[bytes], cutter: TextCutter | JsonCutter, text: TextState | None, unpacked: _Unpacked
) -> Iterator[Chunk]:
    for piece in _after(pieces, cutter.end):
        for payload in cutter.cut(piece):
            yield Chunk(payload, cutter.end, text)
        if cutter.is_over:
            yield Chunk(b"", cutter.end, text, "too_large")
            return
    rest = cutter.rest(is_broken=bool(unpacked.fault))
    if rest or unpacked.fault:
        yield Chunk(rest, cutter.end, text, unpacked.fault)


def _begun(pieces: Iterator[bytes]) -> tuple[bytes, Iterator[bytes]]:
    """(what the text begins with, all of it): always as much as a line may have, however the blocks came."""
    head = b""
    for piece in pieces:
        head += piece
        if len(head) >= LINE_LIMIT_BYTES:
            break
    return head[:LINE_LIMIT_BYTES], chain([head], pieces)


def _utf_8(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """The same text; what is no UTF-16 costs its line."""
    decoder = codecs.getincrementaldecoder("utf-16")("replace")
    for piece in pieces:
        yield decoder.decode(piece).encode("utf-8", "replace")
    yield decoder.decode(b"", final=True).encode("utf-8", "replace")


@dataclass(slots=True)
class _Unpacked:
    """The bytes of an object, gunzipped when it is gzip. `fault` is set when they ended early."""

    packed: Iterator[bytes]
    fault: str = ""
    layer: int = 0

    def blocks(self) -> Iterator[bytes]:
        first = b""
        for block in self.packed:
            first += block
            if len(first) >= len(_GZIP_MAGIC):
                break
        if first.startswith(_GZIP_MAGIC) and self.layer < _GZIP_LAYERS:
            inner = _Unpacked(self._gunzip(first), layer=self.layer + 1)
            yield from inner.blocks()
            self.fault = self.fault or inner.fault
        else:
            yield first
            yield from self.packed

    def _gunzip(self, packed: bytes) -> Iterator[bytes]:
        """Every member of a gzip stream (re-packers concatenate them), zeros after the last one left out."""
        reader = isal_zlib.decompressobj(wbits=31)
        try:
            while True:
                if reader.eof:
                    packed = reader.unused_data.lstrip(b"\0")
                    while not packed:
                        following = next(self.packed, None)
                        if following is None:
                            return
                        packed = following.lstrip(b"\0")
                    reader = isal_zlib.decompressobj(wbits=31)
                block = reader.decompress(packed, _UNPACKED_BYTES)
                if block:
                    yield block
                packed = reader.unconsumed_tail
                if not packed and not reader.eof:
                    packed = next(self.packed, b"")
                    if not packed:
                        self.fault = "bad_gzip"  # the object ends in the middle of a member
                        return
        except isal_zlib.error:  # type: ignore[misc]  # the package's stub does not say it is an exception
            self.fault = "bad_gzip"


def _bounded(blocks: Iterable[bytes]) -> Iterator[bytes]:
    """The same bytes in blocks of bounded size, none of them empty."""
    for block in blocks:
        if len(block) <= _BLOCK_BYTES:
            if block:
                yield block
        else:
            for start in range(0, len(block), _BLOCK_BYTES):
                yield block[start : start + _BLOCK_BYTES]


def _after(blocks: Iterable[bytes], offset: int) -> Iterator[bytes]:
    """The bytes from `offset` on."""
    for block in blocks:
        if offset >= len(block):
            offset -= len(block)
            continue
        yield block[offset:] if offset else block
        offset = 0

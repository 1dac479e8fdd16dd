"""Where unpacked text and JSON may be cut, so that every chunk holds whole lines and memory stays bounded.

Belongs here: the cuts. Does not: where the bytes come from, positions of an object (text.py), lines (decode/).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

LINE_LIMIT_BYTES = 64 << 10
JSON_LIMIT_BYTES = 64 << 20
_JSON_CHUNKS = 4
"""JSON lines are cut once so many chunks of them were read."""
_BLANKS = b" \t\r"
_LEADING = b"\xef\xbb\xbf \t\r\n"
_BETWEEN_JSON = (b"\n{", b'}{"message')
"""A document ends in front of its `{`: JSON lines, and what Firehose puts back to back (`{"messageType":…}{"mess…`). A
letter behind `{"` means that no string ended there."""


@dataclass(slots=True)
class TextCutter:
    """Cuts behind the last line that ends within `chunk_bytes`; the object's last line may lack its line end.

    A line that fills a whole chunk is shortened to one byte over LINE_LIMIT_BYTES, so that decode counts it once as
    too long and memory stays bounded. `end`: offset behind the last chunk that was given.
    """

    end: int
    chunk_bytes: int
    is_over: bool = False
    _kept: bytearray = field(default_factory=bytearray)
    _skipped_bytes: int = 0
    """Bytes left out of the one line that is kept, while its end is looked for."""

    def cut(self, block: bytes) -> Iterator[bytes]:
        if self._skipped_bytes:
            stop = block.find(b"\n")
            self._skip(block if stop < 0 else block[:stop])
            if stop < 0:
                return
            self._kept += b"\n"
            yield self._take(len(self._kept))
            block = block[stop + 1 :]
        room = self.chunk_bytes - len(self._kept)
        stop = block.rfind(b"\n", 0, room) + 1 if len(block) >= room > 0 else 0
        if stop:  # the usual case: the chunk ends within the block, and is copied once
            view = memoryview(block)
            self.end += len(self._kept) + stop
            payload, self._kept = b"".join((self._kept, view[:stop])), bytearray(view[stop:])
            yield payload
        else:
            self._kept += block
        while len(self._kept) >= self.chunk_bytes:
            stop = self._kept.rfind(b"\n", 0, self.chunk_bytes) + 1 or self._kept.find(b"\n", self.chunk_bytes) + 1
            if stop:
                yield self._take(stop)
            elif len(self._kept) > LINE_LIMIT_BYTES + 1:
                with memoryview(self._kept) as view:
                    gone = bytes(view[LINE_LIMIT_BYTES + 1 :])
                del self._kept[LINE_LIMIT_BYTES + 1 :]
                self._skip(gone)
                return
            else:
                return

    def _skip(self, gone: bytes) -> None:
        self._skipped_bytes += len(gone)
        if not self._kept.strip(_BLANKS) and gone.strip(_BLANKS):
            self._kept[-1:] = b"?"  # a blank line is none; what makes this one a line is left out

    def _take(self, size: int) -> bytes:
        with memoryview(self._kept) as view:
            payload = bytes(view[:size])
        del self._kept[:size]
        self.end += size + self._skipped_bytes
        self._skipped_bytes = 0
        return payload

    def rest(self, *, is_broken: bool) -> bytes:
        """The end. Where the bytes broke off, what follows the last line end is part of a line: it is left out, for
        half a number would read as a whole one."""
        is_partial = is_broken and not self._skipped_bytes
        return self._take(self._kept.rfind(b"\n") + 1 if is_partial else len(self._kept))


@dataclass(slots=True)
class JsonCutter:
    """Whole when small; many documents are cut between two of them, a list never. `is_over`: too large, nothing more is
    read."""

    end: int
    chunk_bytes: int
    is_over: bool = False
    _kept: bytearray = field(default_factory=bytearray)
    _searched: int = 0
    _is_list: bool = False

    def cut(self, block: bytes) -> Iterator[bytes]:
        if not self._kept:
            self._is_list = block.lstrip(_LEADING)[:1] == b"["
        self._kept += block
        limit = _JSON_CHUNKS * self.chunk_bytes
        while len(self._kept) > limit:
            stop = 0 if self._is_list else self._stop(limit)
            if not stop:
                self._searched = len(self._kept)
                if self._searched > JSON_LIMIT_BYTES:
                    self._kept.clear()
                    self.is_over = True
                return
            yield self._take(stop)

    def _stop(self, limit: int) -> int:
        """Where the last document that begins before `limit` begins, else the first one behind it; 0 = nowhere."""
        before = max(self._kept.rfind(between, 0, limit) for between in _BETWEEN_JSON) + 1
        if before:
            return before
        first = [self._kept.find(text, max(limit, self._searched) - len(text)) + 1 for text in _BETWEEN_JSON]
        return min(filter(None, first), default=0)

    def _take(self, size: int) -> bytes:
        payload = bytes(self._kept[:size])
        del self._kept[:size]
        self._searched = 0
        self.end += size
        return payload

    def rest(self, *, is_broken: bool) -> bytes:
        """The end; a document that broke off is left out."""
        return self._take(self._kept.rfind(b"\n") + 1 if is_broken else len(self._kept))

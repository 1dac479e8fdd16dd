"""The agent's end of the Unix socket to the children; child.py documents the frames.

Belongs here: accepting children, noticing at once when one ends, batches of records. Does not: what to do with
records (sources/kinesis/source.py).
"""

from __future__ import annotations

import binascii
import os
import select
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import orjson

from consumer.errors import ProtocolError
from consumer.kcl.child import ANSWER, END, HELLO, RECORDS, WELCOME, receive_frame, send_frame

SOCKET_PATH_LIMIT_BYTES = 107
"""sockaddr_un.sun_path holds 108 bytes with the closing zero (unix(7))."""
_BACKLOG = 128
_GREETING_SECONDS = 5.0
"""A child sends its hello at once; the wait is bounded because it holds up the watch over the others."""
_LAST_FRAME_SECONDS = 1.0


@dataclass(frozen=True, slots=True, order=True)
class Position:
    """A place in a shard: sequence number, then sub-sequence number (of KPL-aggregated records)."""

    sequence: int
    sub: int


@dataclass(frozen=True, slots=True)
class Record:
    """One Kinesis record. `data`: the bytes put into the stream; `arrived_at`: Unix seconds, 0 when not known."""

    position: Position
    data: bytes
    arrived_at: float


@dataclass(frozen=True, slots=True)
class Batch:
    """One processRecords call: zero or more records, and how far behind the stream's tip the daemon reads."""

    entries: list[dict[str, object]]
    behind_ms: int | None

    def records(self) -> Iterator[Record]:
        """In order; each record's data is decoded when it is asked for, so only one lies in memory twice."""
        for entry in self.entries:
            yield Record(
                Position(int(str(entry["sequenceNumber"])), int(str(entry["subSequenceNumber"] or 0))),
                binascii.a2b_base64(str(entry["data"])),
                float(str(entry["approximateArrivalTimestamp"] or 0)) / 1000,
            )


class Child:
    """One connected child, that is one leased shard. `serve` and its answers belong to one thread."""

    def __init__(self, link: socket.socket, shard: str, start: str | None, pid: int, daemon_pid: int) -> None:
        self.shard = shard
        self.start = start
        """Where KCL lets it begin: a sequence number or TRIM_HORIZON, LATEST, AT_TIMESTAMP."""
        self.pid = pid
        self.daemon_pid = daemon_pid
        self.ended: str | None = None
        """The reason it gave; None while it runs or when it died."""
        self.is_closed = threading.Event()
        self._link = link
        self._is_drained = threading.Event()
        self._is_exporting = False

    def batches(self) -> Iterator[Batch]:
        """Each call of the daemon until the child ends; blocks. Answer each before asking for the next."""
        while (frame := self._receive()) is not None:
            kind, body = frame
            if kind == END:
                self.ended = body.decode()
            elif kind == RECORDS:
                self._is_exporting = True
                yield _read_batch(body)
                self._is_exporting = False
            else:
                raise ProtocolError(f"a child sent a frame of kind {kind!r}")
        self._is_drained.set()

    def wait_for_last_frame(self) -> None:
        """Once its socket has closed: let its thread read why, which it may not have come to. A child that waits
        for an answer has said nothing."""
        if not self._is_exporting:
            self._is_drained.wait(_LAST_FRAME_SECONDS)

    def answer(self, exported: Position | None, *, complete: bool) -> None:
        """Tell it the last exported record. Does nothing when it is gone: KCL delivers again."""
        body = {
            "sequence": str(exported.sequence) if exported else None,
            "sub": exported.sub if exported else 0,
            "complete": complete,
        }
        try:
            send_frame(self._link, ANSWER, orjson.dumps(body))
        except OSError:
            self.is_closed.set()

    def close(self) -> None:
        """End the connection; a thread that waits in `batches` comes back. The child then ends hard."""
        self.is_closed.set()
        try:
            self._link.shutdown(socket.SHUT_RDWR)
        except OSError:
            return  # already shut

    def release(self) -> None:
        """Give the descriptor back; only after the serving thread and the watch are done with it."""
        self._link.close()

    def fileno(self) -> int:
        return self._link.fileno()

    def _receive(self) -> tuple[bytes, bytearray] | None:
        try:
            return receive_frame(self._link)
        except OSError:
            return None


def _read_batch(line: bytearray) -> Batch:
    content = orjson.loads(line)
    return Batch(content["records"], content["millisBehindLatest"])


class Channel:
    """The listening socket and the watch over all children, from `__init__` (which binds) to `close`.

    `run` belongs to one thread. It calls `on_child` on a new thread for every child, and `on_end(child)` on its own
    thread as soon as that child's socket closes, also while the child's thread is busy exporting.
    """

    def __init__(self, path: Path, checkpoint_seconds: float) -> None:
        if len(os.fsencode(path)) > SOCKET_PATH_LIMIT_BYTES:
            raise ProtocolError(f"the socket path {path} is longer than {SOCKET_PATH_LIMIT_BYTES} bytes")
        self.path = path
        self._checkpoint_seconds = checkpoint_seconds
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(str(path))
        self._listener.listen(_BACKLOG)
        self._wake = os.eventfd(0, os.EFD_CLOEXEC)
        self._children: dict[int, tuple[Child, threading.Thread]] = {}

    def run(self, on_child: Callable[[Child], None], on_end: Callable[[Child], None]) -> None:
        """Accept and watch until `close`."""
        poll = select.poll()
        poll.register(self._listener, select.POLLIN)
        poll.register(self._wake, select.POLLIN)
        while True:
            for descriptor, _ in poll.poll():
                if descriptor == self._wake:
                    self._end()
                    return
                if descriptor == self._listener.fileno():
                    child = self._accept()
                    if child is not None:
                        thread = threading.Thread(target=on_child, args=(child,), name=f"shard {child.shard}")
                        self._children[child.fileno()] = (child, thread)
                        # Its end only: its frames are read by its own thread.
                        poll.register(child, select.POLLRDHUP)
                        thread.start()
                    continue
                poll.unregister(descriptor)
                child, thread = self._children.pop(descriptor)
                child.is_closed.set()
                child.wait_for_last_frame()
                on_end(child)
                threading.Thread(target=_reap, args=(child, thread), name=f"reap {child.shard}").start()

    def close(self) -> None:
        """End `run`, and with it every child that is still connected."""
        os.eventfd_write(self._wake, 1)

    def _end(self) -> None:
        for child, _ in self._children.values():
            child.close()
        for child, thread in self._children.values():
            thread.join()
            child.release()
        self._listener.close()
        os.close(self._wake)

    def _accept(self) -> Child | None:
        """Greet a new child; None when it is gone already or is no child of ours."""
        try:
            link, _ = self._listener.accept()
        except OSError:
            return None  # it went away before we came to it
        link.settimeout(_GREETING_SECONDS)
        try:
            frame = receive_frame(link)
            if frame is None or frame[0] != HELLO:
                link.close()
                return None
            hello = orjson.loads(frame[1])
            send_frame(link, WELCOME, orjson.dumps({"checkpoint_seconds": self._checkpoint_seconds}))
        except OSError:
            link.close()
            return None
        link.settimeout(None)
        return Child(link, hello["shard"], hello["sequence"], hello["pid"], hello["daemon"])


def _reap(child: Child, thread: threading.Thread) -> None:
    thread.join()
    child.release()

"""Receiving datagrams without losing bursts, and saying how many the kernel dropped all the same.

Belongs here: the socket and its thread. Does not: decoding (session.py), so that a slow reader costs memory up to a
bound instead of datagrams.
"""

from __future__ import annotations

import socket
import struct
import threading
from collections import deque
from contextlib import suppress
from types import TracebackType
from typing import Self

from consumer.errors import ConfigurationError, Fault
from consumer.export.settings import Destination

RECEIVE_BUFFER_BYTES = 32 << 20
"""What is asked for. Without CAP_NET_ADMIN the kernel gives at most net.core.rmem_max (212,992 by default: 92
datagrams of 1,400 bytes while nobody reads, measured)."""
WAITING_BYTES = 64 << 20
"""Datagrams taken from the kernel and not decoded yet."""
_LARGEST_DATAGRAM = 65_535
_STOP_POLL_SECONDS = 0.2
_SO_RCVBUFFORCE = 33
_SO_MEMINFO = 55
_MEMINFO = struct.Struct("=9I")
_MEMINFO_DROPS = 8
"""SO_MEMINFO (linux/sock_diag.h): nine words about the socket's memory, the last: datagrams dropped."""

Datagram = tuple[bytes, tuple[str, int]]
"""Bytes, and the sender's address and port."""


class Listener:
    """A UDP socket read by its own thread. `with Listener(…) as listener: listener.take(0.2)`."""

    def __init__(self, at: Destination) -> None:
        """`at`: address to listen on; port 0 lets the kernel choose."""
        self._at = at
        self._socket: socket.socket | None = None
        self._thread: threading.Thread | None = None
        self._closing = threading.Event()
        self._has_some = threading.Condition()
        self._waiting: deque[Datagram] = deque()
        self._waiting_bytes = 0
        self._unread = 0
        self._kernel_dropped = 0
        self.received = 0

    def __enter__(self) -> Self:
        self._socket = _open(self._at)
        self._thread = threading.Thread(target=self._receive, args=(self._socket,), name="listen", daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing.set()
        if self._thread is not None and self._socket is not None:
            self._thread.join()
            self._kernel_dropped = self.kernel_dropped
            self._socket.close()
            self._socket = None

    @property
    def port(self) -> int:
        """The port listened on."""
        assert self._socket is not None
        port: int = self._socket.getsockname()[1]
        return port

    @property
    def receive_buffer_bytes(self) -> int:
        """What the kernel gave."""
        assert self._socket is not None
        return self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF)

    @property
    def kernel_dropped(self) -> int:
        """Datagrams the kernel dropped because the buffer was full."""
        if self._socket is None:
            return self._kernel_dropped
        words = _MEMINFO.unpack(self._socket.getsockopt(socket.SOL_SOCKET, _SO_MEMINFO, _MEMINFO.size))
        return int(words[_MEMINFO_DROPS])

    @property
    def unread(self) -> int:
        """Datagrams dropped here because nobody took them."""
        return self._unread

    def take(self, wait_seconds: float) -> list[Datagram]:
        """All that waits, oldest first; blocks up to `wait_seconds` for the first."""
        with self._has_some:
            if not self._waiting:
                self._has_some.wait(wait_seconds)
            taken = list(self._waiting)
            self._waiting.clear()
            self._waiting_bytes = 0
            return taken

    def _receive(self, opened: socket.socket) -> None:
        while not self._closing.is_set():
            try:
                data, sender = opened.recvfrom(_LARGEST_DATAGRAM)
            except TimeoutError:
                continue
            except OSError:
                continue  # an ICMP error of something we never sent: nothing a listener could do
            self._keep(data, sender[:2])

    def _keep(self, data: bytes, sender: tuple[str, int]) -> None:
        with self._has_some:
            self.received += 1
            if self._waiting_bytes + len(data) > WAITING_BYTES:
                self._unread += 1
                return
            self._waiting.append((data, sender))
            self._waiting_bytes += len(data)
            self._has_some.notify()


def _open(at: Destination) -> socket.socket:
    """Bind, with the largest receive buffer the kernel gives. Raises ConfigurationError naming the mend."""
    try:
        found = socket.getaddrinfo(at.host, at.port, type=socket.SOCK_DGRAM, flags=socket.AI_PASSIVE)
        family, _, _, _, address = found[0]
        opened = socket.socket(family, socket.SOCK_DGRAM)
    except OSError as error:
        raise ConfigurationError([_fault(at, error)]) from error
    try:
        opened.settimeout(_STOP_POLL_SECONDS)
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)
        with suppress(PermissionError):  # then the size asked for above, cut to net.core.rmem_max, has to do
            opened.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, RECEIVE_BUFFER_BYTES)
        opened.bind(address)
    except OSError as error:
        opened.close()
        raise ConfigurationError([_fault(at, error)]) from error
    return opened


def _fault(at: Destination, error: OSError) -> Fault:
    fix = "listen on a free port of an address of this machine"
    return Fault("--listen", str(at), error.strerror or str(error), fix)

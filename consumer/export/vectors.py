"""Many datagrams in one call, of any lengths: sendmmsg(2), which Python does not have.

Belongs here: the C call, the structures it reads, and the compiled loop that fills them. Does not: when it is used
(transmission.py), its errors (udp.py).

An entry of the vector is one datagram, or a burst: up to 64 KB that the kernel cuts into equal datagrams at the very
end (segmentation offload, udp(7), Linux 4.18). A datagram of 1,330 bytes over loopback costs 1.29 µs in a vector and
1.87 µs by `socket.send` (measured, best of 60), in a burst a third of that.
"""

from __future__ import annotations

import ctypes
import errno
import os
import sys
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from consumer.model.compiling import KERNEL

SOL_UDP = 17
UDP_SEGMENT = 103
"""Linux's numbers; Python's socket module has no names for them (include/uapi/linux/udp.h)."""
BURST_MESSAGES = 64
"""Datagrams a burst may become: UDP_MAX_SEGMENTS of every kernel (128 since 6.3)."""
BURST_BYTES = 65_507
"""Octets a burst may have: what an IPv4 packet holds besides its headers."""

_WORD = 8
# struct mmsghdr of a 64-bit machine in words; what has 32 bits there is zero or not read here.
_PIECES, _PIECE_COUNT, _CONTROL, _CONTROL_SIZE, _HEADER_WORDS = 2, 3, 4, 5, 8
# What each points to: struct iovec (where, how much), then struct cmsghdr (its size; level and type) and its content.
_BASE, _SIZE, _CONTENT_SIZE, _KIND, _SEGMENT, _TARGET_WORDS = 0, 1, 2, 3, 4, 5
_CONTROL_BYTES = (_TARGET_WORDS - _CONTENT_SIZE) * _WORD
_CONTENT_BYTES = 18
"""Header of the control message and the size of a segment, 16 bits."""


def _find_call() -> Any:
    """The C function; None where there is none, where its structures look different, or where a sandbox forbids it."""
    call = getattr(ctypes.CDLL(None, use_errno=True), "sendmmsg", None)
    if call is None or ctypes.sizeof(ctypes.c_void_p) != _WORD or sys.byteorder != "little":
        return None
    call.argtypes = (ctypes.c_int, ctypes.c_void_p, ctypes.c_uint, ctypes.c_int)
    call(-1, None, 0, 0)
    return call if ctypes.get_errno() == errno.EBADF else None


_SENDMMSG = _find_call()
HAS_VECTORS = _SENDMMSG is not None


@njit(**KERNEL)
def _lay_out(octets, starts, first, end, burst_messages, headers, targets, ends):  # type: ignore[no-untyped-def]
    """Fill the entries of messages `first` to `end`; how many. `ends`: after entry k comes message ends[k + 1].

    A burst is of equal messages; one shorter one may come last.
    """
    address = octets.ctypes.data
    count = 0
    ends[0] = first
    while first < end:
        size = starts[first + 1] - starts[first]
        limit = min(end, first + max(1, min(burst_messages, BURST_BYTES // size)))
        following = first + 1
        while following < limit and starts[following + 1] - starts[following] == size:
            following += 1
        if following < limit and starts[following + 1] - starts[following] < size:
            following += 1
        headers[count, _CONTROL_SIZE] = _CONTROL_BYTES if following - first > 1 else 0
        targets[count, _BASE] = address + starts[first]
        targets[count, _SIZE] = starts[following] - starts[first]
        targets[count, _SEGMENT] = size
        first = following
        count += 1
        ends[count] = first
    return count


class Vectors:
    """Where the kernel finds the messages of one call. Mutable: made once, laid out for every call.

    `ends`: message numbers, int64: the first message, then where each of the `entry_count` entries ends.
    """

    __slots__ = ("_address", "_headers", "_targets", "ends", "entry_count")

    def __init__(self, room: int) -> None:
        """`room`: messages a call may have."""
        self._targets = np.zeros((room, _TARGET_WORDS), dtype=np.int64)
        self._targets[:, _CONTENT_SIZE] = _CONTENT_BYTES
        self._targets[:, _KIND] = SOL_UDP | UDP_SEGMENT << 32
        self._headers = np.zeros((room, _HEADER_WORDS), dtype=np.int64)
        self._headers[:, _PIECES] = self._targets.ctypes.data + _WORD * _TARGET_WORDS * np.arange(room)
        self._headers[:, _PIECE_COUNT] = 1
        self._headers[:, _CONTROL] = self._headers[:, _PIECES] + _WORD * _CONTENT_SIZE
        self._address = int(self._headers.ctypes.data)
        self.entry_count = 0
        self.ends = np.zeros(room + 1, dtype=np.int64)

    def lay_out(
        self, octets: NDArray[np.uint8], starts: NDArray[np.int64], first: int, end: int, burst_messages: int
    ) -> None:
        """Messages `first` to `end`, which begin at `starts` in `octets`; who calls keeps these until they are sent.

        `burst_messages`: as many messages as may go in a burst, 1 = none.
        """
        self.entry_count = int(
            _lay_out(octets, starts, first, end, burst_messages, self._headers, self._targets, self.ends)
        )

    @property
    def begins_with_burst(self) -> bool:
        return bool(self.ends[1] - self.ends[0] > 1)

    def send(self, descriptor: int) -> int:
        """Send them; the message after the last that went, at least one. Raises OSError when the first did not go.

        Fewer than laid out: the next entry failed, and the reason may be told nowhere else than in the socket's error
        queue (sendmmsg(2), BUGS). The interpreter runs on meanwhile.
        """
        sent = int(_SENDMMSG(descriptor, self._address, self.entry_count, 0))
        if sent < 0:
            code = ctypes.get_errno()
            raise OSError(code, os.strerror(code))
        return int(self.ends[sent])


def warm_up() -> None:
    """Compile, or load from the cache. Seconds the first time, milliseconds after."""
    Vectors(1).lay_out(np.zeros(1, dtype=np.uint8), np.array((0, 1), dtype=np.int64), 0, 1, 1)

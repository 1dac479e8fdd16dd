"""A connected UDP socket to one collector, and what the kernel says about datagrams that did not arrive.

Belongs here: the socket, its options, its errors. Does not: when to send and what an error leads to (collector.py).
Linux reports errors of a connected UDP socket late: the datagram that found nobody is gone when a *later* call
fails. With IP_RECVERR (ip(7), ipv6(7)) the kernel also keeps the head of each refused datagram in the socket's
error queue, hands over soft errors (host unreachable), and reports ENOBUFS of the device queue instead of hiding
it (udp(7)); so a refusal names the first message that was lost.
"""

from __future__ import annotations

import errno
import os
import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from consumer.errors import ConfigurationError, Fault
from consumer.export.resolve import Address
from consumer.export.vectors import BURST_MESSAGES, HAS_VECTORS, SOL_UDP, UDP_SEGMENT, Vectors

# Linux's numbers; Python 3.11's socket module has no names for them (include/uapi/linux/in.h, in6.h).
_IP_MTU = 14
_IPV6_MTU = 24
_IP_RECVERR = 11
_IPV6_RECVERR = 25
_IP_MTU_DISCOVER = 10
_IPV6_MTU_DISCOVER = 23
_PMTUDISC_WANT = 1
_PMTUDISC_DO = 2
_HEADER_BYTES = {socket.AF_INET: 28, socket.AF_INET6: 48}
"""IP and UDP headers of a datagram."""
_NO_OFFLOAD = frozenset({errno.EINVAL, errno.EIO, errno.EMSGSIZE, errno.ENOPROTOOPT, errno.EOPNOTSUPP})
"""Answers to a burst that say nothing about its datagrams: no checksum offload on the way (EIO), IPsec, an MTU below
the segment (EINVAL, of late EMSGSIZE). Sent one by one they go, or fail for a reason of their own."""
ANY_ROOM = 1 << 16
"""Above any datagram."""
_SEND_BUFFER_BYTES = 1 << 20
_BOUNCE_BYTES = 64
"""What is read of a refused datagram: message header and first set header are 20 bytes."""
_ORIGIN_LOCAL = 1
"""SO_EE_ORIGIN_LOCAL: it never left this machine, and `send` said so."""
_EXTENDED_ERROR = struct.Struct("=IBBBBII")
"""struct sock_extended_err: errno, origin, type, code, padding, info (the MTU of EMSGSIZE), data."""


class FaultKind(StrEnum):
    """What a failed send means for what comes next; also the `reason` label of the metric."""

    REFUSED = "refused"
    UNREACHABLE = "unreachable"
    TOO_LARGE = "too_large"
    NO_BUFFER = "no_buffer"
    UNRESOLVED = "unresolved"
    OTHER = "other"


_KINDS = {
    errno.ECONNREFUSED: FaultKind.REFUSED,
    errno.EHOSTUNREACH: FaultKind.UNREACHABLE,
    errno.ENETUNREACH: FaultKind.UNREACHABLE,
    errno.EHOSTDOWN: FaultKind.UNREACHABLE,
    errno.ENETDOWN: FaultKind.UNREACHABLE,
    errno.EADDRNOTAVAIL: FaultKind.UNREACHABLE,  # no source address for this family, yet
    errno.EACCES: FaultKind.UNREACHABLE,  # a prohibiting route, or ICMP "administratively prohibited"
    errno.EPERM: FaultKind.UNREACHABLE,  # a local packet filter
    errno.EMSGSIZE: FaultKind.TOO_LARGE,
    errno.EAGAIN: FaultKind.NO_BUFFER,
    errno.ENOBUFS: FaultKind.NO_BUFFER,
    errno.ENOMEM: FaultKind.NO_BUFFER,
}


class UnresolvedError(OSError):
    """The collector's name has no address now."""


def classify(error: OSError) -> FaultKind:
    """The kind of a failed send."""
    if isinstance(error, UnresolvedError):
        return FaultKind.UNRESOLVED
    return _KINDS.get(error.errno or 0, FaultKind.OTHER)


@dataclass(frozen=True, slots=True)
class Bounce:
    """One datagram that came back: why, its first bytes (empty when the ICMP message held none), and the MTU that a
    router told of EMSGSIZE, else 0."""

    error: int
    head: bytes
    mtu: int


class UdpSocket:
    """One socket, used under its owner's lock. Opened by `connect`; connecting again keeps the bound port."""

    def __init__(
        self, source_address: str = "", source_port: int = 0, dscp: int = 0, *, may_offload: bool = False
    ) -> None:
        self._source_address = source_address
        self._source_port = source_port
        self._dscp = dscp
        self._may_offload = may_offload
        self._socket: socket.socket | None = None
        self._family = socket.AF_UNSPEC
        self.room = ANY_ROOM
        """Octets a datagram may have on this way, by what was known when `path_room` was asked last."""
        self.allows_fragments = False
        self._has_offload = False
        """Equally long messages may go as bursts."""
        self._noticed: list[Bounce] = []

    def connect(self, address: Address) -> None:
        """Direct the socket at `address`, opening and binding it first when need be.

        Raises ConfigurationError when the source address or port cannot be bound (another agent has it), OSError
        when there is no route.
        """
        if self._socket is None or self._family != address.family:
            self.close()
            self._socket = self._open(address.family)
            self._family = address.family
            self.fit(0)
        self.bounces()  # what the former address refused
        self._socket.connect(address.sockaddr)
        self._has_offload = self._may_offload and HAS_VECTORS and _knows_segments(self._socket)

    def _open(self, family: socket.AddressFamily) -> socket.socket:
        opened = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        try:
            opened.setblocking(False)  # a full buffer answers EAGAIN; waiting belongs to the caller, who hears stop
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER_BYTES)
            if family == socket.AF_INET6:
                opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)  # so both families can have one port
                opened.setsockopt(socket.IPPROTO_IPV6, _IPV6_RECVERR, 1)
                opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_TCLASS, self._dscp << 2)
            else:
                opened.setsockopt(socket.IPPROTO_IP, _IP_RECVERR, 1)
                opened.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, self._dscp << 2)
            self._bind(opened)
        except BaseException:
            opened.close()
            raise
        return opened

    def _bind(self, opened: socket.socket) -> None:
        """Bind without SO_REUSEADDR: two exporters on one port would share a session at the collector."""
        any_address = "::" if opened.family == socket.AF_INET6 else "0.0.0.0"
        source = (self._source_address or any_address, self._source_port)
        try:
            opened.bind(source)
        except OSError as error:
            taken = error.errno == errno.EADDRINUSE
            raise ConfigurationError(
                [
                    Fault(
                        "collectors.source_port" if taken else "collectors.source_address",
                        f"{source[0]} port {source[1]}",
                        error.strerror or str(error),
                        "stop the other program, give another source_port, or 0 to let the kernel choose"
                        if taken
                        else "name an address of this machine of the collector's family, or leave it out",
                    )
                ]
            ) from error
        self._source_port = opened.getsockname()[1]

    @property
    def source_port(self) -> int:
        """The bound port; 0 before the first `connect` when the kernel chooses."""
        return self._source_port

    def sender(self) -> Callable[[memoryview], int]:
        """What sends one datagram. It raises OSError when this datagram was not sent, for this or an older reason."""
        assert self._socket is not None
        return self._socket.send

    @property
    def burst_messages(self) -> int:
        """As many messages as may go in one burst now; 1 = none."""
        return BURST_MESSAGES if self._has_offload and not self.allows_fragments else 1

    def send_many(self, messages: Vectors) -> int:
        """Send what is laid out in one call; the message after the last that went. Raises OSError like `sender`, but of
        the first entry only.

        When the way takes no bursts nothing was sent, and `burst_messages` says so from now on. When only some went,
        the error of the next one is raised if the kernel kept it, and by the next call if it lasts.
        """
        assert self._socket is not None
        try:
            return messages.send(self._socket.fileno())
        except OSError as error:
            if not messages.begins_with_burst or error.errno not in _NO_OFFLOAD:
                raise
            self.raise_bounce()  # EMSGSIZE may be late, too: of datagrams before, which must be sent again
            self._has_offload = False
            return int(messages.ends[0])

    def raise_bounce(self) -> None:
        """Raise the error of a datagram that came back, if one did; `bounces` still tells of it."""
        self._noticed += self._read_errors()
        if self._noticed:
            code = self._noticed[0].error
            raise OSError(code, os.strerror(code))

    def check(self) -> None:
        """Raise the error that waits on the socket, if any (reading it clears it)."""
        assert self._socket is not None
        code = self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if code:
            raise OSError(code, errno.errorcode.get(code, "unknown error"))

    def bounces(self) -> list[Bounce]:
        """Empty the error queue, oldest first; also clears the error that waits on the socket."""
        found, self._noticed = self._noticed + self._read_errors(), []
        if self._socket is not None:
            self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        return found

    def _read_errors(self) -> list[Bounce]:
        found: list[Bounce] = []
        while self._socket is not None:
            try:
                head, ancillary, _, _ = self._socket.recvmsg(_BOUNCE_BYTES, 512, socket.MSG_ERRQUEUE)
            except OSError:
                break  # EAGAIN: empty. Any other error is not worth more than the bounces found.
            for _, _, data in ancillary:
                if len(data) >= _EXTENDED_ERROR.size:
                    code, origin, _, _, _, info, _ = _EXTENDED_ERROR.unpack_from(data)
                    if origin != _ORIGIN_LOCAL:
                        found.append(Bounce(code, head, info if code == errno.EMSGSIZE else 0))
        return found

    def fit(self, message_bytes: int) -> None:
        """What is sent next is at most so long: below `room` nobody may cut it, else the kernel cuts it into fragments.

        So all that a router drops as too large comes back, and all that was larger than it says is known as lost. Left
        to itself (IP_PMTUDISC_WANT) the kernel forbids routers to cut single datagrams and allows it for bursts.
        """
        assert self._socket is not None
        is_larger = message_bytes > self.room
        if is_larger == self.allows_fragments and message_bytes:
            return
        self.allows_fragments = is_larger
        mode = _PMTUDISC_WANT if is_larger else _PMTUDISC_DO
        if self._family == socket.AF_INET6:
            self._socket.setsockopt(socket.IPPROTO_IPV6, _IPV6_MTU_DISCOVER, mode)
        else:
            self._socket.setsockopt(socket.IPPROTO_IP, _IP_MTU_DISCOVER, mode)

    def path_room(self) -> int:
        """Octets a datagram may have by all the kernel knows of the path's MTU, headers of IP and UDP taken off.

        Once connected that is the interface's MTU, less where a router has said so. Raises OSError.
        """
        assert self._socket is not None
        if self._family == socket.AF_INET6:
            mtu = self._socket.getsockopt(socket.IPPROTO_IPV6, _IPV6_MTU)
        else:
            mtu = self._socket.getsockopt(socket.IPPROTO_IP, _IP_MTU)
        self.room = mtu - _HEADER_BYTES[self._family]
        return self.room

    def close(self) -> None:
        """Give the port back."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None


def _knows_segments(opened: socket.socket) -> bool:
    """True when the kernel has UDP segmentation offload."""
    try:
        opened.getsockopt(SOL_UDP, UDP_SEGMENT)
    except OSError:
        return False
    return True

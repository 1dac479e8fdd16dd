"""The way to one collector: which address, is anybody there, and when to try again.

Belongs here: resolving, connecting, the order of probing and holding. Does not: messages (collector.py) or what a
socket error means to them. Never blocks; a wait is returned, in seconds.
"""

from __future__ import annotations

import ipaddress
import socket
from enum import Enum, auto

from consumer.export.resolve import Address, Resolver
from consumer.export.settings import CollectorSettings
from consumer.export.udp import UdpSocket, UnresolvedError

PROBE_SECONDS = 1.0
"""How often a collector that is not there is tried."""
SETTLE_SECONDS = 0.1
"""How long a probe, and the end, wait for an ICMP answer: a round trip across a continent. On this machine the answer
is there before `send` returns (measured), so loopback waits for nothing."""
IDLE_SECONDS = 10.0
"""After so long without a message the collector may be gone or another one: data is preceded by a probe again."""
LOOK_UP_POLL_SECONDS = 0.02


class LinkState(Enum):
    """How far the link is."""

    CLOSED = auto()
    """No address, or not connected to it."""
    UNPROVEN = auto()
    """Connected, but a UDP socket connects to anything: a probe must go first."""
    SETTLING = auto()
    """A probe is on its way; a refusal may still come."""
    READY = auto()
    """Data may go."""


class Link:
    """Mutable; one collector's, guarded by its lock. `wake_at`: nothing is worth trying before (monotonic)."""

    def __init__(self, settings: CollectorSettings) -> None:
        self._destination = settings.destination
        self._resolver = Resolver(settings.destination, _family_of(settings.source_address))
        self._turn = 0
        self.udp = UdpSocket(
            settings.source_address, settings.source_port, settings.dscp, may_offload=settings.may_burst
        )
        self.state = LinkState.CLOSED
        self.address: Address | None = None
        self.wake_at = float("-inf")
        self.used_at = float("-inf")

    def connect(self, now: float) -> float | None:
        """Get connected to an address of the collector; None when it is, else the seconds to wait.

        Raises UnresolvedError, another OSError (no route), or ConfigurationError (the source port is taken).
        """
        if now < self.wake_at:
            return self.wake_at - now
        looks_up = self._resolver.poll(now, PROBE_SECONDS)
        addresses = self._resolver.addresses
        if not addresses:
            if looks_up or not self._resolver.problem:
                return LOOK_UP_POLL_SECONDS
            raise UnresolvedError(f"the name {self._destination.host} does not resolve: {self._resolver.problem}")
        if self.state is LinkState.CLOSED or self.address not in addresses:
            address = addresses[self._turn % len(addresses)]
            self.state = LinkState.CLOSED
            self.udp.connect(address)
            self.address = address
            self.state = LinkState.UNPROVEN
        elif self.state is LinkState.READY and now - self.used_at > IDLE_SECONDS:
            self.state = LinkState.UNPROVEN
        return None

    @property
    def settles_at(self) -> float:
        """When what was sent last would have come back (monotonic)."""
        return self.used_at + SETTLE_SECONDS if self._answers_late else float("-inf")

    def expect_answer(self, now: float) -> None:
        """A probe went: give a refusal time to come back."""
        self.state = LinkState.SETTLING
        if self._answers_late:
            self.wake_at = now + SETTLE_SECONDS

    @property
    def _answers_late(self) -> bool:
        """On this machine a refusal is known before `send` returns."""
        return self.address is not None and not _is_loopback(self.address)

    def back_off(self, now: float) -> float:
        """Nobody was there: turn to the next address at once, or to the first again after a pause; the seconds."""
        self._turn += 1
        address_count = max(1, len(self._resolver.addresses))
        may_stay = address_count == 1 and self.state is not LinkState.CLOSED
        self.state = LinkState.UNPROVEN if may_stay else LinkState.CLOSED
        if self._turn % address_count:
            return 0.0
        self.wake_at = now + PROBE_SECONDS
        return PROBE_SECONDS

    def close(self) -> None:
        """Give the port back."""
        self.udp.close()
        self.state = LinkState.CLOSED


def _family_of(source_address: str) -> socket.AddressFamily:
    """Only addresses of the source's family can be reached from it."""
    if not source_address:
        return socket.AF_UNSPEC
    return socket.AF_INET6 if ipaddress.ip_address(source_address).version == 6 else socket.AF_INET


def _is_loopback(address: Address) -> bool:
    return ipaddress.ip_address(str(address.sockaddr[0])).is_loopback

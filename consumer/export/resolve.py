"""From a host name to addresses, without ever blocking the caller.

Belongs here: look-ups on a helper thread and how long an answer is good for. Does not: choosing among the
addresses or what to do meanwhile (collector.py). getaddrinfo has no time limit of its own and cannot be
interrupted, so a stop would wait for it; the helper thread is a daemon thread that nobody joins.
"""

from __future__ import annotations

import socket
import threading
from dataclasses import dataclass
from typing import Any

from consumer.export.settings import Destination

ANSWER_SECONDS = 60.0
"""How long an answer is used before the name is looked up again: resolvers hide the record's own time to live."""


@dataclass(frozen=True, slots=True)
class Address:
    """One socket address of the collector. `sockaddr`: what `connect` takes for the family."""

    family: socket.AddressFamily
    sockaddr: tuple[Any, ...]

    def __str__(self) -> str:
        return str(Destination(str(self.sockaddr[0]), int(self.sockaddr[1])))


class _Lookup(threading.Thread):
    """One call of getaddrinfo."""

    def __init__(self, destination: Destination, family: socket.AddressFamily, flags: int = 0) -> None:
        super().__init__(name=f"look-up of {destination.host}", daemon=True)
        self._destination = destination
        self._family = family
        self._flags = flags
        self.addresses: tuple[Address, ...] = ()
        self.problem = ""

    def run(self) -> None:
        try:
            found = socket.getaddrinfo(
                self._destination.host, self._destination.port, self._family, socket.SOCK_DGRAM, flags=self._flags
            )
        except (OSError, UnicodeError) as error:
            # Names that fail IDNA (a label too long) raise UnicodeError instead of gaierror.
            self.problem = getattr(error, "strerror", None) or str(error)
        else:
            self.addresses = tuple(Address(family, sockaddr) for family, _, _, _, sockaddr in found)


class Resolver:
    """Answers of the last look-up. Mutable; the owner's lock guards it.

    `addresses`: empty until a look-up succeeded, kept when a later one fails. `problem`: why the last one failed,
    empty when it did not.
    """

    def __init__(self, destination: Destination, family: socket.AddressFamily = socket.AF_UNSPEC) -> None:
        self._destination = destination
        self._family = family
        self._running: _Lookup | None = None
        self._asked_at = float("-inf")
        self.addresses: tuple[Address, ...] = ()
        self.problem = ""
        self._is_literal: bool | None = None

    def poll(self, now: float, retry_seconds: float) -> bool:
        """Take up a finished look-up, start one when it is time; true while one runs. Never blocks.

        `retry_seconds`: how long a failure is believed before the next try.
        """
        if self._is_literal is None:
            self._is_literal = self._read_literal()
        if self._is_literal:
            return False
        if self._running is not None:
            if self._running.is_alive():
                return True
            self.problem = self._running.problem
            self.addresses = self._running.addresses or self.addresses
            self._running = None
            return False
        good_for = retry_seconds if self.problem else ANSWER_SECONDS
        if now - self._asked_at >= good_for:
            self._asked_at = now
            self._running = _Lookup(self._destination, self._family)
            self._running.start()
            return True
        return False

    def _read_literal(self) -> bool:
        """An address needs no resolver and no thread; false when it is a name."""
        lookup = _Lookup(self._destination, self._family, socket.AI_NUMERICHOST)
        lookup.run()
        self.addresses = lookup.addresses
        return bool(lookup.addresses)

"""What each kind of send error leads to, and what is sent again after it.

Belongs here: holding, lost messages, smaller messages. Does not: which error it is (udp.py), how a collector is
tried again (link.py), sending (transmission.py).

What can be promised over UDP. Messages that a refusal proves lost are sent again, from the first refused one on,
under their old numbers; the kernel names it (udp.py), and on one machine the refusal is known before `send` returns,
so nothing is lost to a collector that is not there. Between machines the messages of one round trip are known as
lost only when the refusal arrives; 2,048 are kept for that (measured over 40 ms at 20,000 records/s: a collector
stopped and started 1.5 s later; 61 messages sent again, no record lost, none twice, no gap in the numbers). Lost
without a word stay: what the collector's full buffer drops, what it had received and not stored when it died, what
is told later than 0.1 s after our end, and all behind a firewall that eats ICMP.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from contextlib import suppress

from consumer.export.announce import Schedule
from consumer.export.link import Link, LinkState
from consumer.export.outgoing import Sent
from consumer.export.session import Session
from consumer.export.settings import SMALLEST_MESSAGE, CollectorSettings
from consumer.export.status import CollectorCounts
from consumer.export.udp import ANY_ROOM, Bounce, FaultKind, classify

_BUSY_SECONDS = 0.002
"""Pause after a full device queue: at 1 Gbit/s it drains 180 messages meanwhile."""

_WORDS = {
    FaultKind.REFUSED: "nobody listens at {address} (port unreachable)",
    FaultKind.UNREACHABLE: "{address} cannot be reached: {error}",
    FaultKind.TOO_LARGE: "messages are too large for the way to {address}: lower message_size",
    FaultKind.UNRESOLVED: "{error}",
    FaultKind.OTHER: "sending to {address} fails: {error}",
}


class Recovery:
    """Mutable; one collector's, guarded by its lock.

    `lost`: messages to be sent again, oldest first. `hold_reason`: why nothing can be sent, empty when it can.
    """

    def __init__(
        self, settings: CollectorSettings, link: Link, session: Session, schedule: Schedule, counts: CollectorCounts
    ) -> None:
        self._settings = settings
        self._link = link
        self._session = session
        self._schedule = schedule
        self._counts = counts
        self.lost: deque[Sent] = deque()
        self._room = ANY_ROOM
        """What the path takes by the router that was answered last."""
        self.hold_reason = ""

    def failed(self, error: OSError, now: float) -> float:
        """Count the error and do what its kind asks for; returns the seconds to wait."""
        kind = classify(error)
        self._counts.errors[kind] += 1
        bounces = self._link.udp.bounces()
        if kind is FaultKind.NO_BUFFER:
            return _BUSY_SECONDS
        if kind is FaultKind.REFUSED and self._settings.on_refused == "send":
            self._link.state = LinkState.READY
            return 0.0
        if kind is FaultKind.REFUSED:
            self._schedule.forget()
        too_large = [bounce for bounce in bounces if bounce.mtu]
        if too_large:
            self._take_larger(too_large, now)
        if len(bounces) > len(too_large) or kind is FaultKind.REFUSED:
            heads = [bounce.head for bounce in bounces if bounce.head and not bounce.mtu]
            self.lost.extendleft(reversed(self._session.rewind(heads, now)))
        if kind is FaultKind.TOO_LARGE and (too_large or self._may_go_smaller()):
            return 0.0
        address = self._link.address or self._settings.address
        return self.hold(_WORDS[kind].format(address=address, error=error.strerror or error), now)

    def hold(self, words: str, now: float) -> float:
        """Try the next address at once, or hold; returns the seconds to wait."""
        wait = self._link.back_off(now)
        if wait:
            self.hold_reason = f"{words}; trying again every second"
        return wait

    def learn_limit(self) -> None:
        """Ask the kernel what the path takes.

        What was encoded already stays as it is: the kernel sends it in fragments. What comes next is made smaller.
        """
        with suppress(OSError):  # no route any more: the send will say so
            room = self._link.udp.path_room()
            if room > self._room:
                self._room = ANY_ROOM  # it has become wider: what a router says from now on is news
            self._session.message_limit = max(SMALLEST_MESSAGE, min(self._settings.largest_message, room))

    def _take_larger(self, bounces: Sequence[Bounce], now: float) -> None:
        """A router dropped what is larger than it takes: send that again, which the kernel now cuts into fragments.

        What was under way meanwhile comes back as well, each message for itself; it has been seen to by then.
        """
        self.learn_limit()
        room = self._link.udp.room
        if room < self._room:
            self._room = room
            lost = self._session.take_larger(room, [bounce.head for bounce in bounces if bounce.head], now)
            self.lost.extendleft(reversed(lost))

    def _may_go_smaller(self) -> bool:
        """True when the way takes less than was known: what comes next is smaller, or goes in fragments."""
        before = self._link.udp.room
        self.learn_limit()
        return self._link.udp.room < before

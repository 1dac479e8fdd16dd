"""When the next message may go: pure arithmetic over moments given by the caller.

Belongs here: the schedule. Does not: waiting, clocks, sockets. Bursts lose flows at the collector, not here: a
default UDP receive buffer holds 92 datagrams of 1,400 bytes (measured), so messages are spread one by one.
"""

from __future__ import annotations

CATCH_UP_SECONDS = 0.001
"""How late a wake-up may be and still be made up for. A timed wait ends 60-100 µs late (measured, timer slack and
interpreter): without making up, the default rate would come out 10 % low. Longer stalls are not made up: bursts."""

_CLOCK_STEP_SECONDS = 1e-9
"""No clock tells less apart; what floating point leaves behind must not become a wait."""


class Pace:
    """A schedule smooth to one message. Mutable; the owner's lock guards it.

    From the first message of a busy period on, records sent never exceed rate × time + one message. In any window
    inside it they never exceed rate × (time + CATCH_UP_SECONDS) + one message: lateness is made up for, time in
    which nobody wanted to send is not (beyond CATCH_UP_SECONDS it begins another busy period).
    """

    __slots__ = ("_due_at", "_has_waiter", "rate")

    def __init__(self, rate: int) -> None:
        """`rate`: records per second, 0 = unlimited."""
        if rate < 0:
            raise ValueError("a rate is 0 (unlimited) or more")
        self.rate = rate
        self._due_at = float("-inf")
        self._has_waiter = False

    def delay(self, now: float) -> float:
        """Seconds until the next message may go, 0.0 = now."""
        delay = self._due_at - now
        if delay < _CLOCK_STEP_SECONDS:
            return 0.0
        self._has_waiter = True
        return delay

    def note(self, now: float, record_count: int) -> None:
        """A message of `record_count` records goes at `now`."""
        if self.rate == 0:
            return
        is_late = self._has_waiter or now - self._due_at <= CATCH_UP_SECONDS
        earned = CATCH_UP_SECONDS if is_late else 0.0
        self._has_waiter = False
        self._due_at = max(self._due_at, now - earned) + record_count / self.rate

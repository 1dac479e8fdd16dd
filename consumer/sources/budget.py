"""How many calls a second one account and region may take from us, shared by all that ask it.

Belongs here: pacing and slowing down when throttled. Does not: the calls. AWS: the rate of FilterLogEvents is a quota
of account and region, 5 to 25 a second, that cannot be raised, and other tools live on it, too.
"""

from __future__ import annotations

import threading

from consumer.clock import Clock

_SLOWEST_SHARE = 1 / 16
_RECOVERY_SHARE = 1 / 64


class Budget:
    """Thread-safe. `rate`: calls a second while nobody is throttled.

    Whoever asks gets the next free moment and waits for it, so nobody overtakes; a throttled call halves the rate, each
    answered one brings back a little (as TCP does).
    """

    def __init__(self, rate: float, clock: Clock) -> None:
        self._rate = self._full_rate = rate
        self._clock = clock
        self._lock = threading.Lock()
        self._next = float("-inf")

    @property
    def rate(self) -> float:
        """Calls a second just now."""
        with self._lock:
            return self._rate

    def take(self, stop: threading.Event) -> bool:
        """Wait until the next call may go out; false when `stop` was set first."""
        with self._lock:
            now = self._clock.monotonic()
            moment = max(self._next, now)
            self._next = moment + 1 / self._rate
        return not (stop.is_set() or (moment > now and self._clock.wait(stop, moment - now)))

    def throttled(self) -> None:
        """A call was refused for its rate."""
        with self._lock:
            self._rate = max(self._full_rate * _SLOWEST_SHARE, self._rate / 2)

    def answered(self) -> None:
        """A call was answered."""
        with self._lock:
            self._rate = min(self._full_rate, self._rate + self._full_rate * _RECOVERY_SHARE)

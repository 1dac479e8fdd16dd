"""How many objects are read at once.

Belongs here: the decision. Pure: it is told the time. Does not: the threads (source.py).
"""

from __future__ import annotations

WINDOW_SECONDS = 10.0
_GAIN = 1.05
"""One more worker must bring five parts in a hundred, or it only costs memory."""
_REST_WINDOWS = 6
"""After a step that brought nothing, how long none is tried."""


class Concurrency:
    """Mutable; the caller holds a lock. With a ceiling of 0 the limit never moves.

    Climbs by one while messages wait and the rate of bytes rises with it; goes back when it does not; falls to the
    floor when AWS throttles.
    """

    def __init__(self, floor: int, ceiling: int, now: float) -> None:
        self.limit = floor
        self._floor = floor
        self._ceiling = max(floor, ceiling)
        self._began_at = now
        self._bytes = 0
        self._is_backlogged = True
        self._is_throttled = False
        self._rate = 0.0
        self._is_trying = False
        self._rest = 0

    def exported(self, size_bytes: int, *, is_throttled: bool = False) -> None:
        """An object ended."""
        self._bytes += size_bytes
        self._is_throttled = self._is_throttled or is_throttled

    def done(self, now: float, *, is_backlogged: bool) -> None:
        """A worker is free again; `is_backlogged`: others wait for one."""
        self._is_backlogged = self._is_backlogged and is_backlogged
        elapsed = now - self._began_at
        if self._ceiling == self._floor or elapsed < WINDOW_SECONDS:
            return
        self._step(self._bytes / elapsed)
        self._began_at, self._bytes = now, 0
        self._is_backlogged, self._is_throttled = True, False

    def _step(self, rate: float) -> None:
        if self._is_throttled:
            self.limit, self._is_trying, self._rest = self._floor, False, _REST_WINDOWS
        elif self._is_trying and rate < self._rate * _GAIN:
            self.limit, self._is_trying, self._rest = max(self._floor, self.limit - 1), False, _REST_WINDOWS
        elif self._rest:
            self._rest -= 1
        elif self._is_backlogged and self.limit < self._ceiling:
            self.limit, self._is_trying = self.limit + 1, True
        else:
            self._is_trying = False
        self._rate = rate

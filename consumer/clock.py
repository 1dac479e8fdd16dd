"""Time and waiting, as one seam, so that tests need no sleeps.

Belongs here: reading clocks and waiting. Does not: deciding how long to wait (export/pace.py does).
"""

from __future__ import annotations

import threading
import time
from typing import Protocol


class Clock(Protocol):
    """What a room may know about time."""

    def now(self) -> float:
        """Wall clock, seconds since the Unix epoch."""

    def monotonic(self) -> float:
        """Seconds of a clock that never goes back."""

    def wait(self, stop: threading.Event, seconds: float) -> bool:
        """Block until `stop` is set or `seconds` passed; true when `stop` is set."""


class SystemClock:
    """The machine's own clocks."""

    def now(self) -> float:
        return time.time()

    def monotonic(self) -> float:
        return time.monotonic()

    def wait(self, stop: threading.Event, seconds: float) -> bool:
        return stop.wait(seconds)

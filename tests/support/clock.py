"""A clock that moves only when told, so that tests need no sleeps."""

from __future__ import annotations

import threading
from collections.abc import Callable


class ManualClock:
    """Implements consumer.clock.Clock. Waiting moves time at once and returns; `waited` records every wait.

    `on_wait` is called in each wait, after time moved: a test lets the world change there (a collector comes back,
    a stop is asked for) without a second thread.
    """

    def __init__(self, now: float = 1_700_000_000.0) -> None:
        self.started_at = now
        self.elapsed = 0.0
        self.waited: list[float] = []
        self.on_wait: Callable[[float], None] | None = None
        self._lock = threading.Lock()

    def now(self) -> float:
        return self.started_at + self.elapsed

    def monotonic(self) -> float:
        return self.elapsed

    def wait(self, stop: threading.Event, seconds: float) -> bool:
        if stop.is_set():
            return True
        self.advance(seconds)
        self.waited.append(seconds)
        if self.on_wait is not None:
            self.on_wait(seconds)
        return stop.is_set()

    def advance(self, seconds: float) -> None:
        """Move time forward."""
        if seconds < 0:
            raise ValueError("time does not go back")
        with self._lock:
            self.elapsed += seconds

"""When discovery runs: a cron expression, and a call that cannot wait for it.

Belongs here: waiting. Does not: what is run (refresher.py). Fields as in crontab(5), in the machine's local time.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from datetime import datetime

from cronsim import CronSim

from consumer.clock import Clock

_POLL_SECONDS = 1.0
"""How soon a call is heard: two events cannot be waited for at once."""


def _nothing() -> None:
    return None


class Schedule:
    """Mutable: `call` from any thread or signal handler, `wait` by one thread."""

    def __init__(self, cron: str, clock: Clock) -> None:
        self._cron = cron
        self._clock = clock
        self._is_called = threading.Event()

    def call(self) -> None:
        """Let the present or next `wait` end at once."""
        self._is_called.set()

    def next_after(self, now: float) -> float:
        """Unix seconds of the next moment that the expression names."""
        local = datetime.fromtimestamp(now)  # noqa: DTZ006  cron means local time
        for moment in CronSim(self._cron, local.replace(fold=0)):
            # Where clocks are set back an hour has two of each moment, and the first may lie behind us.
            for fold in (0, 1):
                at = moment.replace(fold=fold).timestamp()
                if at > now:
                    return at
        raise ValueError(f"{self._cron!r} names no moment")

    def wait(
        self, stop: threading.Event, meanwhile: Callable[[], None] = _nothing, within_seconds: float = math.inf
    ) -> bool:
        """Block until the next moment or a call, for `within_seconds` at most; true when `stop` is set instead.

        `meanwhile` is called each second.
        """
        now = self._clock.now()
        moment = min(self.next_after(now), now + within_seconds)
        while not self._is_called.is_set():
            meanwhile()
            left = moment - self._clock.now()
            if left <= 0:
                break
            if self._clock.wait(stop, min(left, _POLL_SECONDS)):
                return True
        self._is_called.clear()
        return stop.is_set()

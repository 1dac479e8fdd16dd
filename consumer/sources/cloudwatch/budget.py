"""How many calls a second log groups may make: each has a share, and all of one account and region have one budget.

Belongs here: pacing, fairness, and slowing down when throttled. Does not: the calls. FilterLogEvents has a hard quota
of account and region, 5 to 25 a second, on which other tools live, too (AWS Knowledge Center,
cloudwatch-logs-throttling); it has none of a log group. So the budget stays below AWS's quota, and a share below the
budget: what one group with a backlog cannot take is free for the others at once.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping

from consumer.clock import Clock

_SLOWEST_SHARE = 1 / 16
_RECOVERY_SHARE = 1 / 64
WIDE_SECONDS = 10.0
"""Two groups that are throttled within this time: the region is, and not what one of them asks for."""
SETTLE_SECONDS = 1.0
"""Calls that were under way when the region was slowed say nothing new."""


class _Rate:
    """Calls a second: halved when throttled, each answered call brings back a little (as TCP does)."""

    def __init__(self, full: float) -> None:
        self.full = self.now = full

    def halve(self) -> None:
        self.now = max(self.full * _SLOWEST_SHARE, self.now / 2)

    def recover(self) -> None:
        self.now = min(self.full, self.now + self.full * _RECOVERY_SHARE)


class Budget:
    """Of one account and region. Thread-safe. Rates: calls a second while nobody is throttled. `agents`: how many poll
    log groups of it now, among whom the region's rate is divided.

    A call waits for its group's share first and then for its turn in the region. Turns are given in the order in which
    they were asked for, one at a time to each group, so nobody overtakes, and a group waits for one turn of each other
    group at most. Neither share nor budget saves up: there are no bursts.
    """

    def __init__(
        self,
        calls_per_second: float,
        group_calls_per_second: float,
        clock: Clock,
        agents: Callable[[], int] = lambda: 1,
    ) -> None:
        self.clock = clock
        self.lock = threading.Lock()
        self._rate = _Rate(calls_per_second)
        self._group_rate = min(calls_per_second, group_calls_per_second)
        self._agents = agents
        self._next = float("-inf")
        self._slowed_at = float("-inf")
        self._throttled: dict[Share, float] = {}
        self._shares: dict[str, Share] = {}

    def share(self, group: str) -> Share:
        """The one of this group."""
        with self.lock:
            if group not in self._shares:
                self._shares[group] = Share(self, self._group_rate)
            return self._shares[group]

    def shares(self) -> Mapping[str, Share]:
        """Of all groups that ever asked."""
        with self.lock:
            return dict(self._shares)

    @property
    def rate(self) -> float:
        """Calls a second just now, all groups of this agent together."""
        with self.lock:
            return self._rate.now / max(1, self._agents())

    def turn(self, now: float) -> float:
        """The next free moment of the region, given away. Under `lock`."""
        moment = max(self._next, now)
        self._next = moment + max(1, self._agents()) / self._rate.now
        return moment

    def throttled(self, share: Share) -> None:
        """A group was. Under `lock`."""
        now = self.clock.monotonic()
        if now < self._slowed_at + SETTLE_SECONDS:
            return
        self._throttled = {one: at for one, at in self._throttled.items() if now - at <= WIDE_SECONDS}
        self._throttled[share] = now
        if len(self._throttled) > 1:
            self._rate.halve()
            self._slowed_at = now
            self._throttled.clear()

    def answered(self) -> None:
        """A call was. Under `lock`."""
        self._rate.recover()


class Share:
    """What one log group may take of its region's budget. Thread-safe; `calls`, `throttled_calls` since the start."""

    def __init__(self, budget: Budget, rate: float) -> None:
        self.calls = self.throttled_calls = 0
        self._budget = budget
        self._rate = _Rate(rate)
        self._next = float("-inf")
        self._turn: float | None = None
        self._one_at_a_time = threading.Lock()

    @property
    def rate(self) -> float:
        """Calls a second just now, at most."""
        with self._budget.lock:
            return self._rate.now

    def take(self, stop: threading.Event) -> bool:
        """Wait until the group's next call may go out; false when `stop` was set first."""
        clock = self._budget.clock
        with self._one_at_a_time:
            while not stop.is_set():
                now = clock.monotonic()
                moment = self.due(now)
                if moment <= now:
                    return True
                clock.wait(stop, moment - now)
            self._turn = None
            return False

    def due(self, now: float) -> float:
        """When the next call may go out: ask again then. Not later than `now`: it goes out now, and is counted."""
        with self._budget.lock:
            if self._turn is None:
                if self._next > now:
                    return self._next
                self._turn = self._budget.turn(now)
            if self._turn > now:
                return self._turn
            self._turn = None
            self._next = now + 1 / self._rate.now
            self.calls += 1
            return now

    def throttled(self) -> None:
        """The last call was put off: refused for its rate, or not answered in time."""
        with self._budget.lock:
            self.throttled_calls += 1
            self._rate.halve()
            self._budget.throttled(self)

    def answered(self) -> None:
        """The last call was answered."""
        with self._budget.lock:
            self._rate.recover()
            self._budget.answered()

"""Interfaces that flows name and the inventory does not know yet: which of them are asked for, and when.

An interface made since the last discovery (a new task, a function's) records flows within a minute. It is asked for by
its id, a few calls a minute, so that it has its name long before the next discovery. The record that made it known is
not held back: it went out with its id.

Belongs here: collecting the ids, and how often each account and region is asked. Does not: asking (keeper.py).
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping

from cachetools import TTLCache

from consumer.aws.roles import Target
from consumer.clock import Clock
from consumer.model.delivery import Origin

CALL_SECONDS = 10.0
"""At most one call an account and region in this time."""
IDS_PER_CALL = 200
"""AWS takes 200 values a filter (EC2 API reference, Filter)."""
FORGET_SECONDS = 900.0
"""An id that AWS did not know, or that was just asked for, is not asked for again meanwhile."""
_KEPT = 20_000
"""Ids remembered at most: those waiting, and those asked for."""

Place = tuple[str | None, str | None]
"""Account and region that a record came from; None = the source cannot know."""


class UnknownInterfaces:
    """Thread-safe: `note` by whoever exports, `take` by the thread that reads the estate."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._waiting: dict[Place, dict[str, None]] = {}
        self._asked: TTLCache[tuple[Target, str], None] = TTLCache(_KEPT, FORGET_SECONDS, clock.monotonic)
        self._called_at: dict[Target, float] = {}

    def note(self, origin: Origin, ids: Iterable[bytes]) -> None:
        """Flows of `origin` name these interfaces. Cheap; what does not fit is asked for when it is seen again."""
        with self._lock:
            waiting = self._waiting.setdefault((origin.account, origin.region), {})
            for name in ids:
                if len(waiting) >= _KEPT:
                    return
                waiting[name.decode("ascii", "replace")] = None

    def take(self, accounts: Mapping[Target, str]) -> Iterator[tuple[Target, list[str]]]:
        """Whom to ask for what now. `accounts`: the targets that can be asked, and the account of each.

        A region that the source cannot know (one stream may carry many) means every region of the account.
        """
        now = self._clock.monotonic()
        with self._lock:
            waiting = self._waiting
            if not waiting:
                return
            self._waiting = {}
        for target, account in accounts.items():
            places = [place for place in waiting if place[0] in (None, account) and place[1] in (None, target.region)]
            wanted = dict.fromkeys(
                name for place in places for name in waiting[place] if (target, name) not in self._asked
            )
            if not wanted:
                continue
            if now - self._called_at.get(target, -CALL_SECONDS) < CALL_SECONDS:
                self._put_back(places, waiting, wanted)
                continue
            ids = list(wanted)[:IDS_PER_CALL]
            self._put_back(places, waiting, list(wanted)[IDS_PER_CALL:])
            self._called_at[target] = now
            for name in ids:
                self._asked[target, name] = None
            yield target, ids

    def _put_back(
        self, places: Iterable[Place], waiting: Mapping[Place, Mapping[str, None]], names: Iterable[str]
    ) -> None:
        """They wait on, each where it came from."""
        wanted = set(names)
        with self._lock:
            for place in places:
                again = self._waiting.setdefault(place, {})
                again.update(dict.fromkeys(name for name in waiting[place] if name in wanted))
                if not again:
                    del self._waiting[place]

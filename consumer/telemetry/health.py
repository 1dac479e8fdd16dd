"""What works, what waits, what fails, and why, in words: the data behind `/health`.

Belongs here: the registry. Does not: judging (each room reports its own state with a reason a user can act on).
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

State = Literal["ok", "waiting", "failing"]

_WORST_FIRST: tuple[State, ...] = ("failing", "waiting", "ok")


@dataclass(frozen=True, slots=True)
class Condition:
    """State of one component since a moment (Unix seconds), with the reason."""

    state: State
    reason: str
    since: float


class Health:
    """Thread-safe registry: component name (`collector main`, `stream flow`) → condition."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._lock = threading.Lock()
        self._conditions: dict[str, Condition] = {}

    def set(self, component: str, state: State, reason: str) -> bool:
        """Report; true when state or reason changed, so that the caller logs a change once, not each report."""
        with self._lock:
            old = self._conditions.get(component)
            if old is not None and (old.state, old.reason) == (state, reason):
                return False
            since = old.since if old is not None and old.state == state else self._now()
            self._conditions[component] = Condition(state, reason, since)
            return True

    def remove(self, component: str) -> None:
        """Forget a component that is no longer there."""
        with self._lock:
            self._conditions.pop(component, None)

    def snapshot(self) -> dict[str, Condition]:
        """A copy, components in order of their names."""
        with self._lock:
            return dict(sorted(self._conditions.items()))

    def overall(self) -> State:
        """The worst state of any component; ok when there is none."""
        states = {condition.state for condition in self.snapshot().values()}
        return next((state for state in _WORST_FIRST if state in states), "ok")

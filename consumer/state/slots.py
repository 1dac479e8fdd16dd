"""Numbered slots: which of a fleet's KCL workers this agent is.

Belongs here: claiming one. Does not: being alive (shared.py), what the number is used for (factories.py). KCL forgives
a worker that comes back under its old id within seconds and lets a new id wait for minutes; a replaced container has
another host name but may have the old one's slot. So a slot whose holder is gone goes before one that never was held.
"""

from __future__ import annotations

import threading

from consumer.clock import Clock
from consumer.errors import Stopped
from consumer.state.shared import SharedState
from consumer.telemetry.logs import get_logger

_LOOK_SECONDS = 0.5
"""Only while we wait: that somebody is dead is then seen when it is so, not at our next beat."""
_PREFIX = "slot#"

log = get_logger("state")


def claim_slot(shared: SharedState, clock: Clock, stop: threading.Event) -> int:
    """The number of a slot that is ours now, from 1. Waits up to a lease to know who is dead; raises Stopped."""
    while not stop.is_set() and shared.is_alive():
        slots = dict(sorted(shared.owners(_PREFIX).items()))
        states = {name: shared.liveness(owner) if owner else False for name, owner in slots.items()}
        for name, owner in slots.items():
            if states[name] is False and shared.claim(name, owner) is not None:
                number = int(name.removeprefix(_PREFIX))
                log.info("slot taken over" if owner else "slot taken", slot=number, before=owner or "nobody")
                return number
        if None not in states.values():
            number = max((int(name.removeprefix(_PREFIX)) for name in slots), default=0) + 1
            if shared.claim(f"{_PREFIX}{number:04d}", "") is not None:
                log.info("slot taken", slot=number, before="nobody")
                return number
        clock.wait(stop, _LOOK_SECONDS)
        shared.look()
    raise Stopped("asked to stop, or lost, before a slot was found")


def release_slot(shared: SharedState, number: int) -> None:
    """Let the next agent have it at once."""
    shared.give_back(f"{_PREFIX}{number:04d}")

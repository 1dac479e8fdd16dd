"""Claims, ends and restarts at random against a dictionary, in a process of its own: for other ways to run numba."""

from __future__ import annotations

import sys
from random import Random

import numpy as np

from consumer.select.identity import LogEvents, identify
from consumer.select.repeats import CONTROL_WORDS, RING_WORDS, RepeatTable
from tests.support.log_events import ORIGIN, events_with, interning


def play(seed: int) -> None:
    """One life of a small table, fed with identities of real events."""
    chance = Random(seed)
    control, ring = np.zeros(CONTROL_WORDS, dtype=np.uint64), np.zeros((64, RING_WORDS), dtype=np.uint64)
    table, intern = RepeatTable(control, ring), interning()
    seen: set[tuple[str, str]] = set()
    for step in range(30):
        events = [
            (str(10**55 + chance.randrange(40)), f"eni-{chance.randrange(3)}") for _ in range(chance.randrange(20))
        ]
        made: LogEvents = events_with(events)
        words = identify(made, np.arange(len(events), dtype=np.int64), ORIGIN, intern)
        claimed = table.claim(words, step, step + 5)
        new = [events[row] for row in claimed.new.tolist()]
        assert claimed.blocked_by < 0
        assert all(event in seen or event in new for event in events), "a false drop"
        if claimed.claim >= 0 and chance.random() < 0.3:
            table.rollback(claimed.claim)
        elif claimed.claim >= 0 and chance.random() < 0.2:
            table = RepeatTable(control, ring)
        else:
            seen.update(new)
            if claimed.claim >= 0:
                table.commit(claimed.claim)


if __name__ == "__main__":
    for each in range(int(sys.argv[1])):
        play(each)

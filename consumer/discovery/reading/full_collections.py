"""Keeping Python's full garbage collections out of a discovery.

Belongs here: putting them off. Does not: what is done meanwhile (refresher.py).

A full collection looks at every value that can hold others, with the interpreter's lock held. They come as values grow
in number, so in a discovery, when what is known of the estate, what was known before and the plan under way are all in
memory: 50-90 ms for VPCs with two flow logs each. Young values are looked at meanwhile as ever, so nothing piles up.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

_NEVER = 1 << 30


@contextmanager
def put_off() -> Iterator[None]:
    """No full collection comes by itself until the end. Not nested, and by one thread."""
    youngest, young, all_of_them = gc.get_threshold()
    gc.set_threshold(youngest, young, _NEVER)
    try:
        yield
    finally:
        gc.set_threshold(youngest, young, all_of_them)

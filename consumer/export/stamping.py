"""The loops over the messages of a batch that is sent: compiled, for between two batches the kernel has had the caches.

Belongs here: compiled kernels over octets, and running each once ahead. Does not: when they run (outgoing.py).
As a dozen NumPy calls the same took 60 µs a batch right after it was encoded, most of it waiting for their code.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from consumer.export.header import SEQUENCE_MASK, TIME_AND_SEQUENCE, TIME_OFFSET
from consumer.model.compiling import KERNEL

_SIZE = TIME_AND_SEQUENCE.size


@njit(**KERNEL)
def add_up(starts, record_counts, totals):  # type: ignore[no-untyped-def]
    """Fill `totals` (int64[m + 1]): records before each message, and all. Returns the octets of the largest message."""
    largest = total = 0
    for index in range(len(record_counts)):
        totals[index] = total
        total += record_counts[index]
        largest = max(largest, starts[index + 1] - starts[index])
    totals[len(record_counts)] = total
    return largest


@njit(**KERNEL)
def stamp(octets, starts, totals, first, end, export_time, sequence):  # type: ignore[no-untyped-def]
    """Write export time and number into messages `first` to `end`, the first numbered `sequence` (RFC 7011 §3.1)."""
    base = sequence - totals[first]
    for index in range(first, end):
        word = (export_time << 32) | ((totals[index] + base) & SEQUENCE_MASK)
        place = starts[index] + TIME_OFFSET
        for k in range(_SIZE):
            octets[place + k] = (word >> (8 * (_SIZE - 1 - k))) & 0xFF


def warm_up() -> None:
    """Compile, or load from the cache. Seconds the first time, milliseconds after."""
    octets, starts, totals = (
        np.zeros(20, dtype=np.uint8),
        np.array((0, 20), dtype=np.int64),
        np.zeros(2, dtype=np.int64),
    )
    add_up(starts, np.ones(1, dtype=np.int64), totals)
    stamp(octets, starts, totals, 0, 1, 0, 0)

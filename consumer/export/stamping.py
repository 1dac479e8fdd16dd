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
def stamp(octets, starts, totals, first, end, export_time, sequence):  # type: ignore[no-untyped-def]
    """Write export time and number into messages `first` to `end`, the first numbered `sequence` (RFC 7011 §3.1).

    Returns the octets of the largest of them.
    """
    base = sequence - totals[first]
    largest = 0
    for index in range(first, end):
        word = (export_time << 32) | ((totals[index] + base) & SEQUENCE_MASK)
        place = starts[index] + TIME_OFFSET
        for k in range(_SIZE):
            octets[place + k] = (word >> (8 * (_SIZE - 1 - k))) & 0xFF
        largest = max(largest, starts[index + 1] - starts[index])
    return largest


def warm_up() -> None:
    """Compile, or load from the cache. Seconds the first time, milliseconds after."""
    columns = np.zeros((2, 2), dtype=np.int64)
    columns[0, 1] = 20
    stamp(np.zeros(20, dtype=np.uint8), columns[0], columns[1], 0, 1, 0, 0)

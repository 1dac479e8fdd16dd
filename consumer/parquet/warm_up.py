"""Compiles the loops of Parquet's encodings ahead, so that no record waits for a compiler.

Belongs here: running each kernel once on the types of real work. numba keeps the result in NUMBA_CACHE_DIR.
"""

from __future__ import annotations

import numpy as np

from consumer.model.row_slice import NO_FLAGS
from consumer.parquet import encodings


def warm_up() -> None:
    """Two values of each encoding."""
    data, state = np.zeros(128, dtype=np.uint8), np.zeros(4, dtype=np.int64)
    data[0] = 4  # a run of two zeros
    levels, places = np.zeros(2, dtype=np.uint8), np.zeros(2, dtype=np.int32)
    encodings.read_runs(data, 64, 1, 2, state, 2, levels)
    encodings.read_runs(data, 64, 1, 2, np.zeros(4, dtype=np.int64), 2, places)
    encodings.spread(levels.view(np.bool_), 2, places)
    encodings.plain_numbers(data, 0, 64, 8, True, NO_FLAGS, np.zeros(2, dtype=np.int64))
    encodings.plain_strings(data, 0, 64, NO_FLAGS, places, places.copy())

"""Compiles the loops of Parquet's encodings ahead, so that no record waits for a compiler.

Belongs here: running each kernel once on the types of real work. numba keeps the result in NUMBA_CACHE_DIR.
"""

from __future__ import annotations

import numpy as np

from consumer.parquet import encodings


def warm_up() -> None:
    """Two values of each encoding."""
    data, cursor = np.zeros(128, dtype=np.uint8), np.zeros(encodings.CURSOR_LENGTH, dtype=np.int64)
    data[0] = 4  # a run of two zeros
    cursor[encodings.END :] = 64, 1, 1
    places, is_present = np.zeros(2, dtype=np.int32), np.zeros(2, dtype=np.bool_)
    encodings.read_indices(data, cursor.copy(), is_present, places)
    encodings.plain_numbers(data, cursor.copy(), 8, True, is_present, np.zeros(2, dtype=np.int64), places)
    encodings.plain_strings(data, cursor.copy(), is_present, places.copy(), places.copy(), places)

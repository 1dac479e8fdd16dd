"""Corners of the kernels that whole batches rarely reach."""

from __future__ import annotations

import numpy as np

from consumer.enrich import kernels


def test_new_strings_are_found_once_and_marked_as_seen() -> None:
    words = np.array([[3], [0], [2], [3], [2]], dtype=np.uint64)
    table = np.full(8, kernels.UNSEEN, dtype=np.int32)
    table[0] = 0
    found = np.zeros(5, dtype=np.int64)
    rows = np.arange(5, dtype=np.int64)

    assert kernels.new_ids(words, rows, 0, 0, table, found) == 2
    assert found[:2].tolist() == [3, 2]
    assert kernels.new_ids(words, rows, 0, 0, table, found) == 0

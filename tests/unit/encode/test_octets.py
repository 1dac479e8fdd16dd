"""Copies overshoot, but never further than the room kept behind every array."""

from __future__ import annotations

import numpy as np
import pytest

from consumer.encode.octets import MARGIN_BYTES, copy


@pytest.mark.parametrize("size", [0, 1, 31, 32, 33, 64, 200])
def test_a_copy_is_whole_and_stays_within_the_margin(size: int) -> None:
    source = np.arange(size + MARGIN_BYTES, dtype=np.uint8) | np.uint8(1)
    out = np.zeros(3 + size + 2 * MARGIN_BYTES, dtype=np.uint8)
    copy(out, np.uint64(3), source, np.uint64(0), np.uint64(size))
    assert out[3 : 3 + size].tobytes() == source[:size].tobytes()
    assert not out[:3].any()
    assert not out[3 + size + MARGIN_BYTES :].any()

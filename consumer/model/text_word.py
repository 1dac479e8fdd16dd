"""Eight bytes of text in one register, for kernels of several rooms.

Belongs here: reading them. Does not: what a word of text means (decode/words.py, select/identity.py). All words are
little-endian: the first byte of the text is the lowest of the word.

Positions are uint64 on purpose: numba adds a wrap-around test for negative positions to every signed index, and
without it LLVM melts the eight loads of `load` into one unaligned one. Mixing uint64 with int64 (even with a bare 1)
silently gives a signed or floating number, so every constant here is typed.

numba's cache does not notice a change in this file when it loads the kernels that use it: touch them, too.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from consumer.model.compiling import HELPER

Bytes = NDArray[np.uint8]

MARGIN_BYTES = 64
"""Bytes that every text must have after its end, so that reading eight at a time never leaves the array."""

U = np.uint64

_1, _2, _3, _4, _5, _6, _7 = U(1), U(2), U(3), U(4), U(5), U(6), U(7)
_8, _16, _24, _32, _40, _48, _56 = U(8), U(16), U(24), U(32), U(40), U(48), U(56)


@njit(**HELPER)
def load(text: Bytes, at: np.uint64) -> np.uint64:
    """The eight bytes from `at` on."""
    return (
        U(text[at])
        | (U(text[at + _1]) << _8)
        | (U(text[at + _2]) << _16)
        | (U(text[at + _3]) << _24)
        | (U(text[at + _4]) << _32)
        | (U(text[at + _5]) << _40)
        | (U(text[at + _6]) << _48)
        | (U(text[at + _7]) << _56)
    )

"""Eight bytes of text at a time, in one register.

Belongs here: the small helpers that the kernels (cut.py, text.py) are made of. Does not: anything that knows a flow
log; reading a word (model/text_word.py, which also says why every constant is typed).

numba's cache does not notice a change in this file when it loads the kernels that use it: touch them, too.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir  # type: ignore[import-untyped]
from numba import config, njit, types
from numba.extending import intrinsic

from consumer.model.compiling import HELPER
from consumer.model.text_word import Bytes, U, load

ONES = U(0x0101010101010101)
HIGHS = U(0x8080808080808080)
BLANKS = U(0x2020202020202020)
_0, _3, _8 = U(0), U(3), U(8)


@njit(**HELPER)
def zeros_from_first(word: np.uint64) -> np.uint64:
    """High bit set in the first zero byte (and in no byte before it; those after it may lie). 0 = none."""
    return (word - ONES) & ~word & HIGHS


def _plain_trailing_zeros(word: np.uint64) -> np.uint64:
    """What the instruction below does, for NUMBA_DISABLE_JIT=1."""
    return U((int(word) & -int(word)).bit_length() - 1) if word else U(64)


@intrinsic
def _trailing_zeros(_typing_context: Any, _word: Any) -> Any:
    """Number of zero bits below the lowest set bit, 64 for 0: one instruction, which no Python expression becomes.

    The multiplication that does the same took 7 % more time for whole lines.
    """

    def generate(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.cttz(arguments[0], ir.Constant(ir.IntType(1), 0))

    return types.uint64(types.uint64), generate


_lowest_bit: Callable[[np.uint64], np.uint64] = (
    _plain_trailing_zeros if config.DISABLE_JIT else _trailing_zeros  # type: ignore[attr-defined, assignment]
)


@njit(**HELPER)
def first_byte(flags: np.uint64) -> np.uint64:
    """Number (0 to 7) of the first byte whose high bit is set, 8 for none; `flags` has high bits only."""
    return _lowest_bit(flags) >> _3


@njit(**HELPER)
def first_bytes(word: np.uint64, size: np.uint64) -> np.uint64:
    """The first `size` (1 to 8) bytes of the word, zeros after them."""
    shift = (_8 - size) << _3
    return (word << shift) >> shift


@njit(**HELPER)
def token_end(text: Bytes, at: np.uint64) -> np.uint64:
    """Position of the next blank, `at` itself when it is one. The caller knows that there is one."""
    found = zeros_from_first(load(text, at) ^ BLANKS)
    while found == _0:
        at += _8
        found = zeros_from_first(load(text, at) ^ BLANKS)
    return U(at + first_byte(found))

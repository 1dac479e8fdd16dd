"""Storing and copying octets, several at once.

Belongs here: the small helpers the loop over records is made of. Does not: anything that knows a record (records.py).

What Python can say of this, an octet at a time, LLVM melts into one instruction in most places but not in all: of IPv6
addresses and of constants it stored every octet alone. So it is said outright here.

numba's cache does not notice a change in this file when it loads the kernels that use it: touch them, too.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir  # type: ignore[import-untyped]
from numba import config, njit, types
from numba.core import cgutils
from numba.extending import intrinsic
from numpy.typing import NDArray

from consumer.model.compiling import HELPER

MARGIN_BYTES = 64
"""Room that every array of octets needs behind its last: copies overshoot."""

Octets = NDArray[np.uint8]
U = np.uint64
_32 = U(32)


def _plain_store(out: Octets, at: np.uint64, word: np.uint64) -> None:
    """For NUMBA_DISABLE_JIT=1."""
    out[at : at + U(8)] = np.frombuffer(int(word).to_bytes(8, "big"), dtype=np.uint8)


def _plain_copy_32(out: Octets, at: np.uint64, source: Octets, start: np.uint64) -> None:
    """For NUMBA_DISABLE_JIT=1."""
    out[at : at + _32] = source[start : start + _32]


def _pointer(context: Any, builder: Any, array_type: Any, array: Any, position: Any, target: Any) -> Any:
    data = context.make_array(array_type)(context, builder, array).data
    return builder.bitcast(cgutils.gep(builder, data, position), target.as_pointer())  # type: ignore[no-untyped-call]


@intrinsic
def _swap_and_store(_typing_context: Any, out: Any, _at: Any, _word: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        place = _pointer(context, builder, signature.args[0], arguments[0], arguments[1], ir.IntType(64))
        builder.store(builder.bswap(arguments[2]), place, align=1)
        return context.get_dummy_value()

    return types.void(out, types.uint64, types.uint64), generate


@intrinsic
def _move_32(_typing_context: Any, out: Any, _at: Any, source: Any, _start: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        octets = ir.VectorType(ir.IntType(8), 32)
        place = _pointer(context, builder, signature.args[0], arguments[0], arguments[1], octets)
        start = _pointer(context, builder, signature.args[2], arguments[2], arguments[3], octets)
        builder.store(builder.load(start, align=1), place, align=1)
        return context.get_dummy_value()

    return types.void(out, types.uint64, source, types.uint64), generate


store: Callable[[Octets, np.uint64, np.uint64], None] = (
    _plain_store if config.DISABLE_JIT else _swap_and_store  # type: ignore[attr-defined, assignment]
)
"""(out, at, word): eight octets at out[at], most significant first."""
_copy_32: Callable[[Octets, np.uint64, Octets, np.uint64], None] = (
    _plain_copy_32 if config.DISABLE_JIT else _move_32  # type: ignore[attr-defined, assignment]
)


@njit(**HELPER)
def copy(out: Octets, at: np.uint64, source: Octets, start: np.uint64, size: np.uint64) -> None:
    """Copy `size` octets, 32 at a time and the first 32 in any case; overshoots both arrays by up to 32.

    Most strings end within these, so the processor guesses right where the loop ends.
    """
    _copy_32(out, at, source, start)
    done = _32
    while done < size:
        _copy_32(out, at + done, source, start + done)
        done += _32

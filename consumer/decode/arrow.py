"""What lies in Arrow's arrays: text with offsets, numbers, marks of null, and rows written out as lines.

Belongs here: everything that knows pyarrow, which is imported when the first Parquet object comes. Does not: fields
(parquet.py). Layout: "Arrow columnar format", variable-size binary and primitive layouts.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from consumer.decode.candidates import LinePositions
from consumer.decode.columns import Flags, Offsets
from consumer.model.text_word import MARGIN_BYTES, Bytes

INTEGERS = {name: np.dtype(name) for name in ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")}
"""Arrow's names of integers are NumPy's."""

_NO_NULLS = np.zeros(0, dtype=np.bool_)


def lines_of(columns: list[Any], chosen: NDArray[np.int64]) -> LinePositions:
    """The chosen rows as lines of text, each with a blank after it, where the text kernel wants one."""
    import pyarrow as pa
    import pyarrow.compute as pc

    taken = arrow_integers(chosen)
    tokens = []
    for column in columns:
        token = as_binary(column.take(taken))
        tokens.append(pc.if_else(pc.equal(token, pa.scalar(b"", token.type)), pa.scalar(b"-", token.type), token))
    tokens.append(pa.scalar(b"", tokens[0].type))
    joined = pc.binary_join_element_wise(
        *tokens, pa.scalar(b" ", tokens[0].type), null_handling="replace", null_replacement=b"-"
    )
    text, offsets = text_of(joined)
    return LinePositions(text, offsets[:-1].copy(), offsets[1:] - np.int32(1))


def as_binary(array: Any) -> Any:
    """Any column as bytes with offsets of 32 bits, in the characters that text would have."""
    import pyarrow as pa

    if hasattr(array, "indices"):
        array = array.dictionary_decode()
    if pa.types.is_binary(array.type):
        return array
    if not pa.types.is_string(array.type):
        array = array.cast(pa.binary() if "binary" in str(array.type) else pa.string())
    return array.view(pa.binary()) if pa.types.is_string(array.type) else array


def without_views(array: Any) -> Any:
    """The same strings laid out one behind the other: Arrow cannot pick rows of views."""
    return array.cast(str(array.type).removesuffix("_view")) if str(array.type).endswith("_view") else array


def arrow_integers(numbers: NDArray[np.int64]) -> Any:
    import pyarrow as pa

    return pa.array(numbers)


def text_of(array: Any) -> tuple[Bytes, Offsets]:
    """(bytes with the margin that kernels need, int32[n + 1] offsets) of a binary array."""
    _, offset_buffer, data = array.buffers()
    if offset_buffer is None or not len(array):
        return np.zeros(MARGIN_BYTES, dtype=np.uint8), np.zeros(len(array) + 1, dtype=np.int32)
    offsets = np.frombuffer(offset_buffer, dtype=np.int32)[array.offset : array.offset + len(array) + 1]
    start, size = int(offsets[0]), int(offsets[-1] - offsets[0])
    text = np.empty(size + MARGIN_BYTES, dtype=np.uint8)
    if size:
        text[:size] = np.frombuffer(data, dtype=np.uint8, count=size, offset=start)
    text[size:] = 0
    return text, offsets - np.int32(start)


def values_of(array: Any) -> NDArray[Any]:
    """The numbers of an integer array as they lie in memory; those of nulls are anything."""
    values = array.buffers()[1]
    if values is None:
        return np.zeros(len(array), dtype=np.int64)
    return np.frombuffer(values, dtype=INTEGERS[str(array.type)])[array.offset : array.offset + len(array)]


def nulls_of(array: Any) -> Flags:
    """bool[n], true where the array holds null; empty when it holds none."""
    if not array.null_count:
        return _NO_NULLS
    if array.buffers()[0] is None:  # a column that never has a value
        return np.ones(len(array), dtype=np.bool_)
    validity = np.frombuffer(array.buffers()[0], dtype=np.uint8)[array.offset // 8 :]
    bits = np.unpackbits(validity, count=array.offset % 8 + len(array), bitorder="little")
    marks: Flags = bits[array.offset % 8 :] == 0
    return marks

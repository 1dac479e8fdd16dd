"""Structs of Thrift's compact protocol, as Parquet writes its footer and its page headers.

Belongs here: the encoding alone. Does not: what a field number means (footer.py, page.py). Rules: Thrift's compact
protocol specification. Everything is checked against the bytes there are: a list is never longer than what is left.
"""

from __future__ import annotations

from typing import Any

from consumer.errors import BadParquetError

Struct = dict[int, Any]
"""Field number → bool, int, bytes, list, or Struct. Doubles and maps are passed over: Parquet needs none of them."""

_TRUE, _FALSE, _BYTE, _I16, _I32, _I64, _DOUBLE, _BINARY, _LIST, _SET, _MAP, _STRUCT = range(1, 13)
_UUID = 13
_DEEPEST = 16
"""Nesting of structs and lists; Parquet's own is six."""


def read_struct(data: bytes, at: int = 0) -> tuple[Struct, int]:
    """(the struct at `at`, where it ends). Raises BadParquetError."""
    try:
        return _struct(data, at, _DEEPEST)
    except IndexError:
        raise BadParquetError("a struct ends early") from None


def _struct(data: bytes, at: int, depth: int) -> tuple[Struct, int]:
    if not depth:
        raise BadParquetError("structs are nested too deeply")
    found: Struct = {}
    number = 0
    while True:
        head = data[at]
        at += 1
        kind = head & 15
        if not kind:
            return found, at
        if head >> 4:
            number += head >> 4
        else:
            number, at = _signed(data, at)
        if _I16 <= kind <= _I64:  # most of all: without a call, for page headers are read by the hundred
            byte = data[at]
            if byte < 128:
                found[number] = (byte >> 1) ^ -(byte & 1)
                at += 1
            else:
                found[number], at = _signed(data, at)
        elif kind <= _FALSE:
            found[number] = kind == _TRUE
        else:
            found[number], at = _value(data, at, kind, depth)


def _value(data: bytes, at: int, kind: int, depth: int) -> tuple[Any, int]:
    if kind == _BINARY:
        size, at = _unsigned(data, at)
        return data[at : _within(data, at + size)], at + size
    if _I16 <= kind <= _I64:
        return _signed(data, at)
    if kind == _STRUCT:
        return _struct(data, at, depth - 1)
    if kind in (_LIST, _SET):
        return _list(data, at, depth - 1)
    if kind in (_TRUE, _FALSE, _BYTE):  # booleans are bytes inside a list
        return data[at], at + 1
    if kind == _MAP:
        return _map(data, at, depth - 1)
    if kind in (_DOUBLE, _UUID):
        size = 8 if kind == _DOUBLE else 16
        return None, _within(data, at + size)
    raise BadParquetError(f"a field of kind {kind}")


def _list(data: bytes, at: int, depth: int) -> tuple[list[Any], int]:
    if not depth:
        raise BadParquetError("lists are nested too deeply")
    head = data[at]
    at += 1
    count, kind = head >> 4, head & 15
    if count == 15:
        count, at = _unsigned(data, at)
    _within(data, at + count)  # every element has a byte at least
    found = []
    for _ in range(count):
        value, at = _value(data, at, kind, depth)
        found.append(value)
    return found, at


def _map(data: bytes, at: int, depth: int) -> tuple[None, int]:
    """Passed over."""
    count, at = _unsigned(data, at)
    if count:
        kinds = data[at]
        at += 1
        _within(data, at + count)
        for _ in range(count):
            _, at = _value(data, at, kinds >> 4, depth)
            _, at = _value(data, at, kinds & 15, depth)
    return None, at


def _unsigned(data: bytes, at: int) -> tuple[int, int]:
    """A variable-length integer of at most 64 bits."""
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
        shift += 7
        if shift > 63:
            raise BadParquetError("an integer of more than 64 bits")


def _signed(data: bytes, at: int) -> tuple[int, int]:
    value, at = _unsigned(data, at)
    return (value >> 1) ^ -(value & 1), at


def _within(data: bytes, end: int) -> int:
    if end > len(data):
        raise BadParquetError("a value ends behind the bytes there are")
    return end

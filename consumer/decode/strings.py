"""One string: its end, its hash, its id in the vocabulary.

Belongs here: the parts of the kernel (text.py) that look strings up and add new ones. Does not: the layout of the
vocabulary, which consumer/model/vocabulary.py tells and this follows; a property test holds both to the same ids.
"""

import numpy as np
from numba import njit
from numpy.typing import NDArray

from consumer.decode.outcomes import FITS, INVALID_UTF8, NEEDS_TABLE, NEEDS_VOCABULARY
from consumer.decode.values import HEX
from consumer.decode.words import BLANKS, first_byte, first_bytes, zeros_from_first
from consumer.model.compiling import HELPER, ROUTINE
from consumer.model.text_word import Bytes, U, load
from consumer.model.vocabulary import ARENA_MARGIN_BYTES, HASH_FACTOR, HASH_SEED, ROWS_PER_STRING

FlatWords = NDArray[np.uint64]
"""A matrix as one row after the other: numba multiplies strides out for every index of a real one."""

_0, _1, _2, _3, _4, _8, _16, _32, _128, _255 = U(0), U(1), U(2), U(3), U(4), U(8), U(16), U(32), U(128), U(255)
_PERCENT = U(37)
_SEED, _FACTOR = U(HASH_SEED), U(HASH_FACTOR)
_ARENA_MARGIN = U(ARENA_MARGIN_BYTES)


@njit(**ROUTINE)
def _is_utf8(text: Bytes, at: np.uint64, size: np.uint64) -> bool:
    """True for well-formed UTF-8 (RFC 3629: shortest form, no surrogates, at most U+10FFFF)."""
    here, end = at, at + size
    while here < end:
        byte = U(text[here])
        here += _1
        if byte < _128:
            continue
        low, high = _128, U(0xBF)
        if U(0xC2) <= byte <= U(0xDF):
            more = _1
        elif U(0xE0) <= byte <= U(0xEF):
            more = _2
            low = U(0xA0) if byte == U(0xE0) else low
            high = U(0x9F) if byte == U(0xED) else high
        elif U(0xF0) <= byte <= U(0xF4):
            more = _3
            low = U(0x90) if byte == U(0xF0) else low
            high = U(0x8F) if byte == U(0xF4) else high
        else:
            return False
        while more > _0:
            if here >= end or not (low <= U(text[here]) <= high):
                return False
            low, high = _128, U(0xBF)
            here += _1
            more -= _1
    return True


@njit(**HELPER)
def _mix(mixed: np.uint64, word: np.uint64) -> np.uint64:
    """One step of the vocabulary's `hash_of`."""
    mixed = (mixed ^ word) * _FACTOR
    return mixed ^ (mixed >> _32)


@njit(**HELPER)
def hashed_token(text: Bytes, at: np.uint64, word: np.uint64) -> tuple[np.uint64, np.uint64]:
    """(end, hash) of the token at `at`; `word`: the eight bytes there."""
    mixed = _SEED
    found = zeros_from_first(word ^ BLANKS)
    while found == _0:
        mixed = _mix(mixed, word)
        at += _8
        word = load(text, at)
        found = zeros_from_first(word ^ BLANKS)
    tail = first_byte(found)
    if tail > _0:
        mixed = _mix(mixed, first_bytes(word, tail))
    return at + tail, mixed


@njit(**HELPER)
def _is_equal(text: Bytes, at: np.uint64, arena: Bytes, start: np.uint64, size: np.uint64) -> bool:
    """True when `size` bytes (at least 1) are the same in both."""
    while size > _8:
        if load(text, at) != load(arena, start):
            return False
        at, start, size = at + _8, start + _8, size - _8
    return bool((load(text, at) ^ load(arena, start)) << ((_8 - size) << _3) == _0)


@njit(**ROUTINE)
def _add(text: Bytes, at, size, mixed, cell, table: FlatWords, arena: Bytes, starts, sizes, used):  # type: ignore[no-untyped-def]
    """(new id, FITS or why not) of a string seen for the first time; `cell`: the free row's first word."""
    number, start = U(used[0]), U(used[1])
    prefix = _1 if size < _255 else _3
    if number >= U(len(starts)) or start + prefix + size > U(len(arena)) - _ARENA_MARGIN:
        return _0, NEEDS_VOCABULARY
    if number * U(4 * ROWS_PER_STRING) >= U(len(table)):
        return _0, NEEDS_TABLE
    if not _is_utf8(text, at, size):
        return _0, INVALID_UTF8
    if prefix == _1:
        arena[start] = size
    else:
        arena[start] = _255
        arena[start + _1] = size >> _8
        arena[start + _2] = size & _255
    offset = _0
    while offset < size:
        arena[start + prefix + offset] = text[at + offset]
        offset += _1
    starts[number], sizes[number] = start, prefix + size
    table[cell], table[cell + _1], table[cell + _2], table[cell + _3] = mixed, number, start + prefix, size
    used[0], used[1] = number + _1, start + prefix + size
    return number, FITS


@njit(**HELPER)
def intern(text: Bytes, at, size, mixed, table: FlatWords, arena: Bytes, starts, sizes, used):  # type: ignore[no-untyped-def]
    """(id, FITS or why not) of the string at `at`, whose hash is `mixed`."""
    last = U(len(table)) - _1
    cell = (mixed << _2) & last
    while True:
        # Up to eight bytes the hash is one-to-one (an odd factor, a shifted xor), so equal hashes are equal strings.
        is_candidate = table[cell] == mixed and table[cell + _3] == size
        if is_candidate and (size <= _8 or _is_equal(text, at, arena, table[cell + _2], size)):
            return table[cell + _1], FITS
        if table[cell + _1] == _0:
            return _add(text, at, size, mixed, cell, table, arena, starts, sizes, used)
        cell = (cell + _4) & last


@njit(**ROUTINE)
def percent_decoded(text: Bytes, at: np.uint64, end: np.uint64, scratch: Bytes) -> np.uint64:
    """Size of the decoded string, written to `scratch` with a blank after it; a `%` that stands before anything but
    two hexadecimal digits stays as it is."""
    written = _0
    while at < end:
        byte = U(text[at])
        if byte == _PERCENT and at + _2 < end:
            upper, lower = U(HEX[text[at + _1]]), U(HEX[text[at + _2]])
            if upper < _16 and lower < _16:
                byte = (upper << _4) | lower
                at += _2
        scratch[written] = byte
        written += _1
        at += _1
    return written


@njit(**ROUTINE)
def hash_of_first(text: Bytes, size: np.uint64) -> np.uint64:
    """The vocabulary's `hash_of` the first bytes of `text`."""
    mixed, at = _SEED, _0
    while at + _8 <= size:
        mixed = _mix(mixed, load(text, at))
        at += _8
    return _mix(mixed, first_bytes(load(text, at), size - at)) if at < size else mixed


@njit(**ROUTINE)
def hash_at(text: Bytes, at: np.uint64, size: np.uint64) -> np.uint64:
    """The vocabulary's `hash_of` any bytes, which no blank need end."""
    mixed, stop = _SEED, at + size
    while at + _8 <= stop:
        mixed = _mix(mixed, load(text, at))
        at += _8
    return _mix(mixed, first_bytes(load(text, at), stop - at)) if at < stop else mixed

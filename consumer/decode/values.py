"""One number, one address: from characters to words, in registers.

Belongs here: the parts of the kernel (text.py) that read values with rules. Does not: strings, which have none
(strings.py), or what the values mean (fields.py).
"""

import numpy as np
from numba import njit

from consumer.decode.outcomes import BAD_NUMBER, FITS, NUMBER_OUT_OF_RANGE
from consumer.decode.words import BLANKS, HIGHS, first_byte, token_end, zeros_from_first
from consumer.model.compiling import HELPER, ROUTINE
from consumer.model.text_word import Bytes, U, load

_0, _1, _2, _3, _4, _7, _8, _9 = U(0), U(1), U(2), U(3), U(4), U(7), U(8), U(9)
_10, _15, _16, _24, _31, _32, _48, _63 = U(10), U(15), U(16), U(24), U(31), U(32), U(48), U(63)
_64, _100, _128 = U(64), U(100), U(128)
_DOTS = U(0x2E2E2E2E2E2E2E2E)
_DIGITS = U(0x3030303030303030)
_TEN_IS_HIGH = U(0x7676767676767676)
"""Added to a digit's value it sets the byte's high bit from 10 on."""
_MAX_WORD = U(0xFFFFFFFFFFFFFFFF)
_EIGHT_DIGITS = U(100_000_000)

_HEX_COLON, _HEX_DOT, _HEX_NONE = 16, 17, 18
HEX = np.full(256, _HEX_NONE, dtype=np.uint8)
"""Byte → value of a hexadecimal digit, or what else may stand in an IPv6 address."""
for _text, _first in (("0123456789", 0), ("abcdef", 10), ("ABCDEF", 10), (":", _HEX_COLON), (".", _HEX_DOT)):
    for _number_of, _character in enumerate(_text):
        HEX[ord(_character)] = _first + _number_of


@njit(**HELPER)
def _eight_digits(digits: np.uint64) -> np.uint64:
    """Number of eight decimal digits, one a byte (values, not characters), the first one the lowest byte."""
    pairs = digits * _10 + (digits >> _8)
    upper = (pairs & U(0x000000FF000000FF)) * U(0x000F424000000064)
    lower = ((pairs >> _16) & U(0x000000FF000000FF)) * U(0x0000271000000001)
    return (upper + lower) >> _32


@njit(**HELPER)
def _not_digits(digits: np.uint64) -> np.uint64:
    """Not 0 when one of the bytes is no digit's value."""
    return ((digits + _TEN_IS_HIGH) | digits) & HIGHS


@njit(**ROUTINE)
def _long_number(text: Bytes, at: np.uint64, end: np.uint64) -> tuple[np.uint64, int]:
    """(number, FITS or the reason) of any number of characters, one by one."""
    value, is_too_large = _0, False
    while at < end:
        digit = U(text[at]) - U(48)
        if digit > _9:
            return _0, BAD_NUMBER
        if value > (_MAX_WORD - digit) // _10:
            is_too_large = True
        value = value * _10 + digit
        at += _1
    return value, NUMBER_OUT_OF_RANGE if is_too_large else FITS


@njit(**HELPER)
def number_at(text: Bytes, at: np.uint64, first: np.uint64) -> tuple[np.uint64, np.uint64, int]:
    """(number, token's end, FITS or the reason) of an unsigned decimal number; leading zeros are harmless.

    `first`: the eight bytes at `at`.
    """
    found = zeros_from_first(first ^ BLANKS)
    digits = first ^ _DIGITS
    if found != _0:
        size = first_byte(found)
        digits <<= ((_8 - size) << _3) & _63  # an empty token leaves the blank, which is no digit
        return _eight_digits(digits), at + size, BAD_NUMBER if _not_digits(digits) != _0 else FITS
    end = token_end(text, at + _8)
    size = end - at
    if size > _16:
        value, reason = _long_number(text, at, end)
        return value, end, reason
    # Two words that overlap: the last eight digits, and what is before them.
    last = load(text, end - _8) ^ _DIGITS
    digits = digits << ((_16 - size) << _3) if size > _8 else _0
    value = _eight_digits(digits) * _EIGHT_DIGITS + _eight_digits(last)
    return value, end, BAD_NUMBER if (_not_digits(digits) | _not_digits(last)) != _0 else FITS


# ── addresses ──


@njit(**HELPER)
def _octet(rest: np.uint64) -> tuple[np.uint64, np.uint64]:
    """(digits, size) of what stands before the first dot; digits as values in three bytes, units in the third."""
    size = first_byte(zeros_from_first(rest ^ _DOTS))
    return ((rest ^ _DIGITS) << ((_24 - (size << _3)) & _63)) & U(0xFFFFFF), size


@njit(**HELPER)
def _octet_values(digits: np.uint64) -> np.uint64:
    """Two octets at a time, one in each half of the word."""
    one_byte = U(0x000000FF000000FF)
    return (digits & one_byte) * _100 + ((digits >> _8) & one_byte) * _10 + ((digits >> _16) & one_byte)


@njit(**HELPER)
def _digit_counts(values: np.uint64) -> np.uint64:
    """How many digits two octets have beyond one each, written without leading zeros; each half its own count."""
    at_least_10 = (values + U(0x7FFFFFF67FFFFFF6)) & U(0x8000000080000000)
    at_least_100 = (values + U(0x7FFFFF9C7FFFFF9C)) & U(0x8000000080000000)
    return (at_least_10 >> _31) + (at_least_100 >> _31)


@njit(**HELPER)
def ipv4(text: Bytes, at: np.uint64, size: np.uint64, first: np.uint64) -> tuple[np.uint64, np.uint64]:
    """(address, fault) of a dotted quad of `size` bytes; fault is not 0 when it is none (as are 256 and 007).

    No branch and no loop, because lengths of octets are random: a byte loop pays a misprediction for each. The
    first two octets lie in `first` (the eight bytes at `at`), the others in the eight bytes after them.
    Sizes must be 1 at least, and add up to those of the values written without leading zeros: that refuses leading
    zeros, more than three digits and dots beyond the token in one comparison.
    """
    a, a_size = _octet(first)
    b, b_size = _octet(first >> (((a_size << _3) + _8) & _63))
    second_half = load(text, at + a_size + b_size + _2)
    c, c_size = _octet(second_half)
    d_size = size - (a_size + b_size + c_size + _3)
    d = second_half >> (((c_size << _3) + _8) & _63)
    d = ((d ^ _DIGITS) << ((_24 - (d_size << _3)) & _63)) & U(0xFFFFFF)
    head, tail = a | (b << _32), c | (d << _32)
    head_values, tail_values = _octet_values(head), _octet_values(tail)
    counts = _digit_counts(head_values) + _digit_counts(tail_values)
    fault = (
        (((head + _TEN_IS_HIGH) | head | (tail + _TEN_IS_HIGH) | tail) & HIGHS)
        | ((head_values | tail_values) & U(0x0000030000000300))
        | (((a_size - _1) | (b_size - _1) | (c_size - _1) | (d_size - _1)) >> _63)
        | ((((counts + (counts >> _32)) & _15) + _7) ^ size)
    )
    address = (head_values << _24) | ((head_values >> _32) << _16) | (tail_values << _8) | (tail_values >> _32)
    return address & U(0xFFFFFFFF), fault


@njit(**ROUTINE)
def ipv6(text: Bytes, at: np.uint64, end: np.uint64) -> tuple[np.uint64, np.uint64, bool]:
    """(high, low, is it one?) of any spelling that RFC 4291 §2.2 allows, a dotted tail included; no zone index."""
    high, low, count = _0, _0, _0
    head_high, head_low, head_count = _0, _0, _0
    has_gap, ends_open = False, False
    group, digit_count = _0, _0
    here = at
    while here < end:
        value = U(HEX[text[here]])
        if value < U(16):
            group = (group << _4) | value
            digit_count += _1
            if digit_count > _4:
                return _0, _0, False
            ends_open = False
        elif value == U(_HEX_COLON):
            ends_open = True
            if digit_count > _0:
                high, low, count = (high << _16) | (low >> _48), (low << _16) | group, count + _1
                group, digit_count = _0, _0
            elif here == at:
                if U(HEX[text[here + _1]]) != U(_HEX_COLON):
                    return _0, _0, False
            elif has_gap:
                return _0, _0, False
            else:
                has_gap, ends_open = True, False
                head_high, head_low, head_count = high, low, count
                high, low, count = _0, _0, _0
        elif value == U(_HEX_DOT):
            start = here - digit_count
            quad, fault = ipv4(text, start, end - start, load(text, start))
            if fault != _0:
                return _0, _0, False
            high, low, count = (high << _32) | (low >> _32), (low << _32) | quad, count + _2
            digit_count, ends_open = _0, False
            break
        else:
            return _0, _0, False
        here += _1
    if digit_count > _0:
        high, low, count = (high << _16) | (low >> _48), (low << _16) | group, count + _1
    if ends_open:
        return _0, _0, False
    if not has_gap:
        return high, low, count == _8
    if head_count + count > _7:
        return _0, _0, False
    shift = (_8 - head_count) << _4
    if shift < _64:
        return high | (head_high << shift) | (head_low >> (_64 - shift)), low | (head_low << shift), True
    if shift < _128:
        return high | (head_low << (shift - _64)), low, True
    return high, low, True

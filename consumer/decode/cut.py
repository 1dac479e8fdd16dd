"""Finding lines: in plain text, and in CloudWatch's envelope as CloudWatch lays it out.

Belongs here: the two kernels that give positions. Does not: reading what a line says (text.py), any other layout of
an envelope (documents.py).
"""

import numpy as np
from numba import njit
from numpy.typing import NDArray

from consumer.decode.words import HIGHS, first_byte, zeros_from_first
from consumer.model.compiling import HELPER, KERNEL
from consumer.model.text_word import Bytes, U, load

Positions = NDArray[np.int32]

REGULAR, IRREGULAR, ROOM_NEEDED = range(3)
"""How `cut_events` ended."""

_0, _1, _2, _3, _5, _6, _8, _9, _10 = U(0), U(1), U(2), U(3), U(5), U(6), U(8), U(9), U(10)
_LINE_FEED, _RETURN, _BLANK, _TAB, _QUOTE, _COMMA = U(10), U(13), U(32), U(9), U(34), U(44)
_LINE_FEEDS = U(0x0A0A0A0A0A0A0A0A)
_QUOTES = U(0x2222222222222222)
_BACKSLASHES = U(0x5C5C5C5C5C5C5C5C)
_CONTROLS = U(0x2020202020202020)
_ZERO_DIGIT = U(48)


def _word(characters: bytes) -> np.uint64:
    return U(int.from_bytes(characters, "little"))


_OPEN_ID = _word(b'{"id":')
_TIMESTAMP = _word(b',"timest'), _word(b'amp":')
_MESSAGE = _word(b',"messag'), _word(b'e":"')
_FOUR_BYTES, _FIVE_BYTES, _SIX_BYTES = U(0xFFFFFFFF), U(0xFFFFFFFFFF), U(0xFFFFFFFFFFFF)
_TIMESTAMP_1, _TIMESTAMP_2 = _TIMESTAMP
_MESSAGE_1, _MESSAGE_2 = _MESSAGE
_MAX_DIGITS = U(18)


@njit(**HELPER)
def _may_be_header(text: Bytes, at: np.uint64, end: np.uint64):  # type: ignore[no-untyped-def]
    """False as soon as a byte is in no field name: most records show one within their first few bytes."""
    while at < end:
        byte = U(text[at])
        is_name = (U(97) <= byte <= U(122)) or byte == U(45) or byte == U(95) or byte == U(50)
        if not is_name and byte != _BLANK and byte != _TAB:
            return False
        at += _1
    return True


@njit(**KERNEL)
def split_lines(text: Bytes, position, size, starts: Positions, ends: Positions, count):  # type: ignore[no-untyped-def]
    """Positions of the next lines: (where it stopped, lines, may the last of them be a header?).

    `text`: uint8, `size` bytes and a margin. Lines end with a line feed or with the text; carriage returns at a
    line's end and blank lines are left out. Stops when `starts` (int32[l]) is full and after a line that may be a
    header, for only the caller knows field names.
    """
    at, stop = U(position), U(size)
    while at < stop and count < len(starts):
        end = at
        found = zeros_from_first(load(text, end) ^ _LINE_FEEDS)
        while found == _0 and end < stop:
            end += _8
            found = zeros_from_first(load(text, end) ^ _LINE_FEEDS)
        end = min(end + first_byte(found), stop) if found != _0 else stop
        following = end + _1
        while end > at and U(text[end - _1]) == _RETURN:
            end -= _1
        first = at
        while first < end and (U(text[first]) == _BLANK or U(text[first]) == _TAB):
            first += _1
        if first < end:
            starts[count] = at
            ends[count] = end
            count += 1
            if U(97) <= U(text[first]) <= U(122) and _may_be_header(text, first, end):
                return np.int64(min(following, stop)), count, True
        at = following
    return np.int64(min(at, stop)), count, False


@njit(**HELPER)
def string_end(text: Bytes, at: np.uint64) -> np.uint64:
    """Position of the first quote, backslash or control character; the zeros of the margin are some."""
    while True:
        word = load(text, at)
        found = zeros_from_first(word ^ _QUOTES) | zeros_from_first(word ^ _BACKSLASHES)
        found |= (word - _CONTROLS) & ~word & HIGHS
        if found != _0:
            return U(at + first_byte(found))
        at += _8


@njit(**HELPER)
def digits_end(text: Bytes, at: np.uint64) -> np.uint64:
    """Position of the first byte that is no digit."""
    while U(text[at]) - _ZERO_DIGIT <= _9:
        at += _1
    return at


@njit(**HELPER)
def is_json_number(text: Bytes, at: np.uint64, end: np.uint64):  # type: ignore[no-untyped-def]
    """True for 1 to 18 digits without a leading zero (JSON knows none)."""
    return end > at and end - at <= _MAX_DIGITS and (U(text[at]) != _ZERO_DIGIT or end - at == _1)


@njit(**KERNEL)
def cut_events(  # type: ignore[no-untyped-def]
    text: Bytes, position, size,
    starts: Positions, ends: Positions, id_starts: Positions, id_ends: Positions, timestamps,
):  # fmt: skip
    """Positions of all log events: (events, how it ended).

    `position`: just after `"logEvents":[`. Regular means exactly `{"id":"…","timestamp":…,"message":"…"}`, with
    commas between events and `]}` after the last, no blank anywhere, no escape in a string; an id may be a number.
    Anything else is IRREGULAR at once and another reader's business; ROOM_NEEDED when the arrays (int32[l],
    timestamps int64[l]) are full. The text is judged as JSON would judge it: control characters make it irregular.
    """
    at, stop, count = U(position), U(size), 0
    while True:
        if count == len(starts):
            return count, ROOM_NEEDED
        if load(text, at) & _SIX_BYTES != _OPEN_ID:
            return count, IRREGULAR
        at += _6
        if U(text[at]) == _QUOTE:
            id_start = at + _1
            id_end = string_end(text, id_start)
            at = id_end + _1
            if U(text[id_end]) != _QUOTE:
                return count, IRREGULAR
        else:
            id_start = at
            id_end = digits_end(text, at)
            at = id_end
            if not is_json_number(text, id_start, id_end):
                return count, IRREGULAR
        if load(text, at) != _TIMESTAMP_1 or load(text, at + _8) & _FIVE_BYTES != _TIMESTAMP_2:
            return count, IRREGULAR
        at += U(13)
        timestamp_end = digits_end(text, at)
        if not is_json_number(text, at, timestamp_end):
            return count, IRREGULAR
        timestamp = _0
        while at < timestamp_end:
            timestamp = timestamp * _10 + (U(text[at]) - _ZERO_DIGIT)
            at += _1
        if load(text, at) != _MESSAGE_1 or load(text, at + _8) & _FOUR_BYTES != _MESSAGE_2:
            return count, IRREGULAR
        at += U(12)
        end = string_end(text, at)
        if U(text[end]) != _QUOTE or U(text[end + _1]) != U(125) or end == at or U(text[at]) == _BLANK:
            return count, IRREGULAR
        starts[count] = at
        ends[count] = end
        id_starts[count] = id_start
        id_ends[count] = id_end
        timestamps[count] = timestamp
        count += 1
        at = end + _2
        if U(text[at]) == _COMMA:
            at += _1
            continue
        if U(text[at]) != U(93) or U(text[at + _1]) != U(125):
            return count, IRREGULAR
        at += _2
        while at < stop:
            byte = U(text[at])
            if byte != _LINE_FEED and byte != _RETURN and byte != _BLANK and byte != _TAB:
                return count, IRREGULAR
            at += _1
        return count, REGULAR if at == stop else IRREGULAR

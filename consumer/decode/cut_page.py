"""Finding log events in a page of FilterLogEvents or GetLogEvents.

Belongs here: the kernel that gives positions. Does not: what surrounds the events (page.py), what a message says
(text.py). An envelope's events (cut.py) have one layout; of a page only the five keys are published, not their order
(API reference, FilteredLogEvent), so they are taken in any order and with or without blanks between the tokens.
"""

import numpy as np
from numba import njit

from consumer.decode.cut import IRREGULAR, REGULAR, ROOM_NEEDED, Positions, digits_end, is_json_number, string_end
from consumer.model.compiling import HELPER, KERNEL
from consumer.model.text_word import Bytes, U, load

_0, _1, _2, _3, _4, _5, _8, _10, _16, _31 = U(0), U(1), U(2), U(3), U(4), U(5), U(8), U(10), U(16), U(31)
_ID, _INGESTION, _STREAM, _MESSAGE, _TIMESTAMP = U(1), U(2), U(4), U(8), U(16)
_LINE_FEED, _RETURN, _BLANK, _TAB, _QUOTE, _COMMA, _COLON = U(10), U(13), U(32), U(9), U(34), U(44), U(58)
_OPEN, _CLOSE, _LIST_END = U(123), U(125), U(93)
_ZERO_DIGIT, _NINE_DIGIT = U(48), U(57)
_TWO_BYTES, _SIX_BYTES, _SEVEN_BYTES = U(0xFFFF), U(0xFFFFFFFFFFFF), U(0xFFFFFFFFFFFFFF)
_MIX = U(0x9E3779B97F4A7C15)


def _word(characters: bytes) -> np.uint64:
    return U(int.from_bytes(characters, "little"))


_EVENT_ID = _word(b'eventId"')
_INGESTION_1, _INGESTION_2 = _word(b"ingestio"), _word(b'nTime"')
_STREAM_1, _STREAM_2 = _word(b"logStrea"), _word(b'mName"')
_MESSAGE_1 = _word(b'message"')
_TIMESTAMP_1, _TIMESTAMP_2 = _word(b"timestam"), _word(b'p"')


@njit(**HELPER)
def _skip_blanks(text: Bytes, at: np.uint64) -> np.uint64:
    """Position of the next byte that JSON gives a meaning."""
    while U(text[at]) == _BLANK or U(text[at]) == _LINE_FEED or U(text[at]) == _TAB or U(text[at]) == _RETURN:
        at += _1
    return at


@njit(**HELPER)
def _key(text: Bytes, at: np.uint64):  # type: ignore[no-untyped-def]
    """(which key begins here, just after its opening quote; where its closing quote ends); 0 = none that we know."""
    word, following = load(text, at), load(text, at + _8)
    if word == _EVENT_ID:
        return _ID, at + _8
    if word == _MESSAGE_1:
        return _MESSAGE, at + _8
    if word == _TIMESTAMP_1 and following & _TWO_BYTES == _TIMESTAMP_2:
        return _TIMESTAMP, at + _10
    if word == _INGESTION_1 and following & _SIX_BYTES == _INGESTION_2:
        return _INGESTION, at + U(14)
    if word == _STREAM_1 and following & _SIX_BYTES == _STREAM_2:
        return _STREAM, at + U(14)
    return _0, at


@njit(**HELPER)
def _is_same(text: Bytes, one: np.uint64, other: np.uint64, size: np.uint64):  # type: ignore[no-untyped-def]
    for offset in range(size):  # noqa: SIM110  a kernel makes no generators
        if text[one + U(offset)] != text[other + U(offset)]:
            return False
    return True


@njit(**KERNEL)
def cut_page(  # type: ignore[no-untyped-def]
    text: Bytes, position, size,
    starts: Positions, ends: Positions, id_starts: Positions, id_ends: Positions, timestamps, ingestion_times,
    stream_numbers: Positions, name_starts: Positions, name_ends: Positions, table: Positions,
):  # fmt: skip
    """Positions of all events: (events, distinct log streams, where the list ended, how it ended).

    `position`: just after the `[` of `"events":[`; the end is just after its `]`. Regular means: objects of some of
    the five keys, each at most once, `message` always; no escape in a string; numbers of at most 18 digits; an id may
    be a number. Anything else is IRREGULAR at once and another reader's business. ROOM_NEEDED when the arrays
    (int32[l], times int64[l]) are full. `name_starts`, `name_ends` (int32[l]): the first place of each distinct log
    stream; `stream_numbers`: -1 without one. `table`: int32[2^k], 2^k ≥ 2l, all -1: the names by their hash.
    """
    at, stop, count, names = _skip_blanks(text, U(position)), U(size), 0, 0
    mask = U(len(table) - 1)
    if U(text[at]) == _LIST_END:
        return count, names, np.int64(at + _1), REGULAR
    while at < stop:
        if count == len(starts):
            return count, names, np.int64(at), ROOM_NEEDED
        if U(text[at]) != _OPEN:
            return count, names, np.int64(at), IRREGULAR
        at += _1
        seen = _0
        start = end = id_start = id_end = _0
        timestamp = ingestion_time = _0
        name = np.int64(-1)
        while True:
            at = _skip_blanks(text, at)
            if U(text[at]) != _QUOTE:
                return count, names, np.int64(at), IRREGULAR
            key, at = _key(text, at + _1)
            if key == _0 or seen & key != _0:
                return count, names, np.int64(at), IRREGULAR
            seen |= key
            at = _skip_blanks(text, at)
            if U(text[at]) != _COLON:
                return count, names, np.int64(at), IRREGULAR
            at = _skip_blanks(text, at + _1)
            if U(text[at]) == _QUOTE:
                first = at + _1
                last = string_end(text, first)
                at = last + _1
                if U(text[last]) != _QUOTE:
                    return count, names, np.int64(at), IRREGULAR
                if key == _MESSAGE:
                    start, end = first, last
                elif key == _ID:
                    id_start, id_end = first, last
                elif key == _STREAM:
                    length = last - first
                    hashed = length
                    for offset in range(length):
                        hashed = (hashed ^ U(text[first + U(offset)])) * _MIX
                    slot = (hashed ^ (hashed >> _31)) & mask
                    while True:
                        name = np.int64(table[slot])
                        if name < 0:
                            name = np.int64(names)
                            table[slot] = name
                            name_starts[name] = first
                            name_ends[name] = last
                            names += 1
                            break
                        known = U(name_starts[name])
                        if U(name_ends[name]) - known == length and _is_same(text, first, known, length):
                            break
                        slot = (slot + _1) & mask
                else:
                    return count, names, np.int64(at), IRREGULAR
            else:
                first = at
                at = digits_end(text, at)
                if not is_json_number(text, first, at):
                    return count, names, np.int64(at), IRREGULAR
                if key == _ID:
                    id_start, id_end = first, at
                elif key in (_TIMESTAMP, _INGESTION):
                    number = _0
                    while first < at:
                        number = number * _10 + (U(text[first]) - _ZERO_DIGIT)
                        first += _1
                    if key == _TIMESTAMP:
                        timestamp = number
                    else:
                        ingestion_time = number
                else:
                    return count, names, np.int64(at), IRREGULAR
            at = _skip_blanks(text, at)
            if U(text[at]) == _COMMA:
                at += _1
                continue
            if U(text[at]) != _CLOSE:
                return count, names, np.int64(at), IRREGULAR
            at += _1
            break
        if start == end or U(text[start]) == _BLANK:
            return count, names, np.int64(at), IRREGULAR
        starts[count] = start
        ends[count] = end
        id_starts[count] = id_start
        id_ends[count] = id_end
        timestamps[count] = timestamp
        ingestion_times[count] = ingestion_time
        stream_numbers[count] = name
        count += 1
        at = _skip_blanks(text, at)
        if U(text[at]) == _LIST_END:
            return count, names, np.int64(at + _1), REGULAR
        if U(text[at]) != _COMMA:
            return count, names, np.int64(at), IRREGULAR
        at = _skip_blanks(text, at + _1)
    return count, names, np.int64(at), IRREGULAR

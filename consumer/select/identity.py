"""What makes a log event the same event, however it comes: (owner account, log group, log stream, event id).

Belongs here: that identity as four words, exactly. Does not: remembering it (repeats.py). Pure.

Owner, group and stream together are the event's *place*, known by a number (state/places.py gives it). CloudWatch's
ids have 56 decimal digits (the time of the event is in the first ones, so they stay 56 until the year 2112); they are
packed, eight digits in 27 bits. An id that is no number of at most 56 digits gets a number of its own, together with
its place. GetLogEvents has no ids: there it is (place, timestamp, 128-bit hash of the message, how many equals came
before), as decode/equal_lines.py found them.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Protocol

import numpy as np
from numba import njit
from numpy.typing import NDArray

from consumer.model.compiling import HELPER, KERNEL
from consumer.model.delivery import Origin
from consumer.model.flow_batch import Rows, Words
from consumer.model.text_word import Bytes, load

U = np.uint64
Positions = NDArray[np.int32]

PLACE_BITS = 24
PLACE_LIMIT = 1 << PLACE_BITS
"""Numbers of places, 0 excluded."""
NO_IDENTITY = 0
"""Tag of an event that cannot be told from others: it always counts as new."""

_MAX_DIGITS = 56
_HASHED, _NAMED = 60, 61
"""In place of the count of digits in a tag: an event without an id; an id that is no such number."""
_NUMBER_BITS = U(16)
_KIND_SHIFT = U(PLACE_BITS)
_0, _8, _16, _27, _32, _54 = U(0), U(8), U(16), U(27), U(32), U(54)
_ASCII_ZEROS = U(0x3030303030303030)
_HIGH_HALVES = U(0xF0F0F0F0F0F0F0F0)
_SIXES = U(0x0606060606060606)
_LOW_HALVES = U(0x0F0F0F0F0F0F0F0F)
_PAIRS, _PAIR_FACTOR = U(0x00FF00FF00FF00FF), U(2561)
_FOURS, _FOUR_FACTOR = U(0x0000FFFF0000FFFF), U(6553601)
_EIGHT_FACTOR = U(42949672960001)
_TEN_BITS, _10, _20 = U(0x3FF), U(10), U(20)

Intern = Callable[[tuple[Hashable, ...]], int]
"""The number of a place, or of a place and an id; NO_IDENTITY when there are too many."""


class LogEvents(Protocol):
    """What is needed of decode's Events."""

    @property
    def text(self) -> Bytes: ...
    @property
    def id_starts(self) -> Positions: ...
    @property
    def id_ends(self) -> Positions: ...
    @property
    def timestamps(self) -> NDArray[np.int64]: ...
    @property
    def stream_numbers(self) -> Positions: ...
    @property
    def stream_names(self) -> tuple[str, ...]: ...
    @property
    def hashes(self) -> Words: ...


def identify(events: LogEvents, lines: Rows, origin: Origin, intern: Intern) -> Words:
    """uint64[k, 4] for the events `lines` (int64[k]): three words of the id, then the tag; see `pack`.

    Work is done per distinct log stream, but for ids that are no numbers.
    """
    here = (origin.account, origin.log_group)
    own = intern((*here, origin.log_stream))
    owners = np.array([intern((*here, name)) for name in events.stream_names] or [own], dtype=np.uint64)
    identities = np.empty((len(lines), 4), dtype=np.uint64)
    others = np.empty(len(lines), dtype=np.int64)
    count = pack(
        events.text, events.id_starts, events.id_ends, events.timestamps,
        events.stream_numbers, events.hashes, owners, U(own), lines, identities, others,
    )  # fmt: skip
    for row in others[:count].tolist():
        line = int(lines[row])
        number = int(events.stream_numbers[line]) if len(events.stream_numbers) else -1
        stream = events.stream_names[number] if number >= 0 else origin.log_stream
        name = events.text[events.id_starts[line] : events.id_ends[line]].tobytes()
        known = intern((*here, stream, name))
        identities[row] = (0, 0, 0, known | _NAMED << PLACE_BITS if known else NO_IDENTITY)
    return identities


@njit(**HELPER)
def _first(word: np.uint64, size: np.uint64, filling: np.uint64) -> np.uint64:
    """The first `size` (1 to 8) bytes moved to the end of the word, bytes of `filling` before them."""
    if size == _8:
        return word
    shift = (_8 - size) << U(3)
    return (word << shift) | (filling >> (U(64) - shift))


@njit(**KERNEL)
def pack(  # type: ignore[no-untyped-def]
    text: Bytes, id_starts: Positions, id_ends: Positions, timestamps, stream_numbers: Positions, hashes: Words,
    owners: Words, own: np.uint64, lines: Rows, identities: Words, others: Rows,
):  # fmt: skip
    """Write the identity of every line; returns how many rows (in `others`) have an id that must be named.

    The tag is the place's number, and above its 24 bits the count of digits: so `07` and `7` differ. Without an id
    an event has no identity, unless it has a hash (and fewer than 65,536 equals before it).
    """
    other_count = 0
    for row in range(len(lines)):
        line = lines[row]
        owner = own
        if len(stream_numbers) > 0 and stream_numbers[line] >= 0:
            owner = owners[stream_numbers[line]]
        first, second, third, tag = _0, _0, _0, _0
        start, end = U(id_starts[line]), U(id_ends[line])
        size = end - start
        if owner == _0 or (size == _0 and not len(hashes)):
            pass
        elif size == _0:
            if hashes[line, 2] >> _NUMBER_BITS == _0:
                first = U(timestamps[line]) << _NUMBER_BITS | hashes[line, 2]
                second, third = hashes[line, 0], hashes[line, 1]
                tag = owner | U(_HASHED) << _KIND_SHIFT
        elif size > U(_MAX_DIGITS):
            others[other_count] = row
            other_count += 1
        else:
            at, bad, number = start, _0, 0
            while at < end:
                word = load(text, at)
                word = _first(word, min(end - at, _8), _ASCII_ZEROS)
                bad |= (word & _HIGH_HALVES) ^ _ASCII_ZEROS
                bad |= ((word + _SIXES) & _HIGH_HALVES) ^ _ASCII_ZEROS
                word = ((word & _LOW_HALVES) * _PAIR_FACTOR) >> _8
                word = ((word & _PAIRS) * _FOUR_FACTOR) >> _16
                word = ((word & _FOURS) * _EIGHT_FACTOR) >> _32
                if number < 2:
                    first = first << _27 | word
                elif number < 4:
                    second = second << _27 | word
                elif number < 6:
                    third = third << _27 | word
                else:
                    first |= (word & _TEN_BITS) << _54
                    second |= ((word >> _10) & _TEN_BITS) << _54
                    third |= (word >> _20) << _54
                number += 1
                at += _8
            if bad != _0:
                others[other_count] = row
                other_count += 1
            else:
                tag = owner | size << _KIND_SHIFT
        identities[row, 0] = first
        identities[row, 1] = second
        identities[row, 2] = third
        identities[row, 3] = tag
    return other_count


def warm_up() -> None:
    """Compile the kernel with the types it meets in service."""
    no_lines = np.empty(0, dtype=np.int64)
    words = np.empty((0, 4), dtype=np.uint64)
    places = np.empty(0, dtype=np.int32)
    times = np.empty(0, dtype=np.int64)
    text = np.zeros(64, dtype=np.uint8)
    owners = np.zeros(1, dtype=np.uint64)
    pack(text, places, places, times, places, words[:, :3].copy(), owners, U(0), no_lines, words, no_lines)

"""The loop that writes records: columns to messages, row by row.

Belongs here: the compiled kernel with all its helpers (numba's cache does not see a change in another file). Does not:
choosing steps (layout.py), which template a row has (sorting.py), buffers (encoder.py).

Everything is big-endian on the wire. Each fixed field is one 8-byte store of the value shifted to the top; what that
writes beyond the field is overwritten by the next one, because steps go by ascending offset and there is room behind
the last. Strings are copied sixteen bytes at a time, overshooting likewise.

Positions are uint64 on purpose: numba adds a wrap-around test for negative positions to every signed index, and
without it LLVM melts eight byte stores into one. Mixing uint64 with int64 (even with a bare 1) silently gives a signed
or floating number, so every constant here is typed.
"""

import numpy as np
from numba import njit

from consumer.model.compiling import HELPER, KERNEL, ROUTINE

MARGIN_BYTES = 64
"""Room that every array of bytes needs behind its last: copies overshoot."""

# Place of mapping.py, as positions in `bounds`.
ADDRESS, WORD, DERIVED, JOINED, NULLABLE, STRING, NAME, OTHER, PADDING, PLACES_END = 0, 1, 2, 3, 4, 5, 6, 7, 8, 9

# Positions in `plan` (plan.py): words of the columns that tell derived words; the two …_NULL are null bits.
PLAN_ACTION, PLAN_REASON, PLAN_DIRECTION, PLAN_START, PLAN_END, PLAN_START_NULL, PLAN_END_NULL = 0, 1, 2, 3, 4, 5, 6
NO_COLUMN = 1 << 32
"""In `plan`: the log format has no such column."""

U = np.uint64
# Positions in `derived`; the order of mapping.Derived.
IP_VERSION, START, END, STATUS, EVENT, DIRECTION = 1, 2, 3, 4, 5, 6
_IP_VERSION, _START, _END, _STATUS, _EVENT, _DIRECTION = U(1), U(2), U(3), U(4), U(5), U(6)
_0, _1, _2, _3, _4, _5, _6, _7, _8, _16 = U(0), U(1), U(2), U(3), U(4), U(5), U(6), U(7), U(8), U(16)
_24, _32, _40, _48, _56, _63 = U(24), U(32), U(40), U(48), U(56), U(63)
_THOUSAND = U(1000)
_ABSENT = U(NO_COLUMN)
_LONG = U(255)
_HEADERS = U(20)
_VERSION = U(10 << 48)
_MAPPED = U(0xFFFF_0000_0000)
"""The low half of ::ffff:0:0/96 (RFC 4291 §2.5.5.2)."""


@njit(**HELPER)
def _store(out, at, word):  # type: ignore[no-untyped-def]
    """Eight bytes at out[at], most significant first: one swap and one store when compiled."""
    out[at] = np.uint8(word >> _56)
    out[at + _1] = np.uint8((word >> _48) & _LONG)
    out[at + _2] = np.uint8((word >> _40) & _LONG)
    out[at + _3] = np.uint8((word >> _32) & _LONG)
    out[at + _4] = np.uint8((word >> _24) & _LONG)
    out[at + _5] = np.uint8((word >> _16) & _LONG)
    out[at + _6] = np.uint8((word >> _8) & _LONG)
    out[at + _7] = np.uint8(word & _LONG)


@njit(**HELPER)
def _load(source, at):  # type: ignore[no-untyped-def]
    """Eight bytes from source[at], most significant first."""
    return (
        (U(source[at]) << _56)
        | (U(source[at + _1]) << _48)
        | (U(source[at + _2]) << _40)
        | (U(source[at + _3]) << _32)
        | (U(source[at + _4]) << _24)
        | (U(source[at + _5]) << _16)
        | (U(source[at + _6]) << _8)
        | U(source[at + _7])
    )


@njit(**HELPER)
def _copy_32(out, at, source, start):  # type: ignore[no-untyped-def]
    """Copy 32 bytes: two or four moves when compiled."""
    first, second = _load(source, start), _load(source, start + _8)
    third, fourth = _load(source, start + _16), _load(source, start + _24)
    _store(out, at, first)
    _store(out, at + _8, second)
    _store(out, at + _16, third)
    _store(out, at + _24, fourth)


@njit(**HELPER)
def _copy(out, at, source, start, size):  # type: ignore[no-untyped-def]
    """Copy `size` bytes, 32 at a time and the first 32 in any case; overshoots both arrays by up to 32.

    Most strings end within these, so the processor guesses right where the loop ends.
    """
    _copy_32(out, at, source, start)
    done = _32
    while done < size:
        _copy_32(out, at + done, source, start + done)
        done += _32


@njit(**ROUTINE)
def _close(out, begin, end, set_id, domain):  # type: ignore[no-untyped-def]
    """Headers of the message that lies at out[begin:end]; export time and sequence stay zero (RFC 7011 §3.1, §3.3)."""
    size = end - begin
    _store(out, begin, _VERSION | (size << _32))
    _store(out, begin + _8, domain)
    tail = (set_id << _48) | ((size - _16) << _32)
    for k in range(4):
        out[begin + _16 + U(k)] = np.uint8((tail >> (_56 - _8 * U(k))) & _LONG)


@njit(**ROUTINE)
def _pad(out, position, end):  # type: ignore[no-untyped-def]
    """Grow the padding of the last record, whose length octet lies before `position`, so that it ends at `end`.

    Its length may have one octet or three (RFC 7011 §7); with both, every number of missing octets can be made up for.
    """
    missing = end - position
    first = position
    if missing < _LONG:
        out[position - _1] = np.uint8(missing)
    else:
        out[position - _1] = np.uint8(255)
        out[position] = np.uint8((missing - _2) >> _8)
        out[position + _1] = np.uint8((missing - _2) & _LONG)
        first = position + _2
    for k in range(end - first):
        out[first + U(k)] = 0
    return end


@njit(**HELPER)
def _choose(number, derived):  # type: ignore[no-untyped-def]
    """derived[number] of a tuple; the same questions in every row, so the processor guesses the answers."""
    if number == _START:
        return derived[START]
    if number == _END:
        return derived[END]
    if number == _STATUS:
        return derived[STATUS]
    if number == _EVENT:
        return derived[EVENT]
    if number == _IP_VERSION:
        return derived[IP_VERSION]
    if number == _DIRECTION:
        return derived[DIRECTION]
    return _0


@njit(**HELPER)
def _write_fixed(out, at, row, words, nulls, derived, joined, steps, bounds, null_values):  # type: ignore[no-untyped-def]
    """The fixed-length fields of a row."""
    for k in range(bounds[ADDRESS], bounds[WORD]):
        word, place = steps[k, _0], at + steps[k, _1]
        high, low = words[row, word], words[row, word + _1]
        if steps[k, _2] == _4:
            _store(out, place, low << _32)
        else:
            if words[row, word + _2] == _4:
                low |= _MAPPED
            _store(out, place, high)
            _store(out, place + _8, low)
    for k in range(bounds[WORD], bounds[DERIVED]):
        _store(out, at + steps[k, _1], words[row, steps[k, _0]] << steps[k, _2])
    for k in range(bounds[DERIVED], bounds[JOINED]):
        _store(out, at + steps[k, _1], _choose(steps[k, _0], derived) << steps[k, _2])
    for k in range(bounds[JOINED], bounds[NULLABLE]):
        _store(out, at + steps[k, _1], joined[row, steps[k, _0]] << steps[k, _2])
    for k in range(bounds[NULLABLE], bounds[STRING]):
        bit, value = steps[k, _3], words[row, steps[k, _0]]
        null, largest = null_values[k - bounds[NULLABLE], _0], null_values[k - bounds[NULLABLE], _1]
        if (nulls[row, bit >> _6] >> (bit & _63)) & _1 != _0 or value > largest:
            value = null
        _store(out, at + steps[k, _1], value << steps[k, _2])


@njit(**ROUTINE)
def _shortened_size(source, start, size, longest):  # type: ignore[no-untyped-def]
    """Octets of the strings in source[start:start + size] (sendable forms, back to back), each cut at `longest`."""
    total, end = _0, start + size
    while start < end:
        text_size = U(source[start])
        start += _1
        if text_size == _LONG:
            text_size = (U(source[start]) << _8) | U(source[start + _1])
            start += _2
        start += text_size
        text_size = min(text_size, longest)
        total += text_size + (_1 if text_size < _LONG else _3)
    return total


@njit(**ROUTINE)
def _write_shortened(out, position, source, start, size, longest):  # type: ignore[no-untyped-def]
    """Write those strings, the longer ones cut at a UTF-8 boundary. Returns (position, strings cut)."""
    cut, end = 0, start + size
    while start < end:
        text_size = U(source[start])
        start += _1
        if text_size == _LONG:
            text_size = (U(source[start]) << _8) | U(source[start + _1])
            start += _2
        following = start + text_size
        if text_size > longest:
            text_size = longest
            while text_size > _0 and source[start + text_size] & 0xC0 == 0x80:  # the first that goes continues one
                text_size -= _1
            cut += 1
        if text_size < _LONG:
            out[position] = np.uint8(text_size)
            position += _1
        else:
            out[position] = np.uint8(255)
            out[position + _1] = np.uint8(text_size >> _8)
            out[position + _2] = np.uint8(text_size & _LONG)
            position += _3
        for k in range(text_size):
            out[position + U(k)] = source[start + U(k)]
        position += text_size
        start = following
    return position, cut


@njit(**ROUTINE)
def _strings_size(  # type: ignore[no-untyped-def]
    longest, row, strings, bounds, arena, name_arena, other_rows, other_arena, other_places
):
    """Octets of all strings of a row when none is longer than `longest`."""
    total = _0
    for k in range(bounds[STRING], bounds[NAME]):
        total += _shortened_size(arena, strings[k, _0], strings[k, _1], longest)
    for k in range(bounds[NAME], bounds[OTHER]):
        total += _shortened_size(name_arena, strings[k, _0], strings[k, _1], longest)
    if bounds[OTHER] < bounds[PADDING]:
        number = U(other_rows[row])
        total += _shortened_size(other_arena, other_places[number, _0], other_places[number, _1], longest)
    return total


@njit(**ROUTINE)
def _write_cut(  # type: ignore[no-untyped-def]
    out, position, end, row, strings, bounds, arena, name_arena, other_rows, other_arena, other_places
):
    """The strings of a record that is larger than a message: the longest are cut, at a UTF-8 boundary, until it fits.

    Returns (position, strings cut). Slow and rare; every string keeps at least its length octet.
    """
    longest, highest = _0, U(65_535)
    while longest < highest:  # the greatest length to cut at, by halves
        middle = (longest + highest + _1) >> _1
        needed = _strings_size(middle, row, strings, bounds, arena, name_arena, other_rows, other_arena, other_places)
        if needed <= end - position:
            longest = middle
        else:
            highest = middle - _1
    cut = 0
    for k in range(bounds[STRING], bounds[NAME]):
        position, more = _write_shortened(out, position, arena, strings[k, _0], strings[k, _1], longest)
        cut += more
    for k in range(bounds[NAME], bounds[OTHER]):
        position, more = _write_shortened(out, position, name_arena, strings[k, _0], strings[k, _1], longest)
        cut += more
    if bounds[OTHER] < bounds[PADDING]:
        number = U(other_rows[row])
        start, size = other_places[number, _0], other_places[number, _1]
        position, more = _write_shortened(out, position, other_arena, start, size, longest)
        cut += more
    return position, cut


@njit(**KERNEL)
def write_records(  # type: ignore[no-untyped-def]
    rows, words, nulls, joined, plan, meanings, verdicts, directions,
    family, steps, bounds, null_values, fixed_size,
    arena, starts, sizes, name_arena, name_places, name_bases,
    other_rows, other_arena, other_places,
    strings, set_id, domain, message_size, out, position, origin, messages, message_count, record_total,
):  # fmt: skip
    """Write `rows` (int64, all of one template) as messages from out[position] on.

    `plan`: tuple of uint64, a FormatPlan's words; `meanings, verdicts, directions`: see meanings.py.
    `family, steps, bounds, null_values, fixed_size`: a Layout. `arena, starts, sizes`: the vocabulary. `name_…`: Blobs
    of the rows of entity tables, those of a step's reference k begin at `name_bases[k]`. `other_…`: the same for
    fields nobody knows, `other_rows` by batch row. `strings`: uint64[steps, 2], scratch. `position` and the numbers
    around it are uint64.
    Fills `messages` (int64[2, …]: where each begins, counted from out[origin] on, and the records before it; then the
    end and the sum) from `message_count` on; `record_total`: records written before. Returns (position, message_count,
    strings cut).
    With padding in the layout all messages but the last are exactly `message_size` long.
    `out` has room for len(rows) messages of `message_size` and MARGIN_BYTES.
    """
    begin = position
    count = 0
    cut = 0
    padding = _1 if bounds[PADDING] < bounds[PLACES_END] else _0
    for i in range(rows.shape[0]):
        row = U(rows[i])
        size = fixed_size + padding
        for k in range(bounds[STRING], bounds[NAME]):
            number = words[row, steps[k, _0]]
            strings[k, _0], strings[k, _1] = U(starts[number]), U(sizes[number])
            size += strings[k, _1]
        for k in range(bounds[NAME], bounds[OTHER]):
            number = name_bases[steps[k, _3]] + joined[row, steps[k, _0]]
            strings[k, _0], strings[k, _1] = name_places[number, _0], name_places[number, _1]
            size += strings[k, _1]
        if bounds[OTHER] < bounds[PADDING]:
            size += other_places[U(other_rows[row]), _1]

        is_too_large = _HEADERS + size > message_size
        if count and (is_too_large or position + size > begin + message_size):
            if padding:
                position = _pad(out, position, begin + message_size)
            _close(out, begin, position, set_id, domain)
            message_count += 1
            record_total += count
            begin = position
            count = 0
        if count == 0:
            messages[0, message_count], messages[1, message_count] = begin - origin, record_total
            position = begin + _HEADERS
        count += 1
        # What columns say together. Tables, because the processor cannot guess a verdict. Not a function of its own:
        # numba would count references to these arrays in every row, which waits for all stores before (70 ns).
        status = event = direction = start = end = _0
        if plan[PLAN_ACTION] != _ABSENT:
            verdict = U(meanings[words[row, plan[PLAN_ACTION]]]) << _3
            if plan[PLAN_REASON] != _ABSENT:
                verdict |= U(meanings[words[row, plan[PLAN_REASON]]])
            status, event = verdicts[verdict, _0], verdicts[verdict, _1]
        if plan[PLAN_DIRECTION] != _ABSENT:
            direction = directions[meanings[words[row, plan[PLAN_DIRECTION]]]]
        if plan[PLAN_START] != _ABSENT:
            start = words[row, plan[PLAN_START]]
        if plan[PLAN_END] != _ABSENT:
            end = words[row, plan[PLAN_END]]
        if start == _0 and (nulls[row, plan[PLAN_START_NULL] >> _6] >> (plan[PLAN_START_NULL] & _63)) & _1 != _0:
            start = end
        elif end == _0 and (nulls[row, plan[PLAN_END_NULL] >> _6] >> (plan[PLAN_END_NULL] & _63)) & _1 != _0:
            end = start
        derived = (_0, family, start * _THOUSAND, end * _THOUSAND, status, event, direction)
        _write_fixed(out, position, row, words, nulls, derived, joined, steps, bounds, null_values)
        position += fixed_size
        if is_too_large:
            position, strings_cut = _write_cut(
                out, position, begin + message_size - padding, row, strings, bounds,
                arena, name_arena, other_rows, other_arena, other_places,
            )  # fmt: skip
            cut += strings_cut
        else:
            for k in range(bounds[STRING], bounds[NAME]):
                _copy(out, position, arena, strings[k, _0], strings[k, _1])
                position += strings[k, _1]
            for k in range(bounds[NAME], bounds[OTHER]):
                _copy(out, position, name_arena, strings[k, _0], strings[k, _1])
                position += strings[k, _1]
            if bounds[OTHER] < bounds[PADDING]:
                number = U(other_rows[row])
                size = other_places[number, _1]
                _copy(out, position, other_arena, other_places[number, _0], size)
                position += size
        if padding:
            out[position] = 0
            position += _1
    if count:
        _close(out, begin, position, set_id, domain)
        message_count += 1
        record_total += count
    messages[0, message_count], messages[1, message_count] = position - origin, record_total
    return position, message_count, cut

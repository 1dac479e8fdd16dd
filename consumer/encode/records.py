"""The loop that writes records: columns to messages, row by row.

Belongs here: the compiled kernel with all its helpers (numba's cache does not see a change in another file). Does not:
choosing steps (layout.py), which template a row has (sorting.py), buffers (encoder.py).

Everything is big-endian on the wire. Rows are taken in blocks that stay in the nearest cache: first all fixed fields of
a block are written, one after the other, each record to a place of its own; then all its strings are looked up; then,
record by record, both are copied to where they go. So what a step says is read once for many rows, and no row waits for
the memory of another.

Each fixed field is one 8-byte store of the value shifted to the top; what that writes beyond the field is overwritten
by the next one, because steps go by ascending offset and there is room behind the last. Strings are copied 32 bytes at
a time, overshooting likewise.

Positions are uint64 on purpose: numba adds a wrap-around test for negative positions to every signed index. Mixing
uint64 with int64 (even with a bare 1) silently gives a signed or floating number, so every constant here is typed.
"""

import numpy as np
from numba import njit

from consumer.encode.octets import copy, store
from consumer.model.compiling import HELPER, KERNEL, ROUTINE

BLOCK_ROWS = 16
"""Measured: 12 to 24 are as good as each other; 8 takes 7 % more time, 32 and 64 take 3 and 11 % more."""

# Place of mapping.py, as positions in `bounds`.
ADDRESS, WORD, DERIVED, JOINED, NULLABLE, STRING, NAME, OTHER, PADDING, PLACES_END = 0, 1, 2, 3, 4, 5, 6, 7, 8, 9

# Positions in `plan` (plan.py): words of the columns that tell derived words; the two …_NULL are null bits.
PLAN_ACTION, PLAN_REASON, PLAN_DIRECTION, PLAN_START, PLAN_END, PLAN_START_NULL, PLAN_END_NULL = 0, 1, 2, 3, 4, 5, 6
NO_COLUMN = 1 << 32
"""In `plan`: the log format has no such column."""

U = np.uint64
# The order of mapping.Derived.
_IP_VERSION, _START, _END, _STATUS, _EVENT, _DIRECTION = U(1), U(2), U(3), U(4), U(5), U(6)
_0, _1, _2, _3, _4, _6, _7, _8, _12, _16 = U(0), U(1), U(2), U(3), U(4), U(6), U(7), U(8), U(12), U(16)
_32, _63 = U(32), U(63)
_THOUSAND = U(1000)
_ABSENT = U(NO_COLUMN)
_LONG = U(255)
_HEADERS = U(20)
_VERSION = U(10 << 48)
_MAPPED = U(0xFFFF_0000_0000)
"""The low half of ::ffff:0:0/96 (RFC 4291 §2.5.5.2)."""


@njit(**ROUTINE)
def _close(out, begin, end, set_id, domain):  # type: ignore[no-untyped-def]
    """Headers of the message that lies at out[begin:end]; export time and sequence stay zero (RFC 7011 §3.1, §3.3)."""
    size = end - begin
    store(out, begin, _VERSION | (size << _32))
    store(out, begin + _8, _0)
    store(out, begin + _12, (domain << _32) | (set_id << _16) | (size - _16))


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
def _write_addresses(out, place, stride, rows, words, word):  # type: ignore[no-untyped-def]
    """An IPv6 address of each row, where one may be IPv4."""
    for i in range(U(rows.shape[0])):
        row = U(rows[i])
        low = words[row, word + _1]
        if words[row, word + _2] == _4:
            low |= _MAPPED
        store(out, place, words[row, word])
        store(out, place + _8, low)
        place += stride


@njit(**HELPER)
def _write_words(out, place, stride, rows, source, word, shift):  # type: ignore[no-untyped-def]
    """A word of each row."""
    for i in range(U(rows.shape[0])):
        store(out, place, source[U(rows[i]), word] << shift)
        place += stride


@njit(**HELPER)
def _write_times(out, place, stride, rows, words, nulls, word, bit, other, shift):  # type: ignore[no-untyped-def]
    """A time in milliseconds; where it is null the other one."""
    for i in range(U(rows.shape[0])):
        row = U(rows[i])
        time = words[row, word]
        if time == _0 and (nulls[row, bit >> _6] >> (bit & _63)) & _1 != _0:
            time = words[row, other]
        store(out, place, (time * _THOUSAND) << shift)
        place += stride


@njit(**HELPER)
def _write_verdicts(out, place, stride, rows, words, plan, meanings, verdicts, column, shift):  # type: ignore[no-untyped-def]
    """What action and reject reason say together: a table, because the processor cannot guess a verdict."""
    action, reason, reason_bits = plan[PLAN_ACTION], plan[PLAN_REASON], _7
    if reason == _ABSENT:
        reason, reason_bits = action, _0
    for i in range(U(rows.shape[0])):
        row = U(rows[i])
        verdict = (U(meanings[words[row, action]]) << _3) | (U(meanings[words[row, reason]]) & reason_bits)
        store(out, place, verdicts[verdict, column] << shift)
        place += stride


@njit(**HELPER)
def _write_directions(out, place, stride, rows, words, word, meanings, directions, shift):  # type: ignore[no-untyped-def]
    for i in range(U(rows.shape[0])):
        store(out, place, directions[meanings[words[U(rows[i]), word]]] << shift)
        place += stride


@njit(**HELPER)
def _write_constant(out, place, stride, rows, word):  # type: ignore[no-untyped-def]
    for _ in range(rows.shape[0]):
        store(out, place, word)
        place += stride


@njit(**HELPER)
def _write_derived(  # type: ignore[no-untyped-def]
    out, place, stride, rows, words, nulls, plan, meanings, verdicts, directions, family, number, shift
):
    """What several columns say together."""
    if number == _START:
        other = plan[PLAN_END] if plan[PLAN_END] != _ABSENT else plan[PLAN_START]
        _write_times(out, place, stride, rows, words, nulls, plan[PLAN_START], plan[PLAN_START_NULL], other, shift)
    elif number == _END:
        other = plan[PLAN_START] if plan[PLAN_START] != _ABSENT else plan[PLAN_END]
        _write_times(out, place, stride, rows, words, nulls, plan[PLAN_END], plan[PLAN_END_NULL], other, shift)
    elif number in (_STATUS, _EVENT):
        _write_verdicts(out, place, stride, rows, words, plan, meanings, verdicts, number - _STATUS, shift)
    elif number == _DIRECTION:
        _write_directions(out, place, stride, rows, words, plan[PLAN_DIRECTION], meanings, directions, shift)
    else:
        _write_constant(out, place, stride, rows, family << shift if number == _IP_VERSION else _0)


@njit(**HELPER)
def _write_nullable(out, place, stride, rows, words, nulls, word, bit, null, largest, shift):  # type: ignore[no-untyped-def]
    for i in range(U(rows.shape[0])):
        row = U(rows[i])
        value = words[row, word]
        if (nulls[row, bit >> _6] >> (bit & _63)) & _1 != _0 or value > largest:
            value = null
        store(out, place, value << shift)
        place += stride


@njit(**HELPER)
def _write_fixed(  # type: ignore[no-untyped-def]
    out, stride, rows, words, nulls, joined, plan, meanings, verdicts, directions, family, steps, bounds, null_values
):
    """The fixed-length fields of `rows`, one field after the other; the records begin `stride` octets apart."""
    for k in range(bounds[ADDRESS], bounds[WORD]):
        _write_addresses(out, steps[k, _1], stride, rows, words, steps[k, _0])
    for k in range(bounds[WORD], bounds[DERIVED]):
        _write_words(out, steps[k, _1], stride, rows, words, steps[k, _0], steps[k, _2])
    for k in range(bounds[DERIVED], bounds[JOINED]):
        _write_derived(
            out, steps[k, _1], stride, rows, words, nulls, plan, meanings, verdicts, directions, family,
            steps[k, _0], steps[k, _2],
        )  # fmt: skip
    for k in range(bounds[JOINED], bounds[NULLABLE]):
        _write_words(out, steps[k, _1], stride, rows, joined, steps[k, _0], steps[k, _2])
    for k in range(bounds[NULLABLE], bounds[STRING]):
        null, largest = null_values[k - bounds[NULLABLE], _0], null_values[k - bounds[NULLABLE], _1]
        _write_nullable(
            out, steps[k, _1], stride, rows, words, nulls, steps[k, _0], steps[k, _3], null, largest, steps[k, _2]
        )


@njit(**HELPER)
def _locate(  # type: ignore[no-untyped-def]
    rows, words, joined, steps, bounds, starts, sizes, name_places, name_bases, other_rows, other_places,
    strings, totals,
):  # fmt: skip
    """Where each string of `rows` lies and its size, into `strings`; what they are together is added to `totals`."""
    for k in range(bounds[STRING], bounds[NAME]):
        word = steps[k, _0]
        for i in range(U(rows.shape[0])):
            number = words[U(rows[i]), word]
            size = U(sizes[number])
            strings[k, i, _0], strings[k, i, _1] = U(starts[number]), size
            totals[i] += size
    for k in range(bounds[NAME], bounds[OTHER]):
        word, base = steps[k, _0], name_bases[steps[k, _3]]
        for i in range(U(rows.shape[0])):
            number = base + joined[U(rows[i]), word]
            size = name_places[number, _1]
            strings[k, i, _0], strings[k, i, _1] = name_places[number, _0], size
            totals[i] += size
    for k in range(bounds[OTHER], bounds[PADDING]):
        for i in range(U(rows.shape[0])):
            number = U(other_rows[U(rows[i])])
            size = other_places[number, _1]
            strings[k, i, _0], strings[k, i, _1] = other_places[number, _0], size
            totals[i] += size


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
def _write_cut(out, position, end, i, strings, bounds, arena, name_arena, other_arena):  # type: ignore[no-untyped-def]
    """The strings of a record that is larger than a message: the longest are cut, at a UTF-8 boundary, until it fits.

    Returns (position, strings cut). Slow and rare; every string keeps at least its length octet.
    """
    longest, highest = _0, U(65_535)
    while longest < highest:  # the greatest length to cut at, by halves
        middle = (longest + highest + _1) >> _1
        needed = _0
        for k in range(bounds[STRING], bounds[NAME]):
            needed += _shortened_size(arena, strings[k, i, _0], strings[k, i, _1], middle)
        for k in range(bounds[NAME], bounds[OTHER]):
            needed += _shortened_size(name_arena, strings[k, i, _0], strings[k, i, _1], middle)
        for k in range(bounds[OTHER], bounds[PADDING]):
            needed += _shortened_size(other_arena, strings[k, i, _0], strings[k, i, _1], middle)
        if needed <= end - position:
            longest = middle
        else:
            highest = middle - _1
    cut = 0
    for k in range(bounds[STRING], bounds[NAME]):
        position, more = _write_shortened(out, position, arena, strings[k, i, _0], strings[k, i, _1], longest)
        cut += more
    for k in range(bounds[NAME], bounds[OTHER]):
        position, more = _write_shortened(out, position, name_arena, strings[k, i, _0], strings[k, i, _1], longest)
        cut += more
    for k in range(bounds[OTHER], bounds[PADDING]):
        position, more = _write_shortened(out, position, other_arena, strings[k, i, _0], strings[k, i, _1], longest)
        cut += more
    return position, cut


@njit(**HELPER)
def _write_strings(out, position, i, strings, first, last, arena):  # type: ignore[no-untyped-def]
    """Strings of the i-th row of a block, back to back; returns where they end."""
    for k in range(first, last):
        copy(out, position, arena, strings[k, i, _0], strings[k, i, _1])
        position += strings[k, i, _1]
    return position


@njit(**KERNEL)
def write_records(  # type: ignore[no-untyped-def]
    rows, words, nulls, joined, plan, meanings, verdicts, directions,
    family, steps, bounds, null_values, fixed_size,
    arena, starts, sizes, name_arena, name_places, name_bases,
    other_rows, other_arena, other_places,
    fixed, strings, totals, set_id, domain, message_size, out, position, origin, messages, message_count, record_total,
):  # fmt: skip
    """Write `rows` (int64, all of one template) as messages from out[position] on.

    `plan`: tuple of uint64, a FormatPlan's words; `meanings, verdicts, directions`: see meanings.py.
    `family, steps, bounds, null_values, fixed_size`: a Layout. `arena, starts, sizes`: the vocabulary. `name_…`: Blobs
    of the rows of entity tables, those of a step's reference k begin at `name_bases[k]`. `other_…`: the same for
    fields nobody knows, `other_rows` by batch row. Scratch, for the rows of a block: `fixed` (uint8), `strings`
    (uint64[steps, BLOCK_ROWS, 2]), `totals` (uint64[BLOCK_ROWS]). `position` and the numbers around it are uint64.
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
    stride = fixed_size + _8
    for first in range(0, rows.shape[0], BLOCK_ROWS):
        block = rows[first : first + BLOCK_ROWS]
        _write_fixed(
            fixed, stride, block, words, nulls, joined, plan, meanings, verdicts, directions,
            family, steps, bounds, null_values,
        )  # fmt: skip
        totals[:] = fixed_size + padding
        _locate(
            block, words, joined, steps, bounds, starts, sizes, name_places, name_bases, other_rows, other_places,
            strings, totals,
        )  # fmt: skip
        for i in range(U(block.shape[0])):
            size = totals[i]
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
            copy(out, position, fixed, i * stride, fixed_size)
            position += fixed_size
            if is_too_large:
                end = begin + message_size - padding
                position, more = _write_cut(out, position, end, i, strings, bounds, arena, name_arena, other_arena)
                cut += more
            else:
                position = _write_strings(out, position, i, strings, bounds[STRING], bounds[NAME], arena)
                position = _write_strings(out, position, i, strings, bounds[NAME], bounds[OTHER], name_arena)
                position = _write_strings(out, position, i, strings, bounds[OTHER], bounds[PADDING], other_arena)
            if padding:
                out[position] = 0
                position += _1
    if count:
        _close(out, begin, position, set_id, domain)
        message_count += 1
        record_total += count
    messages[0, message_count], messages[1, message_count] = position - origin, record_total
    return position, message_count, cut

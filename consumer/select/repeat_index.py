"""The kernels of the repeat table: finding an id, entering it, and leaving the entry that it overwrites.

Belongs here: the index over the ring (repeats.py says what both are), and every loop over ids. Does not: which places
of the ring may be written. One thread at a time.

An entry of the index is one word: 32 bits of the id's fingerprint (high half) and its place in the ring plus one (low
half), 0 = empty. Eight of them are a bucket: a line of the cache, compared as a whole, without a branch that the
processor could guess wrong. The fingerprint says the bucket; where that is full, the next one is taken. So a look-up
ends at a bucket that is not full, and what leaves a full one is replaced by what went past it.

Two buckets of a large index are two misses of the cache, and each would be waited for. So a batch's fingerprints are
all made first, and the buckets of a row are asked for some rows ahead.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir  # type: ignore[import-untyped]
from numba import config, njit, types
from numba.core import cgutils
from numba.extending import intrinsic

from consumer.model.compiling import HELPER, KERNEL, ROUTINE
from consumer.model.flow_batch import Rows, Words

U = np.uint64
Index = Words

_AHEAD = 24
"""Rows: with 24, an entry that overwrites took 15 % less than with 4, in cache and out of it."""
BUCKET = 8
"""Entries; 64 bytes, so the index is to begin at a multiple of that."""
_0, _1, _3, _8, _29, _32 = U(0), U(1), U(3), U(8), U(29), U(32)
_NONE = np.int64(-1)
_LOW_HALF = U(0xFFFFFFFF)
_SEED, _FACTOR = U(0x243F6A8885A308D3), U(0x9E3779B97F4A7C15)


def _no_prefetch(index: Index, slot: np.uint64) -> None:
    """For NUMBA_DISABLE_JIT=1."""


@intrinsic
def _prefetch_word(_typing_context: Any, index: Any, _slot: Any) -> Any:
    """Begin to bring a slot of the index into the cache, for writing; changes nothing and waits for nothing."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array = context.make_array(signature.args[0])(context, builder, arguments[0])
        place = cgutils.gep(builder, array.data, arguments[1])  # type: ignore[no-untyped-call]
        number = ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [place.type, number, number, number])
        call = cgutils.get_or_insert_function(  # type: ignore[no-untyped-call]
            builder.module, kind, "llvm.prefetch.p0"
        )
        builder.call(call, [place, number(1), number(3), number(1)])  # written soon; all levels; data
        return context.get_dummy_value()

    return types.void(index, types.uint64), generate


_prefetch: Callable[[Index, np.uint64], None] = (
    _no_prefetch if config.DISABLE_JIT else _prefetch_word  # type: ignore[attr-defined, assignment]
)


@njit(**HELPER)
def _fingerprint(first: np.uint64, second: np.uint64, third: np.uint64, tag: np.uint64) -> np.uint64:
    """32 well-mixed bits, never 0 (an empty slot's); where a look-up begins follows from them alone."""
    mixed = (_SEED ^ first) * _FACTOR
    mixed = ((mixed ^ (mixed >> _32)) ^ second) * _FACTOR
    mixed = ((mixed ^ (mixed >> _32)) ^ third) * _FACTOR
    mixed = ((mixed ^ (mixed >> _32)) ^ tag) * _FACTOR
    mixed ^= mixed >> _29
    return (mixed * _FACTOR) >> _32 | _1


@njit(**HELPER)
def _home(fingerprint: np.uint64, index: Index) -> np.uint64:
    """The bucket in which a look-up begins, by its first slot."""
    return ((fingerprint * U(len(index) >> 3)) >> _32) << _3


@njit(**HELPER)
def _next(bucket: np.uint64, index: Index) -> np.uint64:
    return bucket + _8 if bucket + _8 < U(len(index)) else _0


@njit(**HELPER)
def _free_in(index: Index, bucket: np.uint64) -> np.int64:
    """Number of an empty slot of a bucket, -1 when it is full. (Written so that it becomes vector instructions.)"""
    free = np.int64(-1)
    for number in range(BUCKET):
        free = max(free, np.int64(number) if index[bucket + U(number)] == _0 else np.int64(-1))
    return free


@njit(**HELPER)
def _with_fingerprint(index: Index, bucket: np.uint64, fingerprint: np.uint64) -> np.int64:
    """Number of a slot of a bucket that has it, -1 when none has."""
    found = np.int64(-1)
    for number in range(BUCKET):
        found = max(found, np.int64(number) if index[bucket + U(number)] >> _32 == fingerprint else np.int64(-1))
    return found


@njit(**HELPER)
def _with_place(index: Index, bucket: np.uint64, place: np.uint64) -> np.int64:
    """Number of the slot of a bucket whose entry is at that place of the ring, -1 when none is."""
    found = np.int64(-1)
    for number in range(BUCKET):
        is_it = index[bucket + U(number)] & _LOW_HALF == place + _1
        found = max(found, np.int64(number) if is_it else np.int64(-1))
    return found


@njit(**HELPER)
def _is_at(identities: Words, row, ring: Words, place) -> bool:  # type: ignore[no-untyped-def]
    """All bits are compared: a new id is never taken for a known one."""
    return bool(
        (ring[place, 0] == identities[row, 0])
        & (ring[place, 1] == identities[row, 1])
        & (ring[place, 2] == identities[row, 2])
        & (ring[place, 3] & _LOW_HALF == identities[row, 3])
    )


@njit(**HELPER)
def _find(identities: Words, row, ring: Words, index: Index, fingerprint: np.uint64):  # type: ignore[no-untyped-def]
    """(place in the ring, else -1 with a slot of the index where it may be entered)."""
    bucket = _home(fingerprint, index)
    while True:
        found = _with_fingerprint(index, bucket, fingerprint)
        if found != _NONE:
            place = np.int64((index[bucket + U(found)] & _LOW_HALF) - _1)
            if _is_at(identities, row, ring, place):
                return place, bucket
            for number in range(BUCKET):  # two ids with one fingerprint
                entry = index[bucket + U(number)]
                if entry >> _32 == fingerprint:
                    place = np.int64((entry & _LOW_HALF) - _1)
                    if _is_at(identities, row, ring, place):
                        return place, bucket
        free = _free_in(index, bucket)
        if free != _NONE:
            return np.int64(-1), bucket + U(free)
        bucket = _next(bucket, index)


@njit(**HELPER)
def _free_slot(index: Index, fingerprint: np.uint64) -> np.uint64:
    """Where an id that is not in the index may be entered."""
    bucket = _home(fingerprint, index)
    free = _free_in(index, bucket)
    while free == _NONE:
        bucket = _next(bucket, index)
        free = _free_in(index, bucket)
    slot: np.uint64 = bucket + U(free)
    return slot


@njit(**HELPER)
def _leave(index: Index, fingerprint: np.uint64, place: np.uint64) -> None:
    """Take the entry of a place out of the index."""
    bucket = _home(fingerprint, index)
    found = _with_place(index, bucket, place)
    while found == _NONE:
        if _free_in(index, bucket) != _NONE:
            return  # the same id stands elsewhere: only a damaged ring has that
        bucket = _next(bucket, index)
        found = _with_place(index, bucket, place)
    if _free_in(index, bucket) == _NONE:
        _close_gap(index, bucket, bucket + U(found))
    else:
        index[bucket + U(found)] = _0


@njit(**ROUTINE)
def _close_gap(index: Index, bucket: np.uint64, gap: np.uint64) -> None:
    """A slot of a full bucket becomes empty: what went past it comes back, and leaves a gap in its turn."""
    size = U(len(index))
    following = bucket
    while True:
        following = _next(following, index)
        is_full = _free_in(index, following) == _NONE
        for number in range(BUCKET):
            slot = following + U(number)
            entry = index[slot]
            if entry == _0:
                continue
            from_home = _distance(_home(entry >> _32, index), following, size)
            if from_home >= _distance(bucket, following, size):
                index[gap] = entry
                bucket, gap = following, slot
                break
        if not is_full:
            break
    index[gap] = _0


@njit(**HELPER)
def _distance(start: np.uint64, end: np.uint64, size: np.uint64) -> np.uint64:
    """Slots from one to another, forward."""
    return end - start if end >= start else end + size - start


@njit(**HELPER)
def _last_open(claims):  # type: ignore[no-untyped-def]
    """Number of the last open claim, -1 when none is: they are given the lowest numbers, so few are looked at."""
    claim = len(claims) - 1
    while claim >= 0 and claims[claim, 1] == 0:
        claim -= 1
    return claim


@njit(**HELPER)
def _claim_of(claims, count, place, own):  # type: ignore[no-untyped-def]
    """The open claim, of the first `count`, that holds this place, -1 when none but `own` does."""
    for claim in range(count):
        if claims[claim, 0] <= place < claims[claim, 1] and claim != own:
            return claim
    return -1


@njit(**KERNEL)
def fingerprint_ids(identities: Words, start, count, fingerprints: Words):  # type: ignore[no-untyped-def]
    """Those of `count` rows of identities, or of a ring's entries, from `start` on."""
    for number in range(count):
        row = start + number
        fingerprints[number] = _fingerprint(
            identities[row, 0], identities[row, 1], identities[row, 2], identities[row, 3] & _LOW_HALF
        )


@njit(**KERNEL)
def claim_ids(  # type: ignore[no-untyped-def]
    identities: Words, coming: Words, ring: Words, leaving: Words, index: Index, start, now: np.uint64,
    until: np.uint64, claims, own, new: Rows,
):  # fmt: skip
    """Write what is new into the ring from `start` on: (how many are new, entries written, entries of them that were
    overwritten before their time, claim that blocks or -1). A blocked one ends at once.

    `coming`: the fingerprints of `identities`; `leaving`: those of the ring's entries from `start` on, as many as lie
    before the end of what is used.
    """
    kept, used, early = 0, 0, 0
    claim_count = _last_open(claims) + 1
    for row in range(len(identities)):
        if row + _AHEAD < len(coming):
            _prefetch(index, _home(coming[row + _AHEAD], index))
        if used + _AHEAD < len(leaving):
            _prefetch(index, _home(leaving[used + _AHEAD], index))
        tag = identities[row, 3]
        if tag == _0:
            new[kept] = row
            kept += 1
            continue
        fingerprint = coming[row]
        place, slot = _find(identities, row, ring, index, fingerprint)
        if place >= 0:
            blocker = _claim_of(claims, claim_count, place, own)
            if blocker >= 0:
                return kept, used, early, blocker
            if ring[place, 3] >> _32 < until:
                ring[place, 3] = until << _32 | tag
            continue
        place = start + used
        if ring[place, 3] != _0:
            if ring[place, 3] >> _32 > now:
                early += 1
            _leave(index, leaving[used], U(place))
            if slot >> _3 << _3 != _home(fingerprint, index):
                slot = _free_slot(index, fingerprint)  # a gap before it would hide it
        ring[place, 0] = identities[row, 0]
        ring[place, 1] = identities[row, 1]
        ring[place, 2] = identities[row, 2]
        ring[place, 3] = until << _32 | tag
        index[slot] = fingerprint << _32 | (U(place) + _1)
        used += 1
        new[kept] = row
        kept += 1
    return kept, used, early, -1


@njit(**KERNEL)
def find_unknown(identities: Words, coming: Words, ring: Words, index: Index, claims, new: Rows):  # type: ignore[no-untyped-def]
    """Which are not known, without claiming them: (how many, claim that blocks or -1)."""
    kept = 0
    claim_count = _last_open(claims) + 1
    for row in range(len(identities)):
        if row + _AHEAD < len(coming):
            _prefetch(index, _home(coming[row + _AHEAD], index))
        if identities[row, 3] != _0:
            place, _ = _find(identities, row, ring, index, coming[row])
            if place >= 0:
                blocker = _claim_of(claims, claim_count, place, -1)
                if blocker >= 0:
                    return kept, blocker
                continue
        new[kept] = row
        kept += 1
    return kept, -1


@njit(**KERNEL)
def all_expired(ring: Words, start, count, now: np.uint64):  # type: ignore[no-untyped-def]
    """True when nothing from `start` on is to be remembered any more."""
    for place in range(start, start + count):  # noqa: SIM110  a kernel makes no generators
        if ring[place, 3] >> _32 > now:
            return False
    return True


@njit(**KERNEL)
def forget(ring: Words, leaving: Words, index: Index, start):  # type: ignore[no-untyped-def]
    """Take the entries from `start` on, whose fingerprints `leaving` are, out of ring and index."""
    for number in range(len(leaving)):
        place = start + number
        if ring[place, 3] != _0:
            _leave(index, leaving[number], U(place))
            ring[place, 3] = _0


@njit(**KERNEL)
def index_ring(ring: Words, fingerprints: Words, start, index: Index):  # type: ignore[no-untyped-def]
    """Enter the ring's entries from `start` on, whose `fingerprints` are given, into the index."""
    for number in range(len(fingerprints)):
        if number + _AHEAD < len(fingerprints):
            _prefetch(index, _home(fingerprints[number + _AHEAD], index))
        place = start + number
        if ring[place, 3] != _0:
            slot = _free_slot(index, fingerprints[number])
            index[slot] = fingerprints[number] << _32 | (U(place) + _1)

"""Which events went out already: a ring of identities in arrays handed in, and an index over it.

Belongs here: the layout, and what claim, commit, rollback, eviction and a restart do to it. Does not: identities
(identity.py), the file behind the arrays (state/), locks and waiting (agent/repeats.py). Pure; one thread at a time.

The ring holds 32 bytes an id, written in order, so that a file behind it is written in order, too. The index, which
may lie anywhere, is in memory and made anew at a start. It grows, and the ring with it, while what would be
overwritten is still to be remembered, up to the room there is; then the oldest go. A forgotten id may go out twice; a
known one is never mistaken for another, because all of its bits are compared.

Ids of a claim lie beside each other. Those of open claims are *tentative*: nobody has sent them yet. Which ranges
these are stands in `control`, before the first id of a claim is written: so at a start, whatever the death before it
interrupted, what lies in them counts as not seen.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from consumer.model.flow_batch import Rows, Words
from consumer.select.compiling import HELPER, KERNEL
from consumer.select.identity import PLACE_LIMIT

U = np.uint64
Index = Words

CONTROL_WORDS = 448
"""Words of `control`: the end of the used ring, the head (next to be written), then (start, end) of open claims."""
RING_WORDS = 4
"""Words of an entry: three of the id; the tag (low half) with the second until which it is remembered (high half).

All zero: nothing."""
BYTES_PER_ID = 48
"""Of a full ring: 32 in the ring, two words in the index. While it grows, at most 56."""
SMALLEST_ROOM = 1 << 14
"""Ids: room for two whole batches. A claim that finds no place in the ring is not remembered."""

_END, _HEAD, _CLAIMS = 0, 1, 8
_CLAIM_COUNT = (CONTROL_WORDS - _CLAIMS) // 2
_FIRST_INDEX = 1 << 12
_0, _1, _29, _32 = U(0), U(1), U(29), U(32)
_LOW_HALF = U(0xFFFFFFFF)
_SEED, _FACTOR = U(0x243F6A8885A308D3), U(0x9E3779B97F4A7C15)
_NOBODY = -1


@dataclass(frozen=True, slots=True, eq=False)
class Claimed:
    """`new`: int64[k], indices of identities that are new, ascending. `claim`: its number, to be ended by commit or
    rollback; -1 when there is nothing to end. `blocked_by`: the claim that holds one of them; then nothing was done.
    """

    new: Rows
    claim: int = _NOBODY
    blocked_by: int = _NOBODY


class RepeatTable:
    """Mutable. `control`: uint64[448], `ring`: uint64[c, 4]; both zero when new, else as the last table left them."""

    def __init__(self, control: Words, ring: Words) -> None:
        self._control = control
        self._ring = ring
        self._claims = control[_CLAIMS:].view(np.int64).reshape(-1, 2)
        self.forgotten_early = 0
        """Ids overwritten before their time, since the start."""
        drop_open_claims(ring, self._claims)
        self._claims[:] = 0
        self._index = self._new_index(self.used)

    @property
    def used(self) -> int:
        """Entries of the ring that were ever written: those after them may still be made room for."""
        return int(self._control[_END])

    @property
    def room(self) -> int:
        return len(self._ring)

    @property
    def open_claims(self) -> int:
        return int(np.count_nonzero(self._claims[:, 1]))

    def remembered(self) -> int:
        """Ids known now, tentative ones included."""
        return int(np.count_nonzero(self._ring[: self.used, 3]))

    def bytes_per_id(self) -> float:
        """Of ring and index together."""
        return (self.used * 8 * RING_WORDS + self._index.nbytes) / max(1, self.remembered())

    def places(self) -> set[int]:
        """Numbers of places that an id in the ring has."""
        places = np.unique(self._ring[: self.used, 3] & U(PLACE_LIMIT - 1))
        return set(places.tolist()) - {0}

    def claim(self, identities: Words, now: int, until: int, allowed: int | None = None) -> Claimed:
        """Which of `identities` (uint64[k, 4]) are new: tentative from now on, and remembered until second `until`.

        A known one is remembered until then, too. `now`: seconds of the same clock, below 2³². `allowed`: entries the
        ring may use now (None = all of its room); memory behind it must be there.
        """
        count = len(identities)
        new = np.empty(count, dtype=np.int64)
        number = self._free_claim()
        start = self._place(count, now, self.room if allowed is None else min(allowed, self.room))
        if number == _NOBODY or start == _NOBODY:
            kept, blocker = find_unknown(identities, self._ring, self._index, self._claims, new)
            return Claimed(new[: kept if blocker == _NOBODY else 0], blocked_by=int(blocker))
        end = int(self._control[_END])
        self._make_room_in_index(start + count)
        # What lies in an open claim is not looked at by the next start, so the claim comes before its entries.
        self._claims[number] = (start, start + count)
        self._control[_END] = max(end, start + count)
        kept, used, early, blocker = claim_ids(
            identities, self._ring, self._index, start, U(now), U(until), self._claims, number, new
        )
        self.forgotten_early += early
        if blocker != _NOBODY:
            forget(self._ring, self._index, start, start + used)
            used = 0
        self._control[_END] = max(end, start + used)
        if start == self._control[_HEAD]:
            self._control[_HEAD] = start + used
        self._claims[number] = (start, start + used) if used else 0
        if blocker != _NOBODY:
            return Claimed(new[:0], blocked_by=int(blocker))
        return Claimed(new[:kept], claim=number if used else _NOBODY)

    def commit(self, claim: int) -> None:
        """The claim's ids went out: from now on they are known."""
        self._claims[claim] = 0

    def rollback(self, claim: int) -> None:
        """The claim's ids did not go out: they are new again."""
        start, end = self._claims[claim].tolist()
        forget(self._ring, self._index, start, end)
        self._claims[claim] = 0

    def _free_claim(self) -> int:
        free = np.flatnonzero(self._claims[:, 1] == 0)
        return int(free[0]) if len(free) else _NOBODY

    def _place(self, count: int, now: int, allowed: int) -> int:
        """Where `count` entries may be written: over what is to be remembered no more, else after the end, else over
        the oldest; -1 when open claims leave no room."""
        end, head = int(self._control[_END]), int(self._control[_HEAD])
        if head + count > end:
            head = 0 if end >= count else end
        is_free = head + count <= end and self._claim_over(head, head + count) == _NOBODY
        if is_free and all_expired(self._ring, head, count, U(now)):
            self._control[_HEAD] = head
            return head
        if end + count <= allowed:
            return end
        for _ in range(_CLAIM_COUNT + 2):
            if head + count > end:
                head = 0
            blocker = self._claim_over(head, head + count)
            if count <= end and blocker == _NOBODY:
                self._control[_HEAD] = head
                return head
            head = int(self._claims[blocker, 1]) if blocker != _NOBODY else 0
        return _NOBODY

    def _claim_over(self, start: int, end: int) -> int:
        """An open claim that has entries from `start` to `end`."""
        over = np.flatnonzero((self._claims[:, 0] < end) & (self._claims[:, 1] > start))
        return int(over[0]) if len(over) else _NOBODY

    def _make_room_in_index(self, used: int) -> None:
        """At most two thirds of the index are taken; when it grows, to twice its size, a third is."""
        if used * 3 > len(self._index) * 2:
            self._index = self._new_index(used)

    def _new_index(self, used: int) -> Index:
        size = _FIRST_INDEX
        while size < 2 * used:
            size *= 2
        index: Index = np.zeros(min(size, 2 * self.room), dtype=np.uint64)
        index_ring(self._ring, self.used, index)
        return index


@njit(**HELPER)
def _fingerprint(first: np.uint64, second: np.uint64, third: np.uint64, tag: np.uint64) -> np.uint64:
    """32 well-mixed bits; where a look-up begins follows from them alone, so the index moves without the ring."""
    mixed = (_SEED ^ first) * _FACTOR
    mixed = ((mixed ^ (mixed >> _32)) ^ second) * _FACTOR
    mixed = ((mixed ^ (mixed >> _32)) ^ third) * _FACTOR
    mixed = ((mixed ^ (mixed >> _32)) ^ tag) * _FACTOR
    mixed ^= mixed >> _29
    return (mixed * _FACTOR) >> _32


@njit(**HELPER)
def _find(identities: Words, row, ring: Words, index: Index, fingerprint: np.uint64):  # type: ignore[no-untyped-def]
    """(place in the ring or -1, slot of the index where the look-up ended)."""
    size = U(len(index))
    slot = (fingerprint * size) >> _32
    while True:
        entry = index[slot]
        if entry == _0:
            return np.int64(-1), slot
        if entry >> _32 == fingerprint:
            place = np.int64((entry & _LOW_HALF) - _1)
            if (
                ring[place, 0] == identities[row, 0]
                and ring[place, 1] == identities[row, 1]
                and ring[place, 2] == identities[row, 2]
                and ring[place, 3] & _LOW_HALF == identities[row, 3]
            ):
                return place, slot
        slot += _1
        if slot == size:
            slot = _0


@njit(**HELPER)
def _leave(ring: Words, index: Index, place):  # type: ignore[no-untyped-def]
    """Take the entry at `place` out of ring and index; what follows in the index closes the gap."""
    tag = ring[place, 3] & _LOW_HALF
    fingerprint = _fingerprint(ring[place, 0], ring[place, 1], ring[place, 2], tag)
    ring[place, 3] = _0
    size = U(len(index))
    slot = (fingerprint * size) >> _32
    while index[slot] & _LOW_HALF != U(place) + _1:
        if index[slot] == _0:
            return  # the same id stands elsewhere: only a damaged ring has that
        slot += _1
        if slot == size:
            slot = _0
    gap = slot
    while True:
        slot += _1
        if slot == size:
            slot = _0
        entry = index[slot]
        if entry == _0:
            break
        home = ((entry >> _32) * size) >> _32
        from_home = slot - home if slot >= home else slot + size - home
        from_gap = slot - gap if slot >= gap else slot + size - gap
        if from_home >= from_gap:
            index[gap] = entry
            gap = slot
    index[gap] = _0


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
def claim_ids(  # type: ignore[no-untyped-def]
    identities: Words, ring: Words, index: Index, start, now: np.uint64, until: np.uint64, claims, own, new: Rows
):
    """Write what is new into the ring from `start` on: (how many are new, entries written, entries of them that were
    overwritten before their time, claim that blocks or -1). A blocked one ends at once.
    """
    kept, used, early = 0, 0, 0
    claim_count = _last_open(claims) + 1
    for row in range(len(identities)):
        tag = identities[row, 3]
        if tag == _0:
            new[kept] = row
            kept += 1
            continue
        fingerprint = _fingerprint(identities[row, 0], identities[row, 1], identities[row, 2], tag)
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
            _leave(ring, index, place)
            _, slot = _find(identities, row, ring, index, fingerprint)  # the gap may have come before it
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
def find_unknown(identities: Words, ring: Words, index: Index, claims, new: Rows):  # type: ignore[no-untyped-def]
    """Which are not known, without claiming them: (how many, claim that blocks or -1)."""
    kept = 0
    claim_count = _last_open(claims) + 1
    for row in range(len(identities)):
        tag = identities[row, 3]
        if tag != _0:
            fingerprint = _fingerprint(identities[row, 0], identities[row, 1], identities[row, 2], tag)
            place, _ = _find(identities, row, ring, index, fingerprint)
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
def forget(ring: Words, index: Index, start, end):  # type: ignore[no-untyped-def]
    """Take the entries from `start` to `end` out of ring and index."""
    for place in range(start, end):
        if ring[place, 3] != _0:
            _leave(ring, index, place)


@njit(**KERNEL)
def index_ring(ring: Words, used, index: Index):  # type: ignore[no-untyped-def]
    """Enter every entry of the ring into an empty index."""
    for place in range(used):
        tag = ring[place, 3] & _LOW_HALF
        if tag == _0:
            continue
        fingerprint = _fingerprint(ring[place, 0], ring[place, 1], ring[place, 2], tag)
        _, slot = _find(ring, place, ring, index, fingerprint)
        index[slot] = fingerprint << _32 | (U(place) + _1)


def is_sound(control: Words, ring: Words) -> bool:
    """Whether a table may go on with what an earlier one left."""
    end, head = int(control[_END]), int(control[_HEAD])
    claims = control[_CLAIMS:].reshape(-1, 2)
    return head <= end <= len(ring) and bool(np.all(claims[:, 0] <= claims[:, 1]) and np.all(claims[:, 1] <= len(ring)))


def drop_open_claims(ring: Words, claims: NDArray[np.int64]) -> None:
    """Nobody knows whether what was tentative went out: it counts as not seen."""
    for start, end in claims.tolist():
        ring[start:end] = 0


def warm_up() -> None:
    """Compile the kernels with the types they meet in service."""
    table = RepeatTable(
        np.zeros(CONTROL_WORDS, dtype=np.uint64), np.zeros((SMALLEST_ROOM, RING_WORDS), dtype=np.uint64)
    )
    identities = np.ones((1, RING_WORDS), dtype=np.uint64)
    table.rollback(table.claim(identities, 0, 1).claim)
    find_unknown(identities, table._ring, table._index, table._claims, np.empty(1, dtype=np.int64))
    all_expired(table._ring, 0, 1, _0)

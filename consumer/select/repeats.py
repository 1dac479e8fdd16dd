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
from numpy.typing import NDArray

from consumer.model.flow_batch import Rows, Words
from consumer.select.identity import PLACE_LIMIT
from consumer.select.repeat_index import (
    BUCKET,
    Index,
    all_expired,
    claim_ids,
    find_unknown,
    fingerprint_ids,
    forget,
    index_ring,
)

U = np.uint64

CONTROL_WORDS = 448
"""Words of `control`: the end of the used ring, the head (next to be written), then (start, end) of open claims."""
RING_WORDS = 4
"""Words of an entry: three of the id; the tag (low half) with the second until which it is remembered (high half).

All zero: nothing."""
BYTES_PER_ID = 48
"""Of a full ring: 32 in the ring, two words in the index. While the ring grows, at most 64."""
SMALLEST_ROOM = 1 << 14
"""Ids: room for two whole batches. A claim that finds no place in the ring is not remembered."""

_END, _HEAD, _CLAIMS = 0, 1, 8
_CLAIM_COUNT = (CONTROL_WORDS - _CLAIMS) // 2
_FIRST_INDEX = 1 << 12
_INDEXED_AT_ONCE = 1 << 13
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
            coming = _fingerprints(identities, 0, count)
            kept, blocker = find_unknown(identities, coming, self._ring, self._index, self._claims, new)
            return Claimed(new[: kept if blocker == _NOBODY else 0], blocked_by=int(blocker))
        end = int(self._control[_END])
        self._make_room_in_index(start + count)
        # What lies in an open claim is not looked at by the next start, so the claim comes before its entries.
        self._claims[number] = (start, start + count)
        self._control[_END] = max(end, start + count)
        coming = _fingerprints(identities, 0, count)
        leaving = _fingerprints(self._ring, start, max(0, min(count, end - start)))
        kept, used, early, blocker = claim_ids(
            identities, coming, self._ring, leaving, self._index, start, U(now), U(until), self._claims, number, new
        )
        self.forgotten_early += early
        if blocker != _NOBODY:
            self._forget(start, start + used)
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
        self._forget(start, end)
        self._claims[claim] = 0

    def _forget(self, start: int, end: int) -> None:
        forget(self._ring, _fingerprints(self._ring, start, end - start), self._index, start)

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
        """At most half of the index is taken: then one bucket in twenty is full, and few look-ups need a second one."""
        if used * 2 > len(self._index):
            self._index = self._new_index(used)

    def _new_index(self, used: int) -> Index:
        size = _FIRST_INDEX
        while size < 2 * used:
            size *= 2
        index = _empty_index(min(size, 2 * self.room))
        for start in range(0, self.used, _INDEXED_AT_ONCE):
            count = min(_INDEXED_AT_ONCE, self.used - start)
            index_ring(self._ring, _fingerprints(self._ring, start, count), start, index)
        return index


def _empty_index(size: int) -> Index:
    """At least `size` slots in whole buckets, each in one line of the cache."""
    slots = -(-size // BUCKET) * BUCKET
    room = np.zeros(slots + BUCKET, dtype=np.uint64)
    before = -room.ctypes.data % (8 * BUCKET) // 8
    return room[before : before + slots]


def _fingerprints(identities: Words, start: int, count: int) -> Words:
    fingerprints = np.empty(count, dtype=np.uint64)
    fingerprint_ids(identities, start, count, fingerprints)
    return fingerprints


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
    no_room = np.empty(1, dtype=np.int64)
    find_unknown(identities, _fingerprints(identities, 0, 1), table._ring, table._index, table._claims, no_room)
    all_expired(table._ring, 0, 1, U(0))

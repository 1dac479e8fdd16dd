"""Strings of a decode context, each held once and known by a number.

Belongs here: the store, its layout and its hash. Does not: who interns what (the decode kernel, enrich).
Every string lies in `arena` in the form IPFIX sends it (RFC 7011 §7: variable-length information element): one
length octet below 255, else 0xFF and two octets, then the bytes; so encode copies it and never looks inside.

The hash table lies in an array too, because the decode kernel (decode/text.py) looks strings up and adds them by
itself. It follows the layout told here; tests/property/test_decode_vocabulary.py holds both to the same ids.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

ARENA_MARGIN_BYTES = 64
"""Unused bytes at the end of the arena, so that copying 32 bytes at a time never reads past it."""

MAX_STRING_BYTES = 65_535
"""What two length octets can say (RFC 7011 §7)."""

HASH_SEED = 0x243F6A8885A308D3
HASH_FACTOR = 0x9E3779B97F4A7C15
"""Both are plain well-mixed odd constants (π and the golden ratio); the kernel uses the same."""

ROW_HASH, ROW_ID, ROW_START, ROW_SIZE = range(4)
"""Words of a table row. One row is half a cache line: a look-up touches one line of the table and the string."""

USED_COUNT, USED_BYTES = range(2)
"""Words of `used`."""

ROWS_PER_STRING = 4
"""The table grows when fewer rows are there for each string: at two, a third of the look-ups of random interfaces
met a neighbour's row first, and each of those was a branch predicted wrongly."""

_FIRST_SLOT_COUNT = 1 << 10
_MASK_64 = (1 << 64) - 1


def hash_of(value: bytes) -> int:
    """64-bit hash, eight little-endian bytes at a time, the last ones padded with zeros.

    Strings that differ in trailing zeros share it; a row is only equal when its size and its bytes are.
    """
    mixed = HASH_SEED
    for start in range(0, len(value), 8):
        mixed = (mixed ^ int.from_bytes(value[start : start + 8], "little")) * HASH_FACTOR & _MASK_64
        mixed ^= mixed >> 32
    return mixed


class Vocabulary:
    """Mutable, owned by one decode context, used by one thread at a time.

    Ids are dense from 1 in order of first sight; 0 is null (the empty string). Ids never change while the object
    lives; when it is full the context starts a new Vocabulary, so caches by id hang on the object's identity.
    `arena`: uint8, `starts`: int64[capacity], `sizes`: int64[capacity]; the sendable form of id i is
    `arena[starts[i] : starts[i] + sizes[i]]` (null: one zero octet). `count`: ids in use, null included.
    The arrays may be replaced by larger ones when they grow: read them anew for each batch.

    `table`: uint64[slots, 4], slots a power of two, at most a quarter of them taken; row = hash, id, where the string
    itself starts in the arena, its size; id 0 marks a free row. A string's row is the first free or equal one from
    `hash % slots` on, going round. It starts small and grows, so that a few hundred strings touch few pages.
    `used`: int64[2] = ids in use, arena bytes in use; an array so that the kernel can move both on.
    """

    def __init__(self, capacity: int = 1 << 16, arena_bytes: int = 1 << 22) -> None:
        self.arena: NDArray[np.uint8] = np.zeros(arena_bytes + ARENA_MARGIN_BYTES, dtype=np.uint8)
        self.starts: NDArray[np.int64] = np.zeros(capacity, dtype=np.int64)
        self.sizes: NDArray[np.int64] = np.zeros(capacity, dtype=np.int64)
        self.sizes[0] = 1
        self.table: NDArray[np.uint64] = np.zeros((_FIRST_SLOT_COUNT, 4), dtype=np.uint64)
        self.used: NDArray[np.int64] = np.array([1, 1], dtype=np.int64)
        self._answers: dict[bytes, tuple[int, int]] = {}
        """What `find` was asked: the id, or 0 and how many ids there were. Each batch asks for the same few."""

    @property
    def count(self) -> int:
        return int(self.used[USED_COUNT])

    @property
    def needs_table(self) -> bool:
        """True when enough of the table's rows are taken: `grow_table` before adding more."""
        return ROWS_PER_STRING * self.count >= len(self.table)

    def find(self, value: bytes) -> int | None:
        """Id of `value`, None when it was never interned. The empty string is null, 0."""
        if not value:
            return 0
        number, count = self._answers.get(value, (0, 0))
        if not number and count != self.count:
            number, _ = self._locate(value, hash_of(value))
            self._answers[value] = number, self.count
        return number or None

    def intern(self, value: bytes) -> int:
        """Id of `value` (UTF-8, at most 65,535 bytes), adding it when new. OverflowError when full."""
        if not value:
            return 0
        mixed = hash_of(value)
        number, slot = self._locate(value, mixed)
        if number:
            return number
        if self.needs_table:
            self.grow_table()
            _, slot = self._locate(value, mixed)
        return self._add(value, mixed, slot)

    def text(self, number: int) -> bytes:
        """The string itself, without its length prefix."""
        size = int(self.sizes[number])
        start = int(self.starts[number])
        skip = 1 if size <= 255 else 3
        return self.arena[start + skip : start + size].tobytes()

    def grow_table(self) -> None:
        """Four times the rows. Rows keep their hashes, so no string is read again."""
        taken = self.table[self.table[:, ROW_ID] != 0]
        table = np.zeros((4 * len(self.table), 4), dtype=np.uint64)
        mask = np.uint64(len(table) - 1)
        slots = (taken[:, ROW_HASH] & mask).astype(np.int64)
        while len(taken):
            # The first of those that want the same free row gets it; the others try the next row.
            wanted, first = np.unique(slots, return_index=True)
            placed = first[table[wanted, ROW_ID] == 0]
            table[slots[placed]] = taken[placed]
            taken = np.delete(taken, placed, axis=0)
            slots = (np.delete(slots, placed) + 1) & int(mask)
        self.table = table

    def _locate(self, value: bytes, mixed: int) -> tuple[int, int]:
        """(id, slot) of `value`; id 0 when it is not there and the slot is the free one to put it in."""
        last = len(self.table) - 1
        slot = mixed & last
        while True:
            row_hash, number, start, size = self.table[slot].tolist()
            if number == 0:
                return 0, slot
            if row_hash == mixed and self.arena[start : start + size].tobytes() == value:
                return number, slot
            slot = (slot + 1) & last

    def _add(self, value: bytes, mixed: int, slot: int) -> int:
        size = len(value)
        if size > MAX_STRING_BYTES:
            raise OverflowError(f"a string of {size} bytes is longer than an information element can be")
        prefix = bytes([size]) if size < 255 else b"\xff" + size.to_bytes(2, "big")
        form = prefix + value
        new, start = self.used.tolist()
        if new == len(self.starts) or start + len(form) > len(self.arena) - ARENA_MARGIN_BYTES:
            raise OverflowError("the vocabulary is full")
        self.arena[start : start + len(form)] = np.frombuffer(form, dtype=np.uint8)
        self.starts[new] = start
        self.sizes[new] = len(form)
        self.table[slot] = (mixed, new, start + len(prefix), size)
        self.used[:] = (new + 1, start + len(form))
        return int(new)

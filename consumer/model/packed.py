"""Many short byte strings as arrays, so that they can be mapped from a file and cost no Python object each.

Belongs here: texts by number, and numbers by name. Does not: files (discovery/inventory/snapshot_file.py). An estate
has hundreds of thousands of names: made into objects, they held the interpreter for 60 ms when a snapshot was taken up,
for as long again when it was given back, and lengthened every full garbage collection. Here an object is made of the
few that flows ask for, when they ask.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import overload
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

_SMALLEST_BITS = 4


class Texts(Sequence[bytes]):
    """Texts back to back: number i is `arena[ends[i - 1] : ends[i]]`. `arena`: uint8, `ends`: int64[n]. Immutable."""

    __slots__ = ("_arena", "_ends", "arena", "ends")

    def __init__(self, arena: NDArray[np.uint8], ends: NDArray[np.int64]) -> None:
        self.arena = arena
        self.ends = ends
        self._arena = arena.data
        self._ends = ends.data  # three times as fast as the array when one number is asked for

    @classmethod
    def of(cls, texts: Iterable[bytes]) -> Texts:
        """The same texts, packed."""
        known = list(texts)
        ends = np.cumsum(np.fromiter(map(len, known), np.int64, len(known)), dtype=np.int64)
        return cls(np.frombuffer(b"".join(known), np.uint8), ends)

    def __len__(self) -> int:
        return len(self._ends)

    @overload
    def __getitem__(self, number: int) -> bytes: ...
    @overload
    def __getitem__(self, number: slice) -> tuple[bytes, ...]: ...
    def __getitem__(self, number: int | slice) -> bytes | tuple[bytes, ...]:
        if isinstance(number, slice):
            return tuple(self[one] for one in range(*number.indices(len(self))))
        place = number + len(self) if number < 0 else number
        if not 0 <= place < len(self):
            raise IndexError(number)
        return bytes(self._arena[self._ends[place - 1] if place else 0 : self._ends[place]])

    def __iter__(self) -> Iterator[bytes]:
        return (bytes(self._arena[begin:end]) for begin, end in pairwise((0, *self._ends)))


class Numbered(Mapping[bytes, int]):
    """A number by name, as an open hash table: names by the order they were given, and where each is to be looked for.

    `slots`: int32[2^bits], position of a name + 1, 0 = free; a name stands at the first free slot at or after the low
    bits of its CRC-32. `numbers`: int64[n]. Immutable; no name occurs twice.
    """

    __slots__ = ("_mask", "_numbers", "_slots", "names", "numbers", "slots")

    def __init__(self, names: Texts, numbers: NDArray[np.int64], slots: NDArray[np.int32]) -> None:
        self.names = names
        self.numbers = numbers
        self.slots = slots
        self._numbers = numbers.data
        self._slots = slots.data
        self._mask = len(slots) - 1

    @classmethod
    def of(cls, numbered: Mapping[bytes, int]) -> Numbered:
        """The same numbers, packed."""
        mask = (1 << max(_SMALLEST_BITS, (2 * len(numbered)).bit_length())) - 1
        slots = np.zeros(mask + 1, dtype=np.int32)
        table = slots.data
        for position, name in enumerate(numbered, 1):
            place = crc32(name) & mask
            while table[place]:
                place = place + 1 & mask
            table[place] = position
        return cls(Texts.of(numbered), np.fromiter(numbered.values(), np.int64, len(numbered)), slots)

    def __getitem__(self, name: bytes) -> int:
        place = crc32(name) & self._mask
        while position := self._slots[place]:
            if self.names[position - 1] == name:
                return self._numbers[position - 1]
            place = place + 1 & self._mask
        raise KeyError(name)

    def __len__(self) -> int:
        return len(self._numbers)

    def __iter__(self) -> Iterator[bytes]:
        return iter(self.names)

"""Where messages lie until they are sent, and after it as long as they may have to be sent again.

Belongs here: memory that is used again once nobody holds any of it. Does not: writing to it (encoder.py).

A new array for every batch would be mapped and faulted in anew (measured: 30 ns a record). Batches lie one behind the
other in slabs, for a batch may be one message: of thousands of small arrays nobody would find the free one in time.
"""

from __future__ import annotations

from sys import getrefcount

import numpy as np
from numpy.typing import NDArray

SLAB_BYTES = 1 << 20
"""A slab that holds more takes no further batch: two of a usual envelope, and what waits to be sent again (2,048
messages, session.py) keeps few slabs in use."""
_SLABS_KEPT = 32
"""The largest messages (8,900 octets) keep 18 in use; where collectors hold more, it is given back once it is free."""

Slab = NDArray[np.uint8]


def _reference_counts(slabs: list[Slab]) -> list[int]:
    """How many hold each slab. A view holds the slab it looks into, and a memoryview of a view does."""
    return [getrefcount(slab) for slab in slabs]


(_OWN_REFERENCES,) = _reference_counts([np.empty(0, dtype=np.uint8)])
"""What that says of a slab nobody else holds; asked, because it is not the same in every Python."""


class Slabs:
    """Mutable, one per encoder, used by one thread at a time; others may let go of what they hold at any moment."""

    def __init__(self) -> None:
        self._slabs: list[Slab] = []
        """The one being filled comes last."""
        self._used = 0

    def take(self, room: int) -> tuple[Slab, int]:
        """A slab and the first octet in it from which on `room` octets are free."""
        counts = _reference_counts(self._slabs)
        if counts and counts[-1] == _OWN_REFERENCES:
            self._used = 0
        if not counts or self._used > SLAB_BYTES or self._used + room > len(self._slabs[-1]):
            self._slabs.append(self._free(room, counts))
            del self._slabs[:-_SLABS_KEPT]
            self._used = 0
        return self._slabs[-1], self._used

    def keep(self, end: int) -> None:
        """The slab taken last is in use up to `end`."""
        self._used = end

    def _free(self, room: int, counts: list[int]) -> Slab:
        """A slab nobody holds, taken out of the list; the one used longest ago, for all of them are as cold."""
        for index, count in enumerate(counts):
            if count == _OWN_REFERENCES and len(self._slabs[index]) >= room:
                return self._slabs.pop(index)
        return np.empty(SLAB_BYTES + room, dtype=np.uint8)  # memory never touched costs nothing

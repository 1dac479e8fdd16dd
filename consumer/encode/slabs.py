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


def _reference_count(slabs: list[Slab], index: int) -> int:
    """How many hold a slab. A view holds the slab it looks into, and a memoryview of a view does."""
    return getrefcount(slabs[index])


_OWN_REFERENCES = _reference_count([np.empty(0, dtype=np.uint8)], 0)
"""What that says of a slab nobody else holds; asked, because it is not the same in every Python."""


class Slabs:
    """Mutable, one per encoder, used by one thread at a time; others may let go of what they hold at any moment."""

    def __init__(self) -> None:
        self._slabs: list[Slab] = []
        """The one being filled comes last."""
        self._used = 0

    def take(self, room: int) -> tuple[Slab, int]:
        """A slab and the first octet in it from which on `room` octets are free."""
        slabs = self._slabs
        if slabs and _reference_count(slabs, -1) == _OWN_REFERENCES:
            self._used = 0
        if not slabs or self._used > SLAB_BYTES or self._used + room > len(slabs[-1]):
            slabs.append(self._free(room))
            del self._slabs[:-_SLABS_KEPT]
            self._used = 0
        return self._slabs[-1], self._used

    def keep(self, end: int) -> None:
        """The slab taken last is in use up to `end`."""
        self._used = end

    def _free(self, room: int) -> Slab:
        """A slab nobody holds, taken out of the list; the one used longest ago, for all of them are as cold."""
        slabs = self._slabs
        for index in range(len(slabs)):
            if _reference_count(slabs, index) == _OWN_REFERENCES and len(slabs[index]) >= room:
                return slabs.pop(index)
        return np.empty(SLAB_BYTES + room, dtype=np.uint8)  # memory never touched costs nothing

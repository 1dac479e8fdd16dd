"""What the few strings mean that choose numbers: action, reject reason, direction.

Belongs here: text → meaning → the number that is sent, and the cache of meanings by vocabulary id. Does not: which
template a meaning leads to (sorting.py).
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from cachetools import LRUCache
from numpy.typing import NDArray

from consumer.encode import sorting
from consumer.model.vocabulary import Vocabulary

MEANINGS = {
    b"ACCEPT": sorting.ACCEPT,
    b"REJECT": sorting.REJECT,
    b"BPA": sorting.BLOCK_PUBLIC_ACCESS,
    b"EC": sorting.ENCRYPTION_CONTROLS,
    b"ingress": sorting.INGRESS,
    b"egress": sorting.EGRESS,
}

_MEANING_COUNT = 8
_FORWARDED, _DROPPED, _DROPPED_BY_BLOCK, _DROPPED_BY_ENCRYPTION = 64, 128, 129, 130
_DENIED, _UPDATED = 3, 5


def _verdicts() -> NDArray[np.uint64]:
    """forwardingStatus (89) and firewallEvent (233) by action * 8 + reject reason: forwarded, or dropped in shades."""
    table = np.tile(np.array((_DROPPED, _DENIED), dtype=np.uint64), (_MEANING_COUNT, _MEANING_COUNT, 1))
    table[:, sorting.BLOCK_PUBLIC_ACCESS, 0] = _DROPPED_BY_BLOCK
    table[:, sorting.ENCRYPTION_CONTROLS, 0] = _DROPPED_BY_ENCRYPTION
    table[sorting.ACCEPT] = (_FORWARDED, _UPDATED)
    return table.reshape(-1, 2)


VERDICTS = _verdicts()
"""uint64[64, 2], by action and reason (8 * action + reason)."""
DIRECTIONS = np.array([meaning == sorting.EGRESS for meaning in range(_MEANING_COUNT)], dtype=np.uint64)
"""flowDirection (61) by meaning; who has none of the two is in another template."""

_VOCABULARIES_KEPT = 4
"""A lane meets the vocabulary of one decode context at a time; a renewed one pushes the oldest out."""


class Meanings:
    """Mutable, one per encoder: uint8 per vocabulary id, UNSEEN until a batch brings the id."""

    def __init__(self) -> None:
        self._known: LRUCache[int, tuple[Vocabulary, NDArray[np.uint8]]] = LRUCache(_VOCABULARIES_KEPT)

    def of(self, vocabulary: Vocabulary) -> NDArray[np.uint8]:
        """uint8[capacity] for this vocabulary; grows with it."""
        # The entry holds the vocabulary, so its id() cannot be another's while the entry lives.
        known = self._known.get(id(vocabulary))
        if known is not None and len(known[1]) >= len(vocabulary.starts):
            return known[1]
        meanings = _nothing_seen(len(vocabulary.starts))
        if known is not None:
            meanings[: len(known[1])] = known[1]
        self._known[id(vocabulary)] = (vocabulary, meanings)
        return meanings

    @staticmethod
    def learn(vocabulary: Vocabulary, meanings: NDArray[np.uint8], ids: Iterable[int]) -> None:
        """Look at these strings."""
        for number in ids:
            meanings[number] = MEANINGS.get(vocabulary.text(number), sorting.OTHER)


def _nothing_seen(capacity: int) -> NDArray[np.uint8]:
    """Only null (id 0) is known, and means nothing."""
    meanings = np.full(capacity, sorting.UNSEEN, dtype=np.uint8)
    meanings[:1] = sorting.OTHER
    return meanings

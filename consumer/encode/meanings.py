"""What the few strings mean that choose numbers: action, reject reason, direction.

Belongs here: text → meaning, and the cache of it by vocabulary id. Does not: which number a meaning becomes
(sorting.py).
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

"""Numbers that a hash of the key chooses, among them that of an interface, which SNMP calls ifIndex.

Belongs here: the choice, which every agent makes alike. Does not: keeping numbers and giving each to one key only
(state/assignments.py).
"""

from __future__ import annotations

import hashlib

LOWEST, HIGHEST = 1, (1 << 31) - 1
"""ifIndex is a positive Integer32 (RFC 2863, InterfaceIndex)."""


def first_choice(key: bytes, low: int, high: int) -> int:
    """A number from `low` to `high`, the same for the same key everywhere."""
    return low + int.from_bytes(hashlib.blake2b(key, digest_size=8).digest(), "big") % (high - low + 1)


def if_index_of(interface_id: bytes) -> int:
    """The number of an interface that nobody has numbered: what it gets then, but for a collision."""
    return first_choice(interface_id, LOWEST, HIGHEST)

"""Rows that took turns: a name or an address that was something else before.

Belongs here: putting codes of the history in place of rows. Pure. Does not: what is past (estate/past.py), the arrays
(model/inventory.py).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from consumer.model.address_index import AMBIGUOUS
from consumer.model.inventory import LAST_MOMENT, code_of

Key = tuple[int, int, int]
"""Scope, high half and low half of an address (model/address_index.py)."""
Turn = tuple[int, int]
"""The moment until which something was true (Unix seconds), and its row."""
_WORD = (1 << 64) - 1


class Turns:
    """Mutable. What is gone stays what it last was: nobody else claims it, and late records speak of it. `groups`: as
    build_history takes them."""

    def __init__(self) -> None:
        self.groups: list[list[Turn]] = []

    def of_names(self, past: Iterable[tuple[bytes, Turn]], rows: Mapping[bytes, int]) -> dict[bytes, int]:
        """Codes by name, for names that have a past; `rows`: what they are now."""
        by_name: defaultdict[bytes, list[Turn]] = defaultdict(list)
        for name, turn in past:
            by_name[name].append(turn)
        return {name: self._code(turns, rows.get(name)) for name, turns in by_name.items()}

    def of_addresses(
        self, past: Iterable[tuple[Key, Turn]], addresses: Sequence[tuple[int, int, int, int]]
    ) -> list[tuple[int, int, int, int]]:
        """`addresses` (key and row) with a code where there is a past."""
        by_key: defaultdict[Key, list[Turn]] = defaultdict(list)
        for key, turn in past:
            by_key[key].append(turn)
        now: dict[Key, int] = {}
        others = []
        for scope, high, low, row in addresses:
            here = (scope, high, low)
            if here not in by_key:
                others.append((*here, row))
            else:
                now[here] = row if now.get(here, row) == row else AMBIGUOUS
        return others + [(*key, self._code(turns, now.get(key)) & _WORD) for key, turns in by_key.items()]

    def _code(self, turns: list[Turn], now: int | None) -> int:
        last = turns[-1][1] if now is None else now
        self.groups.append([*(turns if now is not None else turns[:-1]), (LAST_MOMENT, last)])
        return code_of(len(self.groups) - 1)

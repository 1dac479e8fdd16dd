"""Views as the kernel reads them: those of the snapshot, and one more for each interface that recorded a flow.

Belongs here: gathering what a row asks of its interface in one line of the cache. Does not: reading it (addresses.py,
kernels.py). Each fact of an interface lies in a table of the whole estate, so that every row of a file with many
interfaces waited for the memory once a fact.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from consumer.enrich import addresses
from consumer.model.if_index import if_index_of
from consumer.model.inventory import EntityTable, Inventory

Lines = NDArray[np.uint32]

_FIRST_ROOM = 1 << 10


class Views:
    """Mutable; belongs to one inventory and one vocabulary.

    `lines`: uint32[v, VIEW_SIZE], by number; first the views of the snapshot. Replaced by a larger one when it grows.
    """

    def __init__(self, inventory: Inventory) -> None:
        self._history = inventory.history
        self._view_of = integers(inventory.interfaces, "view")
        self._facts = (
            (addresses.VIEW_IF_INDEX, integers(inventory.interfaces, "if_index")),
            (addresses.VIEW_PATH, integers(inventory.endpoints, "path")),  # its first rows are the interfaces
        )
        shared = shared_views(inventory)
        self._shared_count = self._count = len(shared)
        self.lines = _grown(shared, len(shared) + _FIRST_ROOM)

    def forget(self) -> None:
        """All interfaces."""
        self._count = self._shared_count

    def add(self, codes: Sequence[int], ids: Sequence[bytes]) -> list[int]:
        """A view for each interface, given by row or by code of the history; returns their numbers.

        Rows that took turns have one each, side by side; the number is that of the first. One that nobody knows (row
        0) sees nothing, and has the number that its id gives.
        """
        numbers: list[int] = []
        rows: list[int] = []
        groups: dict[int, int] = {}
        for code in codes:
            numbers.append(self._count + len(rows))
            if code >= 0:
                rows.append(code)
            else:
                group = -2 - code
                groups[numbers[-1]] = group
                rows += self._history.rows[self._history.starts[group] : self._history.starts[group + 1]].tolist()
        self._append(np.array(rows, dtype=np.int64))
        for number, group in groups.items():
            self.lines[number, addresses.VIEW_TURNS] = group + 1
        for number, code, interface_id in zip(numbers, codes, ids, strict=True):
            if not code:
                self.lines[number, addresses.VIEW_IF_INDEX] = if_index_of(interface_id)
        return numbers

    def _append(self, rows: NDArray[np.int64]) -> None:
        end = self._count + len(rows)
        if end > len(self.lines):
            self.lines = _grown(self.lines, 2 * end)
        added = self.lines[self._count : end]
        added[:] = self.lines[self._view_of[rows]]
        added[:, addresses.VIEW_INTERFACE] = rows
        for column, facts in self._facts:
            added[:, column] = facts[rows]
        self._count = end


def shared_views(inventory: Inventory) -> Lines:
    """The views of the snapshot, with where their networks lie, so that the kernel need not look for that."""
    vpcs, reached, named, strays = inventory.views.lines.T
    lines = np.zeros((len(vpcs), addresses.VIEW_SIZE), dtype=np.uint32)
    lines[:, addresses.VIEW_VPC], lines[:, addresses.VIEW_STRAYS] = vpcs, strays
    lines[:, addresses.VIEW_EXPORTER] = inventory.vpc_exporters[vpcs]
    lists = ((addresses.VIEW_OWN, vpcs), (addresses.VIEW_REACHED, reached), (addresses.VIEW_NAMED, named))
    for column, numbers in lists:
        for step in range(3):
            lines[:, column + step] = inventory.networks.starts[2 * numbers + step]
    return lines


def integers(table: EntityTable, column: str) -> NDArray[np.uint64]:
    """A column of a table; a missing column reads as unknown in every row."""
    known = table.integers.get(column)
    return np.zeros(table.row_count, dtype=np.uint64) if known is None else known


def _grown(lines: Lines, count: int) -> Lines:
    """A copy with room for `count` lines, each in one line of the cache."""
    room = np.zeros((count + 1) * addresses.VIEW_SIZE, dtype=np.uint32)
    before = -room.ctypes.data % (4 * addresses.VIEW_SIZE) // 4
    larger = room[before : before + count * addresses.VIEW_SIZE].reshape(count, addresses.VIEW_SIZE)
    larger[: len(lines)] = lines
    return larger

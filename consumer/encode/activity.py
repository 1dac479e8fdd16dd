"""Which interfaces recorded flows lately: theirs are the names worth sending (options.py).

Belongs here: remembering per row of the interface table. Does not: when names are sent (export/), the names
themselves (discovery/). Threads may share one without a lock: what a race can lose is one batch's mark.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from consumer.model.compiling import KERNEL
from consumer.model.flow_batch import JoinedColumns, Rows, Words
from consumer.model.inventory import EntityTable, empty_table

Named = tuple[int, bytes, bytes]
"""Synthetic interface number, name, description."""


@dataclass(frozen=True, slots=True)
class _Marks:
    """One table with float64[n], when a row was last seen (-inf: never), and uint64[n], in which domain."""

    table: EntityTable
    seen_at: NDArray[np.float64]
    domains: NDArray[np.uint64]


@njit(**KERNEL)
def mark(  # type: ignore[no-untyped-def]
    words: Words, column, rows: Rows, seen_at: NDArray[np.float64], domains: Words, now, domain
):  # fmt: skip
    """Write `now` and `domain` to the place of every reference in `column` of `rows`: 1 ns a row, NumPy took 15 to 20
    in the whole job, for it makes four arrays of the batch's length."""
    for position in range(len(rows)):
        row = words[rows[position], column]
        seen_at[row] = now
        domains[row] = domain


@njit(**KERNEL)
def find_rows(column: Words, numbers: Words, slots, found):  # type: ignore[no-untyped-def]
    """Into `found`, -1 before, the first row of `column` that holds each of `numbers`. `slots`: int32[2^b], all 0.

    Hundreds are looked for among hundreds of thousands while a batch waits: to sort all of them took 30 ms. A number
    stands at the first free slot at or after its last bits, for it is a hash (state/assignments.py).
    """
    last = np.uint64(len(slots) - 1)
    for place in range(len(numbers)):
        slot = numbers[place] & last
        while slots[slot] != 0:
            slot = (slot + np.uint64(1)) & last
        slots[slot] = place + 1
    for row in range(len(column)):
        slot = column[row] & last
        while slots[slot] != 0:
            place = slots[slot] - 1
            if numbers[place] == column[row] and found[place] < 0:
                found[place] = row
            slot = (slot + np.uint64(1)) & last


def _unmarked(table: EntityTable) -> _Marks:
    return _Marks(table, np.full(table.row_count, -np.inf), np.zeros(table.row_count, dtype=np.uint64))


class ActiveInterfaces:
    """Mutable; marks move along when another snapshot of the inventory comes."""

    def __init__(self) -> None:
        self._marks = _unmarked(empty_table("interface"))

    def note(self, joined: JoinedColumns, rows: Rows, domain: int, now: float) -> None:
        """The interfaces of these rows recorded flows of `domain` at `now`."""
        column = joined.columns["interface"]
        table, marks = joined.tables[column.table], self._marks
        if marks.table is not table:
            marks = self._marks = _moved(marks, table)
        mark(joined.words, column.word, rows, marks.seen_at, marks.domains, now, np.uint64(domain))

    def names(self, domain: int, since: float) -> Iterator[Named]:
        """Interfaces that recorded flows of `domain` since then. The unknown one (row 0) has no name."""
        marks = self._marks
        rows = np.flatnonzero((marks.domains == domain) & (marks.seen_at >= since))
        numbers = marks.table.integers.get("if_index")
        for row in rows.tolist():
            if row and numbers is not None:
                yield int(numbers[row]), *_words(marks.table, row)


def _words(table: EntityTable, row: int) -> tuple[bytes, bytes]:
    """(name, description): the best name there is; the id and the VPC's name."""

    def text(column: str) -> bytes:
        return table.text(column, row) if column in table.strings else b""

    interface_id = text("interface_id")
    name = text("name") or text("instance_name") or text("service") or interface_id
    return name, b" ".join(filter(None, (interface_id, text("vpc_name") or text("vpc_id"))))


def _moved(marks: _Marks, table: EntityTable) -> _Marks:
    """The marks in another table: rows move, numbers (`if_index`) stay."""
    moved = _unmarked(table)
    before, after = marks.table.integers.get("if_index"), table.integers.get("if_index")
    if before is None or after is None:
        return moved
    old_rows = np.flatnonzero(marks.seen_at > -np.inf)
    new_rows = _rows_with(after, before[old_rows])
    is_there = new_rows >= 0
    moved.seen_at[new_rows[is_there]] = marks.seen_at[old_rows[is_there]]
    moved.domains[new_rows[is_there]] = marks.domains[old_rows[is_there]]
    return moved


def _rows_with(column: Words, numbers: Words) -> NDArray[np.int64]:
    """int64[n], the first row of `column` that holds each of `numbers`, -1 = none does."""
    found = np.full(len(numbers), -1, dtype=np.int64)
    # Few slots are taken, so that the processor rarely guesses wrongly whether one is.
    find_rows(column, numbers, np.zeros(1 << (8 * len(numbers)).bit_length(), dtype=np.int32), found)
    return found

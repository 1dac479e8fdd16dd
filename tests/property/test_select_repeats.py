"""The table of what went out against a Python dictionary: it never takes a new event for a known one."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, MultipleResults, RuleBasedStateMachine, consumes, invariant, multiple, rule

from consumer.model.flow_batch import Words
from consumer.select.repeats import CONTROL_WORDS, RING_WORDS, Claimed, RepeatTable, is_sound

ROOT = Path(__file__).resolve().parents[2]
REMEMBER_SECONDS = 10


def identities_of(numbers: list[int]) -> Words:
    """Identities that differ in one word only, some in the place alone; number 0 has none."""
    words = np.zeros((len(numbers), RING_WORDS), dtype=np.uint64)
    for row, number in enumerate(numbers):
        if number:
            words[row] = (0, 0, 0, 1)
            words[row, number % 4] += np.uint64(number)
    return words


class TableMachine(RuleBasedStateMachine):
    """Claims, ends and restarts in any order. `room` small: the oldest make room; large: every repeat is found."""

    room = 24
    is_exact = False

    open_claims: Bundle[int] = Bundle("open_claims")

    def __init__(self) -> None:
        super().__init__()
        self.control: Words = np.zeros(CONTROL_WORDS, dtype=np.uint64)
        self.ring: Words = np.zeros((self.room, RING_WORDS), dtype=np.uint64)
        self.table = RepeatTable(self.control, self.ring)
        self.now = 1
        self.allowed = self.room
        self.seen: set[int] = set()
        self.tentative: dict[int, list[int]] = {}

    @rule(target=open_claims, numbers=st.lists(st.integers(0, 60), max_size=12))
    def claim(self, numbers: list[int]) -> MultipleResults[int] | int:
        claimed = self.table.claim(identities_of(numbers), self.now, self.now + REMEMBER_SECONDS, self.allowed)
        if claimed.blocked_by >= 0:
            assert set(self.tentative[claimed.blocked_by]) & set(numbers)
            assert claimed.claim < 0
            return multiple()
        new = [numbers[row] for row in claimed.new.tolist()]
        self._judge(numbers, new)
        if claimed.claim < 0:
            self.seen |= set(new) - {0}  # found no room: sent, and not remembered
            return multiple()
        assert claimed.claim not in self.tentative
        self.tentative[claimed.claim] = [number for number in new if number]
        return claimed.claim

    def _judge(self, numbers: list[int], new: list[int]) -> None:
        held = {number for each in self.tentative.values() for number in each}
        dropped = list(numbers)
        for number in new:
            dropped.remove(number)
        for number in dropped:
            assert number != 0, "an event that cannot be told from others is always new"
            assert number in self.seen or number in new, f"{number} was dropped and never went out"
            assert number not in held, f"{number} was dropped while nobody knew whether it goes out"
        if self.is_exact:
            assert not set(new) & self.seen
            assert len([number for number in new if number]) == len(set(new) - {0})

    @rule(claim=consumes(open_claims))
    def commit(self, claim: int) -> None:
        if claim in self.tentative:
            self.table.commit(claim)
            self.seen |= set(self.tentative.pop(claim))

    @rule(claim=consumes(open_claims))
    def rollback(self, claim: int) -> None:
        if claim in self.tentative:
            self.table.rollback(claim)
            del self.tentative[claim]

    @rule(seconds=st.integers(1, 2 * REMEMBER_SECONDS))
    def time_passes(self, seconds: int) -> None:
        if not self.is_exact:
            self.now += seconds

    @rule(allowed=st.integers(0, 24))
    def disk_is_full(self, allowed: int) -> None:
        if not self.is_exact:
            self.allowed = allowed

    @rule()
    def restart(self) -> None:
        """As after kill -9: what was tentative is new."""
        assert is_sound(self.control, self.ring)
        self.table = RepeatTable(self.control, self.ring)
        self.tentative.clear()

    @invariant()
    def known_ids_are_found_and_bounded(self) -> None:
        assert is_sound(self.control, self.ring)
        entries = self.ring[self.ring[:, 3] != 0].copy()
        entries[:, 3] &= np.uint64(0xFFFF_FFFF)
        assert len(entries) == self.table.remembered() <= self.table.used <= self.room
        assert len(np.unique(entries, axis=0)) == len(entries), "an id stands in the ring twice"


class RoomyMachine(TableMachine):
    room = 4096
    is_exact = True


TestTable = TableMachine.TestCase
TestTable.settings = settings(max_examples=100, stateful_step_count=60, deadline=None)
TestRoomyTable = RoomyMachine.TestCase
TestRoomyTable.settings = settings(max_examples=40, stateful_step_count=60, deadline=None)


def claimed_of(table: RepeatTable, numbers: list[int], now: int = 0) -> Claimed:
    return table.claim(identities_of(numbers), now, now + REMEMBER_SECONDS)


def new_table(room: int) -> RepeatTable:
    return RepeatTable(np.zeros(CONTROL_WORDS, dtype=np.uint64), np.zeros((room, RING_WORDS), dtype=np.uint64))


def test_the_ring_grows_only_while_what_it_holds_is_to_be_remembered() -> None:
    table = new_table(1000)
    for second in range(100):
        table.commit(claimed_of(table, list(range(10 * second + 1, 10 * second + 11)), second).claim)
    assert table.used == 10 * REMEMBER_SECONDS
    assert table.forgotten_early == 0


def test_without_room_the_oldest_go_first() -> None:
    table = new_table(50)
    for batch in range(10):
        table.commit(claimed_of(table, list(range(10 * batch + 1, 10 * batch + 11))).claim)
    assert table.forgotten_early == 50
    assert not len(claimed_of(table, list(range(51, 101))).new), "the last fifty are known"
    assert len(claimed_of(table, list(range(1, 51))).new) == 50


@pytest.mark.parametrize("room", [1 << 14, 1 << 18])
def test_an_id_costs_at_most_64_bytes(room: int) -> None:
    table = new_table(room)
    numbers = np.arange(1, 1025, dtype=np.uint64)
    identities = np.ones((1024, RING_WORDS), dtype=np.uint64)
    for batch in range(room // 1024):
        identities[:, 0] = numbers + np.uint64(1024 * batch)
        table.commit(table.claim(identities, 0, 1).claim)
        assert batch < 8 or table.bytes_per_id() <= 64
    assert table.remembered() == room


def test_the_kernels_agree_without_the_compiler_and_stay_within_bounds(tmp_path: Path) -> None:
    for extra in ({"NUMBA_DISABLE_JIT": "1"}, {"NUMBA_BOUNDSCHECK": "1", "NUMBA_CACHE_DIR": str(tmp_path)}):
        done = subprocess.run(
            [sys.executable, "-W", "ignore", "-m", "tests.support.repeats_fuzz", "40"],
            cwd=ROOT,
            env={**os.environ, **extra},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]

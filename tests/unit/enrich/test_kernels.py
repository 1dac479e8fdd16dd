"""Corners of the kernels that whole batches rarely reach."""

from __future__ import annotations

import numpy as np

from consumer.enrich import kernels
from consumer.model.address_index import hashes, scope_of
from consumer.model.inventory import empty_inventory
from consumer.model.networks import build_networks


def test_a_remembered_address_of_another_list_of_names_at_the_same_place_is_not_believed() -> None:
    nothing = empty_inventory()
    memory = np.zeros((1 << kernels.MEMORY_BITS, 4), dtype=np.uint64)
    address = np.uint64(0x0A000001)
    mine, theirs = scope_of(1, 4), scope_of(2, 4)
    home = hashes(*(np.array([word], dtype=np.uint64) for word in (mine, 0, address)))[0]
    memory[int(home) >> (64 - kernels.MEMORY_BITS)] = (theirs, 0, address, 7 << 1)
    networks = build_networks(((), (), ()))
    tables = kernels.Tables(
        nothing.addresses.slots, np.uint64(nothing.addresses.bits), False,
        networks.starts, networks.highs, networks.lows, networks.values, nothing.views.lines,
        nothing.history.starts, nothing.history.until, nothing.history.rows,
        memory,
    )  # fmt: skip

    def found(named: int) -> tuple[int, int]:
        with np.errstate(over="ignore"):
            return kernels.outside(tables, np.int64(named), np.uint64(0), address, np.uint64(4))  # type: ignore[no-any-return]

    assert found(2) == (0, 1)
    memory[int(home) >> (64 - kernels.MEMORY_BITS)] = (mine, 0, address, 7 << 1)
    assert found(1) == (7, 0)


def test_new_strings_are_found_once_and_marked_as_seen() -> None:
    words = np.array([[3], [0], [2], [3], [2]], dtype=np.uint64)
    table = np.full(8, kernels.UNSEEN, dtype=np.int32)
    table[0] = 0
    found = np.zeros(5, dtype=np.int64)
    rows = np.arange(5, dtype=np.int64)

    assert kernels.new_ids(words, rows, 0, 0, table, found) == 2
    assert found[:2].tolist() == [3, 2]
    assert kernels.new_ids(words, rows, 0, 0, table, found) == 0

"""Which interfaces are named: those that recorded flows of the domain lately, by whatever snapshot is current."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from consumer.encode.activity import ActiveInterfaces
from consumer.model.flow_batch import JoinedColumns
from consumer.model.inventory import EntityTable
from tests.unit.encode.building import joined_of, table_of

WEB = {"interface_id": "eni-1", "name": "web-1", "vpc_name": "prod", "vpc_id": "vpc-1"}
BARE = {"interface_id": "eni-2", "vpc_id": "vpc-2"}
GATEWAY = {"interface_id": "eni-3", "service": "NAT gateway"}


def table(*interfaces: dict[str, str]) -> EntityTable:
    """Interface numbers are 1001 for eni-1 and so on, in every snapshot."""
    numbers = [0, *(1000 + int(one["interface_id"][4:]) for one in interfaces)]
    return replace(table_of("interface", interfaces), integers={"if_index": np.array(numbers, dtype=np.uint64)})


def joined(interfaces: EntityTable, *rows: int) -> JoinedColumns:
    return joined_of(len(rows), [{"interface": row} for row in rows], interfaces)


def note(active: ActiveInterfaces, interfaces: EntityTable, rows: list[int], domain: int, now: float) -> None:
    active.note(joined(interfaces, *rows), np.arange(len(rows), dtype=np.int64), domain, now)


def test_each_active_interface_is_named_once_with_the_best_words_there_are() -> None:
    active, known = ActiveInterfaces(), table(WEB, BARE, GATEWAY)
    note(active, known, [1, 1, 2, 3, 1], 7, 0.0)
    assert list(active.names(7, 0.0)) == [
        (1001, b"web-1", b"eni-1 prod"),
        (1002, b"eni-2", b"eni-2 vpc-2"),
        (1003, b"NAT gateway", b"eni-3"),
    ]


def test_others_domains_and_what_was_seen_long_ago_are_not_named() -> None:
    active, known = ActiveInterfaces(), table(WEB, BARE, GATEWAY)
    note(active, known, [1], 7, 10.0)
    note(active, known, [2], 8, 20.0)
    note(active, known, [3], 7, 20.0)
    assert [number for number, _, _ in active.names(7, 15.0)] == [1003]
    assert [number for number, _, _ in active.names(8, 15.0)] == [1002]


def test_only_rows_that_were_selected_count() -> None:
    active, known = ActiveInterfaces(), table(WEB, BARE)
    active.note(joined(known, 1, 2), np.array([1], dtype=np.int64), 7, 0.0)
    assert [number for number, _, _ in active.names(7, 0.0)] == [1002]


def test_the_unknown_interface_has_no_name() -> None:
    active, known = ActiveInterfaces(), table(WEB)
    note(active, known, [0, 0], 7, 0.0)
    assert list(active.names(7, 0.0)) == []


def test_a_new_snapshot_keeps_what_was_seen_though_rows_move() -> None:
    active = ActiveInterfaces()
    note(active, table(WEB, BARE, GATEWAY), [1, 2, 3], 7, 10.0)
    renamed = {**WEB, "name": "web-one"}
    note(active, table(GATEWAY, renamed), [1], 7, 20.0)
    assert sorted(active.names(7, 0.0)) == [(1001, b"web-one", b"eni-1 prod"), (1003, b"NAT gateway", b"eni-3")]
    assert [number for number, _, _ in active.names(7, 15.0)] == [1003]


def test_marks_find_the_first_row_of_their_number_in_any_order_of_a_large_estate() -> None:
    chance = np.random.default_rng(7)
    numbers = np.append(0, chance.choice(1 << 12, 2000, replace=False) + 1).astype(np.uint64)
    before, after = (
        EntityTable("interface", len(column), {"if_index": column}, {}, (b"",))
        for column in (numbers, np.append(numbers[:1], np.repeat(chance.permutation(numbers[500:]), 2)))
    )
    active, seen = ActiveInterfaces(), chance.choice(np.arange(1, 2001), 1000, replace=False).tolist()
    note(active, before, seen, 7, 10.0)
    note(active, after, [0], 7, 20.0)
    known = set(after.integers["if_index"].tolist())
    expected = sorted({int(numbers[row]) for row in seen} & known)
    assert sorted(number for number, _, _ in active.names(7, 0.0)) == expected, "each once"


def test_an_inventory_that_knows_nothing_is_no_fault() -> None:
    active = ActiveInterfaces()
    active.note(joined_of(2), np.arange(2, dtype=np.int64), 7, 0.0)
    assert list(active.names(7, 0.0)) == []

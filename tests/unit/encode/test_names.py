"""Blobs of names: written when a batch refers to them, and only then."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from consumer.encode.names import NameColumn, NameStore, Reference
from tests.unit.encode.building import table_of

COLUMNS = (NameColumn("name", "vpc_id"), NameColumn("site"), NameColumn("nobody_has_it"))
ENDPOINTS = table_of(
    "endpoint",
    [{"name": "web", "vpc_id": "vpc-1"}, {"vpc_id": "vpc-2", "site": "x" * 300}, {"name": "never", "site": "asked"}],
)
OTHERS = table_of("interface", [{"name": "web", "vpc_id": "vpc-1"}])


def blob(store: NameStore, number: int) -> bytes:
    start, size = store.blobs.places[number].tolist()
    return store.blobs.arena[start : start + size].tobytes()


def write(store: NameStore, references: Sequence[Reference], *rows: Sequence[int]) -> list[int]:
    """Each of `rows` refers to a row of the table of each of `references`."""
    words = np.array([(7, *row) for row in rows], dtype=np.uint64)
    columns = np.arange(1, len(references) + 1, dtype=np.uint64)
    return [int(base) for base in store.write(references, columns, words, np.arange(len(rows)))]


def test_only_rows_that_a_batch_refers_to_are_written() -> None:
    store = NameStore()
    store.use({"endpoint": ENDPOINTS, "interface": OTHERS})
    references = (("endpoint", COLUMNS), ("interface", COLUMNS), ("endpoint", COLUMNS))
    first, second, again = write(store, references, (1, 0, 1), (1, 0, 0))
    assert [blob(store, first + row) for row in range(4)] == [b"\0\0\0", b"\3web\0\0", b"", b""]

    assert write(store, references, (2, 1, 1)) == [first, second, first]
    long = b"\xff\x01\x2c" + b"x" * 300
    assert [blob(store, first + row) for row in (1, 2)] == [b"\3web\0\0", b"\5vpc-2" + long + b"\0"]
    assert blob(store, second + 1) == b"\3web\0\0"
    assert (again, blob(store, first + 3)) == (first, b"")


def test_what_was_written_stays_when_another_reference_comes() -> None:
    store = NameStore()
    store.use({"endpoint": ENDPOINTS})
    (first,) = write(store, [("endpoint", COLUMNS)], (1,))
    both = write(store, [("endpoint", COLUMNS[1:]), ("endpoint", COLUMNS)], (1, 0))
    assert both[1] == first
    assert (blob(store, both[0] + 1), blob(store, first + 1)) == (b"\0\0", b"\3web\0\0")


@pytest.mark.parametrize("is_new", [True, False])
def test_another_snapshot_empties_the_store(is_new: bool) -> None:
    store = NameStore()
    store.use({"endpoint": ENDPOINTS})
    write(store, [("endpoint", COLUMNS)], (1,))

    renamed = table_of("endpoint", [{"name": "shop"}])
    store.use({"endpoint": renamed if is_new else ENDPOINTS})
    (first,) = write(store, [("endpoint", COLUMNS)], (1,))
    assert blob(store, first + 1) == (b"\4shop\0\0" if is_new else b"\3web\0\0")

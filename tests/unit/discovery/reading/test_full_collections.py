"""Full garbage collections wait for the end of a discovery, and only they."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from consumer.discovery.reading import full_collections


@pytest.fixture(autouse=True)
def thresholds() -> Iterator[tuple[int, int, int]]:
    before = gc.get_threshold()
    gc.set_threshold(700, 10, 10)
    yield (700, 10, 10)
    gc.set_threshold(*before)


def collections_of(generation: int) -> int:
    return int(gc.get_stats()[generation]["collections"])


def make_many() -> list[list[int]]:
    """Enough that all generations are looked at several times."""
    return [[number] for number in range(200_000)]


def test_values_that_grow_in_number_bring_full_collections() -> None:
    before = collections_of(2)
    kept = make_many()
    assert collections_of(2) > before, "else the next test shows nothing"
    assert kept


def test_until_the_end_young_values_are_looked_at_and_old_ones_are_not() -> None:
    with full_collections.put_off():
        young, old = collections_of(1), collections_of(2)
        kept = make_many()
        assert collections_of(1) > young
        assert collections_of(2) == old
        assert kept


def test_after_the_end_or_a_failure_all_is_as_before(thresholds: tuple[int, int, int]) -> None:
    with pytest.raises(OSError, match="full"), full_collections.put_off():
        raise OSError("full")
    assert gc.get_threshold() == thresholds

"""Memory of messages: one behind the other, and again once nobody holds them."""

from __future__ import annotations

from itertools import pairwise

import pytest

from consumer.encode.slabs import SLAB_BYTES, Slab, Slabs

_ROOM = 1000


def fill(slabs: Slabs, size: int, room: int = _ROOM) -> tuple[Slab, int]:
    """Take room and use some; a view of what was used, and where it lies."""
    slab, begin = slabs.take(room)
    assert len(slab) - begin >= room
    slabs.keep(begin + size)
    return slab[begin : begin + size], slab[begin:].__array_interface__["data"][0]


def test_what_is_held_is_never_given_again() -> None:
    slabs = Slabs()
    held = [fill(slabs, size) for size in (10, 1000, 1, 500)]
    held += [fill(slabs, SLAB_BYTES, 2 * SLAB_BYTES) for _ in range(20)]
    places = sorted((place, len(view)) for view, place in held)
    assert all(place + size <= following for (place, size), (following, _) in pairwise(places))


@pytest.mark.parametrize("keeps", ["view", "memoryview"])
def test_a_slab_is_used_again_once_nobody_holds_any_of_it(keeps: str) -> None:
    slabs = Slabs()
    views, (first, second) = zip(*(fill(slabs, 100) for _ in range(2)), strict=True)
    held: object = views[1] if keeps == "view" else views[1][:10].data
    del views
    assert second == first + 100
    assert fill(slabs, 100)[1] == first + 200
    del held
    assert fill(slabs, 100)[1] == first


def test_of_two_slabs_the_free_one_comes_next_if_it_is_large_enough() -> None:
    slabs = Slabs()
    old, first = fill(slabs, SLAB_BYTES + 1, SLAB_BYTES + 1)
    new, second = fill(slabs, SLAB_BYTES + 1, SLAB_BYTES + 1)
    assert first != second
    del old
    assert fill(slabs, 10)[1] == first
    assert fill(slabs, 10, 4 * SLAB_BYTES)[1] not in (first, second)
    assert len(new) == SLAB_BYTES + 1

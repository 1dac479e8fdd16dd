"""Numbers of places: one each, the same after a kill -9, never given twice while an id needs them."""

from __future__ import annotations

from pathlib import Path

import pytest

from consumer.state import places as module
from consumer.state.places import Place, Places

SOME: list[Place] = [
    ("123456789012", "/vpc", "eni-1"),
    ("123456789012", "/vpc", None),
    (None, None, "eni-1"),
    ("123456789012", "/vpc", "eni-1", b"an id \xff"),
    ("123456789012", "/vpc", "lone \udcff surrogate"),
]


def opened(folder: Path, key: str = "k", *, may_load: bool = True, in_use: frozenset[int] = frozenset()) -> Places:
    return Places(folder / "places.jsonl", key, 1 << 24, lambda: set(in_use), may_load=may_load)


def test_each_place_has_a_number_of_its_own_and_keeps_it_over_a_death(tmp_path: Path) -> None:
    first = opened(tmp_path, may_load=False)
    numbers = [first.number(place) for place in SOME]
    assert sorted(numbers) == [1, 2, 3, 4, 5]
    again = opened(tmp_path)  # the first was never closed
    assert again.is_complete
    assert [again.number(place) for place in SOME] == numbers
    assert again.number(("a new one",)) == 6


def test_a_line_that_a_death_cut_off_is_no_number(tmp_path: Path) -> None:
    first = opened(tmp_path, may_load=False)
    first.number(SOME[0])
    with (tmp_path / "places.jsonl").open("ab") as journal:
        journal.write(b'[2,["half')
    again = opened(tmp_path)
    assert again.is_complete
    assert len(again) == 1


@pytest.mark.parametrize("content", [b"", b'{"key":"another"}\n', b'{"key":"k"}\n[nonsense\n', b"\xff\n"], ids=str)
def test_a_journal_of_another_file_or_none_at_all_is_not_complete(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "places.jsonl").write_bytes(content)
    assert not opened(tmp_path).is_complete


def test_places_that_no_id_needs_are_forgotten_when_there_are_many(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_PRUNE_AT_LEAST", 100)
    many = opened(tmp_path, may_load=False, in_use=frozenset({5, 50}))
    numbers = {many.number(("place", str(number))) for number in range(4096)}
    assert len(numbers) == 4096
    many.tidy()
    assert len(many) == 2
    assert many.number(("place", "4")) == 5, "the fifth keeps its number"
    assert many.number(("new", "one")) not in numbers
    assert len(opened(tmp_path)) == 3


def test_numbers_go_round_past_those_in_use(tmp_path: Path) -> None:
    few = Places(None, "", 6, lambda: {1, 3}, may_load=False)
    assert [few.number(("a", str(number))) for number in range(5)] == [1, 2, 3, 4, 5]
    few._numbers = {("a", "4"): 5}
    assert few.number(("b",)) == 2
    assert few.number(("c",)) == 3 or few.number(("c",)) == 4


def test_a_journal_that_cannot_be_written_gives_no_new_numbers(tmp_path: Path) -> None:
    full = opened(tmp_path, may_load=False)
    known = full.number(SOME[0])
    full.close()
    full._path = Path("/dev/null/no folder")
    assert full.number(SOME[0]) == known
    assert full.number(SOME[1]) == 0

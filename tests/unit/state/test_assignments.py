"""Numbers given once and kept."""

from __future__ import annotations

from pathlib import Path

import pytest

from consumer.state.assignments import Assignments

DAY = 86_400.0
HIGH = 2**31 - 1


def test_every_key_has_a_number_of_its_own_in_the_range() -> None:
    keys = [f"eni-{number}" for number in range(500)]
    given = Assignments(None).assign("if_index", keys, low=10, high=600, now=0.0)

    assert list(given) == sorted(keys)
    assert len(set(given.values())) == 500
    assert all(10 <= number <= 600 for number in given.values())


def test_a_number_survives_a_restart_even_when_others_would_take_it(tmp_path: Path) -> None:
    path = tmp_path / "new" / "assignments.sqlite"
    first = Assignments(path).assign("if_index", ["b", "d", "f"], low=1, high=6, now=0.0)

    later = Assignments(path).assign("if_index", ["a", "b", "c", "d", "e", "f"], low=1, high=6, now=DAY)

    assert {key: later[key] for key in first} == first
    assert sorted(later.values()) == [1, 2, 3, 4, 5, 6]


def test_of_two_with_the_same_hash_the_later_takes_the_next_free_number() -> None:
    alone = {key: Assignments(None).assign("if_index", [key], low=1, high=9, now=0.0)[key] for key in "abcdefghijklm"}
    earlier, later = next((a, b) for a in alone for b in alone if b < a and alone[a] == alone[b] < 9)
    assignments = Assignments(None)
    assignments.assign("if_index", [earlier], low=1, high=9, now=0.0)

    both = assignments.assign("if_index", [earlier, later], low=1, high=9, now=DAY)

    assert both == {earlier: alone[earlier], later: alone[earlier] + 1}


def test_agents_that_share_nothing_agree() -> None:
    keys = [f"eni-{number:017x}" for number in range(1000)]
    one = Assignments(None).assign("if_index", keys, low=1, high=HIGH, now=0.0)
    other = Assignments(None).assign("if_index", reversed(keys), low=1, high=HIGH, now=DAY)

    assert one == other


def test_taken_numbers_are_never_given_and_kept_ones_give_way() -> None:
    assignments = Assignments(None)
    (number,) = assignments.assign("exporter", ["vpc-1"], low=1, high=9, now=0.0).values()

    moved = assignments.assign("exporter", ["vpc-1"], low=1, high=9, now=0.0, taken=[number])

    assert moved["vpc-1"] != number


def test_a_number_outside_a_new_range_is_given_anew() -> None:
    assignments = Assignments(None)
    assignments.assign("exporter", ["vpc-1"], low=1, high=9, now=0.0)

    assert assignments.assign("exporter", ["vpc-1"], low=20, high=20, now=0.0) == {"vpc-1": 20}


def test_a_full_range_is_said() -> None:
    with pytest.raises(ValueError, match="all 2 numbers from 1 to 2 are given away"):
        Assignments(None).assign("exporter", ["a", "b", "c"], low=1, high=2, now=0.0)


def test_kinds_do_not_disturb_each_other() -> None:
    assignments = Assignments(None)

    assert assignments.assign("one", ["a"], low=5, high=5, now=0.0) == {"a": 5}
    assert assignments.assign("other", ["b"], low=5, high=5, now=0.0) == {"b": 5}


def test_a_key_not_seen_for_long_frees_its_number_also_after_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "assignments.sqlite"
    Assignments(path).assign("if_index", ["old"], low=1, high=2, now=0.0, forget_after_days=90)
    Assignments(path).assign("if_index", ["young"], low=1, high=2, now=60 * DAY, forget_after_days=90)

    given = Assignments(path).assign("if_index", ["young", "new"], low=1, high=2, now=91 * DAY, forget_after_days=90)

    assert sorted(given.values()) == [1, 2]
    assert set(Assignments(path).assign("if_index", [], low=1, high=2, now=91 * DAY)) == set()


def test_a_key_that_is_still_seen_is_never_forgotten(tmp_path: Path) -> None:
    path = tmp_path / "assignments.sqlite"
    first = Assignments(path).assign("if_index", ["a"], low=1, high=HIGH, now=0.0, forget_after_days=2)
    for day in range(1, 10):
        again = Assignments(path).assign("if_index", ["a"], low=1, high=HIGH, now=day * DAY, forget_after_days=2)
        assert again == first


def test_a_file_that_is_no_database_is_set_aside_and_begun_anew(tmp_path: Path) -> None:
    path = tmp_path / "assignments.sqlite"
    path.write_bytes(b"not a database, and long enough to be taken for one" * 100)

    given = Assignments(path).assign("if_index", ["a"], low=1, high=HIGH, now=0.0)

    assert Assignments(path).assign("if_index", ["a"], low=1, high=HIGH, now=0.0) == given
    assert (tmp_path / "assignments.sqlite.corrupt").read_bytes().startswith(b"not a database")


def test_a_file_that_cannot_be_opened_is_left_alone_and_hashes_stand_in(tmp_path: Path) -> None:
    path = tmp_path / "assignments.sqlite"
    path.mkdir()
    assignments = Assignments(path)

    given = assignments.assign("if_index", ["a"], low=1, high=HIGH, now=0.0)

    assert given == Assignments(None).assign("if_index", ["a"], low=1, high=HIGH, now=0.0)
    assert list(tmp_path.iterdir()) == [path], "nothing was set aside"
    path.rmdir()
    assignments.assign("if_index", [], low=1, high=HIGH, now=0.0)
    assert Assignments(path).assign("if_index", ["a"], low=1, high=HIGH, now=0.0) == given
    assert path.is_file()


def test_a_place_that_cannot_be_written_is_tried_again_and_breaks_nothing(tmp_path: Path) -> None:
    path = tmp_path / "assignments.sqlite"
    assignments = Assignments(path)
    first = assignments.assign("if_index", ["a"], low=1, high=HIGH, now=0.0)
    path.unlink()
    path.mkdir()

    given = assignments.assign("if_index", ["a", "b"], low=1, high=2, now=0.0)
    assert set(given) == {"a", "b"}

    path.rmdir()
    assert assignments.assign("if_index", [], low=1, high=2, now=0.0) == {}
    assert Assignments(path).assign("if_index", ["b"], low=1, high=2, now=0.0) == {"b": given["b"]}
    assert first["a"] > 2

"""Positions over restarts, torn files and full disks."""

from __future__ import annotations

import sqlite3
import threading
from pathlib import Path

import pytest

from consumer.state.cursors import SCHEMA_VERSION, Cursors, Position
from tests.support.clock import ManualClock

KEY = "123456789012/eu-central-1//vpc/flow"


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "cursors.sqlite"


def test_a_position_is_there_after_a_restart(path: Path, clock: ManualClock) -> None:
    cursors = Cursors(path, clock)
    cursors.advance("log_group", KEY, Position(100.5, 50.25))
    cursors.advance("stream", KEY, Position.at(7))
    cursors.close()

    again = Cursors(path, clock)
    assert again.get("log_group", KEY) == Position(100.5, 50.25)
    assert again.get("stream", KEY) == Position.at(7)
    assert again.get("log_group", "other") is None


def test_a_position_survives_a_process_that_is_killed(path: Path, clock: ManualClock) -> None:
    Cursors(path, clock).advance("log_group", KEY, Position.at(100))

    assert Cursors(path, clock).get("log_group", KEY) == Position.at(100)


def test_positions_are_written_once_a_second_at_most_and_at_the_end(path: Path, clock: ManualClock) -> None:
    cursors = Cursors(path, clock)
    for moment in (1, 2, 3):
        cursors.advance("log_group", KEY, Position.at(moment))
    assert Cursors(path, clock).get("log_group", KEY) == Position.at(1)
    clock.advance(1)
    cursors.advance("log_group", KEY, Position.at(4))
    assert Cursors(path, clock).get("log_group", KEY) == Position.at(4)
    cursors.advance("log_group", KEY, Position.at(5))
    cursors.close()

    assert Cursors(path, clock).get("log_group", KEY) == Position.at(5)


def test_a_position_never_goes_back_and_each_half_counts_for_itself(path: Path, clock: ManualClock) -> None:
    cursors = Cursors(path, clock)
    cursors.advance("log_group", KEY, Position(100, 50))
    cursors.advance("log_group", KEY, Position(90, 80))
    assert cursors.get("log_group", KEY) == Position(100, 80)
    cursors.advance("log_group", KEY, Position.at(10))

    assert cursors.get("log_group", KEY) == Position(100, 80)


@pytest.mark.parametrize(
    "content", [b"", b"SQLite format 3\0 torn", b"no database at all" * 500], ids=["empty", "torn", "foreign"]
)
def test_a_file_that_is_no_database_is_set_aside(path: Path, clock: ManualClock, content: bytes) -> None:
    path.parent.mkdir()
    path.write_bytes(content)
    cursors = Cursors(path, clock)
    assert cursors.get("log_group", KEY) is None
    cursors.advance("log_group", KEY, Position.at(5))
    cursors.close()

    assert Cursors(path, clock).get("log_group", KEY) == Position.at(5)
    kept = [file for file in path.parent.iterdir() if file.name.endswith(".unreadable")]
    assert [file.read_bytes() for file in kept] == ([content] if content else [])


def test_a_file_of_a_later_version_is_set_aside_and_kept(path: Path, clock: ManualClock) -> None:
    cursors = Cursors(path, clock)
    cursors.advance("log_group", KEY, Position.at(5))
    cursors.close()
    with sqlite3.connect(path) as database:
        database.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    database.close()

    assert Cursors(path, clock).get("log_group", KEY) is None
    (aside,) = path.parent.glob("*.unreadable")
    with sqlite3.connect(aside) as kept:
        assert kept.execute("SELECT count(*) FROM cursor").fetchone() == (1,)
    kept.close()


def test_a_disk_that_cannot_be_written_is_said_and_tried_again(tmp_path: Path, clock: ManualClock) -> None:
    blocked = tmp_path / "file-in-the-way"
    said: list[str] = []
    cursors = Cursors(blocked / "cursors.sqlite", clock, said.append)
    assert cursors.get("log_group", KEY) is None
    blocked.write_text("")
    cursors.advance("log_group", KEY, Position.at(5))
    assert "file-in-the-way" in cursors.problem
    assert cursors.get("log_group", KEY) == Position.at(5), "reading goes on"
    blocked.unlink()
    clock.advance(1)
    cursors.advance("log_group", KEY, Position.at(6))

    assert [bool(problem) for problem in said] == [True, False]
    assert Cursors(blocked / "cursors.sqlite", clock).get("log_group", KEY) == Position.at(6)


def test_a_full_database_is_said_and_what_was_not_written_follows(path: Path, clock: ManualClock) -> None:
    cursors = Cursors(path, clock)
    cursors.advance("log_group", KEY, Position.at(1))
    assert cursors._database is not None
    (pages,) = cursors._database.execute("PRAGMA page_count").fetchone()
    cursors._database.execute(f"PRAGMA max_page_count = {pages}")
    for number in range(200):
        cursors.advance("log_group", f"{number} {'x' * 100}", Position.at(number))
    cursors.flush()
    assert "full" in cursors.problem
    cursors._database.execute("PRAGMA max_page_count = 100000")
    cursors.close()

    assert cursors.problem == ""
    assert Cursors(path, clock).get("log_group", f"199 {'x' * 100}") == Position.at(199)


def test_threads_may_advance_at_once(path: Path, clock: ManualClock) -> None:
    cursors = Cursors(path, clock)

    def work(number: int) -> None:
        for moment in range(1, 200):
            clock.advance(0.5)
            cursors.advance("log_group", str(number), Position.at(moment))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    cursors.close()

    again = Cursors(path, clock)
    assert [again.get("log_group", str(number)) for number in range(4)] == [Position.at(199)] * 4

"""What is exported is remembered, over restarts, in bounds; losing the memory raises nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from consumer.state.object_journal import Done, ObjectIdentity, ObjectJournal
from tests.support.clock import ManualClock

ONE = ObjectIdentity("bucket", "key", "etag")
DAY = 86_400.0


def journal(folder: Path, clock: ManualClock | None = None, keep_count: int = 1000) -> ObjectJournal:
    return ObjectJournal(folder / "objects.sqlite", (clock or ManualClock()).now, 14 * DAY, keep_count)


def test_a_finished_object_is_known_to_the_next_process(tmp_path: Path) -> None:
    with journal(tmp_path) as first:
        assert first.done(ONE) is None
        first.finish(ONE)
        first.finish(ObjectIdentity("bucket", "other", "etag"), "bad_gzip")
    with journal(tmp_path) as second:
        assert second.done(ONE) == Done()
        assert second.done(ObjectIdentity("bucket", "other", "etag")) == Done("bad_gzip")


def test_what_was_written_survives_without_a_close(tmp_path: Path) -> None:
    journal(tmp_path).finish(ONE)
    assert journal(tmp_path).done(ONE) == Done()


@pytest.mark.parametrize(
    "other",
    [
        ObjectIdentity("other", "key", "etag"),
        ObjectIdentity("bucket", "other", "etag"),
        ObjectIdentity("bucket", "key", "other"),
    ],
    ids=["bucket", "key", "etag"],
)
def test_bucket_key_and_entity_tag_tell_objects_apart(tmp_path: Path, other: ObjectIdentity) -> None:
    with journal(tmp_path) as one:
        one.finish(ONE)
        assert one.done(other) is None


def test_the_same_bytes_put_again_are_another_object_and_an_older_announcement_of_them_is_not(tmp_path: Path) -> None:
    def put(sequencer: str) -> ObjectIdentity:
        return ObjectIdentity("bucket", "key", "etag", sequencer)

    with journal(tmp_path) as one:
        one.finish(put("0055AED6DCD90281E5"))
        assert one.done(put("0055AED6DCD90281E5")) == Done()
        assert one.done(put("")) == Done()
        assert one.done(put("0055AED6DCD90281E6")) is None
        assert one.done(put("0055AED6DCD90281E51")) is None
        assert one.done(put("0055AED6DCD90281")) == Done()


def test_a_mark_is_kept_until_the_object_is_finished(tmp_path: Path) -> None:
    with journal(tmp_path) as one:
        assert one.mark(ONE) == ""
        one.advance(ONE, "[1,2]")
        one.advance(ONE, "[3,4]")
    with journal(tmp_path) as one:
        assert one.mark(ONE) == "[3,4]"
        one.finish(ONE)
        assert one.mark(ONE) == ""


def test_an_object_is_claimed_once_until_it_is_released(tmp_path: Path) -> None:
    with journal(tmp_path) as one:
        assert one.claim(ONE)
        assert not one.claim(ObjectIdentity("bucket", "key", "etag", "another sequencer"))
        one.release(ONE)
        assert one.claim(ONE)


def test_what_is_old_or_too_much_is_forgotten_oldest_first(tmp_path: Path) -> None:
    clock = ManualClock()

    def numbered(number: int) -> ObjectIdentity:
        return ObjectIdentity("bucket", str(number), "etag")

    with journal(tmp_path, clock, keep_count=500) as one:
        one.finish(numbered(0))
        clock.advance(15 * DAY)
        for number in range(1, 1001):
            one.finish(numbered(number))
            clock.advance(1)
        assert one.done(numbered(0)) is None
        assert one.done(numbered(400)) is None
        assert one.done(numbered(1000)) == Done()


def test_an_unreadable_file_is_set_aside_and_begun_anew(tmp_path: Path) -> None:
    (tmp_path / "objects.sqlite").write_bytes(b"no database, only words " * 100)
    with journal(tmp_path) as one:
        assert one.done(ONE) is None
        one.finish(ONE)
        assert one.done(ONE) == Done()
    assert (tmp_path / "objects.sqlite.corrupt").read_bytes().startswith(b"no database")


def test_a_folder_that_cannot_be_written_costs_the_memory_only(tmp_path: Path) -> None:
    (tmp_path / "objects.sqlite").mkdir()
    one = journal(tmp_path)
    one.finish(ONE)
    assert one.done(ONE) is None

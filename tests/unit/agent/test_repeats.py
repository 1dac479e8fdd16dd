"""What went out is not sent again: over ways, threads, failures and a kill -9; what did not go out is not lost."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from consumer.agent.repeats import FILE_NAME, PLACES_NAME, RepeatFilter, remembered_seconds
from consumer.config import Settings
from consumer.decode.decoder import Decoded
from consumer.errors import Stopped
from consumer.kcl.properties import living_seconds
from consumer.kcl.settings import StreamSettings
from consumer.model.delivery import Origin, SourceKind
from consumer.model.tally import Tally
from consumer.select.selection import REPEAT
from tests.support.clock import ManualClock
from tests.support.flows import all_rows, flow_batch
from tests.support.log_events import ORIGIN, events_with

POLLED = replace(ORIGIN, kind=SourceKind.CLOUDWATCH, log_stream=None)
REMEMBER = {SourceKind.KINESIS: 300.0, SourceKind.CLOUDWATCH: 300.0}
NEVER = threading.Event()


def piece_of(numbers: Sequence[int], origin: Origin = ORIGIN) -> Decoded:
    """A flow for each number; the event ids as CloudWatch writes them."""
    stream = None if origin.log_stream else ORIGIN.log_stream
    events = events_with([(str(10**55 + number), stream) for number in numbers])
    return Decoded(flow_batch([{"start": "1"}] * len(numbers)), Tally(), [], origin, events)


def opened(folder: Path | None, memory_bytes: int = 10_000_000) -> RepeatFilter:
    return RepeatFilter(folder, memory_bytes, REMEMBER, ManualClock())


@pytest.fixture(params=["file", "memory"])
def repeats(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[RepeatFilter]:
    made = opened(tmp_path if request.param == "file" else None)
    yield made
    made.close()


def send(repeats: RepeatFilter, numbers: Sequence[int], origin: Origin = ORIGIN) -> list[int]:
    """What goes out of a delivery that ends well."""
    piece = piece_of(numbers, origin)
    assert piece.batch is not None
    with repeats.claim(piece, all_rows(piece.batch), NEVER) as selection:
        assert len(selection.rows) + selection.dropped[REPEAT] == len(numbers)
        return [numbers[row] for row in selection.rows.tolist()]


def fail(repeats: RepeatFilter, numbers: Sequence[int]) -> None:
    """A delivery that is stopped while it is sent."""
    piece = piece_of(numbers)
    assert piece.batch is not None
    with pytest.raises(Stopped), repeats.claim(piece, all_rows(piece.batch), NEVER):
        raise Stopped


def test_what_came_by_kinesis_is_not_sent_again_when_it_is_polled(repeats: RepeatFilter) -> None:
    assert send(repeats, [1, 2, 3]) == [1, 2, 3]
    assert send(repeats, [2, 3, 4], POLLED) == [4]
    assert send(repeats, [1, 4, 5]) == [5]


def test_a_failed_delivery_counts_as_not_seen(repeats: RepeatFilter) -> None:
    send(repeats, [1])
    fail(repeats, [1, 2, 3])
    assert send(repeats, [1, 2, 3]) == [2, 3]


def test_rows_that_are_not_to_be_reported_are_not_claimed(repeats: RepeatFilter) -> None:
    piece = piece_of([1, 2, 3])
    with repeats.claim(piece, np.array([0, 2], dtype=np.int64), NEVER) as selection:
        assert selection.rows.tolist() == [0, 2]
    assert send(repeats, [1, 2, 3]) == [2]


@pytest.mark.parametrize("kind", [SourceKind.S3, SourceKind.FILE])
def test_other_sources_pass(repeats: RepeatFilter, kind: SourceKind) -> None:
    origin = replace(ORIGIN, kind=kind)
    assert send(repeats, [1, 1], origin) == [1, 1]


def test_plain_lines_without_ids_pass(repeats: RepeatFilter) -> None:
    piece = replace(piece_of([1, 1]), events=None)
    assert piece.batch is not None
    with repeats.claim(piece, all_rows(piece.batch), NEVER) as selection:
        assert len(selection.rows) == 2


@pytest.mark.parametrize("ends_well", [True, False])
def test_a_second_delivery_of_the_same_events_waits_for_the_first(repeats: RepeatFilter, ends_well: bool) -> None:
    is_claimed, may_end = threading.Event(), threading.Event()

    def first() -> None:
        piece = piece_of([1, 2])
        assert piece.batch is not None
        try:
            with repeats.claim(piece, all_rows(piece.batch), NEVER):
                is_claimed.set()
                assert may_end.wait(30)
                if not ends_well:
                    raise Stopped
        except Stopped:
            return

    sent: list[list[int]] = []
    threads = [threading.Thread(target=first), threading.Thread(target=lambda: sent.append(send(repeats, [2, 3])))]
    threads[0].start()
    assert is_claimed.wait(30)
    assert send(repeats, [4]) == [4], "others go on"
    threads[1].start()
    threads[1].join(0.3)
    assert not sent
    may_end.set()
    for thread in threads:
        thread.join(30)
    assert sent == [[3] if ends_well else [2, 3]]


def test_a_stop_ends_the_wait(repeats: RepeatFilter) -> None:
    piece, stop = piece_of([1]), threading.Event()
    assert piece.batch is not None
    stop.set()
    with (
        repeats.claim(piece, all_rows(piece.batch), NEVER),
        pytest.raises(Stopped),
        repeats.claim(piece, all_rows(piece.batch), stop),
    ):
        raise AssertionError("it was claimed twice")


def test_many_threads_with_the_same_events_send_each_once(repeats: RepeatFilter) -> None:
    sent: list[int] = []

    def work(first: int) -> None:
        for start in range(first, 400, 7):
            sent.extend(send(repeats, range(start, start + 20)))

    threads = [threading.Thread(target=work, args=(first,)) for first in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(sent) == sorted(set(sent))
    assert set(sent) >= set(range(400))


@pytest.mark.parametrize("jump_seconds", [3600.0, -3600.0], ids=["an hour ahead", "an hour back"])
def test_the_wall_clock_may_jump_and_the_time_zone_change(
    tmp_path: Path, jump_seconds: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = ManualClock()
    repeats = RepeatFilter(tmp_path, 10_000_000, REMEMBER, clock)
    assert send(repeats, range(100)) == list(range(100))
    clock.started_at += jump_seconds
    monkeypatch.setenv("TZ", "Pacific/Kiritimati")
    time.tzset()
    clock.advance(100)
    assert send(repeats, range(50, 150)) == list(range(100, 150))
    assert repeats.forgotten() == 0
    monkeypatch.undo()
    time.tzset()


def test_events_are_remembered_for_their_time_and_no_memory_is_taken_for_longer(tmp_path: Path) -> None:
    clock = ManualClock()
    repeats = RepeatFilter(tmp_path, 100_000_000, REMEMBER, clock)
    for minute in range(30):
        first = 1000 * minute
        assert len(send(repeats, range(first, first + 1000))) == 1000
        assert send(repeats, range(max(0, first - 4000), first)) == [], "the last four minutes are known"
        clock.advance(60)
    assert repeats.remembered() <= 12_000, "seen last after four minutes, remembered for five: nine minutes, not thirty"


_DIE_WITH_A_CLAIM_OPEN = """
import os, signal, sys
from pathlib import Path
from tests.support.flows import all_rows
from tests.unit.agent.test_repeats import NEVER, opened, piece_of, send
repeats = opened(Path(sys.argv[1]))
assert send(repeats, [1, 2, 3]) == [1, 2, 3]
piece = piece_of([3, 4, 5])
with repeats.claim(piece, all_rows(piece.batch), NEVER) as selection:
    assert selection.rows.tolist() == [1, 2]
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_after_kill_9_nothing_that_went_out_is_forgotten_and_what_was_under_way_counts_as_not_seen(
    tmp_path: Path,
) -> None:
    done = subprocess.run([sys.executable, "-c", _DIE_WITH_A_CLAIM_OPEN, str(tmp_path)], check=False)
    assert done.returncode == -9
    assert send(opened(tmp_path), [1, 2, 3, 4, 5, 6]) == [4, 5, 6]


@pytest.mark.parametrize("lost", [FILE_NAME, PLACES_NAME])
def test_file_and_numbers_are_begun_anew_together(tmp_path: Path, lost: str) -> None:
    before = opened(tmp_path)
    send(before, [1, 2])
    before.close()
    (tmp_path / lost).unlink()
    after = opened(tmp_path)
    assert send(after, [1, 2]) == [1, 2], "forgotten, not mistaken"
    after.close()
    assert send(opened(tmp_path), [1, 2, 3]) == [3]


def test_ranges_that_contradict_each_other_are_set_aside(tmp_path: Path) -> None:
    before = opened(tmp_path)
    send(before, [1, 2])
    assert before._file is not None
    before._file.words[1] = 10**9
    before.close()
    assert send(opened(tmp_path), [1, 2]) == [1, 2]
    assert (tmp_path / f"{FILE_NAME}.corrupt").exists()


def test_a_folder_that_cannot_be_written_costs_only_the_memory_of_a_restart() -> None:
    repeats = opened(Path("/dev/null/nowhere"))
    assert send(repeats, [1]) == [1]
    assert send(repeats, [1, 2]) == [2]


def test_more_events_than_there_is_memory_for_may_repeat_and_are_counted(tmp_path: Path) -> None:
    repeats = opened(tmp_path, memory_bytes=1)
    for start in range(0, 40_000, 8_000):
        assert len(send(repeats, range(start, start + 8_000))) == 8_000
    assert repeats.forgotten() == 24_000
    assert repeats.remembered() == 16_000
    assert send(repeats, range(24_000, 40_000, 1000)) == []


def test_what_came_by_a_stream_is_remembered_until_a_look_at_its_own_leases_could_end() -> None:
    """A stream's own failoverTimeMillis makes the look longer than kcl.failover_ms says."""
    slow = StreamSettings(name="flow", region="us-east-1", properties={"FailoverTimeMillis": "120000"})
    usual, patient = Settings(), Settings(streams=(slow,))

    assert living_seconds(patient.kcl, slow) == 360
    more = remembered_seconds(patient)[SourceKind.KINESIS] - remembered_seconds(usual)[SourceKind.KINESIS]
    assert more == living_seconds(patient.kcl, slow) - living_seconds(usual.kcl, None)

"""Doing slow things side by side."""

from __future__ import annotations

import threading

import pytest

from consumer.discovery.parallel import in_background, result_of, side_by_side
from consumer.errors import Stopped

WAIT = 60.0


def test_results_come_in_the_order_of_the_things() -> None:
    gates = [threading.Event() for _ in range(3)]

    def work(place: int) -> int:
        if place < 2:
            assert gates[place + 1].wait(WAIT), "the later one never ran beside the earlier one"
        gates[place].set()
        return place * 10

    assert side_by_side(work, [0, 1, 2], 3, threading.Event(), "test") == [0, 10, 20]


def test_no_more_threads_than_allowed_work_at_once() -> None:
    lock = threading.Lock()
    working, most = 0, 0

    def work(_: int) -> None:
        nonlocal working, most
        with lock:
            working += 1
            most = max(most, working)
        with lock:
            working -= 1

    side_by_side(work, range(200), 2, threading.Event(), "test")

    assert 1 <= most <= 2


def test_an_error_of_the_work_reaches_the_caller() -> None:
    def work(place: int) -> int:
        raise KeyError(place)

    with pytest.raises(KeyError):
        side_by_side(work, [1, 2], 2, threading.Event(), "test")


def test_a_stop_is_heard_while_the_work_hangs() -> None:
    stop, release = threading.Event(), threading.Event()

    def work(place: int) -> bool:
        stop.set()
        return release.wait(WAIT)

    with pytest.raises(Stopped):
        side_by_side(work, [1, 2], 1, stop, "test")
    release.set()


def test_nothing_to_do_is_done() -> None:
    assert side_by_side(lambda _: 1, [], 4, threading.Event(), "test") == []


def test_a_result_that_takes_too_long_is_given_up_and_may_still_come() -> None:
    release = threading.Event()
    future = in_background(lambda: release.wait(WAIT), "test")

    with pytest.raises(TimeoutError):
        result_of(future, threading.Event(), 0.05)

    release.set()
    assert result_of(future, threading.Event(), WAIT) is True


def test_a_time_out_of_the_work_itself_is_not_waited_for_again() -> None:
    def work() -> None:
        raise TimeoutError("of the work")

    with pytest.raises(TimeoutError, match="of the work"):
        result_of(in_background(work, "test"), threading.Event(), WAIT)


def test_threads_that_hang_do_not_keep_the_process_alive() -> None:
    release = threading.Event()
    in_background(lambda: release.wait(WAIT), "test-hangs")

    (thread,) = [one for one in threading.enumerate() if one.name == "test-hangs"]
    assert thread.daemon
    release.set()

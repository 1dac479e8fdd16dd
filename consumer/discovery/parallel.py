"""Doing slow things side by side, without holding up the end of the process.

Belongs here: the bound on threads, and hearing "stop" while AWS does not answer. Does not: what is done. A
ThreadPoolExecutor would be joined at exit, however long a call still waits for its time-out; these threads are not.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import TypeVar

from consumer.errors import Stopped

Thing = TypeVar("Thing")
Result = TypeVar("Result")

_STOP_POLL_SECONDS = 0.2


def in_background(work: Callable[[], Result], name: str) -> Future[Result]:
    """Run `work` on a thread of its own that does not keep the process alive."""
    future: Future[Result] = Future()

    def run() -> None:
        try:
            future.set_result(work())
        except BaseException as error:  # noqa: BLE001  handed to whoever waits, as an executor does
            future.set_exception(error)

    threading.Thread(target=run, name=name, daemon=True).start()
    return future


def result_of(future: Future[Result], stop: threading.Event, timeout_seconds: float | None = None) -> Result:
    """Wait for a result. Raises Stopped once `stop` is set, TimeoutError after `timeout_seconds` (None = never)."""
    waited = 0.0
    while timeout_seconds is None or waited < timeout_seconds:
        step = _STOP_POLL_SECONDS if timeout_seconds is None else min(_STOP_POLL_SECONDS, timeout_seconds - waited)
        try:
            return future.result(step)
        except TimeoutError:
            if future.done():
                raise  # the work's own
            waited += step
        if stop.is_set():
            raise Stopped("AWS was being asked")
    raise TimeoutError


def side_by_side(
    work: Callable[[Thing], Result], things: Sequence[Thing], thread_count: int, stop: threading.Event, name: str
) -> list[Result]:
    """`work` of every thing, in their order, by at most `thread_count` threads. Raises Stopped once `stop` is set."""
    places = iter(range(len(things)))
    lock = threading.Lock()
    results: dict[int, Result] = {}

    def run() -> None:
        while not stop.is_set():
            with lock:
                place = next(places, None)
            if place is None:
                return
            results[place] = work(things[place])

    futures = [in_background(run, f"{name}-{number}") for number in range(min(thread_count, len(things)))]
    for future in futures:
        result_of(future, stop)
    if stop.is_set():
        raise Stopped("AWS was being asked")
    return [results[place] for place in range(len(things))]

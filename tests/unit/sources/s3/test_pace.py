"""How many objects at once: fixed unless a ceiling is given, then as many as make it faster."""

from __future__ import annotations

from collections.abc import Callable

from consumer.sources.s3.pace import WINDOW_SECONDS, Concurrency


def run(
    concurrency: Concurrency,
    rate_of: Callable[[int], float],
    windows: int,
    *,
    backlog: bool = True,
) -> list[int]:
    limits = []
    now = 0.0
    for _ in range(windows):
        now += WINDOW_SECONDS
        concurrency.exported(int(rate_of(concurrency.limit) * WINDOW_SECONDS))
        concurrency.done(now, is_backlogged=backlog)
        limits.append(concurrency.limit)
    return limits


def test_without_a_ceiling_the_limit_never_moves() -> None:
    assert set(run(Concurrency(2, 0, 0.0), lambda limit: limit * 1e6, 20)) == {2}


def test_it_climbs_while_each_further_object_makes_it_faster_and_stays_there() -> None:
    limits = run(Concurrency(2, 16, 0.0), lambda limit: min(limit, 6) * 1e6, 40)
    assert max(limits) == 7
    assert limits.count(6) > len(limits) / 2


def test_it_never_passes_its_ceiling() -> None:
    assert max(run(Concurrency(2, 5, 0.0), lambda limit: limit * 1e6, 40)) == 5


def test_without_waiting_messages_it_stays() -> None:
    assert set(run(Concurrency(2, 16, 0.0), lambda limit: limit * 1e6, 20, backlog=False)) == {2}


def test_throttled_it_falls_to_the_floor() -> None:
    concurrency = Concurrency(2, 16, 0.0)
    run(concurrency, lambda limit: limit * 1e6, 5)
    assert concurrency.limit > 2
    concurrency.exported(0, is_throttled=True)
    concurrency.done(1000.0, is_backlogged=True)
    assert concurrency.limit == 2

"""Calls of the log groups of one account and region, on a manual clock: who may call when, and who slows down."""

from __future__ import annotations

import threading
from collections.abc import Mapping

import pytest

from consumer.sources.cloudwatch.budget import SETTLE_SECONDS, WIDE_SECONDS, Budget, Share
from tests.support.clock import ManualClock


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def budget(clock: ManualClock) -> Budget:
    return Budget(4.0, 3.0, clock)


def calls_in(seconds: float, clock: ManualClock, wants: Mapping[Share, float]) -> dict[Share, list[float]]:
    """When each share's calls go out; each asks again so many seconds after its last call did."""
    end = clock.monotonic() + seconds
    made: dict[Share, list[float]] = {share: [] for share in wants}
    asks = dict.fromkeys(wants, clock.monotonic())
    while True:
        share = min(asks, key=asks.__getitem__)
        if asks[share] > end:
            return made
        clock.advance(max(0.0, asks[share] - clock.monotonic()))
        now = clock.monotonic()
        moment = share.due(now)
        if moment <= now:
            made[share].append(now)
            moment = now + wants[share]
        asks[share] = moment


def test_a_group_alone_takes_its_share_and_leaves_the_rest(budget: Budget, clock: ManualClock) -> None:
    stop = threading.Event()
    for _ in range(31):
        assert budget.share("a").take(stop)
    assert clock.monotonic() == pytest.approx(10.0)


def test_a_backlog_holds_up_no_quiet_group_by_more_than_one_call(budget: Budget, clock: ManualClock) -> None:
    backlog, quiet = budget.share("backlog"), budget.share("quiet")
    made = calls_in(300, clock, {backlog: 0.0, quiet: 30.0})

    assert len(made[backlog]) == pytest.approx(900, abs=10), "its whole share"
    late = [at % 30 for at in made[quiet]]
    assert max(min(one, 30 - one) for one in late) <= 10 * 0.25 + 0.01, "a turn of the other each time, at most"
    assert len(made[quiet]) >= 10


def test_groups_that_all_have_a_backlog_get_the_same(budget: Budget, clock: ManualClock) -> None:
    shares = [budget.share(name) for name in "abcde"]
    made = calls_in(100, clock, dict.fromkeys(shares, 0.0))

    assert [len(one) for one in made.values()] == pytest.approx([80] * 5, abs=2)


def test_a_throttled_group_slows_down_alone_and_comes_back_by_answered_calls(budget: Budget) -> None:
    busy, other = budget.share("busy"), budget.share("other")
    for _ in range(3):
        busy.throttled()
    slowed = busy.rate, other.rate, budget.rate
    for _ in range(60):
        busy.answered()

    assert slowed == (0.375, 3.0, 4.0)
    assert (busy.rate, busy.throttled_calls) == (3.0, 3)
    for _ in range(20):
        busy.throttled()
    assert busy.rate == 3 / 16, "never silent"


def test_when_several_groups_are_throttled_the_region_slows_down_once_and_comes_back(
    budget: Budget, clock: ManualClock
) -> None:
    shares = [budget.share(name) for name in "abcdef"]
    for share in shares:
        share.throttled()
    assert budget.rate == 2.0, "calls that were under way say nothing new"
    clock.advance(SETTLE_SECONDS)
    for share in shares[:2]:
        share.throttled()
    assert budget.rate == 1.0
    for _ in range(48):
        shares[5].answered()
    assert budget.rate == 4.0


def test_throttled_calls_far_apart_say_nothing_of_the_region(budget: Budget, clock: ManualClock) -> None:
    for name in "abcdef":
        budget.share(name).throttled()
        clock.advance(WIDE_SECONDS + 1)
    assert budget.rate == 4.0


def test_a_stop_ends_the_wait_and_gives_the_turn_up(budget: Budget, clock: ManualClock) -> None:
    share, stop = budget.share("a"), threading.Event()
    assert share.take(stop)
    clock.on_wait = lambda _: stop.set()
    assert not share.take(stop)
    assert share.calls == 1
    assert share.take(threading.Event())
    assert share.calls == 2


def test_agents_that_poll_the_same_account_and_region_divide_its_rate(clock: ManualClock) -> None:
    agents = 1
    budget = Budget(4.0, 3.0, clock, lambda: agents)
    share = budget.share("a")
    assert len(calls_in(60, clock, {share: 0.0})[share]) == pytest.approx(180, abs=2)
    agents = 4
    assert budget.rate == 1.0
    assert len(calls_in(60, clock, {share: 0.0})[share]) == pytest.approx(60, abs=2)
    agents = 0
    assert budget.rate == 4.0, "as of the last beat nobody polls it yet"


def test_a_group_keeps_its_share(budget: Budget) -> None:
    assert budget.share("a") is budget.share("a")
    assert set(budget.shares()) == {"a"}


def test_a_share_is_never_more_than_the_region_has(clock: ManualClock) -> None:
    assert Budget(1.0, 3.0, clock).share("a").rate == 1.0

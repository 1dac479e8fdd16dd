"""Whatever groups ask for, and whatever is throttled: no group and no region calls more than its rate allows, and each
group gets its turn."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from itertools import count, pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from consumer.sources.cloudwatch.budget import Budget
from tests.support.clock import ManualClock

_SLACK = 1e-6
_SLOWEST = 1 / 16
Plan = Sequence[tuple[float, float, bool]]
"""Of one group, call by call: seconds until it asks again, seconds until the answer, whether it is throttled."""

_CALLS = st.tuples(
    st.one_of(st.just(0.0), st.floats(0, 30)), st.floats(0, 3), st.sampled_from([False, False, False, True])
)
_PLANS = st.lists(st.lists(_CALLS, max_size=40), min_size=1, max_size=8)


@given(st.floats(0.5, 20), st.floats(0.5, 20), _PLANS, st.lists(st.floats(0, 0.5), min_size=1, max_size=7))
@settings(max_examples=200, deadline=None)
def test_rates_are_kept_and_nobody_starves(
    rate: float, group_rate: float, plans: Sequence[Plan], lateness: Sequence[float]
) -> None:
    """`lateness`: how much later than asked each wait ends, round and round."""
    made, waits = _simulated(rate, group_rate, plans, lateness)

    for times in made:
        for earlier, later in pairwise(times):
            assert later - earlier >= 1 / group_rate - _SLACK
    everything = sorted(at for times in made for at in times)
    for first, since in enumerate(everything):
        for last in range(first, len(everything)):
            within = everything[last] - since + max(lateness)
            assert last - first + 1 <= rate * within + 1 + _SLACK
    slowed = _SLOWEST if any(is_throttled for plan in plans for _, _, is_throttled in plan) else 1.0
    turns = len(plans) / (rate * slowed)
    assert [len(times) for times in made] == [len(plan) for plan in plans]
    assert max(waits, default=0.0) <= 1 / (min(rate, group_rate) * slowed) + turns + 3 * max(lateness) + _SLACK


def _simulated(
    rate: float, group_rate: float, plans: Sequence[Plan], lateness: Sequence[float]
) -> tuple[list[list[float]], list[float]]:
    """When each group's calls go out, and how long each of all calls waited."""
    clock = ManualClock()
    budget = Budget(rate, group_rate, clock)
    shares = [budget.share(str(number)) for number in range(len(plans))]
    made: list[list[float]] = [[] for _ in plans]
    waits: list[float] = []
    order = count()
    events = [(0.0, next(order), number, 0.0, False) for number, plan in enumerate(plans) if plan]
    heapq.heapify(events)
    while events:
        at, turn, number, asked_at, has_answer = heapq.heappop(events)
        clock.advance(max(0.0, at - clock.monotonic()))
        think, _, is_throttled = plans[number][max(0, len(made[number]) - 1)]
        if has_answer:
            (shares[number].throttled if is_throttled else shares[number].answered)()
            if len(made[number]) < len(plans[number]):
                heapq.heappush(events, (at + think, next(order), number, at + think, False))
            continue
        moment = shares[number].due(at)
        if moment > at:
            late = lateness[turn % len(lateness)]
            heapq.heappush(events, (moment + late, next(order), number, asked_at, False))
            continue
        waits.append(at - asked_at)
        made[number].append(at)
        answer_seconds = plans[number][len(made[number]) - 1][1]
        heapq.heappush(events, (at + answer_seconds, next(order), number, at, True))
    return made, waits

"""The rate limit holds whatever the message sizes, however late a wait ends, whenever somebody wants to send."""

from __future__ import annotations

from copy import copy

from hypothesis import given
from hypothesis import strategies as st

from consumer.export.pace import CATCH_UP_SECONDS, Pace

RATES = st.integers(1, 1_000_000)
STEPS = st.lists(
    st.tuples(
        st.integers(1, 200),  # records of the message
        st.floats(0, 0.01),  # how late the wait before it ends
        st.one_of(st.just(0.0), st.floats(0, 10)),  # how long nobody wants to send after it
    ),
    min_size=2,
    max_size=60,
)


def sends(rate: int, steps: list[tuple[int, float, float]]) -> list[tuple[float, int, bool]]:
    """(moment, records, whether it began a busy period) of every message an obedient sender sends."""
    pace = Pace(rate)
    now = 0.0
    sent: list[tuple[float, int, bool]] = []
    for record_count, lateness, idle in steps:
        begins = copy(pace).delay(now - CATCH_UP_SECONDS) == 0.0
        delay = pace.delay(now)
        if delay:
            now += delay + lateness
        assert pace.delay(now) == 0.0
        pace.note(now, record_count)
        sent.append((now, record_count, begins))
        now += idle
    return sent


@given(RATES, STEPS)
def test_no_window_holds_more_than_rate_times_time_and_one_message(
    rate: int, steps: list[tuple[int, float, float]]
) -> None:
    sent = sends(rate, steps)
    largest = max(record_count for _, record_count, _ in sent)
    for first in range(len(sent)):
        total = 0
        for moment, record_count, _ in sent[first:]:
            total += record_count
            time = moment - sent[first][0] + CATCH_UP_SECONDS
            assert total <= rate * time + largest + 1e-6 * rate


@given(RATES, STEPS)
def test_since_a_busy_period_began_not_even_lateness_is_added(rate: int, steps: list[tuple[int, float, float]]) -> None:
    began, total = 0.0, 0
    for moment, record_count, begins in sends(rate, steps):
        if begins:
            began, total = moment, 0
        total += record_count
        assert total <= rate * (moment - began) + record_count + 1e-6 * rate


@given(RATES, st.lists(st.integers(1, 200), min_size=50, max_size=200), st.floats(0, CATCH_UP_SECONDS))
def test_waits_that_end_a_little_late_do_not_lower_the_rate(rate: int, sizes: list[int], lateness: float) -> None:
    """Each wait ends late by less than a millisecond; the last message goes no later than one lateness behind."""
    sent = sends(rate, [(size, lateness, 0.0) for size in sizes])
    ideal = sum(sizes[:-1]) / rate
    assert sent[-1][0] <= ideal + lateness + 1e-6


@given(st.lists(st.integers(1, 10_000), max_size=50))
def test_rate_zero_never_waits(sizes: list[int]) -> None:
    pace = Pace(0)
    for size in sizes:
        assert pace.delay(0.0) == 0.0
        pace.note(0.0, size)

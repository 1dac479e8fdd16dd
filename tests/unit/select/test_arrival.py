"""What comes again by polling is told by when it arrived."""

from __future__ import annotations

import numpy as np

from consumer.select.arrival import newly_arrived

LINES = np.array([0, 2, 3, 5])
TIMES = np.array([1_000, 0, 5_000, 5_001, 0, 0])


def test_only_what_arrived_later_or_at_an_unknown_time_is_new() -> None:
    selection = newly_arrived(LINES, np.array([0, 1, 2, 3]), TIMES, arrived_after=5.0)

    assert selection.rows.tolist() == [2, 3]
    assert selection.dropped == {"repeat": 2}


def test_rows_left_out_before_are_not_counted_again() -> None:
    selection = newly_arrived(LINES, np.array([1, 3]), TIMES, arrived_after=5.0)

    assert selection.rows.tolist() == [3]
    assert selection.dropped == {"repeat": 1}


def test_without_times_or_without_a_moment_everything_is_new() -> None:
    rows = np.array([0, 1])

    assert newly_arrived(LINES, rows, np.empty(0, dtype=np.int64), 5.0).rows is rows
    assert newly_arrived(LINES, rows, TIMES, float("-inf")).rows is rows

"""GetLogEvents gives no ids: equal lines are told apart all the same, wherever its pages are cut."""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from consumer.decode.decoder import Decoder
from consumer.decode.fields import DEFAULT_FORMAT
from consumer.model.delivery import Delivery, EqualLines, Origin, SourceKind
from consumer.select.identity import identify
from tests.support.log_events import interning

ORIGIN = Origin(SourceKind.CLOUDWATCH, account="123456789012", log_group="/vpc", log_stream="eni-0-all")
Identity = tuple[int, ...]


@dataclass(frozen=True)
class LogEvent:
    """`flow`: which line; `taken_at`: when CloudWatch took it."""

    timestamp: int
    flow: int
    taken_at: int


def page(events: list[LogEvent]) -> bytes:
    """As GetLogEvents answers."""
    lines = [
        {
            "timestamp": each.timestamp,
            "message": f"2 123456789012 eni-0 10.0.0.{each.flow} 10.0.0.2 1 2 6 1 40 1 2 ACCEPT OK",
            "ingestionTime": each.taken_at,
        }
        for each in events
    ]
    return json.dumps({"events": lines, "nextForwardToken": "f/1", "nextBackwardToken": "b/1"}).encode()


def read(events: list[LogEvent], cuts: list[int]) -> list[Identity]:
    """The identity of each event, read in pages that end at `cuts`."""
    decoder, equal_lines, found = Decoder(), EqualLines(), list[Identity]()
    edges = sorted({0, len(events), *(cut % (len(events) + 1) for cut in cuts)})
    for start, end in pairwise(edges):
        delivery = Delivery(ORIGIN, (page(events[start:end]),), 0.0, equal_lines=equal_lines)
        for piece in decoder.decode_delivery(delivery, lambda _: [DEFAULT_FORMAT]):
            assert piece.batch is not None
            assert piece.events is not None
            words = identify(piece.events, piece.batch.line_numbers, piece.origin, interning())
            found += [tuple(row) for row in words.tolist()]
    return found


EVENTS = st.lists(st.builds(LogEvent, st.integers(1, 3), st.integers(1, 2), st.integers(1, 4)), max_size=20).map(
    lambda events: sorted(events, key=lambda event: event.timestamp)
)
CUTS = st.lists(st.integers(0, 20), max_size=5)


@settings(deadline=None)
@given(EVENTS, CUTS, CUTS)
def test_no_two_events_are_the_same_and_cuts_change_no_identity(
    events: list[LogEvent], cuts: list[int], others: list[int]
) -> None:
    found = read(events, cuts)
    assert len(set(found)) == len(events)
    assert set(read(events, others)) == set(found)


@settings(deadline=None)
@given(EVENTS, st.lists(st.integers(0, 19), max_size=5), CUTS)
def test_what_comes_late_takes_the_identity_of_nothing_that_was_read(
    events: list[LogEvent], late: list[int], cuts: list[int]
) -> None:
    """Where equal lines that were taken at different times stand on one page, in whatever order."""
    before = [event for number, event in enumerate(events) if number not in late]
    after = [
        LogEvent(event.timestamp, event.flow, event.taken_at + (10 if number in late else 0))
        for number, event in enumerate(events)
    ]
    known = set(read(before, cuts))
    for event, identity in zip(after, read(after, []), strict=True):
        assert (identity in known) == (event.taken_at <= 4)


def test_more_equal_lines_than_a_batch_or_a_page_holds_are_as_many_flows() -> None:
    equal = [LogEvent(1, 1, 1)] * 9_000
    assert len(set(read(equal, [8_500]))) == 9_000
    assert np.unique([identity[0] & 0xFFFF for identity in read(equal, [10])]).tolist() == list(range(9_000))

"""Events are the same exactly when account, log group, log stream and id are."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consumer.decode.equal_lines import tell_apart
from consumer.decode.events import Event, Events, events_of
from consumer.model.delivery import EqualLines, Origin, SourceKind
from consumer.select.identity import identify
from tests.support.log_events import ORIGIN, events_with, interning

AWS_ID = "31953106606966983378809025079804211143289615424298221568"


def identities(events: Events, origin: Origin = ORIGIN) -> list[tuple[int, ...]]:
    lines = np.arange(len(events), dtype=np.int64)
    return [tuple(row) for row in identify(events, lines, origin, interning()).tolist()]


NUMBERS = st.from_regex(r"[0-9]{1,56}", fullmatch=True)
ANYTHING = st.one_of(NUMBERS, st.from_regex(r"[0-9]{57,70}", fullmatch=True), st.text(min_size=1, max_size=60))


@settings(deadline=None)
@given(st.lists(st.tuples(ANYTHING, st.sampled_from(["eni-1", "eni-2", None])), min_size=2, max_size=30))
def test_identities_are_equal_exactly_when_id_and_stream_are(ids: list[tuple[str, str | None]]) -> None:
    found = identities(events_with(ids))
    assert len(set(found)) == len(set(ids))
    assert {key: found[ids.index(key)] for key in ids} == dict(zip(ids, found, strict=True))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (AWS_ID, AWS_ID[:-1] + "9"),
        (AWS_ID, "4" + AWS_ID[1:]),
        ("7", "07"),
        ("0", "00000000"),
        ("12345678", "123456780"),
        ("9" * 56, "9" * 55),
        ("12:4", "1294"),
        ("a", "b"),
    ],
)
def test_ids_that_differ_in_one_digit_or_in_length_differ(one: str, other: str) -> None:
    first, second = identities(events_with([(one, None), (other, None)]))
    assert first != second


def test_the_same_id_in_subscription_and_in_filter_log_events_is_the_same_event() -> None:
    intern = interning()
    line = np.zeros(1, dtype=np.int64)
    subscription = identify(events_with([(AWS_ID, None)]), line, ORIGIN, intern)
    polled_origin = replace(ORIGIN, kind=SourceKind.CLOUDWATCH, log_stream=None)
    polled = identify(events_with([(AWS_ID, ORIGIN.log_stream)]), line, polled_origin, intern)
    assert subscription.tolist() == polled.tolist()


@pytest.mark.parametrize("field", ["account", "log_group", "log_stream"])
def test_the_same_id_elsewhere_is_another_event(field: str) -> None:
    intern = interning()
    line = np.zeros(1, dtype=np.int64)
    here = identify(events_with([(AWS_ID, None)]), line, ORIGIN, intern)
    there = identify(events_with([(AWS_ID, None)]), line, replace(ORIGIN, **{field: "other"}), intern)  # type: ignore[arg-type]
    assert here.tolist() != there.tolist()


def test_without_an_id_a_polled_event_is_told_by_time_message_and_how_many_equals_came_before() -> None:
    events = events_of([Event(b"x" * 100, timestamp=1), Event(b"y", timestamp=1), Event(b"x" * 100, timestamp=1),
                        Event(b"x" * 100, timestamp=1), Event(b"x" * 100, timestamp=2)])  # fmt: skip
    found = identities(tell_apart(events, EqualLines()))
    assert len(set(found)) == 5
    assert found == identities(tell_apart(events, EqualLines()))


def test_more_equals_than_their_number_has_room_for_are_always_new() -> None:
    events = tell_apart(events_of([Event(b"x", timestamp=1)]), EqualLines())
    events.hashes[0, 2] = 1 << 16
    assert identities(events)[0][3] == 0


def test_without_an_id_a_subscriptions_event_cannot_be_told_from_others() -> None:
    assert identities(events_with([("", None), ("", None)]))[0][3] == 0


def test_too_many_places_leave_events_without_identity() -> None:
    lines = np.arange(2, dtype=np.int64)
    found = identify(events_with([(AWS_ID, None), ("no number", None)]), lines, ORIGIN, lambda _: 0)
    assert found[:, 3].tolist() == [0, 0]

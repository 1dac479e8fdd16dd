"""The two readers of pages: the kernel reads what the API answers, JSON readers anything; they never disagree."""

from __future__ import annotations

import json
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from consumer.decode.documents import EventRun, load_json, read_document
from consumer.decode.envelope import Lines, read_payload
from consumer.decode.events import Events, events_of
from consumer.decode.inflate import plain
from consumer.decode.page import read_page
from consumer.model.delivery import Origin, SourceKind

_ORIGIN = Origin(SourceKind.CLOUDWATCH, account="123456789012", region="eu-central-1", log_group="/vpc/flow")
_LINE = "2 1 eni-0 10.0.0.1 10.0.0.2 1 2 6 1 40 1 2 ACCEPT OK"
_MESSAGES = st.one_of(
    st.just(_LINE),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=40),
    st.text(' \\"\t\n{}é', max_size=6),
)
_NUMBERS = st.one_of(st.integers(0, 2**40), st.integers(-2, 2**66), st.none())
_EVENTS: st.SearchStrategy[dict[str, object]] = st.fixed_dictionaries(
    {"message": _MESSAGES},
    optional={
        "eventId": st.one_of(st.text("0123456789", max_size=56), st.integers(-5, 2**64), st.text(max_size=4)),
        "timestamp": _NUMBERS,
        "ingestionTime": _NUMBERS,
        "logStreamName": st.sampled_from(["eni-0-all", "eni-1-all", "eni-1-al", "", "ü", "x" * 70]),
        "other": st.none(),
    },
).flatmap(lambda event: st.permutations(list(event.items())).map(dict))
_PAGES: st.SearchStrategy[dict[str, object]] = st.fixed_dictionaries(
    {"events": st.lists(_EVENTS, max_size=6)},
    optional={
        "nextToken": st.one_of(st.none(), st.just("b/314"), st.just('"events":[')),
        "searchedLogStreams": st.just([]),
        "events ": st.just({"events": []}),
    },
).flatmap(lambda page: st.permutations(list(page.items())).map(dict))
Seen = list[tuple[str | None, int, int, str | None, bytes]]


def _seen(events: Events) -> Seen:
    """(id, timestamp, ingestion time, log stream, message) of each event."""
    times = events.ingestion_times.tolist() or [0] * len(events)
    return [
        (events.event_id(i), int(events.timestamps[i]), times[i], events.log_stream(i), events.text[a:b].tobytes())
        for i, (a, b) in enumerate(zip(events.starts.tolist(), events.ends.tolist(), strict=True))
    ]


def _agree(raw: bytes) -> bool:
    """True when the kernel read it, and then as the JSON readers do."""
    page = read_page(plain(raw))
    if page is None:
        return False
    parts = list(read_document(load_json(raw), _ORIGIN))
    runs = [part for part in parts if isinstance(part, EventRun)]
    assert all(run.log_format is None for run in runs)
    assert _seen(page) == [event for run in runs for event in _seen(events_of(run.events))]
    assert len(set(page.stream_names)) == len(page.stream_names)
    return True


@given(_PAGES, st.booleans(), st.sampled_from([(",", ":"), (", ", ": "), ("\n ,\t", "\r\n: ")]))
@settings(max_examples=500, deadline=None)
def test_both_readers_give_the_same_events(
    page: dict[str, object], is_ascii: bool, separators: tuple[str, str]
) -> None:
    _agree(json.dumps(page, ensure_ascii=is_ascii, separators=separators).encode())


@given(
    st.lists(st.text("2 eni-0.:aé", min_size=1, max_size=30).filter(lambda text: text[0] != " "), min_size=1),
    st.permutations(["eventId", "ingestionTime", "logStreamName", "message", "timestamp"]),
    st.sampled_from([(",", ":"), (", ", ": ")]),
)
@settings(max_examples=200, deadline=None)
def test_an_answer_without_escapes_never_needs_json_in_any_order_of_keys(
    messages: list[str], order: list[str], separators: tuple[str, str]
) -> None:
    assert _agree(_page(messages, order, separators))


def test_changed_bytes_never_make_the_readers_disagree() -> None:
    random = Random(5)
    raw = _page([_LINE] * 3)
    regular_count = 0
    for _ in range(20_000):
        changed = bytearray(raw)
        for _ in range(random.choice((1, 1, 2))):
            at = random.randrange(len(changed))
            match random.randrange(3):
                case 0:
                    changed[at] = random.choice(b'"\\{}[],: 09a\x00\x1f\x7f\xc3\n')
                case 1:
                    del changed[at : at + random.randrange(1, 9)]
                case _:
                    changed.insert(at, random.choice(b'"\\{}[],: 09a\n'))
        regular_count += _agree(bytes(changed))
    assert regular_count > 5_000, "hardly any changed page was still regular: the comparison saw nothing"


def test_a_page_cut_off_anywhere_is_never_read_as_a_whole_one() -> None:
    raw = _page([_LINE] * 3)
    assert _agree(raw)
    assert [end for end in range(len(raw)) if read_page(plain(raw[:end])) is not None] == []


def test_more_log_streams_and_events_than_expected_get_more_room() -> None:
    events = [{"message": "2", "logStreamName": f"eni-{number}"} for number in range(5_000)]
    raw = json.dumps({"events": events}, separators=(",", ":")).encode()
    page = read_page(plain(raw))
    assert page is not None
    assert [page.log_stream(number) for number in range(5_000)] == [event["logStreamName"] for event in events]


def test_a_page_is_read_by_the_kernel_and_keeps_its_origin() -> None:
    (part,) = read_payload(_page([_LINE]), _ORIGIN)
    assert isinstance(part, Lines)
    assert part.origin == _ORIGIN
    assert part.events.ingestion_times.tolist() == [1_760_000_090_000]
    assert part.events.stream_names == ("eni-0-all",)


def _page(messages: list[str], order: list[str] | None = None, separators: tuple[str, str] = (",", ":")) -> bytes:
    events = [
        {
            "eventId": f"{number:056d}",
            "ingestionTime": 1_760_000_090_000,
            "logStreamName": f"eni-{number % 3}-all",
            "message": text,
            "timestamp": 1_760_000_000_000,
        }
        for number, text in enumerate(messages)
    ]
    ordered = [{key: event[key] for key in order or event} for event in events]
    answer = {"events": ordered, "nextToken": "b/3141", "searchedLogStreams": []}
    return json.dumps(answer, separators=separators, ensure_ascii=False).encode()

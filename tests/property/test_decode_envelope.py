"""The two readers of envelopes: the kernel reads CloudWatch's own layout, JSON readers any; they never disagree."""

from __future__ import annotations

import json
from collections.abc import Iterable
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from consumer.decode.documents import EventRun, Part, has_too_many_values, load_json, read_document
from consumer.decode.envelope import Lines, read_payload, read_regular
from consumer.decode.events import Events, events_of
from consumer.decode.inflate import plain
from consumer.model.delivery import Origin, SourceKind

_ORIGIN = Origin(SourceKind.KINESIS, region="eu-central-1")
_MESSAGES = st.one_of(
    st.just("2 1 eni-0 10.0.0.1 10.0.0.2 1 2 6 1 40 1 2 ACCEPT OK"),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=40),
    st.text(' \\"\t\n{}é', max_size=6),
)
_EVENTS = st.fixed_dictionaries(
    {
        "id": st.one_of(st.text("0123456789", max_size=56), st.integers(-5, 2**64), st.text(max_size=4)),
        "timestamp": st.one_of(st.integers(0, 2**40), st.integers(-2, 2**66)),
        "message": _MESSAGES,
    }
)
_ENVELOPES = st.fixed_dictionaries(
    {
        "messageType": st.just("DATA_MESSAGE"),
        "owner": st.sampled_from(["123456789012", "", "ü"]),
        "logGroup": st.sampled_from(["/vpc/flow", 'a"logEvents":[', ""]),
        "logStream": st.text(max_size=5),
        "subscriptionFilters": st.just(["to-kinesis"]),
        "logEvents": st.lists(_EVENTS, max_size=6),
    }
)
Seen = list[tuple[str | None, int, bytes]]


def _seen(events: Events) -> Seen:
    """(id, timestamp, message) of each event."""
    return [
        (events.event_id(number), int(events.timestamps[number]), events.text[start:end].tobytes())
        for number, (start, end) in enumerate(zip(events.starts.tolist(), events.ends.tolist(), strict=True))
    ]


def _by_json(raw: bytes) -> tuple[Origin, Seen]:
    parts: Iterable[Part] = list(read_document(load_json(raw), _ORIGIN))
    runs = [part for part in parts if isinstance(part, EventRun)]
    assert runs, f"JSON readers find no events in {raw!r}: {parts}"
    assert all(run.log_format is None for run in runs)
    return runs[0].origin, [event for run in runs for event in _seen(events_of(run.events))]


def _agree(raw: bytes) -> bool:
    """True when the kernel read it, and then as the JSON readers do."""
    regular = read_regular(plain(raw), _ORIGIN)
    if not isinstance(regular, Lines):
        return False
    assert (regular.origin, _seen(regular.events)) == _by_json(raw)
    return True


@given(_ENVELOPES, st.booleans(), st.booleans())
@settings(max_examples=400, deadline=None)
def test_both_readers_give_the_same_events(envelope: dict[str, object], is_ascii: bool, is_compact: bool) -> None:
    separators = (",", ":") if is_compact else None
    _agree(json.dumps(envelope, ensure_ascii=is_ascii, separators=separators).encode())


@given(st.lists(st.text("2 eni-0.:aé", min_size=1, max_size=30).filter(lambda text: text[0] != " "), min_size=1))
@settings(max_examples=200, deadline=None)
def test_cloudwatchs_own_layout_never_needs_json(messages: list[str]) -> None:
    assert _agree(_regular(messages))


def test_changed_bytes_never_make_the_readers_disagree() -> None:
    random = Random(3)
    raw = _regular(["2 1 eni-0 10.0.0.1 10.0.0.2 1 2 6 1 40 1 2 ACCEPT OK"] * 3)
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
    assert regular_count > 5_000, "hardly any changed envelope was still regular: the comparison saw nothing"


@given(st.binary(max_size=200))
@settings(max_examples=300, deadline=None)
def test_any_bytes_end_as_events_text_or_a_fault(payload: bytes) -> None:
    assert list(read_payload(payload, _ORIGIN)), "a payload vanished"


def test_a_bomb_of_tiny_values_is_refused_before_it_becomes_objects() -> None:
    assert has_too_many_values(b"[" + b"{}," * (1 << 21) + b"{}]")
    assert not has_too_many_values(_regular(["2 1 eni-0"] * 10_000))


def _regular(messages: list[str]) -> bytes:
    events = [
        {"id": f"{number:056d}", "timestamp": 1_760_000_000_000, "message": text}
        for number, text in enumerate(messages)
    ]
    head = {"messageType": "DATA_MESSAGE", "owner": "123456789012", "logGroup": "/vpc/flow", "logStream": "eni-0-all"}
    envelope = {**head, "subscriptionFilters": ["to-kinesis"], "logEvents": events}
    return json.dumps(envelope, separators=(",", ":"), ensure_ascii=False).encode()

"""An object gives the same rows however its bytes were cut on their way, and from every position it can go on."""

from __future__ import annotations

import gzip
from collections.abc import Iterable, Iterator

from hypothesis import example, given, settings
from hypothesis import strategies as st

from consumer.decode.decoder import Decoder
from consumer.decode.fields import DEFAULT_FORMAT
from consumer.model.delivery import Origin, SourceKind
from consumer.sources.chunks.cutters import LINE_LIMIT_BYTES
from consumer.sources.chunks.text import BEGINNING, Position, read_chunks
from tests.support.reference import rows_of

LINE = b"2 123456789012 eni-0a 10.0.0.%d 10.0.1.1 40000 443 6 20 4249 1418530010 1418530070 ACCEPT OK"
HEADER = " ".join(DEFAULT_FORMAT.fields).encode()
SHORT_HEADER = b"srcaddr dstaddr bytes"
OTHER_LINE = b"10.0.0.7 10.0.0.8 77"
CHUNK_BYTES = 300
"""A few lines, so that small objects have many chunks."""
_DECODER = Decoder(vocabulary_capacity=1 << 12, arena_bytes=1 << 20)
_LONG = LINE_LIMIT_BYTES + 5

Outcome = list[tuple[object, ...]]

LONG_LINES = {b"long": b"x" * _LONG, b"blank": b" " * _LONG, b"late": b" " * _LONG + b"x" + b" " * _LONG}
"""Written by name until the test unfolds them: a failing example stays readable."""
PIECES = st.one_of(
    st.integers(0, 255).map(lambda number: LINE % number),
    st.sampled_from([HEADER, SHORT_HEADER, OTHER_LINE, b"", b" \t", b"too short", LINE % 1 + b"\r", *LONG_LINES]),
    st.binary(max_size=30),
)
WRAPPED = st.lists(
    st.sampled_from(
        [
            b"2026-01-01T00:00:00Z " + LINE % 1,
            b"2026-01-01T00:00:00Z eni-0a-all " + LINE % 2,
            b'"' + LINE % 3 + b'"',
            b"EVENTS\t7\t" + LINE % 4,
            b",".join((LINE % 5).split()),
            b'"lone,' + LINE % 6,
            b"  " + LINE % 7 + b" ",
            *LONG_LINES,
        ]
    ),
    max_size=25,
)
TEXTS = st.one_of(st.lists(PIECES, max_size=25), WRAPPED)
JSON_LINES = st.lists(
    st.sampled_from(
        [b'{"reason":"token_count","line":"2 3"}', b'{"reason":"bad_number","line":"' + LINE + b'"}', b"{"]
    ),
    min_size=1,
    max_size=120,
).map(lambda lines: b"\n".join(lines) + b"\n")
_EVENT = b'{"message":"' + LINE + b'"}'
BACK_TO_BACK = st.lists(
    st.sampled_from(
        [_EVENT % 1, _EVENT % 2 + b"\n", b'{"messageType":"CONTROL_MESSAGE"}', b'{"message":"}{\\"message"}']
    ),
    min_size=1,
    max_size=60,
).map(b"".join)
LISTS = st.lists(st.sampled_from([_EVENT % 1, b"\n" + _EVENT % 2, b"\n7"]), max_size=60).map(
    lambda items: b" [" + b",".join(items) + b"\n]"
)
CUTS = st.lists(st.integers(0, 1 << 20), max_size=20)


def packed(content: bytes, cuts: list[int]) -> bytes:
    """gzip in several members, as re-packers concatenate them."""
    return b"".join(gzip.compress(part, 1, mtime=0) for part in split(content, cuts)) + b"\0" * (len(cuts) % 3)


def unfolded(lines: list[bytes]) -> bytes:
    return b"\n".join(LONG_LINES.get(line, line) for line in lines)


def split(content: bytes, cuts: Iterable[int]) -> Iterator[bytes]:
    before = 0
    for cut in sorted(cut % (len(content) + 1) for cut in cuts):
        yield content[before:cut]
        before = cut
    yield content[before:]


def outcome(blocks: Iterable[bytes], start: Position = BEGINNING) -> tuple[Outcome, list[tuple[Position, int]]]:
    """Rows, rejects and faults in order; and the position behind every chunk with how many of them were before it."""
    found: Outcome = []
    positions = []
    origin = Origin(SourceKind.S3)
    for chunk in read_chunks(blocks, start, CHUNK_BYTES):
        for piece in _DECODER.decode(chunk.payload, origin, chunk.text, lambda _: []) if chunk.payload else ():
            if piece.batch is not None:
                found += [tuple(row.items()) for row in rows_of(piece.batch)]
            found += [(reject.reason, reject.line[:40]) for reject in piece.rejects]
            found += piece.tally.payloads.items()
        if chunk.fault:
            found.append((chunk.fault,))
        positions.append((chunk.position(), len(found)))
    return found, positions


@given(TEXTS, CUTS, CUTS, st.booleans())
@example([b"long", b"late", b"blank", LINE % 1], [5], [LINE_LIMIT_BYTES + 2], True)
@settings(max_examples=150, deadline=None)
def test_text_cut_anywhere_gives_the_same_rows(
    lines: list[bytes], cuts: list[int], members: list[int], is_packed: bool
) -> None:
    content = packed(unfolded(lines), members) if is_packed else unfolded(lines)
    assert ordered(outcome(split(content, cuts))[0]) == ordered(outcome([content])[0])


@given(TEXTS, st.booleans())
@settings(max_examples=20, deadline=None)
def test_byte_by_byte_is_as_good_as_at_once(lines: list[bytes], is_packed: bool) -> None:
    content = gzip.compress(b"\n".join(lines)) if is_packed else b"\n".join(lines)
    single = [content[at : at + 1] for at in range(len(content))]
    assert ordered(outcome(single)[0]) == ordered(outcome([content])[0])


@given(TEXTS, st.integers(1, 40), CUTS)
@settings(max_examples=50, deadline=None)
def test_a_truncated_object_gives_the_same_rows_however_it_was_cut(
    lines: list[bytes], lost: int, cuts: list[int]
) -> None:
    content = gzip.compress(unfolded(lines))
    content = content[: max(3, len(content) - lost)]
    found = outcome([content])[0]
    assert ("bad_gzip",) in found or found == [("not_text",)]
    assert ordered(outcome(split(content, cuts))[0]) == ordered(found)


@given(TEXTS, st.booleans())
@settings(max_examples=100, deadline=None)
def test_reading_goes_on_behind_any_chunk_with_the_rest(lines: list[bytes], is_packed: bool) -> None:
    content = gzip.compress(unfolded(lines)) if is_packed else unfolded(lines)
    found, positions = outcome([content])
    for position, count in positions:
        assert ordered(outcome([content], position)[0]) == ordered(found[count:])


@given(st.one_of(JSON_LINES, BACK_TO_BACK, LISTS), CUTS)
@settings(max_examples=100, deadline=None)
def test_json_cut_anywhere_gives_the_same_events(content: bytes, cuts: list[int]) -> None:
    found, positions = outcome([content])
    assert ordered(outcome(split(content, cuts))[0]) == ordered(found)
    for position, count in positions:
        assert ordered(outcome([content], position)[0]) == ordered(found[count:])


def ordered(found: Outcome) -> list[str]:
    """Comparable: rows and rejects of one chunk come apart, so their order tells where chunks end, and may differ."""
    return sorted(map(repr, found))

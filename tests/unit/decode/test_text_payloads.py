"""Plain text: chunks of an S3 object or a file, headers, line ends."""

from __future__ import annotations

import gzip

import pytest

from consumer.decode.fields import DEFAULT_FORMAT
from consumer.model.delivery import TextState
from consumer.model.log_format import LogFormat
from tests.unit.decode.payloads import LINE, OTHER, decode

_HEADER = " ".join(DEFAULT_FORMAT.fields)
_SHORT = LogFormat.from_text("dstaddr bytes")


def test_a_header_names_the_format_of_what_follows_also_in_the_next_chunk() -> None:
    state = TextState()

    first = decode(f"{_HEADER}\n{LINE}\n".encode(), [], text=state)
    second = decode(f"{OTHER}\n".encode(), [], text=state)

    assert state.log_format == DEFAULT_FORMAT
    assert len(first.rows) == len(second.rows) == 1
    assert first.tally.lines == 1, "a header is not a line"
    assert first.asked == [], "nobody is asked when the header says it"


def test_a_header_in_the_middle_switches_the_format() -> None:
    state = TextState()

    result = decode(f"{_HEADER}\n{LINE}\ndstaddr bytes\n10.0.0.7 4\n{LINE}\n{_HEADER}\n{OTHER}\n".encode(), text=state)

    assert result.formats == [DEFAULT_FORMAT, _SHORT, DEFAULT_FORMAT]
    assert result.reasons == ["token_count"]
    assert state.log_format == DEFAULT_FORMAT
    assert result.line_numbers == [
        0,
        1,
        3,
    ]


def test_a_header_with_fields_newer_than_this_program_is_a_header() -> None:
    result = decode(b"srcaddr dstaddr quantum-flags\n10.0.0.1 10.0.0.2 q\n", [], text=TextState())

    assert result.rows == [{"srcaddr": (4, 0x0A000001), "dstaddr": (4, 0x0A000002), "quantum-flags": b"q"}]


@pytest.mark.parametrize("line", ["vpc-0a1b 10.0.0.1", "eni-0 type", "bytes bytes", "ingress start-here"])
def test_a_record_that_begins_with_letters_is_not_taken_for_a_header(line: str) -> None:
    log_format = LogFormat.from_text("vpc-id sublocation-id")

    result = decode(f"{line}\n".encode(), text=TextState(log_format))

    assert result.tally.lines == 1


def test_many_records_that_might_be_headers_are_all_read() -> None:
    log_format = LogFormat.from_text("flow-direction action")

    result = decode(b"ingress nothing\n" * 20_000, text=TextState(log_format))

    assert len(result.rows) == 20_000


@pytest.mark.parametrize("ending", ["\n", "\r\n", "\n\n\n", "\n \t \n", ""])
def test_line_ends_and_blank_lines_are_no_records(ending: str) -> None:
    result = decode(f"{LINE}\n{OTHER}{ending}".encode(), text=TextState())

    assert len(result.rows) == 2
    assert result.tally.lines == 2


def test_a_byte_order_mark_is_no_part_of_the_first_line() -> None:
    assert len(decode(b"\xef\xbb\xbf" + LINE.encode(), text=TextState()).rows) == 1


def test_text_without_a_header_has_the_format_that_is_known_else_the_default() -> None:
    assert decode(LINE.encode(), [], text=TextState()).formats == [DEFAULT_FORMAT]
    assert decode(b"10.0.0.1 7", [_SHORT], text=TextState()).formats == [_SHORT]
    assert decode(b"10.0.0.1 7", [], text=TextState()).reasons == ["unknown_format"]


def test_pieces_of_a_text_count_their_lines_on() -> None:
    result = decode((LINE + "\n").encode() * 18_000, text=TextState())

    assert result.line_numbers == list(range(18_000))


@pytest.mark.parametrize("payload", [LINE.encode(), gzip.compress(LINE.encode() + b"\n" + OTHER.encode())])
def test_plain_text_in_place_of_an_envelope_is_read(payload: bytes) -> None:
    assert decode(payload, []).rows
    assert decode(payload).tally.payloads == {}


def test_a_header_in_place_of_an_envelope_is_read() -> None:
    assert decode(b"dstaddr bytes\n10.0.0.1 4\n", []).formats == [_SHORT]


def test_a_megabyte_without_a_line_end_is_one_line_and_kept_short() -> None:
    result = decode(b"x" * (1 << 20) + b"\n" + LINE.encode(), text=TextState())

    ((reason, line, _),) = result.rejects
    assert (reason, len(line)) == ("line_too_long", 65_535)
    assert len(result.rows) == 1


def test_an_empty_chunk_changes_nothing() -> None:
    state = TextState(_SHORT)

    result = decode(b"", text=state)

    assert (result.pieces, state.log_format) == ([], _SHORT)

"""Payloads in, batches out: what becomes a row, what becomes a count, and that nothing becomes neither."""

from __future__ import annotations

import gzip

import pytest

from consumer.decode.decoder import Decoder
from consumer.decode.fields import DEFAULT_FORMAT, TRANSIT_GATEWAY_FORMAT
from consumer.decode.parser import MIN_ARENA_BYTES, MIN_CAPACITY
from consumer.model.delivery import TextState
from consumer.model.log_format import LogFormat
from tests.unit.decode.payloads import LINE, ORIGIN, OTHER, decode, envelope, packed

_SHORT = LogFormat.from_text("srcaddr dstaddr bytes packets")


def test_a_kinesis_record_becomes_rows_with_the_ids_of_its_events() -> None:
    result = decode(packed(LINE, OTHER))

    assert [row["srcaddr"] for row in result.rows] == [(4, 0x0A000001), (4, 0x0A000009)]
    assert result.rows[0] == {
        "version": 2, "account-id": b"123456789012", "interface-id": b"eni-0123456789abcdef0",
        "srcaddr": (4, 0x0A000001), "dstaddr": (4, 0x0A000002), "srcport": 40000, "dstport": 443, "protocol": 6,
        "packets": 20, "bytes": 4249, "start": 1418530010, "end": 1418530070, "action": b"ACCEPT", "log-status": b"OK",
    }  # fmt: skip
    assert result.ids == [f"{0:056d}", f"{1:056d}"]
    assert result.tally.lines == 2


def test_the_envelope_refines_the_origin_before_the_format_is_looked_up() -> None:
    result = decode(packed(LINE))

    (asked,) = result.asked
    assert (asked.account, asked.log_group, asked.log_stream) == (
        "123456789012", "/vpc/flow-logs", "eni-0123456789abcdef0-all",
    )  # fmt: skip
    assert (asked.stream, asked.shard) == ("flows", "shardId-0")
    assert result.pieces[0].origin == asked


def test_one_bad_line_costs_only_itself_and_keeps_its_event_id() -> None:
    result = decode(packed(LINE, "rubbish", LINE.replace("443", "70000"), OTHER))

    assert len(result.rows) == 2
    assert result.rejects == [
        ("token_count", b"rubbish", f"{1:056d}"),
        ("number_out_of_range", LINE.replace("443", "70000").encode(), f"{2:056d}"),
    ]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (LINE.rsplit(" ", 1)[0], "token_count"),
        (LINE + " extra", "token_count"),
        (LINE + " ", "token_count"),
        (" " + LINE, "token_count"),
        (LINE.replace(" 6 ", "  "), "token_count"),
        (LINE.replace("443", "443x"), "bad_number"),
        (LINE.replace("443", "-1"), "bad_number"),
        (LINE.replace("443", "65536"), "number_out_of_range"),
        (LINE.replace(" 6 ", " 256 "), "number_out_of_range"),
        (LINE.replace("1418530010", "4294967296"), "number_out_of_range"),
        (LINE.replace("4249", "9" * 30), "number_out_of_range"),
        (LINE.replace("10.0.0.2", "10.0.0.256"), "bad_address"),
        (LINE.replace("10.0.0.2", "10.0.0.02"), "bad_address"),
        (LINE.replace("10.0.0.2", "2001:db8::1"), "mixed_address_families"),
        (LINE.replace("123456789012", "1" * 65_600), "line_too_long"),
    ],
)
def test_every_fault_of_a_line_has_its_reason(line: str, reason: str) -> None:
    result = decode(packed(OTHER, line, OTHER))

    assert result.reasons == [reason]
    assert len(result.rows) == 2


def test_invalid_utf8_in_an_envelope_costs_only_its_line() -> None:
    raw = envelope([OTHER, LINE.replace("ACCEPT", "QQQQ"), OTHER]).replace(b"QQQQ", b"\xff\xfe")

    for layout in (raw, raw.replace(b'","message"', b'", "message"'), raw.replace(b'"id":', b'"id": ')):
        result = decode(gzip.compress(layout))
        assert result.reasons == ["invalid_utf8"]
        assert len(result.rows) == 2


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (packed(LINE)[:-9], "bad_gzip"),
        (packed(LINE)[:20], "bad_gzip"),
        (b"\x1f\x8b", "bad_gzip"),
        (packed(LINE)[:-8] + b"\0" * 8, "bad_gzip"),
        (gzip.compress(b"\0" * ((64 << 20) + 1)), "too_large"),
        (gzip.compress(b"this is no json"), "not_json"),
        (gzip.compress(envelope([LINE])[:-2]), "not_json"),
        (gzip.compress(b"[" * 200_000), "not_json"),
        (b"[" + b"{}," * (1 << 21) + b"{}]", "too_large"),
        (gzip.compress(b"[1, 2]"), "not_an_envelope"),
        (gzip.compress(b'{"foo": 1}'), "not_an_envelope"),
        (gzip.compress(envelope([LINE], logEvents=3)), "not_an_envelope"),
        (gzip.compress(envelope([LINE], messageType=None)), "not_an_envelope"),
        (gzip.compress(envelope([LINE], messageType="HELLO")), "unknown_message_type"),
        (gzip.compress(envelope([LINE], messageType="HELLO", is_compact=False)), "unknown_message_type"),
    ],
)
def test_a_faulty_payload_is_counted_by_reason_and_kept(payload: bytes, reason: str) -> None:
    result = decode(payload)

    assert result.tally.payloads == {reason: 1}
    assert result.rejects == [(reason, payload, None)]
    assert result.tally.lines == 0


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (
            gzip.compress(envelope(["CWL CONTROL MESSAGE: Checking health"], messageType="CONTROL_MESSAGE")),
            "control_message",
        ),
        (gzip.compress(envelope(["x"], messageType="CONTROL_MESSAGE", is_compact=False)), "control_message"),
        (gzip.compress(envelope([])), "empty"),
        (gzip.compress(envelope(["", "  "])), "empty"),
        (gzip.compress(b""), "empty"),
        (b"", "empty"),
        (b" \n", "empty"),
    ],
)
def test_an_expected_payload_without_records_is_counted_but_not_kept(payload: bytes, reason: str) -> None:
    result = decode(payload)

    assert result.tally.payloads == {reason: 1}
    assert result.rejects == []


def test_several_gzip_members_are_one_payload() -> None:
    raw = envelope([LINE, OTHER])

    assert len(decode(gzip.compress(raw[:50]) + gzip.compress(raw[50:])).rows) == 2


def test_a_large_payload_comes_in_batches_with_continuing_line_numbers() -> None:
    result = decode(packed(*[LINE] * 40_000))

    assert [piece.batch.row_count for piece in result.pieces if piece.batch] == [16_384, 16_384, 7_232]
    assert result.ids == [f"{number:056d}" for number in range(40_000)]


def test_a_vocabulary_that_is_full_is_renewed_in_the_middle_of_a_payload() -> None:
    lines = [LINE.replace("eni-0123456789abcdef0", f"eni-{number:017x}") for number in range(3_000)]
    decoder = Decoder(MIN_CAPACITY, MIN_ARENA_BYTES)

    result = decode(packed(*lines), decoder=decoder)

    assert [row["interface-id"] for row in result.rows] == [f"eni-{number:017x}".encode() for number in range(3_000)]
    assert len({id(piece.batch.vocabulary) for piece in result.pieces if piece.batch}) >= 3


def test_a_batch_handed_on_does_not_change_when_the_decoder_goes_on() -> None:
    decoder = Decoder()
    first = decode(packed(LINE), decoder=decoder)
    assert first.pieces[0].batch is not None
    words = first.pieces[0].batch.words.copy()

    decode(packed(*[OTHER] * 17_000), decoder=decoder)

    assert (first.pieces[0].batch.words == words).all()
    assert first.pieces[0].events is not None
    assert first.pieces[0].events.event_id(0) == f"{0:056d}"


def test_null_is_null_and_never_zero() -> None:
    (row,) = decode(packed("2 123456789012 eni-0 - - - - - - - 1418530010 1418530070 - NODATA")).rows

    assert [name for name, value in row.items() if value is None] == [
        "srcaddr", "dstaddr", "srcport", "dstport", "protocol", "packets", "bytes", "action",
    ]  # fmt: skip


def test_transit_gateway_records_are_read() -> None:
    values = {
        "version": "6", "srcaddr": "10.0.0.1", "dstaddr": "10.1.0.1", "packets-lost-blackhole": "7",
        "tgw-id": "tgw-0", "tcp-flags": "16", "log-status": "OK",
    }  # fmt: skip
    line = " ".join(values.get(name, "-") for name in TRANSIT_GATEWAY_FORMAT.fields)

    (row,) = decode(packed(line), [TRANSIT_GATEWAY_FORMAT]).rows

    assert (row["packets-lost-blackhole"], row["tgw-id"], row["tcp-flags"]) == (7, b"tgw-0", 16)


def test_tag_values_are_percent_decoded_and_others_are_not() -> None:
    log_format = LogFormat.from_text("instance-tag account-id asg-tag")

    result = decode(b"my%2Dapp%20%C3%A9 my%2Dapp 100%\n%ff x y\n", [log_format], text=TextState(log_format))

    assert result.rows == [{"instance-tag": "my-app é".encode(), "account-id": b"my%2Dapp", "asg-tag": b"100%"}]
    assert result.reasons == ["invalid_utf8"]


def test_fields_nobody_knows_yet_are_strings_under_their_own_name() -> None:
    log_format = LogFormat.from_text("${srcaddr} ${a-future-field}")

    (row,) = decode(packed("10.0.0.1 17"), [log_format]).rows

    assert row["a-future-field"] == b"17"


# ── formats ──


def test_without_any_format_the_default_is_taken_for_lines_that_fit_it() -> None:
    result = decode(packed(LINE, LINE.replace("ACCEPT", "vpc-0"), LINE.replace("eni-", "vpc-")), [])

    assert len(result.rows) == 1
    assert result.reasons == ["unknown_format"] * 2


def test_among_lines_of_the_default_format_a_broken_one_says_what_is_wrong_with_it() -> None:
    broken = LINE.replace("443", "70000")

    assert decode(packed(LINE, broken), []).reasons == ["number_out_of_range"]
    assert decode(packed(broken, broken), []).reasons == ["unknown_format"] * 2


def test_each_line_finds_the_one_candidate_it_fits() -> None:
    result = decode(
        packed(LINE, "10.0.0.1 10.0.0.2 40 1", OTHER, "what is this then", "x"), [DEFAULT_FORMAT, _SHORT, _SHORT]
    )

    assert result.formats == [DEFAULT_FORMAT, DEFAULT_FORMAT, _SHORT]
    assert result.reasons == ["bad_address", "token_count"]
    assert result.ids == [f"{0:056d}", f"{2:056d}", f"{1:056d}"]


def test_a_line_that_fits_two_formats_is_quarantined() -> None:
    turned = LogFormat.from_text("dstaddr srcaddr bytes packets")

    result = decode(packed("10.0.0.1 10.0.0.2 40 1"), [_SHORT, turned])

    assert result.reasons == ["ambiguous_format"]


def test_what_ids_look_like_tells_formats_apart_when_numbers_cannot() -> None:
    one, other = LogFormat.from_text("srcaddr vpc-id subnet-id"), LogFormat.from_text("srcaddr subnet-id vpc-id")

    result = decode(packed("10.0.0.1 vpc-1 subnet-1", "10.0.0.1 subnet-2 vpc-2", "10.0.0.1 - -"), [one, other])

    assert [row["vpc-id"] for row in result.rows] == [b"vpc-1", b"vpc-2"]
    assert result.reasons == ["ambiguous_format"]


def test_a_known_format_is_never_refused_for_what_its_strings_look_like() -> None:
    assert len(decode(packed(LINE.replace("eni-", "if-").replace("ACCEPT", "MAYBE"))).rows) == 1


def test_a_full_vocabulary_does_not_lose_lines_of_several_formats() -> None:
    decoder = Decoder(MIN_CAPACITY, MIN_ARENA_BYTES)
    five = LogFormat.from_text("interface-id account-id")
    lines = [
        f"eni-{number:x} {number}" if number % 2 else LINE.replace("eni-0", f"eni-{number:x}")
        for number in range(4_000)
    ]

    result = decode(packed(*lines), [DEFAULT_FORMAT, five], decoder=decoder)

    assert len(result.rows) == 4_000
    assert len(set(result.ids)) == 4_000


def test_a_line_too_long_is_told_so_among_several_formats() -> None:
    assert decode(packed("x" * 65_536), [DEFAULT_FORMAT, _SHORT]).reasons == ["line_too_long"]


def test_a_format_wider_than_a_batch_counts_as_unknown() -> None:
    wide = LogFormat(tuple(f"field-{letter}{number}" for letter in "ab" for number in range(65)))

    assert decode(packed(" ".join(["x"] * 130)), [wide]).reasons == ["unknown_format"]


def test_the_lookup_is_not_asked_about_payloads_without_lines() -> None:
    assert decode(gzip.compress(envelope(["x"], messageType="CONTROL_MESSAGE"))).asked == []


def test_the_origin_of_a_fault_is_the_deliverys() -> None:
    assert decode(b"\x1f\x8bxx").pieces[0].origin == ORIGIN

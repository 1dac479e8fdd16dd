"""JSON in every other form that flow logs come in."""

from __future__ import annotations

import base64
import gzip
import json
from pathlib import Path

import pytest

from consumer.model.delivery import Origin, SourceKind
from consumer.model.log_format import LogFormat
from consumer.model.tally import Reject
from consumer.state.dead_letter import DeadLetter
from tests.unit.decode.payloads import LINE, ORIGIN, OTHER, decode, envelope, packed


@pytest.mark.parametrize("is_compact", [True, False])
@pytest.mark.parametrize("identity", ["123", 123])
def test_event_ids_may_be_strings_or_numbers_in_any_layout(is_compact: bool, identity: object) -> None:
    events = [{"id": identity, "timestamp": 5, "message": LINE}]

    result = decode(envelope([], logEvents=events, is_compact=is_compact))

    assert result.ids == ["123"]
    assert result.pieces[0].events is not None
    assert result.pieces[0].events.timestamps.tolist() == [5]


def test_extracted_fields_are_ignored_and_escapes_undone() -> None:
    events = [{"id": "1", "timestamp": 5, "message": LINE + "\n", "extractedFields": {"srcaddr": "9.9.9.9"}}]

    result = decode(gzip.compress(envelope([], logEvents=events)))

    assert result.rows[0]["srcaddr"] == (4, 0x0A000001)


def test_system_fields_name_the_account_and_region_that_the_events_came_from() -> None:
    events = [
        {
            "id": "1",
            "timestamp": 5,
            "message": LINE,
            "extractedFields": {"@aws.account": "999999999999", "@aws.region": "eu-west-1"},
        }
    ]

    (asked,) = decode(envelope([], logEvents=events)).asked

    assert (asked.account, asked.region) == ("999999999999", "eu-west-1")


def test_a_message_that_is_an_object_names_its_own_fields() -> None:
    written = {
        "version": 2,
        "accountId": "1",
        "srcAddr": "10.0.0.1",
        "dst_addr": "10.0.0.2",
        "log-status": "OK",
        "action": None,
        "@ptr": 1,
    }

    for message in (written, json.dumps(written)):
        result = decode(gzip.compress(envelope([LINE, message, OTHER])))
        assert [row.get("account-id") for row in result.rows] == [b"123456789012", b"1", b"123456789012"]
        assert result.rows[1] == {
            "version": 2, "account-id": b"1", "srcaddr": (4, 0x0A000001), "dstaddr": (4, 0x0A000002),
            "log-status": b"OK", "action": None,
        }  # fmt: skip
        assert result.ids == [f"{number:056d}" for number in range(3)]


@pytest.mark.parametrize("broken", [{"id": "1"}, 7, None, {"message": 5}, {"message": {"no": "field"}}])
def test_something_that_is_no_log_event_costs_only_itself(broken: object) -> None:
    good = {"id": "9", "timestamp": 1, "message": LINE}

    result = decode(envelope([], logEvents=[good, broken, good]))

    assert len(result.rows) == 2
    assert result.reasons == ["token_count"]


def test_the_output_of_filter_log_events_is_read_with_the_stream_of_each_event() -> None:
    events = [
        {"logStreamName": "eni-a-all", "timestamp": 1, "message": LINE, "ingestionTime": 2, "eventId": "7"},
        {"logStreamName": "eni-b-all", "timestamp": 1, "message": OTHER, "ingestionTime": 2, "eventId": "8"},
    ]

    result = decode(json.dumps({"events": events, "searchedLogStreams": []}, indent=4).encode())

    assert result.ids == ["7", "8"]
    found = result.pieces[0].events
    assert found is not None
    assert [found.log_stream(number) for number in range(2)] == ["eni-a-all", "eni-b-all"]


def test_events_without_ids_are_read_as_get_log_events_gives_them() -> None:
    result = decode(json.dumps({"events": [{"timestamp": 1, "message": LINE, "ingestionTime": 2}]}).encode())

    assert (len(result.rows), result.ids) == (1, [None])


def test_a_lambda_event_holds_the_same_envelope() -> None:
    data = base64.b64encode(packed(LINE)).decode()

    assert len(decode(json.dumps({"awslogs": {"data": data}}).encode()).rows) == 1
    assert decode(b'{"awslogs": {"data": "###"}}').reasons == ["not_an_envelope"]
    assert decode(b'{"awslogs": {}}').reasons == ["not_an_envelope"]


def kinesis(payload: bytes) -> str:
    return base64.b64encode(payload).decode()


@pytest.mark.parametrize(
    "document",
    [
        {"Records": [{"Data": kinesis(packed(LINE)), "SequenceNumber": "1"}, {"Data": kinesis(packed(OTHER))}]},
        {"Records": [{"kinesis": {"data": kinesis(packed(LINE, OTHER))}, "eventSource": "aws:kinesis"}]},
        {"records": [{"recordId": "1", "data": kinesis(packed(LINE))}, {"data": kinesis(OTHER.encode() + b"\n")}]},
    ],
    ids=["GetRecords", "a function's event", "a Firehose transformation's event"],
)
def test_records_of_a_stream_hold_the_same_envelopes(document: object) -> None:
    assert len(decode(json.dumps(document, indent=4).encode()).rows) == 2


@pytest.mark.parametrize(
    "document",
    [
        [LINE, OTHER],
        [{"message": LINE, "timestamp": 1, "eventId": "7"}, {"message": OTHER}],
        {
            "results": [
                [{"field": "@message", "value": line}, {"field": "@ptr", "value": "x"}] for line in (LINE, OTHER)
            ],
            "status": "Complete",
        },
    ],
    ids=["--query events[].message", "--query events", "GetQueryResults"],
)
def test_what_a_query_makes_of_log_events_is_read(document: object) -> None:
    assert len(decode(json.dumps(document, indent=4).encode()).rows) == 2


def test_fields_that_a_query_named_are_read_by_their_names() -> None:
    row = {"srcAddr": "10.0.0.1", "dstAddr": "10.0.0.2", "bytes": "77", "@ptr": "x"}
    cells = [{"field": field, "value": value} for field, value in row.items()]

    result = decode(json.dumps({"results": [cells]}).encode())

    assert result.rows == [{"srcaddr": (4, 0x0A000001), "dstaddr": (4, 0x0A000002), "bytes": 77}]


def test_records_as_objects_are_read_by_their_names_one_a_line_and_in_a_list() -> None:
    records = [
        {"account_id": "1", "srcaddr": "10.0.0.1", "dstaddr": "10.0.0.2", "srcport": 443, "action": None},
        {"account_id": "2", "srcaddr": "10.0.0.9", "dstaddr": "10.0.0.2", "srcport": 0, "action": "REJECT"},
    ]

    by_line = decode("\n".join(map(json.dumps, records)).encode())

    assert by_line.rows[0] == {
        "account-id": b"1", "srcaddr": (4, 0x0A000001), "dstaddr": (4, 0x0A000002), "srcport": 443, "action": None,
    }  # fmt: skip
    assert decode(json.dumps(records).encode()).rows == by_line.rows
    assert len(by_line.pieces) == 1, "records of the same fields are one batch"


@pytest.mark.parametrize("between", [b"", b"\n", b"\n\n", b"\r\n"])
def test_documents_back_to_back_are_read_as_firehose_writes_them(between: bytes) -> None:
    control = envelope(["CWL CONTROL MESSAGE"], messageType="CONTROL_MESSAGE")
    vended = json.dumps({"message": OTHER}).encode()

    result = decode(gzip.compress(between.join([control, envelope([LINE]), vended, envelope([OTHER, LINE])])))

    one, nine = (4, 0x0A000001), (4, 0x0A000009)
    assert [row["srcaddr"] for row in result.rows] == [one, nine, nine, one]
    assert result.tally.payloads == {"control_message": 1}


def test_what_looks_like_the_seam_of_two_documents_inside_of_a_text_is_none() -> None:
    tricky = {"message": LINE + '}{"message', "other": '}{"'}

    result = decode(json.dumps(tricky).encode() + json.dumps({"a": '}{"', "message": OTHER}).encode())

    assert [row["log-status"] for row in result.rows] == [b'OK}{"message', b"OK"]


def test_printed_answers_one_after_the_other_are_read() -> None:
    answers = [json.dumps({"events": [{"message": line}], "nextToken": "x"}, indent=4) for line in (LINE, OTHER)]

    assert len(decode("\n".join(answers).encode()).rows) == 2


def test_a_broken_line_between_documents_costs_only_itself() -> None:
    result = decode(envelope([LINE]) + b"\nbroken\n" + envelope([OTHER]))

    assert len(result.rows) == 2
    assert result.rejects == [("not_json", b"broken", None)]


@pytest.mark.parametrize(
    "document",
    [
        {"Records": [{"eventVersion": "1.08"}, {"eventVersion": "1.08"}]},
        {"records": [{"category": "NetworkSecurityGroupFlowEvent"}] * 3},
        {"results": [[], 7]},
        [[1], 2, None],
        {"version": "1.1", "account_id": "1", "srcaddr": "10.0.0.1", "srcport": "53", "query_name": "a."},
    ],
)
def test_other_peoples_json_is_one_fault(document: object) -> None:
    result = decode(json.dumps(document).encode())

    assert (result.tally.payloads, result.tally.lines) == ({"not_an_envelope": 1}, 0)


def test_one_thing_that_is_no_record_in_a_list_costs_only_itself() -> None:
    result = decode(json.dumps([LINE, 7, {"a": 1}, [LINE], OTHER]).encode())

    assert len(result.rows) == 2
    assert [line for _, line, _ in result.rejects] == [b"7", b'{"a":1}', json.dumps([LINE]).encode()]


def test_an_empty_list_of_events_is_no_fault() -> None:
    assert decode(b"[]").tally.payloads == {"empty": 1}


def test_events_within_events_end_somewhere() -> None:
    payload = packed(LINE)
    for _ in range(6):
        payload = json.dumps({"awslogs": {"data": base64.b64encode(payload).decode()}}).encode()

    assert decode(payload).reasons == ["not_an_envelope"]


def test_envelopes_may_stand_one_a_line_and_a_bad_one_costs_only_itself() -> None:
    result = decode(envelope([LINE]) + b"\n{broken\n" + envelope([OTHER]) + b"\n")

    assert len(result.rows) == 2
    assert result.rejects == [("not_json", b"{broken", None)]


def test_the_dead_letter_is_read_back_with_its_origins_and_ids(tmp_path: Path) -> None:
    dead_letter = DeadLetter(tmp_path / "dead.jsonl", 1 << 20)
    before = Origin(SourceKind.CLOUDWATCH, account="1", region="eu-west-1", log_group="g", log_stream="s")
    dead_letter.write(before, [Reject("unknown_format", LINE.encode(), "7"), Reject("token_count", b"a \xff", "8")])
    dead_letter.write(ORIGIN, [Reject("unknown_message_type", packed(OTHER)), Reject("bad_gzip", b"\x1f\x8bxx")])

    result = decode((tmp_path / "dead.jsonl").read_bytes(), origin=Origin(SourceKind.FILE, path="dead.jsonl"))

    assert [row["srcaddr"] for row in result.rows] == [(4, 0x0A000001), (4, 0x0A000009)]
    assert result.ids == ["7", f"{0:056d}"]
    assert result.asked[0] == Origin(
        SourceKind.CLOUDWATCH, account="1", region="eu-west-1", log_group="g", log_stream="s", path="dead.jsonl"
    )
    assert [reject[:2] for reject in result.rejects] == [("token_count", b"a \xff"), ("bad_gzip", b"\x1f\x8bxx")]


def test_a_long_dead_letter_becomes_few_batches(tmp_path: Path) -> None:
    dead_letter = DeadLetter(tmp_path / "dead.jsonl", 1 << 24)
    dead_letter.write(ORIGIN, [Reject("unknown_format", LINE.encode(), str(number)) for number in range(5_000)])

    result = decode((tmp_path / "dead.jsonl").read_bytes())

    assert len(result.pieces) == 1
    assert result.ids == [str(number) for number in range(5_000)]


def test_an_object_with_a_blank_in_a_value_is_quarantined_not_misread() -> None:
    result = decode(envelope([{"srcaddr": "10.0.0.1", "action": "AC CEPT"}]), [LogFormat(("srcaddr",))])

    assert result.reasons == ["token_count"]

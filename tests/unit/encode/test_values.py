"""What the fields of a flow become, one rule a test."""

from __future__ import annotations

import ipaddress

import pytest

from consumer.encode.encoder import Encoder
from consumer.encode.settings import EncodingSettings
from consumer.encode.template import TemplateNumbers
from tests.unit.encode.building import Row, all_rows, batch_of, joined_of
from tests.unit.encode.reading import Record, records_of
from tests.unit.encode.samples import ALL_VPC, FLOW, FLOW_IPV6, PEN, V2

FIELDS = (*V2, "flow-direction", "tcp-flags", "reject-reason", "traffic-path", "encryption-status")


def _record(row: Row, fields: tuple[str, ...] = FIELDS) -> Record:
    batch = batch_of(fields, [row])
    encoder = Encoder(EncodingSettings(), TemplateNumbers())
    (record,) = records_of(encoder.encode(batch, all_rows(batch), joined_of(1), 7))
    return record


def _number(record: Record, element: int, enterprise: int = 0) -> int | None:
    value = record.get((enterprise, element))
    return None if value is None else int.from_bytes(value, "big")


def test_numbers_go_out_in_the_sizes_collectors_read() -> None:
    record = _record({**FLOW, "tcp-flags": 18})
    sizes = {element: len(value) for (enterprise, element), value in record.items() if enterprise == 0}
    assert sizes == {
        1: 8, 2: 8, 4: 1, 6: 1, 7: 2, 8: 4, 10: 4, 11: 2, 12: 4, 14: 4, 60: 1, 89: 1, 130: 4, 152: 8, 153: 8, 233: 1,
    }  # fmt: skip
    assert [_number(record, element) for element in (1, 2, 4, 6, 7, 11)] == [1500, 10, 6, 18, 49152, 443]


def test_times_are_milliseconds() -> None:
    record = _record(FLOW)
    assert (_number(record, 152), _number(record, 153)) == (1_700_000_000_000, 1_700_000_060_000)


def test_a_single_null_time_is_the_other_one() -> None:
    record = _record({**FLOW, "start": None})
    assert (_number(record, 152), _number(record, 153)) == (1_700_000_060_000, 1_700_000_060_000)
    record = _record({**FLOW, "end": None})
    assert (_number(record, 152), _number(record, 153)) == (1_700_000_000_000, 1_700_000_000_000)


@pytest.mark.parametrize(
    ("action", "reason", "status", "event"),
    [
        ("ACCEPT", None, 64, 5),
        ("REJECT", None, 128, 3),
        ("REJECT", "BPA", 129, 3),
        ("REJECT", "EC", 130, 3),
        ("REJECT", "SOMETHING_NEW", 128, 3),
        (None, None, None, None),
        ("SOMETHING_NEW", None, None, None),
    ],
)
def test_the_verdict_is_said_in_both_elements_or_in_none(
    action: str | None, reason: str | None, status: int | None, event: int | None
) -> None:
    record = _record({**FLOW, "action": action, "reject-reason": reason})
    assert (_number(record, 89), _number(record, 233)) == (status, event)
    assert record[PEN, 1004] == (action or "").encode()
    assert record[PEN, 1031] == (reason or "").encode()


@pytest.mark.parametrize(("direction", "number"), [("ingress", 0), ("egress", 1), (None, None), ("sideways", None)])
def test_the_direction_is_never_invented(direction: str | None, number: int | None) -> None:
    assert _number(_record({**FLOW, "flow-direction": direction}), 61) == number


@pytest.mark.parametrize(
    ("nulls", "absent"),
    [
        (("srcport", "dstport"), {7, 11}),
        (("protocol",), {4}),
        (("tcp-flags",), {6}),
        (("start", "end"), {152, 153}),
        (("action",), {89, 233}),
        (("flow-direction",), {61}),
    ],
)
def test_what_nobody_logged_has_no_element(nulls: tuple[str, ...], absent: set[int]) -> None:
    full: Row = {**FLOW, "tcp-flags": 2, "flow-direction": "ingress"}
    everything = {element for enterprise, element in _record(full) if not enterprise}
    rest = {element for enterprise, element in _record({**full, **dict.fromkeys(nulls)}) if not enterprise}
    assert everything - rest == absent


def test_octets_and_packets_are_the_documented_zero() -> None:
    """Block public access logs no bytes; old nfdump refuses records without the two elements."""
    record = _record({**FLOW, "packets": None, "bytes": None, "action": "REJECT", "reject-reason": "BPA"})
    assert (_number(record, 1), _number(record, 2), record[PEN, 1031]) == (0, 0, b"BPA")
    record = _record({"srcaddr": "10.0.0.1", "dstaddr": "10.0.0.2"}, ("srcaddr", "dstaddr"))
    assert (_number(record, 1), _number(record, 2)) == (0, 0)


def test_one_null_port_is_zero() -> None:
    record = _record({**FLOW, "srcport": None})
    assert (_number(record, 7), _number(record, 11)) == (0, 443)


@pytest.mark.parametrize(
    ("field", "element", "null"), [("version", 1001, 0), ("traffic-path", 1020, 0), ("encryption-status", 1033, 255)]
)
def test_null_numbers_of_ours_have_the_value_the_description_names(field: str, element: int, null: int) -> None:
    assert _number(_record({**FLOW, field: 3}), element, PEN) == 3
    assert _number(_record({**FLOW, field: None}), element, PEN) == null
    assert _number(_record({**FLOW, field: 256}), element, PEN) == null, "a number that does not fit is not cut"


def test_null_strings_are_empty() -> None:
    record = _record({**FLOW, "account-id": None})
    assert record[PEN, 1002] == b""


@pytest.mark.parametrize("size", [1, 254, 255, 256, 300])
def test_strings_of_every_length_arrive(size: int) -> None:
    assert _record({**FLOW, "account-id": "ü" * size})[PEN, 1002] == ("ü" * size).encode()


def test_ipv6_has_elements_of_its_own() -> None:
    record = _record(FLOW_IPV6)
    assert record[0, 27] == ipaddress.ip_address("2001:db8::5").packed
    assert record[0, 28] == ipaddress.ip_address("2001:db8:1::9").packed
    assert _number(record, 60) == 6
    assert not {8, 12} & {element for enterprise, element in record if not enterprise}


def test_a_missing_address_is_the_unspecified_one() -> None:
    assert _record({**FLOW, "dstaddr": None})[0, 12] == bytes(4)
    assert _record({**FLOW_IPV6, "srcaddr": None})[0, 27] == bytes(16)


def test_a_flow_without_any_address_is_still_a_record() -> None:
    record = _record({**FLOW, "srcaddr": None, "dstaddr": None})
    assert not {8, 12, 27, 28, 60} & {element for enterprise, element in record if not enterprise}
    assert _number(record, 1) == 1500


def test_a_lone_ipv4_address_among_ipv6_is_mapped() -> None:
    """NAT64: the packet is IPv4, the flow IPv6."""
    record = _record({**FLOW_IPV6, "pkt-srcaddr": "192.0.2.1", "pkt-dstaddr": "2001:db8::7"}, ALL_VPC)
    assert record[PEN, 1012] == ipaddress.ip_address("::ffff:192.0.2.1").packed
    assert record[PEN, 1013] == ipaddress.ip_address("2001:db8::7").packed


def test_packet_addresses_are_elements_of_ours() -> None:
    record = _record({**FLOW, "pkt-srcaddr": "192.0.2.1"}, ALL_VPC)
    assert record[PEN, 1010] == ipaddress.ip_address("192.0.2.1").packed
    assert record[PEN, 1011] == bytes(4)


def test_ecs_fields_have_a_template_used_only_where_one_of_them_is_there() -> None:
    with_task: Row = {**FLOW, "ecs-task-arn": "arn:aws:ecs:eu-central-1:123456789012:task/x"}
    batch = batch_of(ALL_VPC, [FLOW, with_task, FLOW])
    messages = Encoder(EncodingSettings(), TemplateNumbers()).encode(batch, all_rows(batch), joined_of(3), 7)
    first, second, third = records_of(messages)
    assert len(messages.templates) == 2
    assert not any((PEN, 1029) in record for record in (first, second))
    assert third[PEN, 1029] == str(with_task["ecs-task-arn"]).encode()
    assert third[PEN, 1022] == b""


def test_a_format_without_an_action_has_no_verdict() -> None:
    fields = tuple(name for name in V2 if name != "action")
    record = _record(FLOW, fields)
    assert _number(record, 89) is None
    assert (PEN, 1004) not in record

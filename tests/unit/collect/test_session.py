"""The collecting process: what it reads, what it counts, what it forgets."""

from __future__ import annotations

import struct

import pytest

from consumer.collect import session as session_module
from consumer.collect.names import known_elements
from consumer.collect.session import CollectingProcess, Received
from consumer.collect.values import Value
from tests.support.ipfix import VARIABLE, Field, ipfix_set, message, options_template, template, variable

PEN = 32473
SENDER = ("192.0.2.1", 50_000)
BYTES: Field = (0, 1, 8)
PACKETS: Field = (0, 2, 4)


@pytest.fixture
def collecting() -> CollectingProcess:
    return CollectingProcess(known_elements(PEN))


def values(received: Received) -> list[dict[str, Value]]:
    return [record.values for record in received.records]


def read(collecting: CollectingProcess, fields: list[Field], *records: bytes) -> list[dict[str, Value]]:
    received = collecting.read(message(ipfix_set(2, template(300, *fields)), ipfix_set(300, b"".join(records))), SENDER)
    assert received.problems.keys() <= {"sequence_stepped_back"}, "each call is numbered from 0"
    return values(received)


def test_header_and_records_are_read(collecting: CollectingProcess) -> None:
    records = struct.pack("!QIQI", 2**63, 3, 5, 6)
    data = message(ipfix_set(2, template(300, BYTES, PACKETS)), ipfix_set(300, records), sequence=9, domain=8)
    received = collecting.read(data, SENDER)
    assert (received.export_time, received.sequence, received.domain) == (1_700_000_000, 9, 8)
    assert received.template_count == 1
    assert values(received) == [
        {"octetDeltaCount": 2**63, "packetDeltaCount": 3},
        {"octetDeltaCount": 5, "packetDeltaCount": 6},
    ]


@pytest.mark.parametrize("length", [1, 2, 3, 4, 5, 8])
def test_integers_may_be_sent_in_fewer_octets(collecting: CollectingProcess, length: int) -> None:
    assert read(collecting, [(0, 1, length)], (200).to_bytes(length, "big")) == [{"octetDeltaCount": 200}]


def test_strings_of_any_length_and_form(collecting: CollectingProcess) -> None:
    texts = ["", "a", "x" * 254, "y" * 255, "z" * 300, "Zürich"]
    for text in texts:
        for long_form in (False, True):
            record = bytes([6]) + variable(text.encode(), long_form=long_form) + bytes(8)
            [found] = read(collecting, [(0, 4, 1), (PEN, 1006, VARIABLE), (0, 1, 8)], record)
            assert found == {"protocolIdentifier": 6, "vpcId": text, "octetDeltaCount": 0}


def test_fixed_length_strings_lose_their_padding(collecting: CollectingProcess) -> None:
    assert read(collecting, [(0, 82, 8)], b"eth0\0\0\0\0") == [{"interfaceName": "eth0"}]


def test_bytes_that_are_no_utf8_are_shown_as_such(collecting: CollectingProcess) -> None:
    assert read(collecting, [(0, 4, 1), (PEN, 1006, VARIABLE)], b"\x06" + variable(b"a\xffb")) == [
        {"protocolIdentifier": 6, "vpcId": "a\ufffdb"}
    ]


def test_addresses_times_and_other_types(collecting: CollectingProcess) -> None:
    fields: list[Field] = [(0, 8, 4), (0, 28, 16), (0, 56, 6), (0, 152, 8), (0, 150, 4)]
    record = bytes([192, 0, 2, 1]) + bytes(15) + b"\x01" + bytes.fromhex("02005e005301") + struct.pack("!QI", 5000, 5)
    assert read(collecting, fields, record) == [
        {
            "sourceIPv4Address": "192.0.2.1",
            "destinationIPv6Address": "::1",
            "sourceMacAddress": "02:00:5e:00:53:01",
            "flowStartMilliseconds": 5000,
            "flowStartSeconds": 5,
        }
    ]


def test_what_nobody_named_is_shown_by_number_and_bytes(collecting: CollectingProcess) -> None:
    fields: list[Field] = [(0, 499, 2), (PEN, 9999, VARIABLE), (4711, 1006, 3)]
    assert read(collecting, fields, b"\x01\x02" + variable(b"\xab\xcd") + b"abc") == [
        {"499": "0x0102", "9999/32473": "0xabcd", "1006/4711": "0x616263"}
    ]


def test_an_element_that_comes_twice_is_shown_twice(collecting: CollectingProcess) -> None:
    assert read(collecting, [(0, 4, 1), (0, 4, 1)], b"\x06\x11") == [
        {"protocolIdentifier": 6, "protocolIdentifier#2": 17}
    ]


def test_padding_octets_are_not_shown_and_padding_of_sets_is_no_record(collecting: CollectingProcess) -> None:
    assert read(collecting, [(0, 2, 4), (0, 210, 3)], b"\0\0\0\x05xyz", b"\0\0\0") == [{"packetDeltaCount": 5}]


def test_options_records_are_told_apart(collecting: CollectingProcess) -> None:
    data = message(
        ipfix_set(3, options_template(400, [(0, 149, 4)], (0, 41, 8))), ipfix_set(400, struct.pack("!IQ", 7, 100))
    )
    [record] = collecting.read(data, SENDER).records
    assert record.is_options
    assert record.values == {"observationDomainId": 7, "exportedMessageTotalCount": 100}


def test_templates_belong_to_a_sender_and_a_domain(collecting: CollectingProcess) -> None:
    collecting.read(message(ipfix_set(2, template(300, PACKETS)), domain=1), SENDER)
    data = ipfix_set(300, bytes(4))
    assert len(collecting.read(message(data, domain=1), SENDER).records) == 1
    assert collecting.read(message(data, domain=2), SENDER).problems == {"unknown_template": 1}
    assert collecting.read(message(data, domain=1), ("192.0.2.1", 50_001)).problems == {"unknown_template": 1}


def test_a_template_sent_again_with_another_layout_replaces_the_former(collecting: CollectingProcess) -> None:
    assert read(collecting, [PACKETS], bytes(4)) == [{"packetDeltaCount": 0}]
    assert read(collecting, [(0, 7, 2)], b"\x01\xbb") == [{"sourceTransportPort": 443}]


def test_a_withdrawal_is_counted_and_ignored(collecting: CollectingProcess) -> None:
    read(collecting, [PACKETS], bytes(4))
    withdrawn = collecting.read(message(ipfix_set(2, struct.pack("!HH", 300, 0)), sequence=1), SENDER)
    assert withdrawn.problems == {"withdrawal": 1}
    assert len(collecting.read(message(ipfix_set(300, bytes(4)), sequence=1), SENDER).records) == 1


# The sequence.


def numbered(collecting: CollectingProcess, *steps: tuple[int, int]) -> list[Received]:
    """Messages of (sequence number, records)."""
    collecting.read(message(ipfix_set(2, template(300, PACKETS)), sequence=steps[0][0]), SENDER)
    return [
        collecting.read(message(ipfix_set(300, bytes(4 * count)), sequence=sequence), SENDER)
        for sequence, count in steps
    ]


def test_records_missing_by_the_sequence_are_counted(collecting: CollectingProcess) -> None:
    assert [received.lost for received in numbered(collecting, (0, 3), (3, 2), (8, 1), (9, 1))] == [0, 0, 3, 0]


def test_the_sequence_goes_on_after_two_to_the_thirty_second(collecting: CollectingProcess) -> None:
    assert [received.lost for received in numbered(collecting, (2**32 - 2, 3), (1, 1), (4, 1))] == [0, 0, 2]


def test_a_step_back_is_no_loss(collecting: CollectingProcess) -> None:
    received = numbered(collecting, (100, 3), (0, 2), (2, 1))
    assert [one.lost for one in received] == [0, 0, 0]
    assert received[1].problems == {"sequence_stepped_back": 1}
    assert not received[2].problems


def test_after_a_message_that_could_not_be_counted_the_next_one_starts_anew(collecting: CollectingProcess) -> None:
    numbered(collecting, (0, 3))
    collecting.read(message(ipfix_set(999, bytes(40)), sequence=3), SENDER)
    assert collecting.read(message(ipfix_set(300, bytes(4)), sequence=13), SENDER).lost == 0


# Faults.


@pytest.mark.parametrize(
    ("datagram", "problem"),
    [
        (b"", "too_short"),
        (bytes(15), "too_short"),
        (b"\x00\x09" + bytes(30), "not_ipfix"),
        (struct.pack("!HHIII", 10, 15, 0, 0, 0), "bad_message_length"),
        (struct.pack("!HHIII", 10, 17, 0, 0, 0), "bad_message_length"),
        (message(b"\x00\x02\x00\x03"), "bad_set_length"),
        (message(b"\x00\x02\x00\x09"), "bad_set_length"),
        (message(b"\x00"), "bad_set_length"),
        (message(ipfix_set(4, bytes(8))), "reserved_set_id"),
        (message(ipfix_set(300, bytes(8))), "unknown_template"),
        (message(ipfix_set(2, template(255, PACKETS))), "template_id_below_256"),
        (message(ipfix_set(2, struct.pack("!HH", 300, 1025) + bytes(5000))), "template_too_long"),
        (message(ipfix_set(2, template(300, PACKETS, PACKETS)[:-1])), "template_too_long"),
        (message(ipfix_set(2, template(300, (0, 1, 0)))), "template_of_nothing"),
        (message(ipfix_set(3, options_template(300, [], PACKETS))), "bad_scope_count"),
        (message(ipfix_set(3, struct.pack("!HHHI", 300, 1, 2, 0))), "bad_scope_count"),
    ],
)
def test_what_is_wrong_is_named_and_counted(collecting: CollectingProcess, datagram: bytes, problem: str) -> None:
    assert collecting.read(datagram, SENDER).problems == {problem: 1}


def test_records_before_a_fault_are_kept(collecting: CollectingProcess) -> None:
    data = message(
        ipfix_set(2, template(300, (0, 4, 1), (PEN, 1006, VARIABLE))),
        ipfix_set(300, b"\x06" + variable(b"vpc-1") + b"\x06\x50abc"),
    )
    received = collecting.read(data, SENDER)
    assert values(received) == [{"protocolIdentifier": 6, "vpcId": "vpc-1"}]
    assert received.problems == {"record_too_long": 1}


def test_bytes_after_the_message_are_not_read(collecting: CollectingProcess) -> None:
    data = message(ipfix_set(2, template(300, PACKETS)), ipfix_set(300, bytes(4)))
    assert len(collecting.read(data + ipfix_set(300, bytes(400)), SENDER).records) == 1


# Bounds.


def test_the_template_not_used_for_longest_goes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session_module, "MAX_KEPT_FIELDS", 3)
    collecting = CollectingProcess(known_elements(PEN))
    for number in (300, 301, 302):
        collecting.read(message(ipfix_set(2, template(number, PACKETS))), SENDER)
    collecting.read(message(ipfix_set(300, bytes(4))), SENDER)
    collecting.read(message(ipfix_set(2, template(303, PACKETS))), SENDER)
    known = {n for n in range(300, 304) if collecting.read(message(ipfix_set(n, bytes(4))), SENDER).records}
    assert known == {300, 302, 303}


def test_senders_without_end_do_not_fill_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session_module, "MAX_KEPT_FIELDS", 100)
    monkeypatch.setattr(session_module, "MAX_KEPT_DOMAINS", 50)
    collecting = CollectingProcess(known_elements(PEN))
    for port in range(1000):
        collecting.read(message(ipfix_set(2, template(300, PACKETS, BYTES))), ("192.0.2.1", port))
    assert len(collecting._templates) == 50
    assert len(collecting._expected) == 50


def test_fields_of_no_length_do_not_multiply_records(collecting: CollectingProcess) -> None:
    """Else one datagram could become tens of millions of values."""
    fields: list[Field] = [(0, 4, 1), *[(0, 1, 0)] * 1000]
    [record] = read(collecting, fields, b"\x06")
    assert record == {"protocolIdentifier": 6}

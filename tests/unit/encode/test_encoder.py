"""Batches to messages: order, counts, limits, caches."""

from __future__ import annotations

import struct

import numpy as np
import pytest

from consumer.decode.fields import TRANSIT_GATEWAY_FORMAT
from consumer.encode.encoder import Encoder
from consumer.encode.limits import smallest_message_size
from consumer.encode.settings import EncodingSettings, Profile
from consumer.encode.template import TemplateNumbers
from consumer.model.vocabulary import Vocabulary
from tests.unit.encode.building import Row, all_rows, batch_of, joined_of, table_of
from tests.unit.encode.reading import messages_of, records_of
from tests.unit.encode.samples import FLOW, FLOW_IPV6, PEN, V2


def _encoder(profile: Profile = "full", message_size: int = 1400, include_identifiers: bool = False) -> Encoder:
    settings = EncodingSettings(profile=profile, message_size=message_size, include_identifiers=include_identifiers)
    return Encoder(settings, TemplateNumbers())


def test_only_the_rows_asked_for_are_encoded_and_their_order_is_kept() -> None:
    batch = batch_of(V2, [{**FLOW, "srcport": port} for port in range(100)])
    rows = np.array([7, 3, 99, 3], dtype=np.int64)
    records = records_of(_encoder().encode(batch, rows, joined_of(100), 1))
    assert [int.from_bytes(record[0, 7], "big") for record in records] == [7, 3, 99, 3]


def test_no_rows_give_no_message() -> None:
    batch = batch_of(V2, [FLOW])
    messages = _encoder().encode(batch, np.zeros(0, dtype=np.int64), joined_of(1), 1)
    assert (messages.message_count, messages.record_count, len(messages.buffer)) == (0, 0, 0)
    assert messages.starts.tolist() == [0]


def test_a_message_has_one_template_and_rows_of_one_template_stay_together() -> None:
    batch = batch_of(V2, [FLOW, FLOW_IPV6] * 5)
    messages = list(messages_of(_encoder("core").encode(batch, all_rows(batch), joined_of(10), 1)))
    assert [len(message.records) for message in messages] == [5, 5]
    assert len({message.template_id for message in messages}) == 2


def test_the_header_is_ready_but_for_time_and_sequence() -> None:
    batch = batch_of(V2, [FLOW])
    messages = _encoder("core").encode(batch, all_rows(batch), joined_of(1), 0xDEADBEEF)
    header = messages.buffer[:20].tobytes()
    assert struct.unpack("!HHIIIHH", header) == (10, 80, 0, 0, 0xDEADBEEF, 0x0267, 64)


@pytest.mark.parametrize("message_size", [512, 700, 1400, 8900])
def test_messages_are_filled_and_never_larger_than_the_limit(message_size: int) -> None:
    batch = batch_of(V2, [FLOW] * 500)
    encoder = _encoder("core", message_size)
    sizes = [message.size for message in messages_of(encoder.encode(batch, all_rows(batch), joined_of(500), 1))]
    assert max(sizes) <= message_size
    assert all(message_size - size < 60 for size in sizes[:-1]), "another record of 60 bytes would have fitted"


def test_a_record_that_exactly_fills_a_message_fits() -> None:
    batch = batch_of(V2, [{**FLOW, "account-id": "a" * 600}])
    size = len(_encoder("full", 8900).encode(batch, all_rows(batch), joined_of(1), 1).buffer)
    whole, less = (
        _encoder("full", limit).encode(batch, all_rows(batch), joined_of(1), 1) for limit in (size, size - 1)
    )
    assert (whole.cut_strings, len(whole.buffer)) == (0, size)
    assert (less.cut_strings, len(less.buffer)) == (1, size - 1)


def test_a_record_larger_than_a_message_has_its_longest_strings_cut_and_counted() -> None:
    row: Row = {**FLOW, "account-id": "ü" * 2000, "interface-id": "€" * 900, "action": "ACCEPT"}
    batch = batch_of(V2, [FLOW, row, FLOW])
    messages = _encoder().encode(batch, all_rows(batch), joined_of(3), 1)
    first, second, third = (message for message in messages_of(messages))
    assert messages.cut_strings == 2
    assert second.size <= 1400
    (record,) = second.records
    account, interface = record[PEN, 1002].decode(), record[PEN, 1003].decode()
    assert (set(account), set(interface)) == ({"ü"}, {"€"}), "cut at a character"
    assert abs(len(account.encode()) - len(interface.encode())) <= 3, "the longest are cut to one length"
    assert second.size >= 1400 - 8, "no more is cut than needed"
    assert record[PEN, 1004] == b"ACCEPT", "short strings stay whole"
    assert (len(first.records), len(third.records)) == (1, 1)


def test_long_names_are_cut_too() -> None:
    endpoints = table_of("endpoint", [{"name": "n" * 5000, "vpc_name": "v" * 100}])
    batch = batch_of(V2, [FLOW])
    joined = joined_of(1, [{"source": 1, "destination": 1}], endpoints=endpoints)
    messages = _encoder().encode(batch, all_rows(batch), joined, 1)
    (record,) = records_of(messages)
    assert messages.cut_strings == 2
    assert set(record[PEN, 1101]) == set(b"n")
    assert record[PEN, 1101] == record[PEN, 1151]
    assert record[PEN, 1103] == b"v" * 100


def test_names_come_from_the_rows_the_record_refers_to() -> None:
    interfaces = table_of("interface", [{"name": "eth0", "instance_name": "web-1", "vpc_name": "prod"}])
    endpoints = table_of("endpoint", [{"name": "web-1"}, {"name": "db-1", "service": "RDS"}])
    joined = joined_of(
        2,
        [
            {"interface": 1, "source": 1, "destination": 2, "ingress_interface": 7, "exporter_address": 0xC6120001},
            {"destination": 1, "egress_interface": 9},
        ],
        interfaces,
        endpoints,
    )
    batch = batch_of(V2, [FLOW, FLOW])
    first, second = records_of(_encoder().encode(batch, all_rows(batch), joined, 1))
    assert [first[PEN, number] for number in (1051, 1052, 1054, 1101, 1151, 1154)] == [
        b"eth0", b"web-1", b"prod", b"web-1", b"db-1", b"RDS",
    ]  # fmt: skip
    assert (first[0, 10], first[0, 14], first[0, 130]) == (bytes((0, 0, 0, 7)), bytes(4), bytes((198, 18, 0, 1)))
    assert [second[PEN, number] for number in (1051, 1101, 1151)] == [b"", b"", b"web-1"]
    assert second[0, 14] == bytes((0, 0, 0, 9))


def test_a_subnet_or_vpc_without_a_name_is_known_by_its_id() -> None:
    endpoints = table_of("endpoint", [{"vpc_id": "vpc-1", "subnet_id": "subnet-1", "subnet_name": "private"}])
    batch = batch_of(V2, [FLOW])
    joined = joined_of(1, [{"source": 1}], endpoints=endpoints)
    (record,) = records_of(_encoder().encode(batch, all_rows(batch), joined, 1))
    assert (record[PEN, 1102], record[PEN, 1103]) == (b"private", b"vpc-1")


def test_identifiers_go_out_when_asked_for_and_never_beside_the_log_s_own() -> None:
    interfaces = table_of("interface", [{"vpc_id": "vpc-9", "account_id": "999999999999"}])
    batch = batch_of(V2, [FLOW])
    joined = joined_of(1, [{"interface": 1}], interfaces)
    (record,) = records_of(_encoder(include_identifiers=True).encode(batch, all_rows(batch), joined, 1))
    assert record[PEN, 1006] == b"vpc-9", "the log format has no vpc-id"
    assert record[PEN, 1002] == b"123456789012", "the log format has account-id"
    (record,) = records_of(_encoder().encode(batch, all_rows(batch), joined, 1))
    assert (PEN, 1006) not in record


def test_the_iana_profile_names_interface_and_station() -> None:
    interfaces = table_of("interface", [{"name": "eth0", "instance_name": "web-1"}, {"name": "nat"}])
    batch = batch_of(V2, [FLOW, FLOW])
    joined = joined_of(2, [{"interface": 1}, {"interface": 2}], interfaces)
    first, second = records_of(_encoder("iana").encode(batch, all_rows(batch), joined, 1))
    assert (first[0, 348], first[0, 350]) == (b"eni-0123456789abcdef0", b"web-1")
    assert second[0, 350] == b"nat"


def test_a_new_inventory_gives_new_names_at_once() -> None:
    encoder = _encoder()
    batch = batch_of(V2, [FLOW])
    for name in ("before", "after"):
        joined = joined_of(1, [{"source": 1}], endpoints=table_of("endpoint", [{"name": name}]))
        (record,) = records_of(encoder.encode(batch, all_rows(batch), joined, 1))
        assert record[PEN, 1101] == name.encode()


def test_names_first_met_in_the_middle_of_a_batch_cost_and_repeat_no_record() -> None:
    count = 300
    encoder = _encoder()
    endpoints = table_of("endpoint", [{"name": "known"}, {"name": "n" * 60}, {"name": "m" * 90}])
    flows = [{**(FLOW_IPV6 if number % 2 else FLOW), "srcport": number} for number in range(count)]
    batch = batch_of(V2, flows)
    expected = [1] * count
    for new in ({}, {210: 2}, {250: 3, 251: 3}):
        for number, row in new.items():
            expected[number] = row
        joined = joined_of(count, [{"source": row} for row in expected], endpoints=endpoints)
        records = records_of(encoder.encode(batch, all_rows(batch), joined, 1))
        names = {int.from_bytes(record[0, 7], "big"): record[PEN, 1101] for record in records}
        assert len(records) == len(names) == count
        assert [names[number] for number in range(count)] == [
            (b"known", b"n" * 60, b"m" * 90)[row - 1] for row in expected
        ]


def test_a_batch_of_messages_stays_what_it_is_when_the_next_one_is_made() -> None:
    encoder = _encoder()
    batch = batch_of(V2, [FLOW, FLOW_IPV6])
    first = encoder.encode(batch, all_rows(batch), joined_of(2), 1)
    before = first.buffer.tobytes(), first.starts.tolist()
    encoder.encode(batch_of(V2, [{**FLOW, "srcport": 1}] * 2), all_rows(batch), joined_of(2), 2)
    assert (first.buffer.tobytes(), first.starts.tolist()) == before


def test_one_message_that_somebody_keeps_stays_what_it_is() -> None:
    encoder = _encoder()
    batch = batch_of(V2, [FLOW, FLOW_IPV6])
    kept = encoder.encode(batch, all_rows(batch), joined_of(2), 1).buffer[:100].data
    before = bytes(kept)
    encoder.encode(batch_of(V2, [{**FLOW, "srcport": 1}] * 2), all_rows(batch), joined_of(2), 2)
    assert bytes(kept) == before


def test_a_buffer_that_nobody_holds_is_used_again() -> None:
    encoder = _encoder()
    batch = batch_of(V2, [FLOW])
    places = [
        encoder.encode(batch, all_rows(batch), joined_of(1), 1).buffer.__array_interface__["data"][0] for _ in range(3)
    ]
    assert len(set(places)) == 1


def test_several_vocabularies_and_growing_ones_do_not_mix() -> None:
    encoder = _encoder()
    one, other = Vocabulary(), Vocabulary()
    other.intern(b"REJECT")  # the id that ACCEPT has in the first
    for _ in range(3):
        for vocabulary, action, status in ((one, "ACCEPT", 64), (other, "REJECT", 128), (one, "REJECT", 128)):
            batch = batch_of(V2, [{**FLOW, "action": action}], vocabulary)
            (record,) = records_of(encoder.encode(batch, all_rows(batch), joined_of(1), 1))
            assert record[0, 89] == bytes((status,))


def test_more_new_strings_than_are_looked_at_at_once_are_all_looked_at() -> None:
    rows: list[Row] = [{**FLOW, "action": f"NEW-{number}"} for number in range(1500)]
    batch = batch_of(V2, [*rows, {**FLOW, "action": "REJECT"}])
    records = records_of(_encoder("core").encode(batch, all_rows(batch), joined_of(1501), 1))
    assert [record.get((0, 89)) for record in records] == [None] * 1500 + [bytes((128,))]


def test_fields_nobody_knows_arrive_by_name() -> None:
    fields = (*V2, "colour", "taste")
    rows: list[Row] = [
        {**FLOW, "colour": "blue", "taste": "sweet"},
        {**FLOW, "taste": "sour"},
        FLOW,
        {**FLOW, "colour": "blue", "taste": "sweet"},
    ]
    batch = batch_of(fields, rows)
    records = records_of(_encoder().encode(batch, np.array([3, 2, 1, 0], dtype=np.int64), joined_of(4), 1))
    both = b"colour=blue taste=sweet"
    assert [record[PEN, 1046] for record in records] == [both, b"", b"taste=sour", both]


def test_a_transit_gateway_record_has_its_own_template_and_all_lost_packets() -> None:
    fields = TRANSIT_GATEWAY_FORMAT.fields
    lost: Row = {"packets-lost-no-route": 1, "packets-lost-blackhole": 2, "packets-lost-ttl-expired": 4}
    batch = batch_of(fields, [{**FLOW, **lost, "tgw-id": "tgw-1"}, FLOW])
    records = records_of(_encoder().encode(batch, all_rows(batch), joined_of(2), 1))
    without, with_lost = sorted(records, key=lambda record: (0, 133) in record)
    assert int.from_bytes(with_lost[0, 133], "big") == 7
    assert with_lost[PEN, 1062] == b"tgw-1"
    assert [int.from_bytes(with_lost[PEN, number], "big") for number in range(1075, 1079)] == [1, 2, 2**64 - 1, 4]
    assert (0, 133) not in without, "nothing was reported, so no zero is"


def test_the_private_enterprise_number_is_that_of_the_settings() -> None:
    batch = batch_of(V2, [FLOW])
    encoder = Encoder(EncodingSettings(private_enterprise_number=64_999), TemplateNumbers())
    (record,) = records_of(encoder.encode(batch, all_rows(batch), joined_of(1), 1))
    assert record[64_999, 1002] == b"123456789012"
    assert {enterprise for enterprise, _ in record} == {0, 64_999}


def test_the_reverse_enterprise_number_is_refused() -> None:
    with pytest.raises(ValueError, match="29305"):
        EncodingSettings(private_enterprise_number=29_305)


@pytest.mark.parametrize("pads", [False, True])
def test_a_narrower_path_makes_smaller_messages_of_the_same_records(pads: bool) -> None:
    batch = batch_of(V2, [FLOW] * 40)
    encoder = Encoder(EncodingSettings(pads_messages=pads), TemplateNumbers())
    wide = encoder.encode(batch, all_rows(batch), joined_of(40), 7)
    narrow = encoder.encode(batch, all_rows(batch), joined_of(40), 7, 900)
    assert max(message.size for message in messages_of(wide)) > 900 >= max(m.size for m in messages_of(narrow))
    without_padding = [{key: record[key] for key in record if key != (0, 210)} for record in records_of(narrow)]
    assert without_padding == [{key: record[key] for key in record if key != (0, 210)} for record in records_of(wide)]
    assert narrow.templates == wide.templates


def test_a_path_narrower_than_a_record_layout_gets_the_smallest_messages_there_can_be() -> None:
    settings = EncodingSettings()
    smallest = smallest_message_size(settings)
    batch = batch_of(V2, [{**FLOW, "account-id": "x" * 2000}] * 3)
    found = list(messages_of(Encoder(settings, TemplateNumbers()).encode(batch, all_rows(batch), joined_of(3), 7, 50)))
    assert [message.size for message in found] == [smallest] * 3

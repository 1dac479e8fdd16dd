"""Any batch, any profile, any size limit: no message over the limit, and a plain reader gives the batch back."""

from __future__ import annotations

import ipaddress
from collections import Counter
from itertools import pairwise
from typing import Literal

import hypothesis.strategies as st
import numpy as np
from hypothesis import example, given, settings

from consumer.decode.fields import FIELDS, TRANSIT_GATEWAY_FORMAT
from consumer.encode.encoder import Encoder
from consumer.encode.settings import EncodingSettings
from consumer.encode.template import TemplateNumbers
from consumer.model.flow_batch import Kind
from tests.unit.encode.building import Row, Value, batch_of, joined_of, table_of
from tests.unit.encode.reading import Message, Record, messages_of
from tests.unit.encode.samples import ALL_VPC, PEN, V2

_PADDING = (0, 210)
ProfileName = Literal["core", "iana", "full"]

# Our published numbers, spelled again: the test must not believe the table it tests.
_STRINGS = {
    "account-id": 1002, "interface-id": 1003, "action": 1004, "log-status": 1005, "vpc-id": 1006, "subnet-id": 1007,
    "instance-id": 1008, "type": 1009, "region": 1014, "az-id": 1015, "sublocation-type": 1016,
    "sublocation-id": 1017, "pkt-src-aws-service": 1018, "pkt-dst-aws-service": 1019, "reject-reason": 1031,
    "resource-id": 1032, "instance-tag": 1034, "instance-tag-2": 1035, "interface-tag": 1036, "interface-tag-2": 1037,
    "asg-tag": 1038, "asg-tag-2": 1039, "interface-type": 1040, "next-hop-interface-id": 1041,
    "next-hop-subnet-id": 1042, "next-hop-az-id": 1043, "next-hop-vpc-id": 1044, "next-hop-interface-type": 1045,
    "resource-type": 1061, "tgw-id": 1062, "tgw-attachment-id": 1063, "tgw-src-vpc-account-id": 1064,
    "tgw-dst-vpc-account-id": 1065, "tgw-src-vpc-id": 1066, "tgw-dst-vpc-id": 1067, "tgw-src-subnet-id": 1068,
    "tgw-dst-subnet-id": 1069, "tgw-src-eni": 1070, "tgw-dst-eni": 1071, "tgw-src-az-id": 1072, "tgw-dst-az-id": 1073,
    "tgw-pair-attachment-id": 1074,
}  # fmt: skip
_ECS = {
    name: 1021 + number
    for number, name in enumerate(
        (
            "ecs-cluster-arn", "ecs-cluster-name", "ecs-container-instance-arn", "ecs-container-instance-id",
            "ecs-container-id", "ecs-second-container-id", "ecs-service-name", "ecs-task-definition-arn",
            "ecs-task-arn", "ecs-task-id",
        )
    )
}  # fmt: skip
_NUMBERS = {
    "version": (1001, 1, 0), "traffic-path": (1020, 1, 0), "encryption-status": (1033, 1, 255),
    "packets-lost-no-route": (1075, 8, 2**64 - 1), "packets-lost-blackhole": (1076, 8, 2**64 - 1),
    "packets-lost-mtu-exceeded": (1077, 8, 2**64 - 1), "packets-lost-ttl-expired": (1078, 8, 2**64 - 1),
}  # fmt: skip
_ADDRESSES = {
    "srcaddr": ((0, 8), (0, 27)), "dstaddr": ((0, 12), (0, 28)),
    "pkt-srcaddr": ((PEN, 1010), (PEN, 1012)), "pkt-dstaddr": ((PEN, 1011), (PEN, 1013)),
}  # fmt: skip
_LOST = [name for name in _NUMBERS if name.startswith("packets-lost")]

_texts = st.one_of(
    st.sampled_from(["ACCEPT", "REJECT", "BPA", "EC", "ingress", "egress", "OK"]),
    st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=12),
    st.integers(250, 260).map(lambda size: "x" * size),
    st.integers(1, 700).map(lambda size: "€" * size),
)
_addresses = st.one_of(
    st.integers(0, 2**32 - 1).map(lambda number: str(ipaddress.IPv4Address(number))),
    st.integers(0, 2**128 - 1).map(lambda number: str(ipaddress.IPv6Address(number))),
)


def _value(name: str) -> st.SearchStrategy[Value]:
    field = FIELDS[name]
    if field.kind is Kind.STRING:
        return st.none() | _texts
    if field.kind is Kind.ADDRESS:
        return st.none() | _addresses
    return st.none() | st.integers(0, field.maximum)


@st.composite
def batches(draw: st.DrawFn) -> tuple[tuple[str, ...], list[Row]]:
    family = draw(st.sampled_from([V2, ALL_VPC, TRANSIT_GATEWAY_FORMAT.fields]))
    fields = tuple(draw(st.lists(st.sampled_from(family), min_size=1, unique=True))) if draw(st.booleans()) else family
    rows: list[Row] = draw(
        st.lists(st.fixed_dictionaries({name: _value(name) for name in fields}), min_size=1, max_size=12)
    )
    return fields, rows


def _expected(row: Row, names: dict[int, bytes], profile: ProfileName) -> Record:
    """What the documentation of the elements promises for a row, without regard to the message size."""
    record: Record = {(0, 10): (7).to_bytes(4, "big"), (0, 14): bytes(4), (0, 130): bytes((198, 18, 0, 1))}
    for name, element in (("packets", 2), ("bytes", 1)):
        record[0, element] = _integer(row.get(name), 8)
    for members in ((("srcport", 7, 2), ("dstport", 11, 2)), (("protocol", 4, 1),), (("tcp-flags", 6, 1),)):
        if any(row.get(name) is not None for name, _, _ in members):
            record.update({(0, element): _integer(row[name], size) for name, element, size in members if name in row})
    start, end = row.get("start"), row.get("end")
    if start is not None or end is not None:
        for name, element, seconds, other in (("start", 152, start, end), ("end", 153, end, start)):
            if name in row:
                record[0, element] = _integer(1000 * int((other if seconds is None else seconds) or 0), 8)
    _expect_verdict(record, row)
    _expect_addresses(record, row, profile)
    if row.get("flow-direction") in ("ingress", "egress"):
        record[0, 61] = bytes((row["flow-direction"] == "egress",))
    if profile == "iana":
        if "interface-id" in row:
            record[0, 348] = _text(row["interface-id"])
        record[0, 350] = names[1052] or names[1051]
    if profile == "full":
        record.update({(PEN, number): _text(row[name]) for name, number in _STRINGS.items() if name in row})
        if any(row.get(name) is not None for name in _ECS):
            record.update({(PEN, number): _text(row[name]) for name, number in _ECS.items() if name in row})
        for name, (number, size, null) in _NUMBERS.items():
            if name in row:
                record[PEN, number] = _integer(null if row[name] is None else row[name], size)
        record.update({(PEN, number): text for number, text in names.items()})
    return record


def _expect_verdict(record: Record, row: Row) -> None:
    if row.get("action") == "ACCEPT":
        record[0, 89], record[0, 233] = b"\x40", b"\x05"
    elif row.get("action") == "REJECT":
        record[0, 89] = {"BPA": b"\x81", "EC": b"\x82"}.get(str(row.get("reject-reason")), b"\x80")
        record[0, 233] = b"\x03"
    elif "action" not in row and any(row.get(name) is not None for name in _LOST):
        record[0, 133] = _integer(sum(int(row.get(name) or 0) for name in _LOST) % 2**64, 8)


def _expect_addresses(record: Record, row: Row, profile: ProfileName) -> None:
    known = {name: ipaddress.ip_address(str(row[name])) for name in _ADDRESSES if row.get(name) is not None}
    if not known:
        return
    version = max(address.version for address in known.values())
    record[0, 60] = bytes((version,))
    for name, elements in _ADDRESSES.items():
        if name not in row or (profile != "full" and name.startswith("pkt-")):
            continue
        packed = known[name].packed if name in known else bytes(4 if version == 4 else 16)
        if version == 6 and len(packed) == 4:
            packed = bytes(10) + b"\xff\xff" + packed
        record[elements[version == 6]] = packed


def _integer(value: Value, size: int) -> bytes:
    return int(value or 0).to_bytes(size, "big")


def _text(value: Value) -> bytes:
    return str(value or "").encode()


@settings(deadline=None, max_examples=150)
@given(
    batch=batches(),
    profile=st.sampled_from(["core", "iana", "full"]),
    message_size=st.integers(596, 8900),
    pads=st.booleans(),
    name=st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=300),
    data=st.data(),
)
def test_what_is_encoded_is_read_back(
    batch: tuple[tuple[str, ...], list[Row]],
    profile: ProfileName,
    message_size: int,
    pads: bool,
    name: str,
    data: st.DataObject,
) -> None:
    fields, rows = batch
    flows = batch_of(fields, rows)
    order = data.draw(st.lists(st.integers(0, len(rows) - 1), max_size=30))
    interfaces = table_of("interface", [{"name": name, "instance_name": "web"}])
    endpoints = table_of("endpoint", [{"name": name, "service": "RDS"}])
    values = {"interface": 1, "destination": 1, "ingress_interface": 7, "exporter_address": 0xC6120001}
    joined = joined_of(len(rows), [values] * len(rows), interfaces, endpoints)
    names = dict.fromkeys(
        (*range(1051, 1056), 1057, *range(1101, 1105), 1113, 1114, *range(1151, 1155), 1163, 1164), b""
    )
    names |= {1051: name.encode(), 1052: b"web", 1151: name.encode(), 1154: b"RDS"}

    chosen = EncodingSettings(profile=profile, message_size=message_size, pads_messages=pads)
    encoder = Encoder(chosen, TemplateNumbers())
    encoded = encoder.encode(flows, np.array(order, dtype=np.int64), joined, 7)
    messages = list(messages_of(encoded))

    assert all(message.size <= message_size for message in messages)
    assert encoded.record_count == len(order)
    if pads and profile != "core":
        _assert_padded(messages, message_size)
    found = [_without_padding(record) for message in messages for record in message.records]
    wanted = [_expected(rows[row], names, profile) for row in order]
    if not encoded.cut_strings:
        assert _counted(found) == _counted(wanted)
    else:
        # Which record became which is no longer plain: fixed parts must agree, texts must begin as they did.
        assert _counted([_fixed(record) for record in found]) == _counted([_fixed(record) for record in wanted])
        for record in found:
            assert any(_may_be(record, candidate) for candidate in wanted)


def _assert_padded(messages: list[Message], message_size: int) -> None:
    """All messages of a template but the last are exactly the limit, padded with zeros in their last record only."""
    for message, following in pairwise(messages):
        if following.template_id == message.template_id:
            assert message.size == message_size
    for message in messages:
        *others, last = (record[_PADDING] for record in message.records)
        assert others == [b""] * len(others)
        assert not any(last)


def _without_padding(record: Record) -> Record:
    return {key: value for key, value in record.items() if key != _PADDING}


def _counted(records: list[Record]) -> Counter[frozenset[tuple[tuple[int, int], bytes]]]:
    return Counter(frozenset(record.items()) for record in records)


def _is_text(key: tuple[int, int]) -> bool:
    return key[1] in {348, 350} or (
        key[0] == PEN and key[1] not in {1001, 1010, 1011, 1012, 1013, 1020, 1033, 1056, *range(1075, 1079)}
    )


def _fixed(record: Record) -> Record:
    return {key: value for key, value in record.items() if not _is_text(key)}


def _may_be(record: Record, candidate: Record) -> bool:
    """True when `record` is `candidate` with some texts cut, at a character."""
    return record.keys() == candidate.keys() and all(
        candidate[key].startswith(value) and (value == candidate[key] or _is_whole(value))
        for key, value in record.items()
    )


def _is_whole(value: bytes) -> bool:
    return value.decode(errors="ignore").encode() == value


@settings(deadline=None, max_examples=40)
@given(
    sizes=st.lists(st.integers(0, 4000), min_size=1, max_size=20),
    message_size=st.integers(596, 8900),
    pads=st.booleans(),
)
@example(sizes=[65_000, 0, 3], message_size=600, pads=False)
@example(sizes=[65_000, 0, 3], message_size=600, pads=True)
def test_a_record_is_cut_only_when_it_must_be_and_only_as_much(sizes: list[int], message_size: int, pads: bool) -> None:
    rows: list[Row] = [{"srcaddr": "10.0.0.1", "account-id": "é" * (size // 2), "vpc-id": "v" * 40} for size in sizes]
    flows = batch_of(("srcaddr", "account-id", "vpc-id"), rows)
    encoder = Encoder(EncodingSettings(message_size=message_size, pads_messages=pads), TemplateNumbers())
    encoded = encoder.encode(flows, np.arange(len(rows), dtype=np.int64), joined_of(len(rows)), 7)
    found = [(message.size, record) for message in messages_of(encoded) for record in message.records]
    cut = 0
    for row, (size, record) in zip(rows, found, strict=True):
        text = str(row["account-id"]).encode()
        if record[PEN, 1002] != text:
            cut += 1
            assert text.startswith(record[PEN, 1002])
            lost = len(record[_PADDING]) if pads else 0
            assert message_size - 3 <= size - lost <= message_size, "two bytes of a character, or a longer prefix"
            assert size <= message_size
        assert record[PEN, 1006] == b"v" * 40
    assert encoded.cut_strings == cut

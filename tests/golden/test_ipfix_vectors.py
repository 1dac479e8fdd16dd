"""Exact octets on the wire, each vector also read by decoders nobody here wrote.

The Python packages `ipfix` (Brian Trammell) and `netflow`; the latter knows fixed-length IANA elements only. What a
record must say is written here by hand.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from ipaddress import IPv4Address, IPv6Address

import netflow.ipfix
import pytest

from consumer.encode.catalogue import catalogue
from tests.golden.ipfix_vectors import FOLDER, VECTORS, annotated, encode, messages, read_vector
from tests.support.python_ipfix import read_records

_START = datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)
_END = datetime(2023, 11, 14, 22, 14, 20, tzinfo=UTC)
_CORE: dict[str, object] = {
    "sourceTransportPort": 49152,
    "destinationTransportPort": 443,
    "protocolIdentifier": 6,
    "packetDeltaCount": 10,
    "octetDeltaCount": 1500,
    "flowStartMilliseconds": _START,
    "flowEndMilliseconds": _END,
    "ingressInterface": 0,
    "egressInterface": 0x12345678,
    "exporterIPv4Address": IPv4Address("198.18.0.1"),
}
_ACCEPTED = {"forwardingStatus": 64, "firewallEvent": 5}
_IPV4 = {
    "sourceIPv4Address": IPv4Address("10.0.1.5"),
    "destinationIPv4Address": IPv4Address("203.0.113.9"),
    "ipVersion": 4,
}
_IPV6 = {
    "sourceIPv6Address": IPv6Address("2001:db8::5"),
    "destinationIPv6Address": IPv6Address("2001:db8:1::9"),
    "ipVersion": 6,
}
_NAMES = {1051: b"eth0", 1052: b"web-1", 1054: b"prod", 1101: b"web-1", 1102: b"subnet-1", 1104: b"EC2"}
_V2 = {1001: b"\x02", 1002: b"123456789012", 1003: b"eni-0123456789abcdef0", 1005: b"OK"}

_IANA: dict[str, object] = {
    **_CORE,
    **_IPV4,
    **_ACCEPTED,
    "virtualStationInterfaceName": "eni-0123456789abcdef0",
    "virtualStationName": "web-1",
}

EXPECTED: dict[str, list[dict[str, object]]] = {
    "core_ipv4": [
        {**_CORE, **_IPV4, **_ACCEPTED},
        {**_CORE, **_IPV4, "packetDeltaCount": 0, "octetDeltaCount": 0, "forwardingStatus": 128, "firewallEvent": 3},
    ],
    "core_ipv6": [{**_CORE, **_IPV6, **_ACCEPTED}],
    "iana_ipv4": [_IANA],
    "iana_padded": [{**_IANA, "paddingOctets": bytes(missing)} for missing in (0, 0, 0, 0, 47, 0)],
    "full_ipv4": [{**_CORE, **_IPV4, **_ACCEPTED}],
    "full_all_fields": [{**_CORE, **_IPV4, **_ACCEPTED, "tcpControlBits": 19, "flowDirection": 1}],
    "full_transit_gateway": [{**_CORE, **_IPV4, "droppedPacketDeltaCount": 4}],
}
"""Elements that IANA names."""

_NULL_COUNTER = b"\xff" * 8
EXPECTED_OURS: dict[str, dict[int, bytes]] = {
    "full_ipv4": {**_V2, **_NAMES, 1004: b"ACCEPT"},
    "full_all_fields": {
        **_V2, **_NAMES,
        1004: b"ACCEPT", 1006: b"vpc-0a1b2c3d", 1009: b"IPv4", 1010: bytes((10, 0, 1, 5)),
        1011: bytes((203, 0, 113, 9)), 1014: b"eu-central-1", 1020: b"\x08", 1027: b"shop", 1033: b"\x03",
        1034: "ü".encode() * 150,
    },
    "full_transit_gateway": {
        **{number: value for number, value in _V2.items() if number != 1003}, **_NAMES,
        1062: b"tgw-1", 1075: (3).to_bytes(8, "big"), 1076: _NULL_COUNTER, 1077: _NULL_COUNTER,
        1078: (1).to_bytes(8, "big"),
    },
}  # fmt: skip
"""Our own elements that are not empty."""


def _wire(name: str) -> bytes:
    return b"".join(messages(encode(name)))


def _split(wire: bytes) -> Iterator[bytes]:
    while wire:
        length = int.from_bytes(wire[2:4], "big")
        yield wire[:length]
        wire = wire[length:]


def test_there_is_a_file_for_every_vector_and_no_other() -> None:
    assert {path.stem for path in FOLDER.glob("*.txt")} == {*VECTORS, "element_numbers"}


@pytest.mark.parametrize("name", VECTORS)
def test_the_octets_are_the_golden_ones(name: str) -> None:
    assert list(annotated(encode(name))) == (FOLDER / f"{name}.txt").read_text(encoding="utf-8").splitlines()
    assert _wire(name) == read_vector(name)


@pytest.mark.parametrize("name", VECTORS)
def test_python_ipfix_reads_what_the_flow_log_said(name: str) -> None:
    named = [
        {
            key: value.replace(tzinfo=UTC) if isinstance(value, datetime) else value
            for key, value in record.items()
            if not key.startswith("_ipfix_")
        }
        for record in read_records(read_vector(name))
    ]
    assert named == EXPECTED[name]


@pytest.mark.parametrize("name", EXPECTED_OURS)
def test_python_ipfix_reads_our_own_elements_as_octets(name: str) -> None:
    (record,) = read_records(read_vector(name))
    ours = {
        int(key.rpartition("_")[2]): bytes(value) for key, value in record.items() if key.startswith("_ipfix_32473_")
    }
    assert {number: value for number, value in ours.items() if value} == EXPECTED_OURS[name]


@pytest.mark.parametrize("name", ["core_ipv4", "core_ipv6"])
def test_python_netflow_reads_the_core_profile(name: str) -> None:
    templates: dict[int, list[object]] = {}
    flows = [
        flow.data
        for message in _split(read_vector(name))
        for flow in netflow.ipfix.IPFIXExportPacket(message, templates).flows
    ]
    assert flows == [{key: _as_number(value) for key, value in record.items()} for record in EXPECTED[name]]


def _as_number(value: object) -> object:
    if isinstance(value, datetime):
        return int(value.timestamp() * 1000)
    return int(value) if isinstance(value, IPv4Address | IPv6Address) else value


def test_a_published_element_keeps_number_name_and_type_for_ever() -> None:
    """A new element adds a line; a changed line breaks every collector that was told the old one."""
    lines = (FOLDER / "element_numbers.txt").read_text(encoding="utf-8").splitlines()
    published = [line for line in lines if not line.startswith("#")]
    assert [f"{entry.number} {entry.name} {entry.type}" for entry in catalogue() if entry.enterprise] == published

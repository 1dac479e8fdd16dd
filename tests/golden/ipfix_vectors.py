"""The flows behind the golden vectors in ipfix/, and how a vector file is read and written.

A vector is a template message and the data messages it explains, exactly as they leave for a collector but for export
time and sequence number (zero). One line holds the octets of one thing and a note:

    00 0a               # message header: version 10

`python -m tests.golden.ipfix_vectors` writes the files anew: do that only for a change of the wire that is meant, and
read the difference.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path

from consumer.decode.fields import TRANSIT_GATEWAY_FORMAT
from consumer.encode.elements import DataType, InformationElement
from consumer.encode.encoder import Encoder
from consumer.encode.enterprise import ENTERPRISE_BY_NUMBER
from consumer.encode.iana import IANA_ELEMENTS
from consumer.encode.message import TEMPLATE_SET, build_message
from consumer.encode.settings import EncodingSettings
from consumer.encode.template import TemplateNumbers
from consumer.model.messages import MessageBatch
from tests.unit.encode.building import Row, all_rows, batch_of, joined_of, table_of
from tests.unit.encode.reading import Field, read_template
from tests.unit.encode.samples import ALL_VPC, FLOW, FLOW_IPV6, V2

FOLDER = Path(__file__).parent / "ipfix"
DOMAIN = 0x53000001

_LOGGED: Row = {
    "tcp-flags": 19,
    "type": "IPv4",
    "vpc-id": "vpc-0a1b2c3d",
    "region": "eu-central-1",
    "flow-direction": "egress",
    "traffic-path": 8,
    "encryption-status": 3,
    "pkt-srcaddr": "10.0.1.5",
    "pkt-dstaddr": "203.0.113.9",
    "ecs-service-name": "shop",
    "instance-tag": "ü" * 150,  # 300 octets: the long form of a length
}
_LOST: Row = {"tgw-id": "tgw-1", "packets-lost-no-route": 3, "packets-lost-ttl-expired": 1, "action": None}
_REJECT: Row = {"packets": None, "bytes": None, "action": "REJECT"}

_CORE, _IANA, _FULL = (EncodingSettings(profile=profile) for profile in ("core", "iana", "full"))
_PADDED = EncodingSettings(profile="iana", message_size=512, pads_messages=True)

VECTORS: Mapping[str, tuple[EncodingSettings, Sequence[str], Sequence[Row]]] = {
    "core_ipv4": (_CORE, V2, (FLOW, {**FLOW, **_REJECT})),
    "core_ipv6": (_CORE, V2, (FLOW_IPV6,)),
    "iana_ipv4": (_IANA, V2, (FLOW,)),
    "iana_padded": (_PADDED, V2, (FLOW,) * 6),
    "full_ipv4": (_FULL, V2, (FLOW,)),
    "full_all_fields": (_FULL, ALL_VPC, ({**FLOW, **_LOGGED},)),
    "full_transit_gateway": (_FULL, TRANSIT_GATEWAY_FORMAT.fields, ({**FLOW, **_LOST},)),
}
"""Name → settings, log format, flows."""


def encode(name: str) -> MessageBatch:
    """The messages of a vector."""
    settings, fields, rows = VECTORS[name]
    interfaces = table_of("interface", [{"name": "eth0", "instance_name": "web-1", "vpc_name": "prod"}])
    endpoints = table_of("endpoint", [{"name": "web-1", "subnet_id": "subnet-1", "service": "EC2"}])
    found = {"interface": 1, "source": 1, "egress_interface": 0x12345678, "exporter_address": 0xC6120001}
    batch = batch_of(fields, rows)
    joined = joined_of(len(rows), [found] * len(rows), interfaces, endpoints)
    return Encoder(settings, TemplateNumbers()).encode(batch, all_rows(batch), joined, DOMAIN)


def messages(batch: MessageBatch) -> list[bytes]:
    """One template message, then the data messages."""
    cuts = batch.starts.tolist()
    data = [batch.buffer[begin:end].tobytes() for begin, end in pairwise(cuts)]
    return [build_message(batch.domain, TEMPLATE_SET, batch.templates.values()), *data]


def read_vector(name: str) -> bytes:
    """The octets of a vector file, notes left out."""
    text = (FOLDER / f"{name}.txt").read_text(encoding="utf-8")
    return bytes.fromhex("".join(line.partition("#")[0] for line in text.splitlines()))


def annotated(batch: MessageBatch) -> Iterator[str]:
    """Lines of a vector file."""
    template, *data = messages(batch)
    yield from _head(template, "template set")
    layouts = {}
    for record in batch.templates.values():
        template_id, fields = read_template(record)
        layouts[template_id] = fields
        yield _line(record[:4], f"template {template_id:#06x}, {len(fields)} fields")
        offset = 4
        for enterprise, number, length in fields:
            size = 8 if enterprise else 4
            shown = "variable length" if length == 65_535 else f"{length} octets"
            label = f"{_element(enterprise, number).name} ({f'{enterprise}.' if enterprise else ''}{number}), {shown}"
            yield _line(record[offset : offset + size], label)
            offset += size
    for message in data:
        set_id = int.from_bytes(message[16:18], "big")
        yield from _head(message, f"data set of template {set_id:#06x}")
        yield from _records(message, layouts[set_id])


def _head(message: bytes, title: str) -> Iterator[str]:
    yield _line(message[:4], f"version 10, length {len(message)}")
    yield _line(message[4:12], "export time and sequence number: stamped when sent")
    yield _line(message[12:16], "observation domain")
    yield _line(message[16:20], f"{title}, length {len(message) - 16}")


def _records(message: bytes, fields: Sequence[Field]) -> Iterator[str]:
    offset = 20
    while offset < len(message):
        for enterprise, number, length in fields:
            begin = offset
            if length == 65_535:
                length, offset = message[offset], offset + 1
                if length == 255:
                    length, offset = int.from_bytes(message[offset : offset + 2], "big"), offset + 2
            offset += length
            element = _element(enterprise, number)
            yield _line(message[begin:offset], f"{element.name} = {_shown(element, message[offset - length : offset])}")


def _element(enterprise: int, number: int) -> InformationElement:
    by_number = {element.number: element for element in IANA_ELEMENTS}
    return ENTERPRISE_BY_NUMBER[number] if enterprise else by_number[number]


def _shown(element: InformationElement, value: bytes) -> str:
    if element.data_type is DataType.OCTET_ARRAY:
        return f"{len(value)} octets"
    if element.is_variable:
        return repr(value.decode())
    if element.data_type.label.startswith("ipv4"):
        return ".".join(map(str, value))
    if element.data_type.label.startswith("ipv6"):
        return value.hex(":", 2)
    return str(int.from_bytes(value, "big"))


def _line(octets: bytes, note: str) -> str:
    return f"{octets.hex(' '):47} # {note}"


if __name__ == "__main__":
    for vector in VECTORS:
        (FOLDER / f"{vector}.txt").write_text("\n".join(annotated(encode(vector))) + "\n", encoding="utf-8")

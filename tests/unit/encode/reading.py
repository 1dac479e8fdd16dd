"""A small IPFIX reader of the tests' own: plain Python, written from RFC 7011 and knowing nothing of our mapping.

It is deliberately strict: every length must add up, no byte may be left over.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from consumer.model.messages import MessageBatch

Field = tuple[int, int, int]
"""Enterprise number (0 = IANA), element number, length."""
Record = dict[tuple[int, int], bytes]
"""(enterprise number, element number) → octets."""


@dataclass(frozen=True)
class Message:
    """One message of one data set."""

    size: int
    export_time: int
    sequence: int
    domain: int
    template_id: int
    records: tuple[Record, ...]


def read_template(record: bytes) -> tuple[int, tuple[Field, ...]]:
    """Template id and fields of one template record."""
    template_id, count = struct.unpack_from("!HH", record)
    offset = 4
    fields: list[Field] = []
    for _ in range(count):
        number, length = struct.unpack_from("!HH", record, offset)
        offset += 4
        enterprise = 0
        if number & 0x8000:
            (enterprise,) = struct.unpack_from("!I", record, offset)
            offset += 4
        fields.append((enterprise, number & 0x7FFF, length))
    assert offset == len(record), "octets behind the last field specifier"
    return template_id, tuple(fields)


def read_message(message: bytes, templates: Mapping[int, tuple[Field, ...]]) -> Message:
    """A message that holds exactly one data set."""
    version, length, export_time, sequence, domain = struct.unpack_from("!HHIII", message)
    assert version == 10
    assert length == len(message)
    set_id, set_length = struct.unpack_from("!HH", message, 16)
    assert set_length == length - 16, "one set fills the message"
    records = []
    offset = 20
    while offset < length:
        record, offset = _read_record(message, offset, templates[set_id])
        records.append(record)
    assert offset == length
    return Message(length, export_time, sequence, domain, set_id, tuple(records))


def _read_record(message: bytes, offset: int, fields: tuple[Field, ...]) -> tuple[Record, int]:
    record: Record = {}
    for enterprise, number, length in fields:
        if length == 65_535:
            length = message[offset]
            offset += 1
            if length == 255:
                (length,) = struct.unpack_from("!H", message, offset)
                offset += 2
        value = message[offset : offset + length]
        assert len(value) == length, "the record ends behind the message"
        assert (enterprise, number) not in record, "an element twice"
        record[enterprise, number] = value
        offset += length
    return record, offset


def messages_of(batch: MessageBatch) -> Iterator[Message]:
    """Read every message of a batch by its own templates."""
    templates = {}
    for number, record in batch.templates.items():
        template_id, fields = read_template(record)
        assert template_id == number
        templates[number] = fields
    for index in range(batch.message_count):
        raw = batch.buffer[int(batch.starts[index]) : int(batch.starts[index + 1])].tobytes()
        message = read_message(raw, templates)
        assert message.template_id in batch.templates
        assert len(message.records) == int(batch.record_counts[index])
        yield message


def records_of(batch: MessageBatch) -> list[Record]:
    """All records, in the order of the wire."""
    return [record for message in messages_of(batch) for record in message.records]

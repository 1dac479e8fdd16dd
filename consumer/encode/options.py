"""Options records: what a collector is told about the records, not about flows (RFC 7011 §3.4.2).

Belongs here: their templates and octets, pure. Does not: when they are sent and at which pace (export/).
Each function gives a MessageBatch whose `templates` are *options* template records (set id 3). Their data records
count in the sequence number like any other (RFC 7011 §3.1).
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate

import numpy as np

from consumer.encode import iana
from consumer.encode.elements import InformationElement
from consumer.encode.enterprise import ENTERPRISE_ELEMENTS
from consumer.encode.message import HEADERS_BYTES, build_message
from consumer.encode.settings import EncodingSettings
from consumer.encode.template import OPTIONS_SLOT, options_template_record
from consumer.model.messages import MessageBatch

INTERFACE_NAME_BYTES = 24
INTERFACE_DESCRIPTION_BYTES = 48

_FIRST_ID = OPTIONS_SLOT << 8


@dataclass(frozen=True, slots=True)
class _OptionsTemplate:
    template_id: int
    scope: tuple[InformationElement, ...]
    options: tuple[InformationElement, ...]


_TYPES = _OptionsTemplate(
    # RFC 5610 §3.9. libfixbuf names our elements only when all nine are there, and before the data's template.
    _FIRST_ID,
    (iana.PRIVATE_ENTERPRISE_NUMBER, iana.INFORMATION_ELEMENT_ID),
    (
        iana.ELEMENT_DATA_TYPE,
        iana.ELEMENT_SEMANTICS,
        iana.ELEMENT_UNITS,
        iana.ELEMENT_RANGE_BEGIN,
        iana.ELEMENT_RANGE_END,
        iana.ELEMENT_NAME,
        iana.ELEMENT_DESCRIPTION,
    ),
)
_TYPES_FIXED = struct.Struct("!IHBBHQQ")

_SELECTOR = _OptionsTemplate(
    _FIRST_ID + 1,
    (iana.SELECTOR_ID,),
    (iana.SELECTOR_ALGORITHM, iana.SAMPLING_PACKET_INTERVAL, iana.SAMPLING_PACKET_SPACE),
)
_SELECTOR_RECORD = struct.Struct("!QHII")

_INTERFACES = _OptionsTemplate(
    # Fixed length, padded with zero octets: nfdump shows nothing of variable-length names.
    _FIRST_ID + 2,
    (iana.INGRESS_INTERFACE,),
    (
        replace(iana.INTERFACE_NAME, size=INTERFACE_NAME_BYTES),
        replace(iana.INTERFACE_DESCRIPTION, size=INTERFACE_DESCRIPTION_BYTES),
    ),
)


_STATISTICS = _OptionsTemplate(
    _FIRST_ID + 3,
    (iana.EXPORTING_PROCESS_ID,),
    (
        iana.EXPORTED_MESSAGE_TOTAL_COUNT,
        iana.EXPORTED_FLOW_RECORD_TOTAL_COUNT,
        iana.EXPORTED_OCTET_TOTAL_COUNT,
        iana.NOT_SENT_FLOW_TOTAL_COUNT,
    ),
)
_STATISTICS_RECORD = struct.Struct("!IQQQQ")


def type_information(settings: EncodingSettings, domain: int) -> MessageBatch:
    """What our own elements are (RFC 5610): name, type, semantics, unit, range, description of each."""
    number = settings.private_enterprise_number
    return _batch(settings, domain, _TYPES, [_type_record(element, number) for element in ENTERPRISE_ELEMENTS])


def _type_record(element: InformationElement, private_enterprise_number: int) -> bytes:
    fixed = _TYPES_FIXED.pack(
        private_enterprise_number,
        element.number,
        element.data_type,
        element.semantics,
        element.units,
        element.range_begin,
        element.range_end,
    )
    return fixed + _variable(element.name) + _variable(element.description)


def selection(settings: EncodingSettings, domain: int) -> MessageBatch:
    """One of one packets selected (RFC 5477): without it goflow2's dashboards show zero and Akvorado drops flows."""
    return _batch(settings, domain, _SELECTOR, [_SELECTOR_RECORD.pack(1, 1, 1, 0)])


def exporting_statistics(
    settings: EncodingSettings, domain: int, *, messages: int, flow_records: int, octets: int, not_sent: int
) -> MessageBatch:
    """What the exporting process has sent to this collector since it began (RFC 7011 §4.2, §4.3)."""
    return _batch(settings, domain, _STATISTICS, [_STATISTICS_RECORD.pack(1, messages, flow_records, octets, not_sent)])


def interface_names(
    settings: EncodingSettings, domain: int, interfaces: Iterable[tuple[int, bytes, bytes]]
) -> MessageBatch:
    """Names of synthetic interface numbers: (number, name, description), UTF-8, cut at a character to what fits."""
    records = [
        number.to_bytes(4, "big")
        + _padded(name, INTERFACE_NAME_BYTES)
        + _padded(description, INTERFACE_DESCRIPTION_BYTES)
        for number, name, description in interfaces
    ]
    return _batch(settings, domain, _INTERFACES, records)


def _variable(text: str) -> bytes:
    data = text.encode()
    return (bytes([len(data)]) if len(data) < 255 else b"\xff" + len(data).to_bytes(2, "big")) + data


def _padded(text: bytes, size: int) -> bytes:
    return text[:size].decode(errors="ignore").encode().ljust(size, b"\0")


def _batch(
    settings: EncodingSettings, domain: int, template: _OptionsTemplate, records: Sequence[bytes]
) -> MessageBatch:
    """Whole records into as few messages as their order allows."""
    groups: list[list[bytes]] = []
    room = 0
    for record in records:
        if len(record) > room:
            groups.append([])
            room = settings.message_size - HEADERS_BYTES
        groups[-1].append(record)
        room -= len(record)
    messages = [build_message(domain, template.template_id, group) for group in groups]
    return MessageBatch(
        domain=domain,
        buffer=np.frombuffer(bytearray().join(messages), dtype=np.uint8),
        starts=np.array([0, *accumulate(map(len, messages))], dtype=np.int64),
        totals=np.array([0, *accumulate(map(len, groups))], dtype=np.int64),
        templates={
            template.template_id: options_template_record(
                template.template_id, template.scope, template.options, settings.private_enterprise_number
            )
        },
        is_options=True,
    )

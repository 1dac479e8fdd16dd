"""The collecting process: messages of any sender in, records and counted problems out.

Belongs here: message and set headers (RFC 7011 §3), templates per session and domain, gaps in the sequence. Does
not: sockets (listen.py) or what a record means (flow.py). Pure: nothing here waits or looks at a clock.

Bounds: templates, their fields and sequence numbers are kept for the newest senders only; a record lives as long
as the caller keeps it. Nothing is ever raised because of what a datagram holds.
"""

from __future__ import annotations

import struct
from collections import Counter, OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass, field

from consumer.collect.template import Lookup, MalformedError, Template, read_templates
from consumer.collect.values import Value

MAX_KEPT_FIELDS = 100_000
"""Fields of all templates together, about 30 MB; the template not used for longest goes first."""
MAX_KEPT_DOMAINS = 10_000
"""(sender, observation domain) pairs whose sequence is followed."""
_HEADER = struct.Struct("!HHIII")
_SET_HEADER = struct.Struct("!HH")
_TEMPLATE_SET = 2
_OPTIONS_TEMPLATE_SET = 3
_FIRST_DATA_SET = 256


@dataclass(frozen=True, slots=True)
class Record:
    """One data record. `values`: element name → value, in the order of the template; `id/pen` when nobody named it.
    `is_options`: about the exporter, not a flow."""

    template_id: int
    is_options: bool
    values: dict[str, Value]


@dataclass(slots=True)
class Received:
    """What one datagram held. `lost`: data records missing before it by its sequence number. `problems`: reason →
    count."""

    export_time: int = 0
    sequence: int = 0
    domain: int = 0
    records: list[Record] = field(default_factory=list)
    template_count: int = 0
    lost: int = 0
    problems: Counter[str] = field(default_factory=Counter)


class CollectingProcess:
    """Mutable, used by one thread at a time."""

    def __init__(self, lookup: Lookup) -> None:
        self._lookup = lookup
        self._templates: OrderedDict[tuple[Hashable, int, int], Template] = OrderedDict()
        self._kept_fields = 0
        self._expected: OrderedDict[tuple[Hashable, int], int] = OrderedDict()

    def read(self, datagram: bytes, sender: Hashable) -> Received:
        """Decode one datagram. `sender`: address and port: a transport session over UDP."""
        received = Received()
        if len(datagram) < _HEADER.size:
            received.problems["too_short"] += 1
            return received
        version, length, export_time, sequence, domain = _HEADER.unpack_from(datagram)
        if version != 10:
            received.problems["not_ipfix"] += 1
            return received
        received.export_time, received.sequence, received.domain = export_time, sequence, domain
        if not _HEADER.size <= length <= len(datagram):
            received.problems["bad_message_length"] += 1
            return received
        try:
            self._read_sets(datagram, length, sender, received)
        except MalformedError as error:
            received.problems[error.args[0]] += 1
        self._follow_sequence((sender, domain), received)
        return received

    def _read_sets(self, datagram: bytes, length: int, sender: Hashable, received: Received) -> None:
        position = _HEADER.size
        while position + _SET_HEADER.size <= length:
            set_id, set_length = _SET_HEADER.unpack_from(datagram, position)
            end = position + set_length
            if set_length < _SET_HEADER.size or end > length:
                raise MalformedError("bad_set_length")
            start = position + _SET_HEADER.size
            if set_id >= _FIRST_DATA_SET:
                self._read_data(datagram, start, end, set_id, sender, received)
            elif set_id in (_TEMPLATE_SET, _OPTIONS_TEMPLATE_SET):
                is_options = set_id == _OPTIONS_TEMPLATE_SET
                for template in read_templates(datagram, start, end, is_options=is_options, lookup=self._lookup):
                    self._learn(template, sender, received)
            else:
                received.problems["reserved_set_id"] += 1
            position = end
        if position != length:
            raise MalformedError("bad_set_length")

    def _read_data(
        self, datagram: bytes, start: int, end: int, set_id: int, sender: Hashable, received: Received
    ) -> None:
        key = (sender, received.domain, set_id)
        template = self._templates.get(key)
        if template is None:
            received.problems["unknown_template"] += 1
            return
        self._templates.move_to_end(key)
        is_options = template.scope_count > 0
        for values in template.records(datagram, start, end):
            received.records.append(Record(set_id, is_options, values))

    def _learn(self, template: Template | int, sender: Hashable, received: Received) -> None:
        """Keep a template; an int withdraws one, which nobody may do over UDP (RFC 7011 §8.4): ignored, counted."""
        if isinstance(template, int):
            received.problems["withdrawal"] += 1
            return
        received.template_count += 1
        key = (sender, received.domain, template.number)
        former = self._templates.pop(key, None)
        self._kept_fields += len(template.fields) - (len(former.fields) if former else 0)
        self._templates[key] = template
        while self._kept_fields > MAX_KEPT_FIELDS:
            _, oldest = self._templates.popitem(last=False)
            self._kept_fields -= len(oldest.fields)

    def _follow_sequence(self, key: tuple[Hashable, int], received: Received) -> None:
        """Compare with the data records seen so far, modulo 2³². A step back is a restart or a late datagram."""
        expected = self._expected.pop(key, None)
        if expected is not None:
            ahead = (received.sequence - expected) & 0xFFFF_FFFF
            if ahead < 1 << 31:
                received.lost = ahead
            else:
                received.problems["sequence_stepped_back"] += 1
        if received.problems.keys() <= {"withdrawal", "sequence_stepped_back", "reserved_set_id"}:
            self._expected[key] = (received.sequence + len(received.records)) & 0xFFFF_FFFF
        # Else nobody knows how many records there were: start again with the next message.
        while len(self._expected) > MAX_KEPT_DOMAINS:
            self._expected.popitem(last=False)

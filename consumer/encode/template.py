"""Template records and their numbers.

Belongs here: the bytes of RFC 7011 §3.4 and the rule that gives a template its id. Does not: which elements a template
has (layout.py), nor sending it (export/).

A template id is computed, so that every agent says the same: some collectors (Logstash) know templates by observation
domain and id alone, whoever sent them.

    bit 15 … 8   column set: which columns are sent. 1 = options templates, 2 = AWS's default format, 3 = its transit
                 gateway format, every other set by its hash, from 16
    bit 7, 6     family: 0 no addresses, 1 IPv4, 2 IPv6
    bit 5 … 0    `Group`s that are present
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from consumer.encode.elements import InformationElement
from consumer.encode.settings import EncodingSettings
from consumer.errors import ProtocolError

_HEADER = struct.Struct("!HH")
_OPTIONS_HEADER = struct.Struct("!HHH")
_FIELD = struct.Struct("!HH")
_ENTERPRISE_FIELD = struct.Struct("!HHI")
_ENTERPRISE_BIT = 0x8000

OPTIONS_SLOT = 1
DEFAULT_SLOT = 2
TRANSIT_GATEWAY_SLOT = 3
_FIRST_HASHED_SLOT = 16
_HASHED_SLOT_COUNT = 256 - _FIRST_HASHED_SLOT


class TemplateKey(NamedTuple):
    """What chooses a row's template within a log format. `family`: 0, 4 or 6. `groups`: bits of `Group`."""

    family: int
    groups: int
    has_ecs: bool

    @classmethod
    def from_code(cls, code: int) -> TemplateKey:
        """From the number the kernel gives a row: groups | family << 6 | ecs << 8 (family 0, 1 = IPv4, 2 = IPv6)."""
        return cls((0, 4, 6)[code >> 6 & 3], code & 0x3F, bool(code >> 8))

    def template_id(self, slot: int) -> int:
        """See the head of this file."""
        return slot << 8 | (0, 4, 6).index(self.family) << 6 | self.groups


def template_record(template_id: int, elements: Sequence[InformationElement], enterprise_number: int) -> bytes:
    """RFC 7011 §3.4.1: id, field count, field specifiers. Without set header."""
    return _HEADER.pack(template_id, len(elements)) + _specifiers(elements, enterprise_number)


def options_template_record(
    template_id: int,
    scope: Sequence[InformationElement],
    options: Sequence[InformationElement],
    enterprise_number: int,
) -> bytes:
    """RFC 7011 §3.4.2.2: id, field count, scope field count, scope fields, other fields. Without set header."""
    elements = (*scope, *options)
    header = _OPTIONS_HEADER.pack(template_id, len(elements), len(scope))
    return header + _specifiers(elements, enterprise_number)


def _specifiers(elements: Iterable[InformationElement], enterprise_number: int) -> bytes:
    return b"".join(
        _ENTERPRISE_FIELD.pack(element.number | _ENTERPRISE_BIT, element.size, enterprise_number)
        if element.is_enterprise
        else _FIELD.pack(element.number, element.size)
        for element in elements
    )


class TemplateNumbers:
    """Which column set has which slot, for one process. Mutable, only ever grows, safe to share between threads.

    The slot a column set asks for is the same everywhere. Should two sets of one process ask for the same, the later
    takes the next free one: within a session an id always means one template, which matters more than that two
    agents agree.
    """

    def __init__(self) -> None:
        self._taken: dict[tuple[EncodingSettings, int], frozenset[str]] = {}

    def slot(self, settings: EncodingSettings, columns: frozenset[str], reserved: int | None) -> int:
        """Slot of the column set. `reserved`: the one below 16 that belongs to this set; None = by hash."""
        hashed = _hash(columns)
        wanted = [] if reserved is None else [reserved]
        wanted += [_FIRST_HASHED_SLOT + (hashed + step) % _HASHED_SLOT_COUNT for step in range(_HASHED_SLOT_COUNT)]
        for slot in wanted:
            # One dictionary call that either takes the slot or says who has it: threads need no lock.
            if self._taken.setdefault((settings, slot), columns) == columns:
                return slot
        raise ProtocolError(f"more than {_HASHED_SLOT_COUNT} sets of columns in one process: no template id is left")


def _hash(columns: frozenset[str]) -> int:
    return int.from_bytes(hashlib.blake2s(" ".join(sorted(columns)).encode(), digest_size=4).digest(), "big")


SHARED_NUMBERS = TemplateNumbers()
"""The process's own, so that the encoders of all lanes agree."""

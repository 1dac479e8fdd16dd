"""From a log format to the layout of its records: which elements, in which order, and the steps that write them.

Belongs here: choosing lines of the mapping for one log format, and compiling them into the numbers the kernels run on.
Does not: the kernels (records.py), the table (mapping.py), keeping layouts (plan.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from consumer.encode.elements import InformationElement
from consumer.encode.mapping import (
    ECS_FIELDS,
    FLOW_MAPPING,
    KNOWN_FIELDS,
    NAME_MAPPING,
    OTHER_MAPPING,
    PADDING_MAPPING,
    Derived,
    Mapped,
    Place,
)
from consumer.encode.message import HEADERS_BYTES
from consumer.encode.settings import EncodingSettings
from consumer.encode.template import TemplateKey, template_record
from consumer.errors import ProtocolError
from consumer.model.flow_batch import Column, Kind

_PLACE_KINDS = {
    Place.ADDRESS: Kind.ADDRESS,
    Place.WORD: Kind.UNSIGNED,
    Place.NULLABLE: Kind.UNSIGNED,
    Place.STRING: Kind.STRING,
}
"""What a column of the batch must be to be written from that place."""


@dataclass(frozen=True, slots=True)
class Selected:
    """A line of the table that a log format and profile send, and the word its value lies in.

    `null_bit`: position of the column in the log format (Place.NULLABLE).
    """

    line: Mapped
    word: int
    null_bit: int = 0


@dataclass(frozen=True, slots=True)
class Layout:
    """How one template's records are written.

    `steps`: uint64[s, 4], by Place; those of place p are `steps[bounds[p]:bounds[p + 1]]`. A step: source word; offset
    in the record; left shift in bits; null bit (NULLABLE) or number of the reference (NAME). Of the addresses only
    those of IPv6 are steps of their own: an IPv4 address is a word.
    `nulls`: uint64[k, 2], for each NULLABLE step what stands for null and the largest number that fits.
    `family`: 4, 6, or 0 when no address is known. `fixed_size`: bytes before the first string. `elements`: in the order
    of the wire. `smallest_message_size`: bytes that hold the template record (it cannot be split), and a record whose
    strings are all empty.
    """

    template_id: int
    template: bytes
    family: np.uint64
    elements: tuple[InformationElement, ...]
    steps: NDArray[np.uint64]
    bounds: tuple[np.uint64, ...]
    nulls: NDArray[np.uint64]
    fixed_size: int
    smallest_message_size: int


def select_lines(
    columns: Mapping[str, Column], joined: Mapping[str, Column], settings: EncodingSettings
) -> tuple[Selected, ...]:
    """Lines to send for a log format, in the order of the wire, templates not yet told apart.

    Raises ProtocolError when a column has a kind that its element cannot carry (decode and encode disagree).
    """
    positions = {name: position for position, name in enumerate(columns)}
    selected: list[Selected] = []
    for line in FLOW_MAPPING:
        if not line.is_sent(settings):
            continue
        if line.place is Place.JOINED:
            if line.column in joined:
                selected.append(Selected(line, joined[line.column].word))
        elif line.column in columns or line.is_always_there:
            selected.append(_select_field(line, columns, positions))
    for line in NAME_MAPPING:
        if line.is_sent(settings) and line.reference in joined and line.unless not in columns:
            selected.append(Selected(line, joined[line.reference].word))
    if OTHER_MAPPING.is_sent(settings) and other_fields(columns):
        selected.append(Selected(OTHER_MAPPING, 0))
    if settings.pads_messages and PADDING_MAPPING.is_sent(settings):
        selected.append(Selected(PADDING_MAPPING, 0))
    return tuple(sorted(selected, key=lambda item: item.line.place))


def _select_field(line: Mapped, columns: Mapping[str, Column], positions: Mapping[str, int]) -> Selected:
    if line.place is Place.DERIVED:
        return Selected(line, int(line.derived))
    column = columns.get(line.column)
    if column is None:
        return Selected(Mapped(line.column, line.element, Place.DERIVED), int(Derived.ZERO))
    if column.kind is not _PLACE_KINDS[line.place]:
        raise ProtocolError(f"{column.name} came as {column.kind.name}, which {line.element.name} cannot carry")
    return Selected(line, column.word, positions[line.column])


def other_fields(columns: Mapping[str, Column]) -> tuple[Column, ...]:
    """Columns that the table does not know; decode keeps them as strings."""
    return tuple(column for name, column in columns.items() if name not in KNOWN_FIELDS and column.kind is Kind.STRING)


def build_layout(lines: Iterable[Selected], key: TemplateKey, slot: int, settings: EncodingSettings) -> Layout:
    """Compile the lines that rows of this key have."""
    used = [item for item in lines if _has(item.line, key)]
    elements = tuple(item.line.element for item in used)
    steps: list[tuple[int, int, int, int]] = []
    places: list[Place] = []
    references: list[str] = []
    offset = 0
    for item in used:
        line, size, place = item.line, item.line.element.size, item.line.place
        if place is Place.NAME:
            if line.reference in references:
                continue  # all names of one reference are one blob, so one step
            references.append(line.reference)
            steps.append((item.word, 0, 0, len(references) - 1))
        elif line.element.is_variable:
            steps.append((item.word, 0, 0, 0))
        else:
            word = item.word
            if place is Place.ADDRESS and line.family == 4:
                place, word = Place.WORD, word + 1  # the low half of the address
            steps.append((word, offset, 64 - 8 * min(size, 8), item.null_bit))
            offset += size
        places.append(place)
    template_id = key.template_id(slot)
    template = template_record(template_id, elements, settings.private_enterprise_number)
    string_count = sum(element.is_variable for element in elements)
    nullable = (item.line for item in used if item.line.place is Place.NULLABLE)
    return Layout(
        template_id=template_id,
        template=template,
        family=np.uint64(key.family),
        elements=elements,
        steps=np.array(steps, dtype=np.uint64).reshape(-1, 4),
        bounds=tuple(np.searchsorted(places, np.arange(len(Place) + 1)).astype(np.uint64)),
        nulls=np.array([(line.null, (1 << 8 * line.element.size) - 1) for line in nullable], np.uint64).reshape(-1, 2),
        fixed_size=offset,
        smallest_message_size=HEADERS_BYTES + max(len(template), offset + string_count),
    )


def _has(line: Mapped, key: TemplateKey) -> bool:
    if line.family and line.family != key.family:
        return False
    if line.column in ECS_FIELDS and not key.has_ecs:
        return False
    return line.group is None or bool(key.groups & line.group)

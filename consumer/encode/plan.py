"""What the encoder knows of one log format: columns the kernels read, and its layouts as rows ask for them.

Belongs here: compiling a log format once. Does not: one layout (layout.py), the run over rows (encoder.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from consumer.encode import sorting
from consumer.encode.additions import lost_packets_column
from consumer.encode.layout import Layout, Selected, build_layout, other_fields, select_lines
from consumer.encode.limits import require
from consumer.encode.mapping import (
    ADDRESS_FIELDS,
    DEFAULT_FIELDS,
    ECS_FIELDS,
    FLOW_MAPPING,
    GROUP_FIELDS,
    LOST_FIELDS,
    TRANSIT_GATEWAY_FIELDS,
    Group,
    Place,
)
from consumer.encode.names import NameColumn
from consumer.encode.settings import EncodingSettings
from consumer.encode.template import DEFAULT_SLOT, TRANSIT_GATEWAY_SLOT, TemplateKey, TemplateNumbers
from consumer.model.flow_batch import Column


@dataclass(frozen=True, slots=True)
class FormatPlan:
    """One log format under one profile; immutable but for `layouts`, which fills as rows need them.

    `words`: see sorting.PLAN_…, `derived_words`: records.PLAN_…. `group_nulls`: uint64[7, 2], null bits of each group
    and of the ECS fields, `any_nulls`: uint64[2], all of them.
    `references`: per NAME step the joined column and the table's columns. `lost_packets`: where the sum of lost
    packets is added to the joined columns, None when the log format has none. `others`: columns nobody knows.
    `slots`: column set without and with the ECS fields.
    """

    settings: EncodingSettings
    lines: tuple[Selected, ...]
    words: tuple[np.uint64, ...]
    derived_words: tuple[np.uint64, ...]
    group_nulls: NDArray[np.uint64]
    any_nulls: NDArray[np.uint64]
    references: tuple[tuple[str, tuple[NameColumn, ...]], ...]
    lost_packets: Column | None
    others: tuple[Column, ...]
    slots: tuple[int, int]
    layouts: dict[int, Layout] = field(default_factory=dict)

    def layout(self, code: int) -> Layout:
        """The layout of rows that the kernel gave this key.

        Raises ConfigurationError when it does not fit: only a log format with more fields than AWS has can do that.
        """
        layout = self.layouts.get(code)
        if layout is None:
            key = TemplateKey.from_code(code)
            layout = build_layout(self.lines, key, self.slots[key.has_ecs], self.settings)
            require(self.settings, layout.smallest_message_size)
            self.layouts[code] = layout
        return layout


def build_plan(
    columns: Mapping[str, Column],
    joined: Mapping[str, Column],
    joined_words: int,
    settings: EncodingSettings,
    numbers: TemplateNumbers,
) -> FormatPlan:
    """Compile a log format. `joined_words`: words of a row of the joined columns."""
    lost_packets = lost_packets_column(columns, joined_words)
    if lost_packets is not None:
        joined = {**joined, lost_packets.name: lost_packets}
    lines = select_lines(columns, joined, settings)
    group_nulls = _group_nulls(columns, ecs_fields={item.line.column for item in lines} & ECS_FIELDS)
    return FormatPlan(
        settings=settings,
        lines=lines,
        words=_words(columns),
        derived_words=_derived_words(columns),
        group_nulls=group_nulls,
        any_nulls=np.bitwise_or.reduce(group_nulls, axis=0),
        references=_references(lines),
        lost_packets=lost_packets,
        others=other_fields(columns) if any(item.line.place is Place.OTHER for item in lines) else (),
        slots=_slots(lines, columns, settings, numbers),
    )


def _words(columns: Mapping[str, Column]) -> tuple[np.uint64, ...]:
    """In the order of sorting.PLAN_…, always the same number of them: another length would be another compilation."""
    read = [_word(columns, name) for name in ("action", "reject-reason", "flow-direction")]
    families = [_word(columns, name, 2) for name in ADDRESS_FIELDS]
    return (*read, *families)


def _derived_words(columns: Mapping[str, Column]) -> tuple[np.uint64, ...]:
    """In the order of records.PLAN_…."""
    read = [_word(columns, name) for name in ("action", "reject-reason", "flow-direction", "start", "end")]
    positions = {name: position for position, name in enumerate(columns)}
    return (*read, *(np.uint64(positions.get(name, 0)) for name in ("start", "end")))


def _word(columns: Mapping[str, Column], name: str, offset: int = 0) -> np.uint64:
    return np.uint64(columns[name].word + offset if name in columns else sorting.NO_COLUMN)


def _group_nulls(columns: Mapping[str, Column], ecs_fields: Iterable[str]) -> NDArray[np.uint64]:
    fields = dict(GROUP_FIELDS)
    if "action" not in columns:
        fields[Group.VERDICT] = LOST_FIELDS
    return np.stack([*(_null_bits(columns, fields[group]) for group in Group), _null_bits(columns, ecs_fields)])


def _null_bits(columns: Mapping[str, Column], names: Iterable[str]) -> NDArray[np.uint64]:
    """uint64[2]: null bits of those of `names` that the log format has."""
    wanted = set(names)
    bits = sum(1 << position for position, name in enumerate(columns) if name in wanted)
    return np.array((bits & (1 << 64) - 1, bits >> 64), dtype=np.uint64)


def _references(lines: Iterable[Selected]) -> tuple[tuple[str, tuple[NameColumn, ...]], ...]:
    references: dict[str, list[NameColumn]] = {}
    for item in lines:
        if item.line.place is Place.NAME:
            references.setdefault(item.line.reference, []).append(NameColumn(item.line.column, item.line.fallback))
    return tuple((name, tuple(columns)) for name, columns in references.items())


def _slots(
    lines: Iterable[Selected], columns: Mapping[str, Column], settings: EncodingSettings, numbers: TemplateNumbers
) -> tuple[int, int]:
    """A column set is known by the elements it is sent as: formats that differ in nothing sent share templates."""
    reserved = None
    for fields, slot in ((DEFAULT_FIELDS, DEFAULT_SLOT), (TRANSIT_GATEWAY_FIELDS, TRANSIT_GATEWAY_SLOT)):
        if _sent_fields(columns, settings) == _sent_fields(fields, settings) and not other_fields(columns):
            reserved = slot
    plain = frozenset(item.line.element.name for item in lines if item.line.column not in ECS_FIELDS)
    with_ecs = frozenset(item.line.element.name for item in lines)
    slot = numbers.slot(settings, plain, reserved)
    return slot, slot if with_ecs == plain else numbers.slot(settings, with_ecs, None)


def _sent_fields(names: Iterable[str], settings: EncodingSettings) -> frozenset[str]:
    has = set(names)
    sent = (line for line in FLOW_MAPPING if line.is_sent(settings) and line.place is not Place.JOINED)
    return frozenset(line.column for line in sent if line.column in has)

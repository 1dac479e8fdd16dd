"""The smallest message size a profile can live with.

Belongs here: the arithmetic and the fault it becomes. Does not: cutting strings of a single large record (records.py).
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

from consumer.encode.layout import build_layout, select_lines
from consumer.encode.mapping import (
    FLOW_MAPPING,
    JOINED_COLUMNS,
    LOST_COLUMN,
    TRANSIT_GATEWAY_FIELDS,
    Group,
    Place,
)
from consumer.encode.settings import EncodingSettings
from consumer.encode.template import OPTIONS_SLOT, TemplateKey
from consumer.errors import ConfigurationError, Fault
from consumer.model.flow_batch import Column, Kind

_KINDS = {line.column: Kind.UNSIGNED for line in FLOW_MAPPING if line.place is not Place.JOINED}
_KINDS |= {line.column: Kind.ADDRESS for line in FLOW_MAPPING if line.place is Place.ADDRESS}
_KINDS |= {line.column: Kind.STRING for line in FLOW_MAPPING if line.place is Place.STRING}
"""Every known field → what decode makes of it."""

_VPC_FIELDS = [name for name in _KINDS if not name.startswith(("tgw-", "packets-lost-")) and name != "resource-type"]


@lru_cache(maxsize=64)
def smallest_message_size(settings: EncodingSettings) -> int:
    """What the largest layouts of the profile need: every VPC field, or every transit gateway field."""
    return max(_size_of(fields, settings) for fields in (_VPC_FIELDS, TRANSIT_GATEWAY_FIELDS))


def check_message_size(settings: EncodingSettings) -> None:
    """Raises ConfigurationError when `message_size` is too small for the profile."""
    require(settings, smallest_message_size(settings))


def require(settings: EncodingSettings, smallest: int) -> None:
    """Raises ConfigurationError when a message cannot hold `smallest` bytes."""
    if settings.message_size < smallest:
        problem = f"a template of profile {settings.profile} needs {smallest} bytes and cannot be split"
        fix = f"set it to {smallest} or more, or choose a smaller profile"
        raise ConfigurationError([Fault("message_size", settings.message_size, problem, fix)])


def _size_of(fields: Iterable[str], settings: EncodingSettings) -> int:
    columns = {name: Column(name, _KINDS[name], index) for index, name in enumerate(fields)}
    joined = {name: Column(name, Kind.UNSIGNED, index) for index, name in enumerate((*JOINED_COLUMNS, LOST_COLUMN))}
    key = TemplateKey(family=6, groups=sum(Group), has_ecs=True)
    return build_layout(select_lines(columns, joined, settings), key, OPTIONS_SLOT, settings).smallest_message_size

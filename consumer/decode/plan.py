"""How to read the lines of one log format: the table of fields, made ready for the kernel.

Belongs here: the plan, and telling a header from a record. Does not: reading (text.py), fields (fields.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from consumer.decode import text
from consumer.decode.fields import FIELDS, Field, field_named
from consumer.model.flow_batch import MAX_COLUMN_COUNT, Column, Kind, Words
from consumer.model.log_format import LogFormat


@dataclass(frozen=True, slots=True, eq=False)
class ParsePlan:
    """`steps`: uint64[c, 3] = (how, word, maximum) of every column, in order of the format. `word_count`: words a
    row. `families`: int64[2], words of source's and destination's family, -1 when the format has not both."""

    log_format: LogFormat
    columns: Mapping[str, Column]
    steps: Words
    word_count: int
    families: NDArray[np.int64]


def is_readable(log_format: LogFormat) -> bool:
    """False for a format wider than the null bits of a batch (AWS has 54 fields)."""
    return len(log_format.fields) <= MAX_COLUMN_COUNT


@lru_cache(maxsize=256)
def plan_of(log_format: LogFormat) -> ParsePlan:
    """The plan of a readable format; made once per format."""
    columns: dict[str, Column] = {}
    steps: list[tuple[int, int, int]] = []
    word = 0
    for name in log_format.fields:
        field = field_named(name)
        columns[name] = column = Column(name, field.kind, word)
        steps.append((_how(field), word, field.maximum))
        word += column.word_count
    ends = [columns.get("srcaddr"), columns.get("dstaddr")]
    families = [end.word + 2 for end in ends if end is not None]
    return ParsePlan(
        log_format=log_format,
        columns=MappingProxyType(columns),
        steps=np.array(steps, dtype=np.uint64),
        word_count=word,
        families=np.array(families if len(families) == 2 else [-1, -1], dtype=np.int64),
    )


def _how(field: Field) -> int:
    if field.kind is Kind.UNSIGNED:
        return text.UNSIGNED
    if field.kind is Kind.ADDRESS:
        return text.ADDRESS
    return text.ENCODED_STRING if field.is_percent_encoded else text.STRING


def header_format(line: bytes) -> LogFormat | None:
    """The log format a header line names, None for any other line.

    Every token looks like a field name and at least half of them are known: so a header with fields newer than this
    program is still one, and a record (which has digits or dots somewhere) never is.
    """
    names = line.decode("ascii", "replace").split()
    if 2 * sum(name.replace("_", "-") in FIELDS for name in names) < len(names):
        return None
    try:
        log_format = LogFormat.from_text(" ".join(names))
    except ValueError:
        return None
    return log_format if is_readable(log_format) else None

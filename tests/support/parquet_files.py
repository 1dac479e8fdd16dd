"""Flow log records as AWS's Parquet objects hold them: typed columns, null where text has a dash."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import pyarrow as pa
from pyarrow import parquet

from consumer.decode.fields import field_named
from consumer.model.flow_batch import Kind
from consumer.model.log_format import LogFormat
from consumer.model.row_slice import NULL, Numbers, RowSlice


def parquet_object(lines: Sequence[bytes | str], log_format: LogFormat, **options: Any) -> bytes:
    """The records of these lines, each a token a field; numbers that no 64 bits hold are not for Parquet."""
    rows = [line.encode().split(b" ") if isinstance(line, str) else line.split(b" ") for line in lines]
    return packed(table(rows, log_format), **options)


def table(rows: Sequence[Sequence[bytes]], log_format: LogFormat) -> Any:
    """INT_32 and INT_64 for numbers, strings for the rest (AWS: "Available fields", column "Parquet data type")."""
    columns = {}
    for place, name in enumerate(log_format.fields):
        tokens = [None if row[place] == b"-" else row[place] for row in rows]
        field = field_named(name)
        if field.kind is Kind.UNSIGNED:
            values = [None if token is None else int(token) for token in tokens]
            is_small = field.maximum < 1 << 31 and all(value is None or abs(value) < 1 << 31 for value in values)
            columns[name.replace("-", "_")] = pa.array(values, pa.int32() if is_small else pa.int64())
        else:
            columns[name.replace("-", "_")] = pa.array(tokens, pa.binary()).view(pa.string())
    return pa.table(columns)


def packed(content: Any, **options: Any) -> bytes:
    """A table as the bytes of an object, gzip inside as AWS writes it."""
    file = io.BytesIO()
    parquet.write_table(content, file, **{"compression": "gzip", **options})
    return file.getvalue()


def values_of(rows: RowSlice, name: str) -> list[Any]:
    """A column as Python has it: int, bytes, None."""
    column, first = rows.names.index(name), 0
    found: list[Any] = []
    for part in rows.columns[column]:
        values = part.values
        if isinstance(values, Numbers):
            texts: list[Any] = (values.values if values.is_signed else values.values.view("uint64")).tolist()
        else:
            texts = [values.text[start:end].tobytes() for start, end in zip(values.starts, values.ends, strict=True)]
        places = rows.indices[column, first : first + part.row_count].tolist()
        found += [None if place == NULL else texts[place] for place in places]
        first += part.row_count
    return found

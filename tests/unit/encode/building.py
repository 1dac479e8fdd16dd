"""Batches and joined columns made by hand, for tests and benchmarks of encode."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence

import numpy as np

from consumer.decode.fields import field_named
from consumer.model.flow_batch import Column, FlowBatch, JoinedColumns, Kind, Rows
from consumer.model.inventory import EntityTable
from consumer.model.log_format import LogFormat
from consumer.model.vocabulary import Vocabulary

Value = int | str | bytes | None
Row = Mapping[str, Value]

JOINED = {
    column.name: column
    for column in (
        Column("interface", Kind.REFERENCE, 0, "interface"),
        Column("source", Kind.REFERENCE, 1, "endpoint"),
        Column("destination", Kind.REFERENCE, 2, "endpoint"),
        Column("ingress_interface", Kind.UNSIGNED, 3),
        Column("egress_interface", Kind.UNSIGNED, 4),
        Column("exporter_address", Kind.UNSIGNED, 5),
    )
}


def columns_of(fields: Sequence[str]) -> dict[str, Column]:
    """The columns decode would make of these fields."""
    columns: dict[str, Column] = {}
    word = 0
    for name in fields:
        column = Column(name, field_named(name).kind, word)
        columns[name] = column
        word += column.word_count
    return columns


def batch_of(fields: Sequence[str], rows: Sequence[Row], vocabulary: Vocabulary | None = None) -> FlowBatch:
    """A batch of these rows; a field that a row does not name is null. Addresses are written as text."""
    columns = columns_of(fields)
    vocabulary = vocabulary or Vocabulary()
    words = np.zeros((len(rows), sum(column.word_count for column in columns.values())), dtype=np.uint64)
    nulls = np.zeros((len(rows), 2), dtype=np.uint64)
    for index, row in enumerate(rows):
        for position, (name, column) in enumerate(columns.items()):
            value = row.get(name)
            if value is None:
                nulls[index, position // 64] |= np.uint64(1 << (position % 64))
            elif column.kind is Kind.ADDRESS:
                words[index, column.word : column.word + 3] = address_words(str(value))
            elif column.kind is Kind.STRING:
                text = value if isinstance(value, bytes) else str(value).encode()
                words[index, column.word] = vocabulary.intern(text)
            else:
                words[index, column.word] = value
    return FlowBatch(LogFormat(tuple(fields)), columns, words, nulls, vocabulary, np.arange(len(rows), dtype=np.int64))


def address_words(text: str) -> tuple[int, int, int]:
    """High half, low half, family."""
    address = ipaddress.ip_address(text)
    number = int(address)
    return number >> 64, number & (1 << 64) - 1, address.version


def table_of(name: str, entities: Sequence[Mapping[str, str]]) -> EntityTable:
    """An entity table; row 0 is added."""
    texts: list[bytes] = [b""]
    indices: dict[bytes, int] = {b"": 0}
    rows: list[Mapping[str, str]] = [{}, *entities]
    strings = {}
    for column in sorted({column for entity in entities for column in entity}):
        numbers = []
        for entity in rows:
            text = entity.get(column, "").encode()
            if text not in indices:
                indices[text] = len(texts)
                texts.append(text)
            numbers.append(indices[text])
        strings[column] = np.array(numbers, dtype=np.int32)
    return EntityTable(name, len(rows), {}, strings, tuple(texts))


def joined_of(
    row_count: int,
    values: Sequence[Mapping[str, int]] = (),
    interfaces: EntityTable | None = None,
    endpoints: EntityTable | None = None,
) -> JoinedColumns:
    """Joined columns; what a row does not name is 0 (unknown)."""
    words = np.zeros((row_count, len(JOINED)), dtype=np.uint64)
    for index, row in enumerate(values):
        for name, value in row.items():
            words[index, JOINED[name].word] = value
    tables = {
        "interface": table_of("interface", ()) if interfaces is None else interfaces,
        "endpoint": table_of("endpoint", ()) if endpoints is None else endpoints,
    }
    return JoinedColumns(JOINED, words, tables)


def all_rows(batch: FlowBatch) -> Rows:
    """Every row, in order."""
    return np.arange(batch.row_count, dtype=np.int64)

"""Our own reader of Parquet gives what pyarrow gives, whatever the writer was told; damaged bytes cost rows only."""

from __future__ import annotations

import io
from random import Random
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consumer.errors import BadParquetError
from consumer.model.row_slice import RowSlice
from consumer.parquet import arrow
from consumer.parquet.footer import read_footer
from consumer.parquet.reader import ObjectReader
from consumer.sources.chunks.parquet import read_rows
from tests.support.parquet_files import packed, values_of

TYPES: tuple[Any, ...] = (
    pa.int32(),
    pa.int64(),
    pa.uint8(),
    pa.int16(),
    pa.uint32(),
    pa.uint64(),
    pa.string(),
    pa.binary(),
)
OPTIONS = st.fixed_dictionaries(
    {
        "compression": st.sampled_from(["gzip", "gzip", "none", "snappy", "zstd", "lz4", "brotli"]),
        "use_dictionary": st.booleans(),
        "data_page_version": st.sampled_from(["1.0", "2.0"]),
        "data_page_size": st.sampled_from([1, 64, 1000, 1 << 20]),
        "dictionary_pagesize_limit": st.sampled_from([1, 100, 1 << 20]),
        "write_batch_size": st.sampled_from([1, 7, 100, 1024]),
        "row_group_size": st.sampled_from([10, 333, 5_000]),
        "write_statistics": st.booleans(),
        "write_page_checksum": st.booleans(),
    }
)
_KINDS = ("one value", "few values", "many values", "never null", "always null")


def column(random: Random, kind: Any, count: int) -> Any:
    """Values of which some repeat, some are null, some come in runs; by chance."""
    shape = random.choice(_KINDS)
    distinct = {"one value": 1, "few values": 5}.get(shape, 10_000)
    null_share = {"never null": 0.0, "always null": 1.0}.get(shape, random.choice([0.0, 0.1, 0.9]))
    pool = [value(random, kind) for _ in range(min(distinct, count + 1))]
    found: list[Any] = []
    while len(found) < count:
        one = None if random.random() < null_share else random.choice(pool)
        found += [one] * (random.choice([1, 1, 1, 9, 100]) if distinct < 10 else 1)
    return pa.array(found[:count], kind)


def value(random: Random, kind: Any) -> Any:
    if pa.types.is_integer(kind):
        bits = random.choice([1, 8, kind.bit_width])
        number = random.getrandbits(min(bits, kind.bit_width))
        return number - (1 << kind.bit_width - 1) if str(kind).startswith("i") and bits == kind.bit_width else number
    text = random.choice(["", "-", "eni-", "10.0.0.1", "ä" * 40]) + str(random.getrandbits(random.choice([2, 30])))
    return text if kind == pa.string() else text.encode()


def some_table(seed: int, count: int) -> Any:
    random = Random(f"columns {seed}")
    kinds = [random.choice(TYPES) for _ in range(random.randint(1, 6))]
    fields = [pa.field(f"c{number}", kind, nullable=random.random() < 0.8) for number, kind in enumerate(kinds)]
    columns = [column(random, field.type, count) for field in fields]
    fields = [
        field.with_nullable(field.nullable or bool(one.null_count)) for field, one in zip(fields, columns, strict=True)
    ]
    return pa.table(columns, schema=pa.schema(fields))


def columns_of(slices: list[RowSlice]) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {}
    for rows in slices:
        for name in rows.names:
            values = values_of(rows, name)
            assert len(values) == rows.row_count
            found.setdefault(name, []).extend(values)
    return found


def by_us(content: bytes) -> list[RowSlice]:
    found = ObjectReader(io.BytesIO(content))
    footer = found.read_footer()
    return [rows for group in footer.row_groups for rows in found.read_group(group, footer.leaves)]


def by_arrow(content: bytes) -> list[RowSlice]:
    found = arrow.ArrowFile(io.BytesIO(content))
    footer = found.footer()
    names = [leaf.name for leaf in footer.leaves]
    return [rows for group in footer.row_groups for rows in found.read_group(group.number, names, 100)]


@given(st.integers(0, 1 << 32), st.integers(1, 700), OPTIONS)
@settings(max_examples=60, deadline=None)
def test_whatever_the_writer_was_told_we_read_what_pyarrow_reads(
    seed: int, count: int, options: dict[str, Any]
) -> None:
    content = packed(some_table(seed, count), **options)
    expected = columns_of(by_arrow(content))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(arrow, "ArrowFile", None)  # nobody helps out
        assert columns_of(by_us(content)) == expected


@pytest.mark.parametrize("encoding", ["DELTA_BINARY_PACKED", "BYTE_STREAM_SPLIT", "DELTA_BYTE_ARRAY"])
def test_what_we_do_not_know_is_left_to_pyarrow_with_no_row_lost_or_twice(encoding: str) -> None:
    kind = pa.string() if encoding == "DELTA_BYTE_ARRAY" else pa.int64()
    values = [str(number) if kind == pa.string() else number for number in range(20_000)]
    content = packed(
        pa.table({"a": pa.array(range(20_000)), "b": pa.array(values, kind)}),
        use_dictionary=False,
        column_encoding={"b": encoding},
        row_group_size=9_000,
    )

    assert columns_of(by_us(content)) == columns_of(by_arrow(content))


@given(st.integers(0, 1 << 32), OPTIONS, st.data())
@settings(max_examples=60, deadline=None)
def test_damaged_bytes_give_rows_or_a_fault(seed: int, options: dict[str, Any], data: st.DataObject) -> None:
    content = bytearray(packed(some_table(seed, 200), **options))
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(content) - 1))
        content[place] = data.draw(st.integers(0, 255))
    if data.draw(st.booleans()):
        del content[data.draw(st.integers(4, len(content) - 1)) : data.draw(st.integers(4, len(content)))]

    for chunk in read_rows(io.BytesIO(bytes(content))):
        assert chunk.fault in ("", "bad_parquet", "too_large")
        if chunk.columns:
            columns_of([chunk.columns])


@given(st.integers(0, 1 << 32), OPTIONS, st.data())
@settings(max_examples=60, deadline=None)
def test_damaged_values_never_lead_outside_their_page(seed: int, options: dict[str, Any], data: st.DataObject) -> None:
    """Pages that are not packed, so that no checksum stands between the damage and the loops."""
    content = bytearray(packed(some_table(seed, 200), **{**options, "compression": "none"}))
    footer = read_footer(io.BytesIO(bytes(content)))
    for _ in range(data.draw(st.integers(1, 6))):
        chunk = data.draw(st.sampled_from(data.draw(st.sampled_from(footer.row_groups)).columns))
        place = chunk.start + data.draw(st.integers(0, chunk.size_bytes - 1))
        content[place] = data.draw(st.sampled_from([0, 1, 2, 3, 0x7F, 0x80, 0xFF]))
    found = ObjectReader(io.BytesIO(bytes(content)))

    for group in footer.row_groups:
        try:
            columns_of(list(found.read_group(group, footer.leaves)))
        except BadParquetError:
            continue

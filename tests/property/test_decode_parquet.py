"""Parquet gives the same rows, reasons and dead letters as the text of the same records."""

from __future__ import annotations

import io
from random import Random

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consumer.decode.decoder import Decoder
from consumer.decode.fields import DEFAULT_FORMAT, FIELDS, TRANSIT_GATEWAY_FORMAT, Family, field_named
from consumer.model.delivery import Origin, SourceKind, TextState
from consumer.model.flow_batch import Kind
from consumer.model.log_format import LogFormat
from consumer.parquet.arrow import slice_of
from consumer.sources.chunks.parquet import read_rows
from tests.support import decode_fuzz
from tests.support.parquet_files import packed, table
from tests.support.reference import rows_of

VPC_FORMAT = LogFormat(tuple(name for name, field in FIELDS.items() if field.family is not Family.TRANSIT_GATEWAY))
FORMATS = (DEFAULT_FORMAT, VPC_FORMAT, TRANSIT_GATEWAY_FORMAT, LogFormat(("srcaddr", "dstaddr", "a-future-field")))
_ORIGIN = Origin(SourceKind.S3)
_DECODER = Decoder(vocabulary_capacity=1 << 12, arena_bytes=1 << 20)

Outcome = tuple[list[str], list[tuple[str, bytes]]]


def token(random: Random, name: str) -> bytes:
    """A token that a column of the field's type can hold."""
    while True:
        found = decode_fuzz.token(random, name)
        if b" " in found or b"\n" in found or not found:
            continue
        if field_named(name).kind is not Kind.UNSIGNED or found == b"-":
            return found
        try:
            number = int(found)
        except ValueError:
            continue
        if abs(number) < 1 << 63:
            return str(number).encode()  # Parquet knows no leading zeros


def records(count: int, log_format: LogFormat, seed: int) -> list[list[bytes]]:
    random = Random(f"parquet {seed}")
    rows = [[token(random, name) for name in log_format.fields] for _ in range(count)]
    return [random.choice(rows[: number + 1]) if random.random() < 0.5 else row for number, row in enumerate(rows)]


def by_text(rows: list[list[bytes]], log_format: LogFormat, decoder: Decoder = _DECODER) -> Outcome:
    payload = b"\n".join(b" ".join(row) for row in rows)
    return _outcome(decoder.decode(payload, _ORIGIN, TextState(log_format), lambda _: []), log_format)


def by_parquet(content: bytes, log_format: LogFormat, decoder: Decoder = _DECODER) -> Outcome:
    found: Outcome = ([], [])
    for chunk in read_rows(io.BytesIO(content)):
        assert not chunk.fault
        assert chunk.columns is not None
        rows, rejects = _outcome(decoder.decode_columns(chunk.columns, _ORIGIN), log_format)
        found = (found[0] + rows, found[1] + rejects)
    return found


def _outcome(pieces: object, log_format: LogFormat) -> Outcome:
    rows, rejects = [], []
    for piece in pieces:  # type: ignore[attr-defined]
        batch = piece.batch
        assert piece.tally.lines == (batch.row_count if batch else 0) + len(piece.rejects)
        if batch is not None:
            assert batch.log_format == log_format
            assert batch.row_count <= 16_384
            numbered = zip(batch.line_numbers.tolist(), rows_of(batch), strict=True)
            rows += [repr(list(row.items())) for _, row in sorted(numbered, key=lambda pair: pair[0])]
        rejects += [(reject.reason, reject.line) for reject in piece.rejects]
    return rows, rejects


@pytest.mark.parametrize("log_format", FORMATS, ids=lambda log_format: f"{len(log_format.fields)}-fields")
@pytest.mark.parametrize("has_dictionary", [True, False], ids=["dictionary", "plain"])
def test_parquet_gives_the_rows_and_reasons_of_text(log_format: LogFormat, has_dictionary: bool) -> None:
    rows = records(3_000, log_format, 1)
    content = packed(table(rows, log_format), use_dictionary=has_dictionary, row_group_size=700)

    found, expected = by_parquet(content, log_format), by_text(rows, log_format)

    assert found == expected
    assert len(found[0]) > 100
    assert len({reason for reason, _ in found[1]}) >= 2


@given(st.integers(0, 1 << 32), st.integers(1, 40), st.sampled_from(FORMATS), st.booleans())
@settings(max_examples=60, deadline=None)
def test_any_records_are_read_alike(seed: int, count: int, log_format: LogFormat, has_dictionary: bool) -> None:
    rows = records(count, log_format, seed)
    content = packed(table(rows, log_format), use_dictionary=has_dictionary, compression="none")

    assert by_parquet(content, log_format) == by_text(rows, log_format)


def test_the_vocabulary_is_renewed_when_distinct_strings_are_many() -> None:
    log_format = LogFormat(("srcaddr", "dstaddr", "interface-id", "instance-tag"))
    rows = [[b"10.0.0.1", b"10.0.0.2", b"eni-%d" % number, b"x" * 300 + b"%d" % number] for number in range(9_000)]
    small = Decoder(vocabulary_capacity=1 << 10, arena_bytes=1 << 20)

    found = by_parquet(packed(table(rows, log_format)), log_format, small)

    assert found == by_text(rows, log_format)


@pytest.mark.parametrize(
    "kind", [pa.large_string(), pa.binary(), pa.string_view(), pa.dictionary(pa.int32(), pa.string())]
)
def test_strings_are_read_whatever_arrow_calls_them(kind: pa.DataType) -> None:
    rows = [row for row in records(300, DEFAULT_FORMAT, 3) if all(part.isascii() for part in row)]
    content = table(rows, DEFAULT_FORMAT)
    batch = content.cast(
        pa.schema([field.with_type(kind) if field.type == pa.string() else field for field in content.schema])
    ).to_batches()[0]

    found = _outcome(_DECODER.decode_columns(slice_of(batch), _ORIGIN), DEFAULT_FORMAT)

    assert found == by_text(rows, DEFAULT_FORMAT)


def test_a_column_that_never_has_a_value_is_null_in_every_row() -> None:
    log_format = LogFormat(("srcaddr", "bytes", "vpc-id", "pkt-srcaddr"))
    rows = [[b"10.0.0.1", b"-", b"-", b"-"]] * 3
    content = pa.table({"srcaddr": ["10.0.0.1"] * 3, **dict.fromkeys(("bytes", "vpc_id", "pkt_srcaddr"), pa.nulls(3))})

    assert by_parquet(packed(content), log_format) == by_text(rows, log_format)


def test_numbers_kept_as_strings_are_numbers_all_the_same() -> None:
    rows = [row for row in records(300, DEFAULT_FORMAT, 4) if all(part.isascii() for part in row)]
    content = table(rows, DEFAULT_FORMAT)
    batch = content.cast(pa.schema([field.with_type(pa.string()) for field in content.schema])).to_batches()[0]

    found = _outcome(_DECODER.decode_columns(slice_of(batch), _ORIGIN), DEFAULT_FORMAT)

    assert found == by_text(rows, DEFAULT_FORMAT)


@pytest.mark.parametrize("nothing", [b"-", b""], ids=["dash", "empty"])
def test_a_dash_or_an_empty_string_is_null(nothing: bytes) -> None:
    rows = [[b"2", b"1", b"eni-0", b"10.0.0.1", b"10.0.0.2", *[b"1"] * 7, b"ACCEPT", b"OK"]]
    content = table(rows, DEFAULT_FORMAT)
    names = content.schema.names
    for name in ("interface_id", "srcaddr", "action"):
        content = content.set_column(names.index(name), name, pa.array([nothing.decode()]))
    rows[0][2] = rows[0][3] = rows[0][12] = b"-"

    assert by_parquet(packed(content), DEFAULT_FORMAT) == by_text(rows, DEFAULT_FORMAT)

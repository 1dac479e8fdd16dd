"""A Parquet object becomes chunks of rows, row group by row group."""

from __future__ import annotations

import gzip
import io
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pytest

from consumer.decode.fields import DEFAULT_FORMAT
from consumer.sources.chunks.parquet import read_rows
from consumer.sources.chunks.text import BEGINNING, Chunk, Position, read_chunks
from tests.support.parquet_files import packed, table, values_of

LINE = "2 123456789010 eni-1235b8ca 172.31.16.139 172.31.16.21 {} 22 6 20 4249 1418530010 1418530070 ACCEPT OK"


def flows(count: int) -> pa.Table:
    return table([LINE.format(number).encode().split(b" ") for number in range(count)], DEFAULT_FORMAT)


def chunks(content: bytes, start: Position = BEGINNING) -> list[Chunk]:
    return list(read_rows(io.BytesIO(content), start))


def ports(found: list[Chunk]) -> list[int]:
    return [port for chunk in found if chunk.columns for port in values_of(chunk.columns, "srcport")]


def test_row_groups_are_handed_over_in_pieces_of_bounded_size() -> None:
    found = chunks(packed(flows(40_000), row_group_size=20_000))

    assert [chunk.columns.row_count for chunk in found if chunk.columns] == [16_384, 3_616, 16_384, 3_616]
    assert [chunk.end for chunk in found] == [16_384, 20_000, 36_384, 40_000]
    assert ports(found) == list(range(40_000))


@pytest.mark.parametrize("start", [0, 1, 9, 10, 25, 39, 40])
def test_reading_goes_on_at_any_row(start: int) -> None:
    content = packed(flows(40), row_group_size=10)

    assert ports(chunks(content, Position(start))) == list(range(start, 40))


def test_a_broken_end_is_one_fault() -> None:
    content = packed(flows(10))

    for broken in (content[:-6], content[: len(content) // 2], content[:-200] + b"\0" * 192 + content[-8:], b"PAR1"):
        assert [chunk.fault for chunk in chunks(broken)] == ["bad_parquet"]


def test_a_broken_row_group_costs_that_row_group() -> None:
    content = bytearray(packed(flows(40), row_group_size=10, compression="none", use_dictionary=False))
    place = content.index(b"172.31.16.139", content.index(b"172.31.16.139") + 200)
    content[place - 300 : place] = b"\xff" * 300

    found = chunks(bytes(content))

    faults = [chunk.fault for chunk in found if chunk.fault]
    assert faults == ["bad_parquet"] * len(faults)
    assert 1 <= len(faults) <= 2
    assert ports(found)[-10:] == list(range(30, 40))


def test_parquet_packed_once_more_is_one_fault_and_not_read_as_text() -> None:
    assert [chunk.fault for chunk in read_chunks([gzip.compress(packed(flows(10)))])] == ["bad_parquet"]


def test_partitions_and_nested_columns_are_not_read() -> None:
    content = flows(3)
    content = content.append_column("year", pa.array(["2026"] * 3)).append_column("aws-region", pa.array(["x"] * 3))
    content = content.append_column("tags", pa.array([["a"]] * 3)).append_column("quantum_flags", pa.array(["q"] * 3))

    (found,) = chunks(packed(content))

    assert found.columns is not None
    assert list(found.columns.names) == [*flows(1).schema.names, "quantum_flags"]


@pytest.mark.parametrize(
    ("options", "code", "text"),
    [
        ({}, 0, ""),
        ({"compression": "none", "data_page_version": "2.0"}, 0, ""),
        (
            {"compression": "zstd"},
            2,
            "vpcflow: this Parquet object is of a kind that only pyarrow reads: pip install 'vpcflow[parquet]'\n",
        ),
    ],
    ids=["as AWS writes it", "not packed", "zstd"],
)
def test_pyarrow_is_only_needed_for_what_aws_does_not_write(
    options: dict[str, str], code: int, text: str, tmp_path: Path
) -> None:
    file = tmp_path / "flows.parquet"
    file.write_bytes(packed(flows(1), **options))
    program = "import sys; sys.modules['pyarrow'] = None; from consumer.cli import main; main()"

    done = subprocess.run(
        [
            sys.executable,
            "-c",
            program,
            "replay",
            str(file),
            "--collector",
            "127.0.0.1:9",
            "--on-refused",
            "send",
            "--dead-letter",
            "d",
        ],
        cwd=Path(__file__).resolve().parents[4],
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )

    assert (done.returncode, done.stderr) == (code, text)

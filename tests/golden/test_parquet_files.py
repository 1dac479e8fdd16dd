"""Parquet of writers that are neither pyarrow nor ours: read by our own reader alone, and as pyarrow reads it.

`parquet/NAME.parquet`: the same 150 made-up records of the default format, three of them NODATA, packed by gzip,
written once by each of Polars 2.1, DuckDB 2.0 and fastparquet 2026.9.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from consumer.decode.fields import DEFAULT_FORMAT
from consumer.parquet import arrow
from tests.property.test_parquet_reader import by_arrow, by_us, columns_of

FILES = sorted((Path(__file__).parent / "parquet").glob("*.parquet"))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_files_of_other_writers_are_read(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = columns_of(by_arrow(file.read_bytes()))
    monkeypatch.setattr(arrow, "ArrowFile", None)  # nobody helps out

    found = columns_of(by_us(file.read_bytes()))

    assert found == expected
    assert [name.replace("_", "-") for name in found] == list(DEFAULT_FORMAT.fields)
    assert [len(values) for values in found.values()] == [150] * 14
    assert found["log_status"].count(b"NODATA") == 3


def test_three_writers_are_there() -> None:
    assert len(FILES) == 3

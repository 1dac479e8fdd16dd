"""What our own reader does itself, what it leaves to pyarrow, and what it refuses."""

from __future__ import annotations

import io
import tracemalloc
from typing import Any

import pyarrow as pa
import pytest

from consumer.errors import BadParquetError, UnknownParquetError
from consumer.parquet import arrow, column, reader
from consumer.parquet.footer import read_footer
from consumer.parquet.page import next_page
from consumer.parquet.reader import ObjectReader
from tests.support.parquet_files import packed, values_of


def values(content: bytes, name: str) -> list[Any]:
    found = ObjectReader(io.BytesIO(content))
    footer = found.read_footer()
    slices = [rows for group in footer.row_groups for rows in found.read_group(group, footer.leaves)]
    return [value for rows in slices for value in values_of(rows, name)]


@pytest.fixture
def helped(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Says when pyarrow was asked to open an object."""
    asked: list[str] = []

    class Noted(arrow.ArrowFile):
        def __init__(self, handle: Any) -> None:
            asked.append("opened")
            super().__init__(handle)

    monkeypatch.setattr(arrow, "ArrowFile", Noted)
    return asked


NUMBERS = pa.table({"bytes": pa.array(range(30_000)), "action": ["ACCEPT", "REJECT", None] * 10_000})


def test_gzip_numbers_and_strings_need_nobody_else(helped: list[str]) -> None:
    content = packed(NUMBERS)

    assert values(content, "bytes") == list(range(30_000))
    assert values(content, "action") == [b"ACCEPT", b"REJECT", None] * 10_000
    assert not helped


def test_pages_that_are_too_large_are_left_to_pyarrow(helped: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "_PAGE_BYTES", 10_000)

    assert values(packed(NUMBERS, use_dictionary=False), "bytes") == list(range(30_000))
    assert helped


def test_dictionaries_that_are_too_large_are_left_to_pyarrow(
    helped: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(column, "_DICTIONARY_LIMIT", 100)

    assert values(packed(NUMBERS), "bytes") == list(range(30_000))
    assert helped


def test_rows_handed_over_before_do_not_come_again(helped: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    pages = iter(range(3))

    def failing(*arguments: Any, **more: Any) -> Any:
        if next(pages, None) is None:
            raise UnknownParquetError("a later page")
        return next_page(*arguments, **more)

    monkeypatch.setattr(column, "next_page", failing)
    content = packed(pa.table({"bytes": pa.array(range(60_000))}), use_dictionary=False, data_page_size=100_000)

    assert values(content, "bytes") == list(range(60_000))
    assert helped == ["opened"]


def test_nested_columns_are_left_out() -> None:
    content = pa.table(
        {
            "a": pa.array([[1], []]),
            "b": pa.array([{"c": 1, "d": {"e": 2}}, None]),
            "f": pa.array([7, 8]),
            "g": pa.array([{"h": [1]}, None]),
        }
    )
    footer = read_footer(io.BytesIO(packed(content)))

    assert [leaf.name for leaf in footer.leaves] == ["f"]
    assert values(packed(content), "f") == [7, 8]


def test_types_that_are_no_numbers_or_strings_are_read_by_pyarrow_as_text(helped: list[str]) -> None:
    content = packed(pa.table({"a": pa.array([1.5, None]), "b": pa.array([True, False]), "c": pa.array([1, 2])}))

    assert values(content, "a") == [b"1.5", None]
    assert values(content, "b") == [b"true", b"false"]
    assert values(content, "c") == [1, 2]
    assert helped


@pytest.mark.parametrize(
    "kind", [pa.timestamp("ms"), pa.timestamp("us"), pa.timestamp("ns", "UTC"), pa.timestamp("ms", "Europe/Berlin")]
)
@pytest.mark.parametrize("options", [{}, {"use_deprecated_int96_timestamps": True}])
def test_times_that_a_query_made_timestamps_are_seconds_again(kind: Any, options: dict[str, Any]) -> None:
    seconds = [1_790_000_000, None, 1_790_000_059]
    times = pa.array([one and one * 1_000 + 999 for one in seconds], pa.timestamp("ms")).cast(kind)

    assert values(packed(pa.table({"start": times}), **options), "start") == seconds


def test_a_page_that_unpacks_to_more_than_it_says_costs_no_more_memory() -> None:
    content = packed(pa.table({"a": pa.array(["x" * 8_000_000])}), use_dictionary=False, write_statistics=False)
    said = bytes(_zigzag(8_000_010))
    place = content.index(said)
    shorter = content[:place] + bytes(_zigzag(2_000_000)) + content[place + len(said) :]
    tracemalloc.start()

    with pytest.raises(BadParquetError):
        values(shorter, "a")

    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4_000_000


def _zigzag(number: int) -> list[int]:
    number *= 2
    found = []
    while number > 127:
        found.append(number & 127 | 128)
        number >>= 7
    return [*found, number]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"PAR1",
        b"PAR1PAR1",
        b"PAR1" + bytes(4) + b"PAR1",
        b"PAR1\xff\xff\xff\xffPAR1",
        b"PAR1\0\1\0\0\0PAR1",
    ],
    ids=["nothing", "a beginning", "no length", "no footer", "a long footer", "an empty footer"],
)
def test_an_object_without_a_footer_is_bad(content: bytes) -> None:
    with pytest.raises(BadParquetError):
        ObjectReader(io.BytesIO(content)).read_footer()


def test_a_footer_that_is_too_large_is_left_to_pyarrow(helped: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("consumer.parquet.footer._FOOTER_LIMIT_BYTES", 100)

    assert values(packed(NUMBERS), "bytes") == list(range(30_000))
    assert helped

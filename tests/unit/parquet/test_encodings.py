"""The loops of Parquet's encodings, with bytes as Encodings.md writes them."""

from __future__ import annotations

import numpy as np
import pytest

from consumer.model.row_slice import NO_FLAGS
from consumer.model.text_word import Bytes
from consumer.parquet import encodings


def padded(data: bytes) -> Bytes:
    return np.frombuffer(bytearray(data + bytes(64)), dtype=np.uint8)


def runs(data: bytes, width: int, *counts: int, limit: int = 1 << 31) -> list[list[int]] | None:
    state, found = np.zeros(4, dtype=np.int64), []
    for count in counts:
        values = np.zeros(count, dtype=np.int32)
        if not encodings.read_runs(padded(data), len(data), width, limit, state, count, values):
            return None
        found.append(values.tolist())
    return found


def test_packed_values_are_read_from_the_lowest_bit() -> None:
    assert runs(bytes([0x03, 0b10001000, 0b11000110, 0b11111010]), 3, 8) == [[0, 1, 2, 3, 4, 5, 6, 7]]


def test_equal_values_come_as_one() -> None:
    assert runs(bytes([0x14, 0x2C, 0x01]), 9, 10) == [[300] * 10]


def test_reading_goes_on_within_a_run_and_behind_it() -> None:
    data = bytes([0x03, 0b10001000, 0b11000110, 0b11111010, 0x06, 0x05])

    assert runs(data, 3, 1, 5, 4, 1) == [[0], [1, 2, 3, 4, 5], [6, 7, 5, 5], [5]]


def test_indices_of_32_bits_are_read() -> None:
    assert runs(bytes([0x03]) + b"".join(n.to_bytes(4, "little") for n in range(8)), 32, 8) == [list(range(8))]


@pytest.mark.parametrize(
    "data",
    [b"", b"\x80", b"\x03", b"\x04", b"\x00\x00", b"\x01\x00", b"\xff\xff\xff\xff\xff\xff\x00", b"\x02\x01"],
    ids=["nothing", "half a header", "no packed values", "no value", "run of none", "no groups", "too long", "too few"],
)
def test_runs_that_hold_fewer_values_than_rows_are_refused(data: bytes) -> None:
    assert runs(data, 8, 2) is None


def test_an_index_behind_the_dictionary_is_refused() -> None:
    assert runs(bytes([0x04, 0x03]), 2, 2, limit=4) == [[3, 3]]
    assert runs(bytes([0x04, 0x03]), 2, 2, limit=3) is None
    assert runs(bytes([0x03, 0x00, 0x03]), 2, 8, limit=3) is None


def test_the_padding_of_the_last_packed_run_may_be_left_out() -> None:
    assert runs(bytes([0x03, 0x07]), 8, 1) == [[7]]
    assert runs(bytes([0x03, 0x07]), 8, 2) is None


def test_indices_are_spread_over_the_rows_that_are_not_null() -> None:
    is_null = np.array([True, False, False, True, False])
    indices = np.array([7, 8, 9, 1, 1], dtype=np.int32)

    encodings.spread(is_null, 3, indices)

    assert indices.tolist() == [0, 7, 8, 0, 9]


def test_numbers_have_the_sign_of_their_type() -> None:
    data = padded(b"\xff\xff\xff\xff" * 2)
    values = np.zeros(2, dtype=np.int64)

    assert encodings.plain_numbers(data, 0, 8, 4, True, NO_FLAGS, values) == 8
    assert values.tolist() == [-1, -1]
    assert encodings.plain_numbers(data, 0, 8, 4, False, NO_FLAGS, values) == 8
    assert values.tolist() == [0xFFFFFFFF] * 2
    assert encodings.plain_numbers(data, 0, 8, 8, True, NO_FLAGS, values) == -1


def test_strings_never_end_behind_their_page() -> None:
    data = padded(b"\x02\x00\x00\x00hi\x01\x00\x00\x00!")
    starts, ends = np.zeros(3, dtype=np.int32), np.zeros(3, dtype=np.int32)

    assert encodings.plain_strings(data, 0, 11, np.array([False, True, False]), starts, ends) == 11
    assert (starts.tolist(), ends.tolist()) == ([4, 0, 10], [6, 0, 11])
    assert encodings.plain_strings(data, 0, 10, NO_FLAGS, starts[:2], ends[:2]) == -1
    assert encodings.plain_strings(padded(b"\xff\xff\xff\xff"), 0, 4, NO_FLAGS, starts[:1], ends[:1]) == -1

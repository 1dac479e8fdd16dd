"""The loops of Parquet's encodings, with bytes as Encodings.md writes them."""

from __future__ import annotations

import numpy as np
import pytest

from consumer.model.row_slice import NULL, Flags, Integers
from consumer.model.text_word import Bytes
from consumer.parquet import encodings


def padded(data: bytes) -> Bytes:
    return np.frombuffer(bytearray(data + bytes(64)), dtype=np.uint8)


def cursor(size: int, *, levels: bytes = b"", width: int = 0, limit: int = 0) -> Integers:
    """Of a page of `size` bytes, of which the first are levels."""
    found = np.zeros(encodings.CURSOR_LENGTH, dtype=np.int64)
    found[encodings.VALUES] = found[encodings.LEVELS_END] = len(levels)
    found[encodings.END :] = size, width, limit
    return found


def room(count: int) -> Flags:
    return np.zeros(count, dtype=np.bool_)


def runs(data: bytes, width: int, *counts: int, limit: int = 1 << 31, levels: bytes = b"") -> list[list[int]] | None:
    page = padded(levels + data)
    state, found = cursor(len(levels + data), levels=levels, width=width, limit=limit), []
    for count in counts:
        values = np.full(count, 77, dtype=np.int32)
        if not encodings.read_indices(page, state, room(count), values):
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


def test_rows_without_a_value_are_null() -> None:
    assert runs(b"\x02\x07\x02\x08\x02\x09", 8, 2, 3, levels=b"\x03\x16") == [[NULL, 7], [8, NULL, 9]]
    assert runs(b"\x03" + bytes(range(8)), 8, 5, levels=b"\x04\x01\x02\x00\x04\x01") == [[0, 1, NULL, 2, 3]]
    assert runs(b"", 8, 3, levels=b"\x06\x00") == [[NULL] * 3]


def test_indices_of_no_bits_are_the_first_value() -> None:
    assert runs(b"", 0, 2, 1, levels=b"\x03\x05") == [[0, NULL], [0]]
    assert runs(b"", 0, 2, limit=0) is None


@pytest.mark.parametrize(
    "levels", [b"\x04\x01", b"\x06\x02", b"\x06"], ids=["fewer than rows", "of nested columns", "half a run"]
)
def test_levels_that_do_not_fit_the_rows_are_refused(levels: bytes) -> None:
    assert runs(b"\x10\x00", 8, 3, levels=levels) is None


def test_numbers_have_the_sign_of_their_type() -> None:
    data = padded(b"\xff\xff\xff\xff" * 2)
    values, places = np.zeros(2, dtype=np.int64), np.zeros(2, dtype=np.int32)

    assert encodings.plain_numbers(data, cursor(8), 4, True, room(2), values, places)
    assert (values.tolist(), places.tolist()) == ([-1, -1], [0, 1])
    assert encodings.plain_numbers(data, cursor(8), 4, False, room(2), values, places)
    assert values.tolist() == [0xFFFFFFFF] * 2
    assert not encodings.plain_numbers(data, cursor(8), 8, True, room(2), values, places)


def test_numbers_go_on_where_the_last_call_ended() -> None:
    data = padded(b"\x03\xfd" + b"".join(number.to_bytes(4, "little") for number in (7, 8, 9)))
    state = cursor(14, levels=b"\x03\xfd")
    found = []
    for _ in range(2):
        values, places = np.zeros(2, dtype=np.int64), np.zeros(2, dtype=np.int32)
        assert encodings.plain_numbers(data, state, 4, True, room(2), values, places)
        found.append((values.tolist(), places.tolist()))

    assert found == [([7, 0], [0, NULL]), ([8, 9], [0, 1])]
    assert not encodings.plain_numbers(
        data, state, 4, True, room(4), np.zeros(4, dtype=np.int64), np.zeros(4, dtype=np.int32)
    )


def test_strings_never_end_behind_their_page() -> None:
    levels = b"\x03\x05"
    data = padded(levels + b"\x02\x00\x00\x00hi\x01\x00\x00\x00!")
    starts, ends, places = np.zeros(3, dtype=np.int32), np.zeros(3, dtype=np.int32), np.zeros(3, dtype=np.int32)

    assert encodings.plain_strings(data, cursor(13, levels=levels), room(3), starts, ends, places)
    assert (starts.tolist(), ends.tolist(), places.tolist()) == ([6, 0, 12], [8, 0, 13], [0, NULL, 2])
    assert not encodings.plain_strings(data, cursor(12, levels=levels), room(3), starts, ends, places)
    assert not encodings.plain_strings(
        padded(b"\xff\xff\xff\xff"), cursor(4), room(1), starts[:1], ends[:1], places[:1]
    )

"""Structs of the compact protocol, byte for byte as its specification writes them."""

from __future__ import annotations

import pytest

from consumer.errors import BadParquetError
from consumer.parquet.thrift import read_struct


def test_fields_are_numbered_by_steps_or_outright() -> None:
    data = bytes([0x15, 0x02, 0x25, 0x03, 0x05, 0xC8, 0x01, 0x04, 0x00])  # 1: i32 1, 3: i32 -2, number 100: i32 2

    assert read_struct(data) == ({1: 1, 3: -2, 100: 2}, 9)


def test_booleans_strings_lists_and_structs_are_read() -> None:
    data = bytes([0x11, 0x12, 0x18, 0x02]) + b"hi" + bytes([0x19, 0x25, 0x02, 0x04, 0x1C, 0x16, 0x01, 0x00, 0x00])

    assert read_struct(data)[0] == {1: True, 2: False, 3: b"hi", 4: [1, 2], 5: {1: -1}}


def test_doubles_and_maps_are_passed_over() -> None:
    double, one_pair = bytes([0x17]) + bytes(8), bytes([0x1B, 0x01, 0x53, 0x02, 0x07])  # {1: 7}: i32 to byte

    assert read_struct(double + one_pair + bytes([0x15, 0x06, 0x00])) == ({1: None, 2: None, 3: 3}, 17)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x15",
        b"\x15\x80",
        b"\x15" + b"\xff" * 10 + b"\x01\x00",
        b"\x18\x05hi\x00",
        b"\x19\xf5\xff\xff\xff\xff\x0f\x00",
        b"\x1c" * 40,
        b"\x19" * 40,
        b"\x1e\x00",
        b"\x17\x00\x00",
    ],
    ids=["nothing", "no value", "half a number", "endless number", "short string", "endless list", "deep structs",
         "deep lists", "unknown kind", "half a double"],
)  # fmt: skip
def test_bytes_that_are_no_struct_are_refused(data: bytes) -> None:
    with pytest.raises(BadParquetError):
        read_struct(data)

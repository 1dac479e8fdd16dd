"""Strings held once: ids, the sendable form, and what happens when it is full."""

from __future__ import annotations

import pytest

from consumer.model.vocabulary import Vocabulary


def test_a_string_keeps_its_id_and_the_empty_one_is_null() -> None:
    vocabulary = Vocabulary()

    assert [vocabulary.intern(text) for text in (b"a", b"b", b"a", b"")] == [1, 2, 1, 0]
    assert vocabulary.count == 3
    assert vocabulary.text(0) == b""


def test_find_never_adds() -> None:
    vocabulary = Vocabulary()

    assert vocabulary.find(b"a") is None
    assert vocabulary.count == 1
    assert vocabulary.find(b"") == 0


@pytest.mark.parametrize("size", [1, 7, 8, 9, 253, 254, 255, 256, 65_535])
def test_every_string_lies_in_the_arena_as_ipfix_sends_it(size: int) -> None:
    vocabulary = Vocabulary()
    text = b"x" * size

    number = vocabulary.intern(text)

    start, length = int(vocabulary.starts[number]), int(vocabulary.sizes[number])
    prefix = bytes([size]) if size < 255 else b"\xff" + size.to_bytes(2, "big")  # RFC 7011 §7
    assert vocabulary.arena[start : start + length].tobytes() == prefix + text
    assert vocabulary.text(number) == text


def test_strings_that_differ_in_trailing_zeros_are_different() -> None:
    vocabulary = Vocabulary()

    assert len({vocabulary.intern(b"a" + b"\0" * count) for count in range(10)}) == 10


def test_the_table_grows_and_every_string_is_found_again() -> None:
    vocabulary = Vocabulary()
    texts = [f"{number}".encode() for number in range(10_000)]

    numbers = [vocabulary.intern(text) for text in texts]

    assert numbers == list(range(1, 10_001))
    assert [vocabulary.find(text) for text in texts] == numbers
    assert len(vocabulary.table) >= 20_000


def test_a_full_vocabulary_says_so_and_still_knows_what_it_has() -> None:
    few = Vocabulary(capacity=3)
    few.intern(b"a")
    few.intern(b"b")
    with pytest.raises(OverflowError):
        few.intern(b"c")
    assert few.intern(b"b") == 2

    small = Vocabulary(arena_bytes=10)
    small.intern(b"12345678")
    with pytest.raises(OverflowError):
        small.intern(b"9")


def test_a_string_too_long_for_an_information_element_is_refused() -> None:
    with pytest.raises(OverflowError):
        Vocabulary().intern(b"x" * 65_536)

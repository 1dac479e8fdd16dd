"""Texts and numbers in arrays say what tuples and dictionaries of them say."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer.model.packed import Numbered, Texts

TEXTS = st.lists(st.binary(max_size=40), max_size=60)
NUMBERED = st.dictionaries(st.binary(max_size=24), st.integers(-(2**63), 2**63 - 1), max_size=300)


@given(TEXTS)
def test_packed_texts_are_the_same_texts(texts: list[bytes]) -> None:
    packed = Texts.of(texts)

    assert list(packed) == texts
    assert [packed[number] for number in range(-len(texts), len(texts))] == [*texts, *texts]
    assert packed[1:] == tuple(texts[1:])
    for outside in (len(texts), -len(texts) - 1):
        with pytest.raises(IndexError):
            packed[outside]


@given(NUMBERED, st.binary(max_size=24))
def test_packed_numbers_are_found_by_name_and_nothing_else_is(numbered: dict[bytes, int], other: bytes) -> None:
    packed = Numbered.of(numbered)

    assert dict(packed) == numbered
    assert [packed[name] for name in numbered] == list(numbered.values())
    assert packed.get(other) == numbered.get(other)
    assert len(packed) == len(numbered)
    assert list(packed) == list(numbered)


def test_names_of_one_home_are_told_apart() -> None:
    """CRC-32 of `plumless` and of `buckeroo` is the same."""
    numbered = {b"plumless": 1, b"buckeroo": 2}

    assert dict(Numbered.of(numbered)) == numbered
    assert Numbered.of({b"plumless": 1}).get(b"buckeroo") is None

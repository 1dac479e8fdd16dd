"""The kernel and Python share one vocabulary: the same string has the same id whoever interned it."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consumer.decode.decoder import Decoder
from consumer.decode.parser import MIN_ARENA_BYTES, MIN_CAPACITY
from consumer.model.delivery import Origin, SourceKind, TextState
from consumer.model.log_format import LogFormat
from consumer.model.vocabulary import Vocabulary

_ACCOUNT = LogFormat(("account-id",))
_STRINGS = st.lists(
    st.text(st.characters(exclude_characters=" \n\r\t", exclude_categories=["Cs"]), min_size=1, max_size=40).filter(
        lambda text: text != "-"
    ),
    min_size=1,
    max_size=30,
)


def _read(decoder: Decoder, strings: list[str]) -> list[tuple[Vocabulary, int]]:
    """(vocabulary, id) of each string, read as records of one string field. A digit first: no line is a header."""
    payload = "\n".join(strings).encode()
    found: list[tuple[Vocabulary, int]] = []
    for piece in decoder.decode(payload, Origin(SourceKind.FILE), TextState(_ACCOUNT), lambda _: ()):
        assert not piece.rejects
        assert piece.batch is not None
        found += [(piece.batch.vocabulary, number) for number in piece.batch.column("account-id").tolist()]
    return found


@given(_STRINGS, _STRINGS)
@settings(max_examples=200, deadline=None)
def test_python_and_the_kernel_give_the_same_ids(by_python: list[str], by_kernel: list[str]) -> None:
    decoder = Decoder(MIN_CAPACITY, MIN_ARENA_BYTES)
    strings = [f"1{text}" for text in by_kernel]
    before = {text: decoder.vocabulary.intern(text.encode()) for text in by_python}

    for text, (vocabulary, number) in zip(strings, _read(decoder, strings), strict=True):
        assert vocabulary is decoder.vocabulary
        assert vocabulary.text(number) == text.encode()
        assert vocabulary.intern(text.encode()) == number == vocabulary.find(text.encode())
        assert before.get(text, number) == number
    assert decoder.vocabulary.count == len({*by_python, *strings}) + 1


def test_the_table_grows_under_the_kernel_without_losing_a_string() -> None:
    decoder = Decoder()
    strings = [f"{number:x}-string" for number in range(0x10000, 0x10000 + 20_000)]

    first, again = _read(decoder, strings), _read(decoder, strings)

    assert first == again
    assert [number for _, number in first] == list(range(1, 20_001))
    assert all(vocabulary is decoder.vocabulary for vocabulary, _ in first)


@pytest.mark.parametrize("size", [3, 8, 9, 254, 255, 256, 60_000])
def test_a_full_vocabulary_is_renewed_and_every_string_is_still_its_own(size: int) -> None:
    decoder = Decoder(MIN_CAPACITY, MIN_ARENA_BYTES)
    strings = [f"{number:0{size}x}" for number in range(0x100, 0x100 + (2_500 if size < 1_000 else 60))]

    found = _read(decoder, strings)

    assert [vocabulary.text(number).decode() for vocabulary, number in found] == strings
    assert len({id(vocabulary) for vocabulary, _ in found}) > 1, "the vocabulary was never full"

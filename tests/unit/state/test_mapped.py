"""Words in a mapped file: kept for the next process of the same boot, begun anew when they cannot be trusted."""

from __future__ import annotations

from pathlib import Path

import pytest

from consumer.state.mapped import HEAD_WORDS, MappedWords

BOOT, LATER_BOOT = b"a" * 16, b"b" * 16
VERSION, SIZE = 1, 1000


def opened(folder: Path, *, version: int = VERSION, size: int = SIZE, boot: bytes = BOOT) -> MappedWords:
    return MappedWords(folder / "words.map", version, size, boot)


@pytest.fixture
def kept(tmp_path: Path) -> str:
    """The key of a file with one word in it."""
    file = opened(tmp_path)
    assert not file.was_kept
    assert file.reserve(SIZE)
    file.words[7] = 42
    file.close()
    return file.key


def test_the_next_process_of_the_same_boot_finds_the_words(tmp_path: Path, kept: str) -> None:
    file = opened(tmp_path)
    assert file.was_kept
    assert file.key == kept
    assert file.words[7] == 42


@pytest.mark.parametrize(
    "change",
    [{"boot": LATER_BOOT}, {"boot": bytes(16)}, {"version": 2}, {"size": 2000}],
    ids=["another boot", "no boot known", "another layout", "another size"],
)
def test_what_cannot_be_gone_on_with_is_begun_anew(tmp_path: Path, kept: str, change: dict[str, int]) -> None:
    file = opened(tmp_path, **change)  # type: ignore[arg-type]
    assert not file.was_kept
    assert not file.words.any()
    assert file.key != kept


@pytest.mark.parametrize("damage", ["cut", "head", "no head", "foreign"])
def test_a_damaged_file_is_set_aside(tmp_path: Path, kept: str, damage: str) -> None:
    path = tmp_path / "words.map"
    content = bytearray(path.read_bytes())
    if damage == "head":
        content[16] ^= 1
    damaged = {"cut": content[:-8], "no head": content[: 8 * HEAD_WORDS - 1], "foreign": bytearray(len(content))}
    path.write_bytes(damaged.get(damage, content))
    file = opened(tmp_path)
    assert not file.was_kept
    assert not file.words.any()
    assert (tmp_path / "words.map.corrupt").exists()


def test_the_file_takes_no_disk_that_was_not_reserved(tmp_path: Path) -> None:
    file = opened(tmp_path, size=10_000_000)
    path = tmp_path / "words.map"
    assert path.stat().st_size > 80_000_000
    assert 512 * path.stat().st_blocks < 1_000_000
    assert file.reserve(100_000)
    assert 512 * path.stat().st_blocks >= 800_000

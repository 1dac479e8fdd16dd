"""The KCL's template and logback file explain every key: what it is, its unit, KCL's own default where ours differs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parents[3] / "properties"
UNITS = {"Millis": "illisecond", "Seconds": "econds", "Records": "ecords", "Extended": "seconds"}


def explained() -> dict[str, str]:
    """Key → the comment it stands under; keys of one paragraph share theirs. Keys that are only proposed count too."""
    found: dict[str, str] = {}
    for paragraph in (FOLDER / "kinesis.properties").read_text().split("\n\n"):
        lines = paragraph.splitlines()
        keys = [match[1] for line in lines if (match := re.match(r"(?:# )?([A-Za-z.]+) =( |$)", line))]
        words = "\n".join(line for line in lines if line.startswith("#") and not re.match(r"# [A-Za-z.]+ =( |$)", line))
        found |= dict.fromkeys(keys, words)
    return found


@pytest.mark.parametrize("key", explained())
def test_a_property_says_what_it_is_its_unit_and_the_kcls_default(key: str) -> None:
    words = explained()[key]
    assert len(words) > 20
    assert re.search(r"KCL:|AWS's own when", words), f"{key}: KCL's default"
    for ending, unit in UNITS.items():
        if key.endswith(ending):
            assert unit in words, f"{key}: unit"


def test_all_of_them_are_read() -> None:
    assert len(explained()) >= 20


def test_every_part_of_the_logging_is_explained() -> None:
    text = (FOLDER / "logback.xml").read_text()
    for start in re.finditer(r"^( *)<(configuration|logger)\b", text, flags=re.MULTILINE):
        assert text[: start.start()].rstrip().endswith("-->"), start[2]

"""docs/collectors: each page leads to named flows in a few lines, and every claim says how it is known."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from consumer.cli import main
from consumer.encode.definitions.collectors import COLLECTORS, definitions
from scripts.collector_pages import BEGIN, END, collector_pages
from scripts.generate_docs import PAGES

ROOT = Path(__file__).resolve().parents[4]
FOLDER = ROOT / "docs" / "collectors"
NAMES = [
    "goflow2", "pmacct", "nfdump", "logstash", "telegraf", "filebeat", "graylog", "libfixbuf", "ipfixcol2", "wireshark",
]  # fmt: skip
MARKS = {"**run**", "**read in source**", "**not tried**"}


def section(name: str, title: str) -> str:
    """What stands under a heading that begins with `title`."""
    text = (FOLDER / f"{name}.md").read_text(encoding="utf-8")
    found = re.search(rf"^## {title}.*?$(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    assert found, f"{name}.md has no section {title!r}"
    return found[1]


def claims(text: str) -> list[str]:
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    return [row for row in rows if row != "| Claim | How we know |"]


def test_every_collector_has_its_page_and_nothing_else_lies_there() -> None:
    assert sorted(file.stem for file in FOLDER.glob("*.md")) == sorted(NAMES)
    assert {file.name for file in (FOLDER / "definitions").iterdir()} == {
        collector.file_name for collector in COLLECTORS.values()
    }


@pytest.mark.parametrize("name", NAMES)
def test_every_claim_says_how_it_is_known(name: str) -> None:
    known, cannot = claims(section(name, "What is known")), claims(section(name, "What it cannot show"))
    assert known
    assert cannot
    for row in known + cannot:
        cells = row.strip("| ").split(" | ")
        assert cells[-1] in MARKS, row


@pytest.mark.parametrize("name", NAMES)
def test_the_way_there_is_short_ends_with_a_proof_and_uses_commands_that_exist(name: str) -> None:
    block = re.search(r"```sh\n(.*?)```", section(name, "Five lines"), re.DOTALL)
    assert block
    commands = re.findall(r"vpcflow ((?:[a-z-]+ ?)+)(.*)", block[1])
    assert len(block[1].splitlines()) <= 8
    assert "vpcflow check collector" in block[1]
    taught = re.findall(r"vpcflow elements --for (\S+) --pen 32473 > (\S+)", block[1])
    if name == "nfdump":
        assert not taught
    else:
        ((collector, file),) = taught
        assert COLLECTORS[collector].page == name
        assert file.count(" ") == 0
    for words, _ in commands:
        path = [word for word in words.split() if not word.startswith("-")]
        result = CliRunner().invoke(main, [*path[:2], "--help"] if path[0] == "check" else [path[0], "--help"])
        assert result.exit_code == 0, words


@pytest.mark.parametrize("name", NAMES)
def test_the_excerpt_is_generated_and_checked_for_drift(name: str) -> None:
    path = f"docs/collectors/{name}.md"
    assert path in PAGES
    assert PAGES[path]() == (ROOT / path).read_text(encoding="utf-8")


@pytest.mark.parametrize("collector", COLLECTORS)
def test_the_files_are_generated_and_checked_for_drift(collector: str) -> None:
    path = f"docs/collectors/definitions/{COLLECTORS[collector].file_name}"
    assert PAGES[path]() == (ROOT / path).read_text(encoding="utf-8") == definitions(collector)


def test_a_changed_excerpt_is_put_right_and_the_rest_left_alone(tmp_path: Path) -> None:
    for name in NAMES:
        page = tmp_path / "docs" / "collectors" / f"{name}.md"
        page.parent.mkdir(parents=True, exist_ok=True)
        page.write_text(f"before\n{BEGIN}\nold and wrong\n{END}\nafter\n", encoding="utf-8")
    pages = collector_pages(tmp_path)
    for name in NAMES:
        text = pages[f"docs/collectors/{name}.md"]()
        assert text.startswith(f"before\n{BEGIN}\n")
        assert text.endswith(f"\n{END}\nafter\n")
        assert "old and wrong" not in text


def test_a_page_without_marks_is_named(tmp_path: Path) -> None:
    page = tmp_path / "docs" / "collectors" / "nfdump.md"
    page.parent.mkdir(parents=True)
    page.write_text("no marks\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r"nfdump\.md lacks the marks"):
        collector_pages(tmp_path)["docs/collectors/nfdump.md"]()

"""The list for people."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from consumer.cli import main
from consumer.encode.catalogue import catalogue, elements_markdown
from consumer.encode.enterprise import ENTERPRISE_ELEMENTS
from consumer.encode.mapping import KNOWN_FIELDS


def test_every_field_and_every_element_of_ours_is_listed() -> None:
    entries = catalogue(64_999)
    sources = {source for entry in entries for source in entry.sources}
    assert sources >= KNOWN_FIELDS
    assert {entry.name for entry in entries if entry.enterprise} == {element.name for element in ENTERPRISE_ELEMENTS}
    assert {entry.enterprise for entry in entries} == {0, 64_999}


def test_the_page_has_a_row_for_each() -> None:
    page = elements_markdown()
    rows = [line for line in page.splitlines() if line.startswith("| ") and "`" in line]
    assert len(rows) == len(catalogue())
    assert all(row.count("|") == 9 for row in rows), "a | in a text would break the table"


def test_the_page_of_a_profile_and_of_an_enterprise_number_is_of_these() -> None:
    page = CliRunner().invoke(main, ["elements", "--as", "markdown", "--profile", "iana", "--pen", "64999"]).stdout
    assert "sourceIPv4Address" in page
    assert "vpcId" not in page
    whole = CliRunner().invoke(main, ["elements", "--as", "markdown", "--pen", "64999"]).stdout
    assert "64999" in whole
    assert "32473" not in whole


@pytest.mark.parametrize("width", ["80", "200"])
def test_a_terminal_shows_every_name_and_number_whole(width: str) -> None:
    shown = CliRunner(env={"COLUMNS": width}).invoke(main, ["elements", "--as", "table", "--pen", "64999"]).stdout
    words = set(shown.replace("│", " ").split())
    assert {entry.name for entry in catalogue() if "full" in entry.profiles} <= words
    assert {f"64999/{element.number}" for element in ENTERPRISE_ELEMENTS} <= words


def test_a_form_of_the_list_is_refused_where_a_collectors_file_is_asked_for() -> None:
    result = CliRunner().invoke(main, ["elements", "--for", "goflow2", "--as", "json"])
    assert result.exit_code == 2
    assert "--as" in result.stderr

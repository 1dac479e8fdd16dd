"""The list for people."""

from __future__ import annotations

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

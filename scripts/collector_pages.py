"""The generated parts of docs/collectors: whole files for collectors, and an excerpt in each page.

Belongs here: what is generated and where in a page it goes. Does not: the rest of a page, which people write.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from consumer.encode.catalogue import Entry, catalogue
from consumer.encode.definitions.collectors import COLLECTORS, Collector, definitions
from consumer.encode.definitions.parts import snake_case

BEGIN, END = "<!-- generated: scripts/generate_docs.py -->", "<!-- end of what is generated -->"
_EXCERPT = ("vpcId", "pktSourceIPv4Address", "vpcTrafficPath", "sourceName", "destinationName")
"""Elements that excerpts show: a string, an address, a number, and the two names everybody wants."""
_LANGUAGES = {"lst": "text", "lua": "lua", "yaml": "yaml", "json": "json", "xml": "xml", "csv": "text"}


def collector_pages(folder: Path) -> dict[str, Callable[[], str]]:
    """Path below `folder` (the checkout) → what makes the text that must be there."""
    pages: dict[str, Callable[[], str]] = {
        f"docs/collectors/definitions/{collector.file_name}": partial(definitions, name)
        for name, collector in COLLECTORS.items()
    }
    parts: dict[str, Callable[[], str]] = {
        collector.page: partial(_excerpt, collector) for name, collector in COLLECTORS.items() if name != "tshark"
    }
    parts |= {"wireshark": _fields, "nfdump": _elements_of_core}
    for page, part in parts.items():
        path = f"docs/collectors/{page}.md"
        pages[path] = partial(_with_part, folder / path, part)
    return pages


def _with_part(file: Path, part: Callable[[], str]) -> str:
    """The page with what lies between the marks made anew. Raises ValueError when the marks are not there."""
    before, begin, rest = file.read_text(encoding="utf-8").partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"{file} lacks the marks {BEGIN} and {END}")
    return f"{before}{BEGIN}\n{part()}{END}{after}"


def _excerpt_entries() -> list[Entry]:
    return [entry for entry in catalogue() if entry.name in _EXCERPT]


def _excerpt(collector: Collector) -> str:
    """The collector's file, as if there were only these elements."""
    language = _LANGUAGES[collector.file_name.rpartition(".")[2]]
    text = collector.write(_excerpt_entries())
    link = f"Cut to five elements; whole: [{collector.file_name}](definitions/{collector.file_name})."
    return f"```{language}\n{text}```\n\n{link}\n"


def _fields() -> str:
    """What can be filtered and printed in Wireshark."""
    lines = ["| Field | Element | Meaning |", "|---|---|---|"]
    lines += [
        f"| `vpcflow.{snake_case(entry.name)}` | {entry.name} | {entry.description} |" for entry in _excerpt_entries()
    ]
    file = COLLECTORS["tshark"].file_name
    return "\n".join([*lines, "", f"Five of them; whole: [{file}](definitions/{file})."]) + "\n"


def _elements_of_core() -> str:
    """What profile core sends: all that a collector without definitions can show."""
    lines = ["| Element | Name |", "|---|---|"]
    lines += [f"| {entry.number} | {entry.name} |" for entry in catalogue() if "core" in entry.profiles]
    return "\n".join(lines) + "\n"

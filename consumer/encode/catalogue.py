"""The information model as a list for people: `vpcflow elements` and docs/elements.md.

Belongs here: gathering the table by element, and its markdown. Does not: terminal tables (cli.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from consumer.encode.elements import InformationElement
from consumer.encode.mapping import LOST_COLUMN, LOST_FIELDS, MAPPING, Mapped, Place
from consumer.encode.settings import DOCUMENTATION_ENTERPRISE_NUMBER

_PROFILES = ("core", "iana", "full")


@dataclass(frozen=True, slots=True)
class Entry:
    """One element as we send it. `enterprise`: 0 = IANA. `size`: octets, 0 = variable length.

    `sources`: fields of the flow log, or `interface.name`, `source.name`, `destination.name` for what enrich adds.
    """

    number: int
    enterprise: int
    name: str
    type: str
    size: int
    semantics: str
    unit: str
    profiles: tuple[str, ...]
    sources: tuple[str, ...]
    description: str


def catalogue(private_enterprise_number: int = DOCUMENTATION_ENTERPRISE_NUMBER) -> list[Entry]:
    """Every element of data records: IANA's by number, then ours."""
    lines: dict[InformationElement, list[Mapped]] = {}
    for line in MAPPING:
        lines.setdefault(line.element, []).append(line)
    ordered = sorted(lines, key=lambda element: (element.is_enterprise, element.number))
    return [_entry(element, lines[element], private_enterprise_number) for element in ordered]


def _entry(element: InformationElement, lines: list[Mapped], private_enterprise_number: int) -> Entry:
    return Entry(
        number=element.number,
        enterprise=element.enterprise_number(private_enterprise_number),
        name=element.name,
        type=element.data_type.label,
        size=0 if element.is_variable else element.size,
        semantics=element.semantics.label,
        unit=element.units.label,
        profiles=tuple(name for name in _PROFILES if any(name in line.profiles for line in lines)),
        sources=tuple(dict.fromkeys(_source(line) for line in lines)),
        description=element.description,
    )


def _source(line: Mapped) -> str:
    if line.place is Place.OTHER:
        return "any other field"
    if line.column == LOST_COLUMN:
        return " + ".join(LOST_FIELDS)
    if line.place is not Place.NAME:
        return line.column
    columns = f"{line.column} or {line.fallback}" if line.fallback else line.column
    identifier = ", with include_identifiers" if line.is_identifier else ""
    return f"{line.reference}.{columns}{identifier}"


def elements_markdown(entries: Sequence[Entry] | None = None) -> str:
    """docs/elements.md, whole; or the same of some elements, under the enterprise number they have."""
    entries = catalogue() if entries is None else entries
    number = next((entry.enterprise for entry in entries if entry.enterprise), DOCUMENTATION_ENTERPRISE_NUMBER)
    is_trial = number == DOCUMENTATION_ENTERPRISE_NUMBER
    lines = [
        "# Information elements",
        "",
        "What flow records are made of, under which number. Enterprise elements carry the private enterprise number of",
        f"the settings ({number} until you set your own)." if is_trial else f"the settings, here {number}.",
        "",
    ]
    for title, is_ours in (("IANA elements", False), ("Our own elements", True)):
        rows = [_row(entry) for entry in entries if bool(entry.enterprise) is is_ours]
        if not rows:
            continue
        lines += [f"## {title}", "", "| Number | Name | Type | Octets | Unit | Profiles | From | Meaning |"]
        lines.append("|---|---|---|---|---|---|---|---|")
        lines += [*rows, ""]
    return "\n".join(lines)


def _row(entry: Entry) -> str:
    cells = (
        str(entry.number),
        f"`{entry.name}`",
        entry.type,
        str(entry.size or "variable"),
        entry.unit,
        ", ".join(entry.profiles),
        "; ".join(f"`{source}`" for source in entry.sources),
        entry.description,
    )
    return "| " + " | ".join(cells) + " |"

"""The user's own names of networks: CIDR → site, name, tags.

Belongs here: reading the files and finding the longest network. Does not: where the words end up (rows.py).

TOML: `[[networks]]` tables with `cidr` and any of `name, site, tags, vpc, account`. CSV: a header line with the same
names. `vpc` and `account` limit an entry to addresses seen in, or from, that VPC or account, since private ranges
overlap. Whatever is wrong is a fault that names the line. At the start it is one of the configuration; while the agent
runs it costs that line.
"""

from __future__ import annotations

import csv
import io
import ipaddress
import tomllib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any

from consumer.discovery.inventory.zones import network
from consumer.errors import Fault
from consumer.model.networks import Network

FIELDS = ("cidr", "name", "site", "tags", "vpc", "account")
MAX_ENTRIES = 100_000
_KEY = "discovery.network_names"


@dataclass(frozen=True, slots=True)
class NamedNetwork:
    """One line of a file. Empty `vpc` and `account`: it holds wherever the address is seen."""

    cidr: str
    name: str = ""
    site: str = ""
    tags: str = ""
    vpc: str = ""
    account: str = ""

    def holds_for(self, vpc: str, account: str) -> bool:
        return self.vpc in ("", vpc) and self.account in ("", account)


@dataclass(frozen=True, slots=True)
class NameFiles:
    """What files of names say. `faults`: files and lines that say nothing, which cost nobody but themselves."""

    names: tuple[NamedNetwork, ...]
    faults: tuple[Fault, ...]


def read_names(files: Sequence[str]) -> NameFiles:
    """Every entry of every file. Never raises for what is in one, nor for one that is gone."""
    faults: list[Fault] = []
    names: list[NamedNetwork] = []
    seen: set[tuple[str, str, str]] = set()
    for file in map(Path, files):
        try:
            text = file.read_text(encoding="utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            faults.append(Fault(_KEY, str(file), reason, "name a UTF-8 file you can read"))
            continue
        entries = (
            _csv_entries(file, text, faults) if file.suffix.lower() == ".csv" else _toml_entries(file, text, faults)
        )
        for line, entry in entries:
            one = _entry(entry, f"{file} {line}", faults)
            if one is None:
                continue
            key = (one.cidr, one.vpc, one.account)
            if key in seen:
                faults.append(Fault(_KEY, f"{file} {line}", f"{one.cidr} was named before", "remove one of the two"))
                continue
            seen.add(key)
            names.append(one)
    if len(names) > MAX_ENTRIES:
        faults.append(Fault(_KEY, len(names), f"more than {MAX_ENTRIES:,} networks", "name larger networks"))
    return NameFiles(tuple(names[:MAX_ENTRIES]), tuple(faults))


def _csv_entries(file: Path, text: str, faults: list[Fault]) -> Iterator[tuple[str, dict[str, Any]]]:
    # Strict, or a quote that nobody closes makes one name of all lines that follow.
    reader = csv.reader(io.StringIO(text), skipinitialspace=True, strict=True)
    try:
        names = [name.strip().lower() for name in next(reader, ())]
        unknown = [name for name in names if name not in FIELDS]
        if unknown or "cidr" not in names:
            problem = f"there is no column {unknown[0]!r}" if unknown else "the header line names no column `cidr`"
            hint = f"known here, with commas in between: {', '.join(FIELDS)}"
            faults.append(Fault(_KEY, f"{file} line 1", problem, hint))
            return
        for values in filter(any, reader):  # a spreadsheet leaves lines of commas
            line = f"line {reader.line_num}"
            if len(values) > len(names):
                hint = "put texts with commas in quotes"
                faults.append(Fault(_KEY, f"{file} {line}", "more values than columns", hint))
            else:
                yield line, dict(zip_longest(names, values, fillvalue=""))
    except csv.Error as error:
        hint = 'close every quote, and write "" for one inside'
        faults.append(Fault(_KEY, f"{file} line {reader.line_num}", f"not CSV: {error}", hint))


def _toml_entries(file: Path, text: str, faults: list[Fault]) -> Iterator[tuple[str, dict[str, Any]]]:
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        faults.append(Fault(_KEY, str(file), f"not TOML: {error}", "mend the line it names"))
        return
    entries = raw.get("networks", [])
    if set(raw) - {"networks"} or not isinstance(entries, list):
        faults.append(Fault(_KEY, str(file), "it holds something else", "write [[networks]] tables only"))
        return
    heads = [number for number, line in enumerate(text.splitlines(), 1) if line.strip() == "[[networks]]"]
    for position, entry in enumerate(entries):
        line = f"line {heads[position]}" if len(heads) == len(entries) else f"network {position + 1}"
        if isinstance(entry, dict):
            yield line, entry
        else:
            faults.append(Fault(_KEY, f"{file} {line}", "not a table", 'write cidr = "…" and name = "…"'))


def _entry(entry: dict[str, Any], place: str, faults: list[Fault]) -> NamedNetwork | None:
    unknown = [key for key in entry if key not in FIELDS]
    if unknown:
        faults.append(Fault(_KEY, place, f"there is no such field: {unknown[0]}", f"known here: {', '.join(FIELDS)}"))
        return None
    tags = entry.get("tags", "")
    if isinstance(tags, dict):
        entry = entry | {"tags": " ".join(f"{key}={value}" for key, value in tags.items())}
    elif isinstance(tags, list):
        entry = entry | {"tags": " ".join(map(str, tags))}
    wrong = [key for key, value in entry.items() if not isinstance(value, str)]
    if wrong:
        faults.append(Fault(_KEY, place, f"{wrong[0]} is not a text", 'put it in quotes: "…"'))
        return None
    words = {key: " ".join(value.split()) for key, value in entry.items()}
    try:
        if "%" in words.get("cidr", ""):
            raise ValueError(f"{words['cidr']!r} names a link of one host")
        words["cidr"] = str(ipaddress.ip_network(words.get("cidr", "")))
    except ValueError as error:
        faults.append(Fault(_KEY, place, f"cidr: {error}", "write it like 10.20.0.0/16 or 192.0.2.7"))
        return None
    if not (words.get("name") or words.get("site") or words.get("tags")):
        faults.append(Fault(_KEY, place, "it says nothing of the network", "give it a name, a site or tags"))
        return None
    return NamedNetwork(**words)


class NameBook:
    """Entries that hold for one VPC (or for none), searched for the longest network."""

    def __init__(self, names: Iterable[NamedNetwork]) -> None:
        # Of equal networks the one that is limited to fewer addresses counts.
        ordered = sorted(names, key=lambda one: (bool(one.vpc), bool(one.account)))
        self.entries = {network(one.cidr): one for one in ordered}
        self._lengths = {
            family: sorted({one.prefixlen for one in self.entries if one.version == family}, reverse=True)
            for family in (4, 6)
        }

    def find(self, inner: Network) -> NamedNetwork | None:
        """The longest entry that holds all of `inner`."""
        for length in self._lengths[inner.version]:
            if length <= inner.prefixlen:
                found = self.entries.get(inner.supernet(new_prefix=length))
                if found is not None:
                    return found
        return None

    def inside(self, outer: Network) -> Iterator[NamedNetwork]:
        """Entries that are a part of `outer`, smaller than it."""
        for inner, one in self.entries.items():
            if inner.version == outer.version and inner.prefixlen > outer.prefixlen and inner.network_address in outer:
                yield one

"""What every file of definitions needs: our own entries, names in snake case, a heading.

Belongs here: only what at least two writers share. Does not: any collector's format.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from consumer.encode.catalogue import Entry
from consumer.encode.settings import DOCUMENTATION_ENTERPRISE_NUMBER

_WORD_BORDER = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


def own(entries: Iterable[Entry]) -> list[Entry]:
    """Those under an enterprise number: no collector knows them by itself."""
    return [entry for entry in entries if entry.enterprise]


def enterprise_number(entries: Iterable[Entry]) -> int:
    """The one number all our own entries are under."""
    (number,) = {entry.enterprise for entry in own(entries)}
    return number


def snake_case(name: str) -> str:
    """`observedVpcName` → `observed_vpc_name`, `pktSourceIPv4Address` → `pkt_source_ipv4_address`."""
    return _WORD_BORDER.sub("_", name).lower()


def heading(collector: str, entries: Sequence[Entry]) -> list[str]:
    """What the file is and how it was made; the writer puts its comment signs around the lines."""
    number = enterprise_number(entries)
    lines = [
        f"Names of vpcflow's information elements, enterprise number {number}.",
        f"Made by: vpcflow elements --for {collector} --pen {number}",
    ]
    if number == DOCUMENTATION_ENTERPRISE_NUMBER:
        lines.append(f"{number} is the number for documentation and trials (RFC 5612): --pen takes your own.")
    return lines

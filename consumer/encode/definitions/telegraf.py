"""Telegraf, inputs.netflow (`private_enterprise_number_files = ["FILE"]`, only with protocol "ipfix").

Belongs here: its CSV, run with the input of Telegraf 1.37.2 by itself. Does not: anything of other collectors.
"""

from __future__ import annotations

from collections.abc import Sequence

from consumer.encode.catalogue import Entry
from consumer.encode.definitions.parts import heading, own, snake_case

_TYPES = {"string": "string", "ipv4Address": "ip", "ipv6Address": "ip"}
"""The rest are numbers, `uint` of any length. These three names are in every release since custom files came."""


def write(entries: Sequence[Entry]) -> str:
    """The whole file; empty when there is nothing to name."""
    elements = own(entries)
    if not elements:
        return ""
    lines = [f"# {line}" for line in heading("telegraf", entries)]
    lines += [
        f"{entry.enterprise}.{entry.number},{snake_case(entry.name)},{_TYPES.get(entry.type, 'uint')}"
        for entry in elements
    ]
    return "\n".join(lines) + "\n"

"""pmacct (nfacctd): a list of custom primitives (`aggregate_primitives: FILE`).

Belongs here: its format, run with nfacctd 1.7.7. Does not: anything of other collectors.

Limits of it, each met by running into it: at most 63 primitives, the 64th on are "unknown" (its table has 64 places,
in 2026 still), and with 60 of them empty texts were shown as copies of an earlier one, with 55 not; a line of the file
is at most 288 characters, comments too. So what few flows have is commented out.
"""

from __future__ import annotations

from collections.abc import Sequence

from consumer.encode.catalogue import Entry
from consumer.encode.definitions.parts import heading, own, snake_case

PRIMITIVES_LIMIT = 55
_IANA = frozenset((61, 89, 130, 133, 233))
"""IANA elements that it has no primitive for. Not 348 and 350: 1.7.7 shows variable-length IANA strings blank."""
_SEMANTICS = {"string": "str", "ipv4Address": "ip", "ipv6Address": "ip"}


def write(entries: Sequence[Entry]) -> str:
    """The whole file."""
    primitives = [entry for entry in entries if entry.enterprise or entry.number in _IANA]
    lines = [f"! {line}" for line in heading("pmacct", entries)] if own(entries) else []
    lines += [
        "! nfacctd collects a name only when its key `aggregate` holds it too. All of this file's, to be added there:",
        "!   sed -n 's/^name=\\([^ ]*\\).*/\\1/p' FILE | paste -sd,",
        *(_primitive(entry) for entry in primitives if not _is_rare(entry)),
    ]
    rare = [entry for entry in primitives if _is_rare(entry)]
    if rare:
        lines.append(
            f"! nfacctd reads {PRIMITIVES_LIMIT} names well. For one of these, free its line and give up another:"
        )
        lines += [f"! {_primitive(entry)}" for entry in rare]
    return "\n".join(lines) + "\n"


def _primitive(entry: Entry) -> str:
    field_type = f"{entry.enterprise}:{entry.number}" if entry.enterprise else str(entry.number)
    semantics = _SEMANTICS.get(entry.type, "u_int")
    return f"name={snake_case(entry.name)} field_type={field_type} len={entry.size or 'vlen'} semantics={semantics}"


def _is_rare(entry: Entry) -> bool:
    """Only flows of ECS tasks or transit gateways have it, only who set up owners or sites, or only the setting
    `include_identifiers` sends it."""
    is_own_choice = entry.name.endswith(("Owner", "Site"))
    return (
        is_own_choice
        or entry.name.startswith(("ecs", "tgw"))
        or all("include_identifiers" in source for source in entry.sources)
    )

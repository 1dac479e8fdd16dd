"""pmacct (nfacctd): a list of custom primitives (`aggregate_primitives: FILE`).

Belongs here: its format, run with nfacctd 1.7.7. Does not: anything of other collectors.

Limits of it, read in its source (1.7.7, the same in August 2026) and met by running into them:
- Its table has 64 places, the last of them unused: the 64th name on is "unknown" (MAX_CUSTOM_PRIMITIVES, cfg.h).
- Texts of a record lie in one list, each found by the number of its primitive: one bit of 48, moved on by every line of
  the file (custom_primitives_map_validate, pretag_handlers.c). From the 49th line on all have the same number, and each
  of them shows the first of their texts in a record. Numbers and addresses lie at places of their own. So texts come
  first, 48 of them, and numbers after.
- A line of the file is at most 288 characters, comments too.
So what few flows have is commented out.
"""

from __future__ import annotations

from collections.abc import Sequence

from consumer.encode.catalogue import Entry
from consumer.encode.definitions.parts import heading, own, snake_case

PRIMITIVES_LIMIT = 63
TEXTS_LIMIT = 48
"""Only the first lines of a file can be texts, numbers may come after."""
_IANA = frozenset((61, 89, 130, 133, 233))
"""IANA elements that it has no primitive for. Not 348 and 350: 1.7.7 shows variable-length IANA strings blank."""
_SEMANTICS = {"string": "str", "ipv4Address": "ip", "ipv6Address": "ip"}


def write(entries: Sequence[Entry]) -> str:
    """The whole file: texts, then numbers and addresses, then what is left out."""
    primitives = [entry for entry in entries if entry.enterprise or entry.number in _IANA]
    texts = [entry for entry in primitives if entry.type == "string"]
    numbers = [entry for entry in primitives if entry.type != "string"]
    lines = [f"! {line}" for line in heading("pmacct", entries)] if own(entries) else []
    lines += [
        "! nfacctd collects a name only when its key `aggregate` holds it too. All of this file's, to be added there:",
        "!   sed -n 's/^name=\\([^ ]*\\).*/\\1/p' FILE | paste -sd,",
        *(_primitive(entry) for entry in (*texts, *numbers) if not _is_rare(entry)),
    ]
    rare = [entry for entry in (*texts, *numbers) if _is_rare(entry)]
    if rare:
        lines += [
            f"! nfacctd takes {PRIMITIVES_LIMIT} names, and texts (len=vlen) on the first {TEXTS_LIMIT} lines only:",
            "! of later texts it shows one for another. For one of these, put its line in the place of another:",
        ]
        lines += [f"! {_primitive(entry)}" for entry in rare]
    return "\n".join(lines) + "\n"


def _primitive(entry: Entry) -> str:
    field_type = f"{entry.enterprise}:{entry.number}" if entry.enterprise else str(entry.number)
    semantics = _SEMANTICS.get(entry.type, "u_int")
    return f"name={snake_case(entry.name)} field_type={field_type} len={entry.size or 'vlen'} semantics={semantics}"


def _is_rare(entry: Entry) -> bool:
    """Only flows of ECS tasks or transit gateways have it, or only the setting `include_identifiers` sends it."""
    return entry.name.startswith(("ecs", "tgw")) or all("include_identifiers" in source for source in entry.sources)

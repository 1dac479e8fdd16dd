"""What was found, as sections of a configuration file that a user may edit.

Belongs here: adding to the file what it does not have yet. Does not: reading it as settings (config). What stands
there already is never touched, remarks and order included: it may be an edit.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from typing import Any

import tomlkit
from tomlkit.items import AoT, Array, InlineTable, String, Table

from consumer.aws.roles import Role
from consumer.discovery.arn import Arn
from consumer.discovery.plan.survey import Survey
from consumer.kcl.settings import StreamSettings

HEADER = """\
# What `vpcflow discover --save` found. Edit what you like: the next run adds what is new and leaves the rest alone.
# The agent reads it when its configuration says: [agent] include = ["THIS FILE"]
"""


@dataclass(frozen=True, slots=True)
class Entry:
    """One `[[section]]`: `identity` tells it from others of its section."""

    section: str
    identity: Mapping[str, str]
    further: Mapping[str, Any]
    remark: str = ""


@dataclass(frozen=True, slots=True)
class Saved:
    """The new text, what was added, and what stands in the file and was not found (in words)."""

    text: str
    added: tuple[str, ...]
    missing: tuple[str, ...]


def entries_of(survey: Survey, own_account: str) -> list[Entry]:
    """Streams, log groups and buckets as settings. A stream of another account names the role it is read with."""
    entries = []
    for stream in survey.streams:
        settings = stream_settings(survey, stream.arn, own_account)
        if settings is None:
            continue
        further: dict[str, Any] = {"account": settings.account, "enabled": True, "retrieval": settings.retrieval}
        if settings.role:
            further["role"] = settings.role
        identity = {"name": settings.name, "region": settings.region}
        entries.append(Entry("streams", identity, further, "retrieval: polling or fanout (costs extra)"))
    for group in survey.log_groups:
        identity = {"name": group.name, "account": group.account, "region": group.region}
        entries.append(Entry("log_groups", identity, {"enabled": True}))
    for bucket in survey.buckets:
        queue = {"queue": bucket.queues[0].arn} if bucket.queues else {}
        entries.append(Entry("buckets", {"name": bucket.name}, {**queue, "enabled": True}))
    return entries


def stream_settings(survey: Survey, stream: str, own_account: str) -> StreamSettings | None:
    """A found stream (ARN) as if it stood in the settings: the same here as in a file that is saved, because the name
    of its lease table follows from it. None where the text is no ARN."""
    arn = Arn.parse(stream)
    if arn is None:
        return None
    roles = {part.account: target.access for target, part in survey.parts.items() if isinstance(target.access, Role)}
    role = roles.get(arn.account) if arn.account != own_account else None
    text = "" if role is None else f"{role.arn},{role.external_id}" if role.external_id else role.arn
    return StreamSettings(name=arn.resource.removeprefix("stream/"), region=arn.region, account=arn.account, role=text)


def add_to(text: str, entries: Sequence[Entry], exporters: Mapping[str, tuple[str, str]]) -> Saved:
    """`text` with what it lacks. `exporters`: VPC id → exporter address, name. Raises tomlkit's TOMLKitError."""
    document = tomlkit.parse(text or HEADER)
    added: list[str] = []
    missing: list[str] = []
    for section in dict.fromkeys(entry.section for entry in entries):
        here = [entry for entry in entries if entry.section == section]
        standing = document.setdefault(section, tomlkit.aot())
        added += [_words(entry) for entry in here if _append(standing, entry)]
        known = [entry.identity for entry in here]
        names = known[0].keys()
        missing += [
            f"{section} {_identity_words(identity)}"
            for one in standing
            if (identity := {name: str(one.get(name, "")) for name in names}) not in known
        ]
    table = _exporter_table(document)
    for vpc, (address, name) in exporters.items():
        if vpc not in table:
            table[vpc] = _with_remark(tomlkit.string(address), "" if isinstance(table, InlineTable) else name)
            added.append(f"exporter address {address} of {vpc}")
    missing += [f"exporter address of {vpc}" for vpc in table if vpc not in exporters]
    return Saved(tomlkit.dumps(document), tuple(added), tuple(missing))


def _append(standing: AoT | Array, entry: Entry) -> bool:
    """Add the entry unless it stands there; true when it was added. Where the user wrote a list of tables in one line,
    `streams = [{…}]`, it becomes another of them: they hold no remarks."""
    if any(all(str(one.get(name, "")) == value for name, value in entry.identity.items()) for one in standing):
        return False
    table: Table | InlineTable
    if isinstance(standing, Array):
        table = tomlkit.inline_table()
        table.update({**entry.identity, **entry.further})
    else:
        table = tomlkit.table()
        if entry.remark:
            table.add(tomlkit.comment(entry.remark))
        table.update({**entry.identity, **entry.further})
        table.add(tomlkit.nl())
    standing.append(table)
    return True


def _exporter_table(document: tomlkit.TOMLDocument) -> MutableMapping[str, Any]:
    discovery = document.setdefault("discovery", tomlkit.table(is_super_table=True))
    fresh = tomlkit.inline_table() if isinstance(discovery, InlineTable) else tomlkit.table()
    table: MutableMapping[str, Any] = discovery.setdefault("exporter_addresses", fresh)
    return table


def _with_remark(value: String, name: str) -> String:
    """The value, and beside it the name as one line: a VPC's may hold line breaks, and a remark ends at one."""
    words = " ".join("".join(char if char.isprintable() else " " for char in name).split())
    if words:
        value.comment(words)
    return value


def _words(entry: Entry) -> str:
    return f"{entry.section} {_identity_words(entry.identity)}"


def _identity_words(identity: Mapping[str, str]) -> str:
    values: Iterable[str] = (value for value in identity.values() if value)
    return "/".join(values)

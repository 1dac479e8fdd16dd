"""The configuration as it counts, for people: every setting with its value, what differs from the default marked.

Belongs here: laying settings out as TOML, and hiding what is secret. Does not: reading files (config.py).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tomlkit
from pydantic import BaseModel
from tomlkit.items import Table

from consumer.aws.roles import Role, read_roles
from consumer.config import Settings

MASK = "****"
_EXTERNAL_ID = re.compile(r"(?P<arn>arn:[^,\s]+:role/[^,\s]+),.+")
"""An external id is no password (AWS says so), but nobody wants theirs in a ticket."""
_HEADER = "The configuration as it counts: files, included files and environment together; secrets are masked."


def effective_toml(settings: Settings) -> str:
    """Every setting as TOML. It can be read back, but for what is masked and for settings that are not set."""
    document = tomlkit.document()
    document.add(tomlkit.comment(_HEADER))
    for name in type(settings).model_fields:
        value = getattr(settings, name)
        if isinstance(value, BaseModel):
            document.add(name, _table(value))
        elif value:
            entries = tomlkit.aot()
            for entry in value:
                entries.append(_table(entry))
            document.add(name, entries)
    return tomlkit.dumps(document)


def summary(settings: Settings) -> str:
    """What it would do, in a few words: `2 collectors, 1 stream`."""
    counts = {
        "collector": len(settings.collectors),
        "stream": sum(stream.enabled for stream in settings.streams),
        "role": len(settings.aws.roles) + len(_listed(settings.aws.role_file)),
    }
    return ", ".join(f"{count} {name}{'' if count == 1 else 's'}" for name, count in counts.items())


def _listed(role_file: str) -> tuple[Role, ...]:
    return read_roles(Path(role_file)).roles if role_file else ()


def _table(settings: BaseModel) -> Table:
    table = tomlkit.table()
    shown = settings.model_dump(mode="json")
    for name, info in type(settings).model_fields.items():
        value = shown[name]
        if value is None:
            continue
        item = tomlkit.item(_masked(value))
        is_default = not info.is_required() and getattr(settings, name) == info.get_default(call_default_factory=True)
        if not is_default:
            item.comment("set")
        table.add(name, item)
    return table


def _masked(value: Any) -> Any:
    if isinstance(value, str):
        return _EXTERNAL_ID.sub(rf"\g<arn>,{MASK}", value)
    if isinstance(value, list):
        return [_masked(one) for one in value]
    if isinstance(value, Mapping):
        return {name: _masked(one) for name, one in value.items() if one is not None}
    return value

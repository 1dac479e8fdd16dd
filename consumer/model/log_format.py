"""The log format of a flow log: which fields a record has, in which order.

Belongs here: the format as a value and its two spellings (DescribeFlowLogs' `${a} ${b}`, a file's header line).
Does not: what a field means or how it is parsed (decode/fields.py).
AWS: "Flow log records" in the VPC user guide; never parse by the record's `version` (facts: it is only the
highest version among the chosen fields).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_PLACEHOLDER = re.compile(r"\$\{([A-Za-z0-9-]+)\}")
_NAME = re.compile(r"[a-z][a-z0-9-]*")


@dataclass(frozen=True, slots=True)
class LogFormat:
    """Field names in record order, AWS's spelling (`account-id`); hashable, so it is a cache key."""

    fields: tuple[str, ...]

    @classmethod
    def from_text(cls, text: str) -> LogFormat:
        """Read `${version} ${account-id} …` (DescribeFlowLogs.LogFormat) or bare names separated by blanks.

        Raises ValueError naming the part that is not a field, an empty format, or a field given twice.
        """
        names: list[str] = []
        for part in text.split():
            match = _PLACEHOLDER.fullmatch(part)
            name = match.group(1) if match else part.replace("_", "-")
            if not _NAME.fullmatch(name):
                raise ValueError(f"{part!r} is not a field; write ${{field-name}}, separated by blanks")
            if name in names:
                raise ValueError(f"field {name!r} is given twice")
            names.append(name)
        if not names:
            raise ValueError("the format is empty; write ${version} ${account-id} …")
        return cls(tuple(names))

    def text(self) -> str:
        """The spelling of DescribeFlowLogs."""
        return " ".join(f"${{{name}}}" for name in self.fields)

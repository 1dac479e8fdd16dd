"""The dead letter: lines we could not read, kept with their origin and reason so that nothing vanishes silently.

JSON lines `{origin, reason, id, line}`; `vpcflow replay` reads them back. Bounded: when the file reaches its limit it
becomes `.1` and the older `.1` goes; what went is counted by the tally anyway. A line that is not UTF-8 is kept as
`line_base64`.
"""

from __future__ import annotations

import base64
import threading
from collections.abc import Sequence
from pathlib import Path

import orjson

from consumer.model.delivery import Origin
from consumer.model.tally import Reject


class DeadLetter:
    """Appends rejects to one file; safe to call from several threads. A full disk raises OSError: the caller holds."""

    def __init__(self, file: Path, limit_bytes: int) -> None:
        self.file = file
        self._limit_bytes = limit_bytes
        self._lock = threading.Lock()

    def write(self, origin: Origin, rejects: Sequence[Reject]) -> None:
        """Append and flush to the kernel; rotates first when the file is full."""
        if not rejects:
            return
        text = b"".join(orjson.dumps(_entry(origin, reject), option=orjson.OPT_APPEND_NEWLINE) for reject in rejects)
        with self._lock:
            self.file.parent.mkdir(parents=True, exist_ok=True)
            if self.file.exists() and self.file.stat().st_size + len(text) > self._limit_bytes:
                self.file.replace(self.file.with_name(self.file.name + ".1"))
            with self.file.open("ab") as handle:
                handle.write(text[: self._limit_bytes])


def _entry(origin: Origin, reject: Reject) -> dict[str, object]:
    where = {name: value for name in origin.__slots__ if (value := getattr(origin, name)) is not None}
    entry: dict[str, object] = {"origin": where, "reason": reject.reason, "id": reject.event_id}
    try:
        entry["line"] = reject.line.decode()
    except UnicodeDecodeError:
        entry["line_base64"] = base64.b64encode(reject.line).decode()
    return entry

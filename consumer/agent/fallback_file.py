"""What fallback must know after a death: which groups were polled in place of their stream, from when until when.

Belongs here: `fallback.json` in the state folder, read and written. Does not: when to write (failover.py). Kinesis
gives again all that went out by polling meanwhile; without the file those flows repeat once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

import orjson

from consumer.model.place import LogGroupKey
from consumer.select.fallback import Mode, Pair, Unit
from consumer.state.identity import write_atomically
from consumer.telemetry.logs import get_logger

FILE_NAME = "fallback.json"

log = get_logger("fallback")


@dataclass(frozen=True, slots=True)
class Kept:
    """One pair as it is kept. `reason`: of its last switch; `is_shared`: other agents held some of the stream's shards
    when polling began."""

    unit: Unit = field(default_factory=Unit)
    reason: str = ""
    is_shared: bool = False


class FallbackFile:
    """Mutable: it knows what it wrote last."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / FILE_NAME
        self._saved = b""

    def load(self) -> dict[Pair, Kept]:
        """What the last run left; nothing where that cannot be read."""
        try:
            return {
                Pair(LogGroupKey(one["account"], one["region"], one["name"]), one["stream"]): Kept(
                    Unit(
                        mode=Mode.POLLING if one["is_polled"] else Mode.STREAM,
                        began_from=one["began_from"],
                        swept_until=one["swept_until"],
                        hold_seconds=one["hold_seconds"],
                    ),
                    one.get("reason", ""),
                    one.get("is_shared", False),
                )
                for one in orjson.loads(self.path.read_bytes())
            }
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, KeyError, TypeError) as error:
            # Without it flows may repeat once; refusing to start would lose them.
            log.warning("what was polled before is not known", file=str(self.path), reason=str(error))
            return {}

    def save(self, pairs: Mapping[Pair, Kept]) -> None:
        """Write those that were ever polled, where that differs from what is written. Raises OSError."""
        rows = [
            {
                **asdict(pair.group),
                "stream": pair.stream,
                "is_polled": kept.unit.is_polled,
                "began_from": kept.unit.began_from,
                "swept_until": kept.unit.swept_until,
                "hold_seconds": kept.unit.hold_seconds,
                "reason": kept.reason,
                "is_shared": kept.is_shared,
            }
            for pair, kept in pairs.items()
            if kept.unit.began_from is not None
        ]
        content = orjson.dumps(rows)
        if content != self._saved and (rows or self._saved):
            write_atomically(self.path, content)
            self._saved = content

"""Positions that outlive a restart: up to when a log group, or a stream, is exported.

Belongs here: the value, what every store of positions can do, and the store of one agent (SQLite). Does not: the store
that a fleet shares (shared.py), KCL's checkpoints (only KCL resumes from them), deciding where to start (sources/).
A position never goes back, and is written at most once a second: what it says is true also when it is old, for then
a little is read again.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from consumer.clock import Clock
from consumer.telemetry.logs import get_logger

Kind = Literal["log_group", "stream"]
SCHEMA_VERSION = 1
WRITE_SECONDS = 1.0
_SCHEMA = """
CREATE TABLE IF NOT EXISTS cursor (
    kind TEXT NOT NULL, key TEXT NOT NULL, exported_until REAL NOT NULL, swept_until REAL NOT NULL,
    PRIMARY KEY (kind, key)
) WITHOUT ROWID
"""

log = get_logger("state")


@dataclass(frozen=True, slots=True)
class Position:
    """Moments of arrival in AWS, Unix seconds of AWS's clock.

    `exported_until`: all that had arrived by then is exported, but for events with a timestamp in the future of their
    arrival. `swept_until`: all that had arrived by then is exported, without exception; not later than the other.
    """

    exported_until: float
    swept_until: float

    @classmethod
    def at(cls, moment: float) -> Position:
        """All that had arrived by `moment` is exported, or is not wanted."""
        return cls(moment, moment)

    def joined(self, other: Position) -> Position:
        """What both together say."""
        return Position(
            max(self.exported_until, other.exported_until, self.swept_until, other.swept_until),
            max(self.swept_until, other.swept_until),
        )


class Positions(Protocol):
    """A store of positions, and in a fleet of who reads what. Thread-safe."""

    def get(self, kind: Kind, key: str) -> Position | None:
        """The position kept under `key`; None when there is none. May block."""

    def advance(self, kind: Kind, key: str, position: Position) -> None:
        """Keep it, where it is later than what is kept; written within a second."""

    def acquire(self, key: str) -> bool:
        """Whether this agent may read the log group `key` from now on. May block; ask again later when it may not."""

    def holds(self, key: str) -> bool:
        """Whether it still may, by our own clock alone; cheap."""

    def release(self, key: str) -> None:
        """We read it no more: another agent may have it at once."""


def _nobody_hears(_: str) -> None:
    return None


class Cursors:
    """Implements Positions for one agent, in one SQLite file (WAL). Mutable, thread-safe; construction is inert.

    A file that is not ours is set aside and begun anew: what was read then begins as on a first start, and says so. A
    disk that cannot be written is said, too, and tried again; reading goes on, for the repeats that a crash would
    bring are all it costs. `path` None = remembered for this process only.
    """

    def __init__(self, path: Path | None, clock: Clock, on_problem: Callable[[str], None] = _nobody_hears) -> None:
        """`on_problem` hears when `problem` changes."""
        self.path = path
        self._clock = clock
        self._on_problem = on_problem
        self._lock = threading.Lock()
        self._write_lock = threading.Lock()
        self._known: dict[tuple[Kind, str], Position] = {}
        self._unsaved: set[tuple[Kind, str]] = set()
        self._database: sqlite3.Connection | None = None
        self._is_loaded = path is None
        self._written_at = float("-inf")
        self.problem = ""
        """Why positions are not being kept; empty = they are."""

    def get(self, kind: Kind, key: str) -> Position | None:
        with self._lock:
            self._load()
            return self._known.get((kind, key))

    def advance(self, kind: Kind, key: str, position: Position) -> None:
        with self._lock:
            self._load()
            known = self._known.get((kind, key))
            joined = position if known is None else known.joined(position)
            if joined != known:
                self._known[kind, key] = joined
                self._unsaved.add((kind, key))
            is_due = bool(self._unsaved) and self._clock.monotonic() >= self._written_at + WRITE_SECONDS
        if is_due:
            self.flush()

    def flush(self) -> None:
        """Write what is not written yet; a fault is kept in `problem` and logged, not raised."""
        with self._write_lock:
            with self._lock:
                rows = [(kind, key, *_fields(self._known[kind, key])) for kind, key in self._unsaved]
                written = set(self._unsaved)
            if not rows or self.path is None:
                return
            self._written_at = self._clock.monotonic()
            try:
                if self._database is None:
                    self._database = _opened(self.path)
                with self._database as transaction:
                    transaction.executemany("INSERT OR REPLACE INTO cursor VALUES (?, ?, ?, ?)", rows)
            except (sqlite3.Error, OSError) as error:
                self._say(f"{self.path}: {error}")
                return
            self._say("")
            with self._lock:
                self._unsaved -= {
                    (kind, key) for kind, key, *fields in rows if tuple(fields) == _fields(self._known[kind, key])
                } & written

    def close(self) -> None:
        """Write the rest and let go of the file."""
        self.flush()
        with self._write_lock:
            if self._database is not None:
                self._database.close()
                self._database = None

    def acquire(self, key: str) -> bool:  # noqa: ARG002  one agent reads all of its groups itself
        return True

    def holds(self, key: str) -> bool:  # noqa: ARG002
        return True

    def release(self, key: str) -> None:
        """Nobody else asks."""

    def _say(self, problem: str) -> None:
        if problem and problem != self.problem:
            log.error("positions are not being kept; a crash now would repeat flows: free some space", reason=problem)
        elif self.problem and not problem:
            log.info("positions are being kept again", file=str(self.path))
        if problem != self.problem:
            self.problem = problem
            self._on_problem(problem)

    def _load(self) -> None:
        if self._is_loaded or self.path is None:
            return
        try:
            rows = _read(self.path)
        except (sqlite3.DatabaseError, OSError) as error:
            aside = self.path.with_name(f"{self.path.name}.{int(self._clock.now())}.unreadable")
            log.warning("positions are unreadable, begun anew", file=str(aside), reason=str(error))
            try:
                for suffix in ("-wal", "-shm"):
                    self.path.with_name(self.path.name + suffix).unlink(missing_ok=True)
                self.path.replace(aside)
            except OSError as failure:
                log.warning("the file could not be set aside", reason=str(failure))
            rows = []
        for kind, key, exported, swept in rows:
            self._known[kind, key] = Position(exported, swept)
        self._is_loaded = True


def _fields(position: Position) -> tuple[float, float]:
    return position.exported_until, position.swept_until


def _opened(path: Path) -> sqlite3.Connection:
    """The database, ready to write; sqlite3.DatabaseError when the file is not ours."""
    path.parent.mkdir(parents=True, exist_ok=True)
    database = sqlite3.connect(path, timeout=5.0, check_same_thread=False)
    try:
        (version,) = database.execute("PRAGMA user_version").fetchone()
        if version not in (0, SCHEMA_VERSION):
            raise sqlite3.DatabaseError(f"schema {version}, this version of vpcflow writes {SCHEMA_VERSION}")
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = NORMAL")
        with database:
            database.execute(_SCHEMA)
            database.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
    except BaseException:
        database.close()
        raise
    return database


def _read(path: Path) -> list[tuple[Kind, str, float, float]]:
    if not path.exists():
        return []
    with closing(_opened(path)) as database:
        return database.execute("SELECT kind, key, exported_until, swept_until FROM cursor").fetchall()

"""Which objects are exported, and how far the others are, so that what is announced twice is sent once.

Belongs here: remembering, in SQLite, over restarts and kill -9. Does not: reading objects (sources/). An object is
known by bucket, key and entity tag, so a replaced object is another one. Losing the file, or forgetting what is old,
may repeat flows and never loses one; that is why nothing here raises.
"""

from __future__ import annotations

import hashlib
import sqlite3
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

from consumer.telemetry.logs import get_logger

Answer = TypeVar("Answer")

_VERSION = 1
_SCHEMA = (
    "CREATE TABLE IF NOT EXISTS done "
    "(id BLOB PRIMARY KEY, sequencer TEXT NOT NULL, fault TEXT NOT NULL, at REAL NOT NULL) WITHOUT ROWID",
    "CREATE INDEX IF NOT EXISTS done_at ON done (at)",
    "CREATE TABLE IF NOT EXISTS begun (id BLOB PRIMARY KEY, mark TEXT NOT NULL, at REAL NOT NULL) WITHOUT ROWID",
)
_TIDY_EVERY = 1_000
"""Objects between two clearings; a clearing of nothing takes less than a millisecond."""


@dataclass(frozen=True, slots=True)
class ObjectIdentity:
    """One state of one object. `sequencer` (S3's order of events on a key) tells a repeated announcement from the same
    bytes put again on purpose; empty = the announcement does not say."""

    bucket: str
    key: str
    etag: str
    sequencer: str = ""

    def digest(self) -> bytes:
        """16 bytes for bucket, key and entity tag."""
        return hashlib.blake2b("\0".join((self.bucket, self.key, self.etag)).encode(), digest_size=16).digest()


@dataclass(frozen=True, slots=True)
class Done:
    """An object that needs no further reading. `fault`: what was wrong with it; empty = nothing."""

    fault: str = ""


class ObjectJournal:
    """Mutable, safe to call from several threads; opened at first use, `path` None = for this process only.

    `keep_seconds`, `keep_count`: what is older, or more, is forgotten, oldest first.
    """

    def __init__(self, path: Path | None, now: Callable[[], float], keep_seconds: float, keep_count: int) -> None:
        self.path = path
        self._now = now
        self._keep_seconds = keep_seconds
        self._keep_count = keep_count
        self._lock = threading.Lock()
        self._database: sqlite3.Connection | None = None
        self._claims: set[bytes] = set()
        self._since_tidied = _TIDY_EVERY
        self._log = get_logger("state")

    def claim(self, identity: ObjectIdentity) -> bool:
        """Take the object for this thread; False = another thread of this agent reads it now."""
        with self._lock:
            digest = identity.digest()
            if digest in self._claims:
                return False
            self._claims.add(digest)
            return True

    def release(self, identity: ObjectIdentity) -> None:
        """Give a claim back."""
        with self._lock:
            self._claims.discard(identity.digest())

    def done(self, identity: ObjectIdentity) -> Done | None:
        """How the object ended, None = it has not, or it was put again since (a later sequencer)."""

        def ask(database: sqlite3.Connection) -> Done | None:
            row = database.execute("SELECT sequencer, fault FROM done WHERE id = ?", (identity.digest(),)).fetchone()
            if row is None or _is_later(identity.sequencer, row[0]):
                return None
            return Done(row[1])

        return self._try(ask, None)

    def mark(self, identity: ObjectIdentity) -> str:
        """Up to where the object is exported, as `advance` was told; empty = nothing is."""

        def ask(database: sqlite3.Connection) -> str:
            row = database.execute("SELECT mark FROM begun WHERE id = ?", (identity.digest(),)).fetchone()
            return str(row[0]) if row else ""

        return self._try(ask, "")

    def advance(self, identity: ObjectIdentity, mark: str) -> None:
        """The object is exported up to `mark`."""
        self._try(
            lambda database: database.execute(
                "INSERT OR REPLACE INTO begun VALUES (?, ?, ?)", (identity.digest(), mark, self._now())
            ),
            None,
        )

    def finish(self, identity: ObjectIdentity, fault: str = "") -> None:
        """The object is exported as far as it can be read."""

        def write(database: sqlite3.Connection) -> None:
            digest = identity.digest()
            database.execute(
                "INSERT OR REPLACE INTO done VALUES (?, ?, ?, ?)", (digest, identity.sequencer, fault, self._now())
            )
            database.execute("DELETE FROM begun WHERE id = ?", (digest,))
            self._since_tidied += 1
            if self._since_tidied >= _TIDY_EVERY:
                self._since_tidied = 0
                self._tidy(database)

        self._try(write, None)

    def close(self) -> None:
        """Let go of the file; the next use opens it again."""
        with self._lock:
            database, self._database = self._database, None
            if database is not None:
                database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _try(self, work: Callable[[sqlite3.Connection], Answer], otherwise: Answer) -> Answer:
        """One transaction; an unreadable file is set aside and begun anew, a full disk is said and lived with."""
        with self._lock:
            for _ in range(2):
                try:
                    if self._database is None:
                        self._database = self._open()
                    with self._database as database:
                        return work(database)
                except sqlite3.OperationalError as error:
                    self._log.error("the journal of objects cannot be used; repeats are possible", reason=str(error))
                    return otherwise
                except sqlite3.DatabaseError as error:
                    self._set_aside(error)
        return otherwise

    def _open(self) -> sqlite3.Connection:
        if self.path is not None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        database = sqlite3.connect(self.path or ":memory:", check_same_thread=False)
        database.execute("PRAGMA journal_mode = WAL")
        # A process that dies loses nothing; a machine that dies may lose the last entries, which repeats them.
        database.execute("PRAGMA synchronous = NORMAL")
        (version,) = database.execute("PRAGMA user_version").fetchone()
        if version not in (0, _VERSION):
            database.close()
            raise sqlite3.DatabaseError(f"written by another version ({version})")
        for statement in _SCHEMA:
            database.execute(statement)
        database.execute(f"PRAGMA user_version = {_VERSION}")
        return database

    def _set_aside(self, error: Exception) -> None:
        if self._database is not None:
            self._database.close()
            self._database = None
        if self.path is None:
            return
        aside = self.path.with_name(self.path.name + ".corrupt")
        self._log.error("the journal of objects is unreadable, begun anew", file=str(aside), reason=str(error))
        self.path.replace(aside)
        for suffix in ("-wal", "-shm"):
            self.path.with_name(self.path.name + suffix).unlink(missing_ok=True)

    def _tidy(self, database: sqlite3.Connection) -> None:
        for table in ("done", "begun"):
            database.execute(f"DELETE FROM {table} WHERE at < ?", (self._now() - self._keep_seconds,))
        database.execute(
            "DELETE FROM done WHERE id IN (SELECT id FROM done ORDER BY at DESC LIMIT -1 OFFSET ?)", (self._keep_count,)
        )


def _is_later(sequencer: str, known: str) -> bool:
    """Whether an event came after another one on the same key (S3 user guide, "Event message structure": compare as
    text, the shorter one padded with zeros on its right). Nothing is known where either is empty."""
    length = max(len(sequencer), len(known))
    return bool(sequencer and known) and sequencer.ljust(length, "0") > known.ljust(length, "0")

"""Numbers given once and kept: interface indexes, exporter addresses.

Belongs here: giving a key a number of a range that nobody else has, and remembering it over restarts. Does not: what
the numbers mean (discovery/). The first choice is a hash of the key, so agents that share no state mostly agree, and
so does one that lost its state; only a collision depends on who came first, which is why it is kept.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterable
from contextlib import closing
from pathlib import Path

from consumer.model.if_index import first_choice
from consumer.telemetry.logs import get_logger

_SCHEMA = """
CREATE TABLE IF NOT EXISTS assignment (
    kind TEXT NOT NULL, key TEXT NOT NULL, number INTEGER NOT NULL, seen_day INTEGER NOT NULL,
    PRIMARY KEY (kind, key)
) WITHOUT ROWID
"""
_DAY_SECONDS = 86_400


class Assignments:
    """Mutable, one thread at a time. `path` None = remembered for this process only (replay, tests).

    The file is read at first use and written in one transaction per `assign`; a file that is not a database is set
    aside and begun anew, one that cannot be opened is left alone. A disk that cannot be written is said in the log and
    tried again at the next `assign`.
    """

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self._numbers: dict[str, dict[str, int]] = {}
        self._seen_days: dict[tuple[str, str], int] = {}
        self._unsaved: set[tuple[str, str]] = set()
        self._is_loaded = path is None
        self._log = get_logger("state")

    def reload(self) -> None:
        """Forget what was read, because another process may have written since; the next `assign` reads anew."""
        if self.path is not None and not self._unsaved:
            self._numbers.clear()
            self._seen_days.clear()
            self._is_loaded = False

    def assign(
        self,
        kind: str,
        keys: Iterable[str],
        *,
        low: int,
        high: int,
        now: float,
        taken: Collection[int] = (),
        forget_after_days: int = 0,
    ) -> dict[str, int]:
        """A number in [low, high] for every key, each key its own; kept ones first, `taken` never given.

        A kept number outside the range, or taken, is given anew. `forget_after_days`: keys not asked for so long
        free their number (0 = never). ValueError when the range is full.
        """
        self._load()
        day = int(now) // _DAY_SECONDS
        numbers = self._numbers.setdefault(kind, {})
        if forget_after_days:
            self._forget(kind, day - forget_after_days)
        wanted = sorted(set(keys))
        banned = set(taken)
        for key in wanted:
            if key in numbers and (numbers[key] in banned or not low <= numbers[key] <= high):
                del numbers[key]
        in_use = banned.union(numbers.values())
        for key in wanted:
            if key not in numbers:
                numbers[key] = _free_number(key, low, high, in_use)
                in_use.add(numbers[key])
                self._unsaved.add((kind, key))
            if self._seen_days.get((kind, key), -1) < day:
                self._seen_days[kind, key] = day
                self._unsaved.add((kind, key))
        self._save()
        return {key: numbers[key] for key in wanted}

    def _forget(self, kind: str, before_day: int) -> None:
        """Drop keys last seen before a day; saved with the next transaction."""
        numbers = self._numbers[kind]
        for key in [key for key in numbers if self._seen_days.get((kind, key), 0) < before_day]:
            del numbers[key]
            del self._seen_days[kind, key]
            self._unsaved.add((kind, key))

    def _load(self) -> None:
        if self._is_loaded or self.path is None:
            return
        try:
            rows = self._read(self.path)
        except (sqlite3.OperationalError, OSError) as error:
            # Locked, somebody else's, no room: it may be whole. Hashes stand in, and nothing of them is written there.
            self._log.error("assigned numbers cannot be read now", file=str(self.path), reason=str(error))
            return
        except sqlite3.DatabaseError as error:
            aside = self.path.with_name(self.path.name + ".corrupt")
            self._log.error("assigned numbers are unreadable, begun anew", file=str(aside), reason=str(error))
            self.path.replace(aside)
            rows = self._read(self.path)
        for kind, key, number, seen_day in rows:
            self._numbers.setdefault(kind, {})[key] = number
            self._seen_days[kind, key] = seen_day
        self._is_loaded = True

    @staticmethod
    def _read(path: Path) -> list[tuple[str, str, int, int]]:
        path.parent.mkdir(parents=True, exist_ok=True)
        with closing(sqlite3.connect(path)) as database, database:
            database.execute(_SCHEMA)
            return database.execute("SELECT kind, key, number, seen_day FROM assignment").fetchall()

    def _save(self) -> None:
        if self.path is None or not self._unsaved or not self._is_loaded:
            return
        gone = [place for place in self._unsaved if place[1] not in self._numbers.get(place[0], {})]
        kept = [
            (kind, key, self._numbers[kind][key], self._seen_days[kind, key])
            for kind, key in self._unsaved.difference(gone)
        ]
        try:
            with closing(sqlite3.connect(self.path)) as database, database:
                database.execute(_SCHEMA)
                database.executemany("DELETE FROM assignment WHERE kind = ? AND key = ?", gone)
                database.executemany("INSERT OR REPLACE INTO assignment VALUES (?, ?, ?, ?)", kept)
        except sqlite3.Error as error:
            self._log.error("assigned numbers were not saved", file=str(self.path), reason=str(error))
        else:
            self._unsaved.clear()


def _free_number(key: str, low: int, high: int, in_use: Collection[int]) -> int:
    """The key's hash in [low, high], or the next number after it that is free, around the end."""
    span = high - low + 1
    first = first_choice(key.encode(), low, high)
    for step in range(min(span, len(in_use) + 1)):
        number = low + (first - low + step) % span
        if number not in in_use:
            return number
    raise ValueError(f"all {span} numbers from {low} to {high} are given away")

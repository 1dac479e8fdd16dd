"""Numbers of places (account, log group, log stream): exact, given once, known after a kill -9.

Belongs here: the journal of who got which number. Does not: what a number is used for (select/). A line is in the
kernel's hands before its number is used anywhere, so a number never means two places while an id remembers it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Hashable
from pathlib import Path

import orjson

from consumer.state.identity import write_atomically
from consumer.telemetry.logs import get_logger

Place = tuple[Hashable, ...]
"""Texts, None and bytes."""

NAME_LIMIT = 1 << 18
"""Places known at once: about 80 MB, more than the interfaces of any one collector of flows."""
_PRUNE_AT_LEAST = 4096
_PRUNE_CALLS = 1000
"""Looking through the ids takes a while: not for every batch when most places are in use."""

log = get_logger("state")


class Places:
    """Mutable, one thread at a time. `path` None: for this process only.

    `key` names the file whose ids use the numbers: a journal written for another one is begun anew. `in_use`: numbers
    that must keep their meaning; the others are forgotten when there are twice as many places as last time.
    """

    def __init__(
        self, path: Path | None, key: str, limit: int, in_use: Callable[[], set[int]], *, may_load: bool
    ) -> None:
        """`limit`: above every number. `may_load` False: the numbers of an earlier process mean nothing any more."""
        self._path = path
        self._key = key
        self._limit = limit
        self._in_use = in_use
        self._numbers: dict[Place, int] = {}
        self._last = 0
        self._prune_at = _PRUNE_AT_LEAST
        self._calls_since = _PRUNE_CALLS
        self._descriptor = -1
        self.is_complete = not may_load or self._load()
        """False: the journal is not that of the file, whose ids therefore cannot be told apart."""
        self._rewrite()

    def __len__(self) -> int:
        return len(self._numbers)

    def number(self, place: Place) -> int:
        """The number of a place, given now when it is new; 0 when there are too many, or it cannot be kept."""
        known = self._numbers.get(place)
        if known is not None:
            return known
        if len(self._numbers) >= NAME_LIMIT:
            return 0
        number = self._next()
        if self._path is not None and not self._is_written(_line(number, place)):
            return 0
        self._numbers[place] = number
        return number

    def tidy(self) -> None:
        """Forget places that no id needs, when they have become many. Not while a number given is not in use yet."""
        self._calls_since += 1
        if len(self._numbers) < self._prune_at or self._calls_since < _PRUNE_CALLS:
            return
        self._calls_since = 0
        in_use = self._in_use()
        self._numbers = {place: number for place, number in self._numbers.items() if number in in_use}
        self._prune_at = min(max(_PRUNE_AT_LEAST, 2 * len(self._numbers)), NAME_LIMIT)
        self._rewrite()

    def close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _is_written(self, line: bytes) -> bool:
        """False: a number that is not in the journal must not be used, or another place would get it after a death."""
        if self._descriptor < 0:
            self._rewrite()
        if self._descriptor < 0:
            return False
        try:
            if os.write(self._descriptor, line) == len(line):
                return True
            reason = "the disk is full"
        except OSError as error:
            reason = str(error)
        log.warning("a log stream's number was not kept", file=str(self._path), reason=reason)
        self.close()
        return False

    def _next(self) -> int:
        """Upwards, and round: a number comes again only when nothing has it."""
        self._last += 1
        if self._last >= self._limit:
            taken = self._in_use() | set(self._numbers.values())
            self._last = next(number for number in range(1, self._limit) if number not in taken)
        return self._last

    def _load(self) -> bool:
        if self._path is None or not self._path.exists():
            return False
        lines = self._path.read_bytes().split(b"\n")
        try:
            if orjson.loads(lines[0]) != {"key": self._key}:
                return False
            for line in lines[1:-1]:
                number, place = orjson.loads(line)
                self._numbers[tuple(_from_json(part) for part in place)] = number
                self._last = max(self._last, number)
        except (orjson.JSONDecodeError, ValueError, TypeError) as error:
            aside = self._path.with_name(self._path.name + ".corrupt")
            log.warning("the numbers of log streams are damaged, begun anew", file=str(aside), reason=str(error))
            self._path.replace(aside)
            self._numbers.clear()
            self._last = 0
            return False
        return True

    def _rewrite(self) -> None:
        """The journal as it should be, and open at its end. A disk that refuses: no new number is given meanwhile."""
        self.close()
        if self._path is None:
            return
        content = orjson.dumps({"key": self._key}) + b"\n"
        content += b"".join(_line(number, place) for place, number in self._numbers.items())
        try:
            write_atomically(self._path, content)
            self._descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
        except OSError as error:
            log.warning("numbers of log streams cannot be kept", file=str(self._path), reason=str(error))


def _line(number: int, place: Place) -> bytes:
    return orjson.dumps([number, [_to_json(part) for part in place]]) + b"\n"


def _to_json(part: Hashable) -> object:
    """Bytes, and text that is no UTF-8, as a list of numbers."""
    if isinstance(part, bytes):
        return list(part)
    if isinstance(part, str) and any("\ud800" <= character <= "\udfff" for character in part):
        return {"text": list(part.encode("utf-8", "surrogatepass"))}
    return part


def _from_json(part: object) -> Hashable:
    if isinstance(part, list):
        return bytes(part)
    if isinstance(part, dict):
        return bytes(part["text"]).decode("utf-8", "surrogatepass")
    return part if isinstance(part, str) else None

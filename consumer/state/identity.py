"""Who this agent is: one random id, kept in the state folder and locked while the agent lives.

The worker id of every stream derives from it. KCL forgives a restart within seconds while the worker id stays,
and two living workers with one id lose each other's leases without an error (docs/the-way-of-a-record.md), so the
id is kept and the folder is locked.
"""

from __future__ import annotations

import fcntl
import os
import secrets
from pathlib import Path
from types import TracebackType
from typing import Self

import orjson

from consumer.errors import ConfigurationError, Fault

Value = str | int | float


class StateFolder:
    """The agent's folder, held by an exclusive lock from `__enter__` to `__exit__`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.agent_id = ""
        self._lock_descriptor = -1

    def __enter__(self) -> Self:
        try:
            self.path.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._lock_descriptor = os.open(self.path / "agent.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise ConfigurationError(
                [
                    Fault(
                        "agent.state_folder",
                        str(self.path),
                        error.strerror or str(error),
                        "name a folder this user may write",
                    )
                ]
            ) from error
        try:
            fcntl.flock(self._lock_descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(self._lock_descriptor)
            raise ConfigurationError(
                [
                    Fault(
                        "agent.state_folder",
                        str(self.path),
                        "another agent runs with it",
                        "stop that agent or give this one its own folder",
                    )
                ]
            ) from error
        self.agent_id = str(self.remember("agent_id", "agent-" + secrets.token_hex(6)))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._lock_descriptor)

    def remember(self, key: str, first: Value) -> Value:
        """The value kept under `key`; `first` is kept when there is none yet."""
        kept = self.recall(key)
        if kept is None:
            self.keep(key, first)
            return first
        return kept

    def recall(self, key: str) -> Value | None:
        """The value kept under `key`, None when there is none."""
        return _read(self._file).get(key)

    def keep(self, key: str, value: Value) -> None:
        """Replace the value under `key`, atomically."""
        kept = _read(self._file)
        if kept.get(key) != value:
            write_atomically(self._file, orjson.dumps({**kept, key: value}, option=orjson.OPT_INDENT_2))

    @property
    def _file(self) -> Path:
        return self.path / "identity.json"


def _read(file: Path) -> dict[str, Value]:
    try:
        content = orjson.loads(file.read_bytes())
    except FileNotFoundError:
        return {}
    except orjson.JSONDecodeError:
        # A new id costs one slow start (KCL waits for the old worker's leases); refusing to start costs more.
        file.rename(file.with_suffix(".corrupt"))
        return {}
    return content if isinstance(content, dict) else {}


def write_atomically(file: Path, content: bytes) -> None:
    """Replace `file` so that a crash leaves the old or the new content, never a part."""
    temporary = file.with_name(f".{file.name}.{os.getpid()}")
    with temporary.open("wb") as handle:
        handle.write(content)
        handle.flush()
        os.fsync(handle.fileno())
    temporary.replace(file)

"""A short-lived folder for what must have a short path without blanks: the children's socket and their launcher.

KCL splits `executableName` at blanks and a socket's path ends at 107 bytes, so neither can lie in a checkout or a
state folder that may be anywhere. The state folder keeps a link to it, so that the next start removes what a killed
agent left.
"""

from __future__ import annotations

import os
import shlex
import shutil
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from consumer.errors import MissingPrerequisiteError
from consumer.kcl import child
from consumer.kcl.jars import packaged_jar_folder

PREFIX = "vpcflow-"
_PATH_LIMIT_BYTES = 64
"""Of the folder; leaves room for file names below the limit of a socket's path."""


class RunFolder:
    """The folder from `__enter__` to `__exit__`, mode 0700. `link`: where the state folder remembers it."""

    def __init__(self, link: Path, environment: Mapping[str, str] = os.environ) -> None:
        self.path = Path()
        self._link = link
        self._environment = environment

    @property
    def socket(self) -> Path:
        return self.path / "agent.sock"

    def __enter__(self) -> Self:
        self._remove_leftover()
        self.path = Path(tempfile.mkdtemp(prefix=PREFIX, dir=_base(self._environment)))
        self._link.parent.mkdir(parents=True, exist_ok=True)
        self._link.symlink_to(self.path)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._link.unlink(missing_ok=True)
        shutil.rmtree(self.path, ignore_errors=True)

    def write_launcher(self) -> str:
        """Write the script that starts a child; returns the value of `executableName`.

        Run by `/bin/sh`, so that a folder mounted noexec will do. Signals ignored before exec stay ignored, so a
        child cannot be hit before Python has come up.
        """
        packages = packaged_jar_folder().parent.parent
        command = [sys.executable, "-I", "-S", str(Path(child.__file__).resolve()), str(self.socket), str(packages)]
        launcher = self.path / "child"
        launcher.write_text(f"trap '' INT TERM\nexec {shlex.join(command)}\n", encoding="utf-8")
        return f"/bin/sh {launcher}"

    def _remove_leftover(self) -> None:
        if not self._link.is_symlink():
            return
        leftover = self._link.readlink()
        if leftover.name.startswith(PREFIX) and leftover.is_dir() and leftover.stat().st_uid == os.geteuid():
            shutil.rmtree(leftover, ignore_errors=True)
        self._link.unlink()


def _base(environment: Mapping[str, str]) -> str:
    """systemd's runtime folder, the user's, or the temporary one: the first that is writable, short, without blanks."""
    candidates = (
        environment.get("RUNTIME_DIRECTORY"),
        environment.get("XDG_RUNTIME_DIR"),
        tempfile.gettempdir(),
        "/tmp",
    )
    for candidate in candidates:
        if (
            candidate
            and not any(character.isspace() for character in candidate)
            and len(os.fsencode(candidate)) <= _PATH_LIMIT_BYTES
            and os.access(candidate, os.W_OK | os.X_OK)
        ):
            return candidate
    raise MissingPrerequisiteError(
        "no folder for sockets: RUNTIME_DIRECTORY, XDG_RUNTIME_DIR or TMPDIR must name a writable folder whose path "
        f"has no blanks and at most {_PATH_LIMIT_BYTES} bytes"
    )

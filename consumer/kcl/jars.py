"""Where the KCL's jars are.

amazon_kclpy brings them from Maven when it is *installed* and, when its build lacks `wheel`, installs without any
and says nothing (awslabs/amazon-kinesis-client-python issue 252). So they are looked for before each start.
"""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path

from consumer.errors import MissingPrerequisiteError

MULTILANG_JAR = "amazon-kinesis-client-multilang-*.jar"
DAEMON_CLASS = "software.amazon.kinesis.multilang.MultiLangDaemon"

_FIX = (
    "run `make setup`; or install it again where Maven Central can be reached: "
    "`pip install setuptools wheel && pip install --force-reinstall --no-build-isolation --no-deps amazon_kclpy`; "
    "or copy the jars from a machine that has them and set kcl.jar_folder to that folder"
)


def find_jars(jar_folder: str = "") -> tuple[Path, ...]:
    """Every jar of the daemon's class path, sorted. `jar_folder` empty = inside amazon_kclpy.

    Raises MissingPrerequisiteError when the multilang jar or its companions are not there.
    """
    folder = Path(jar_folder) if jar_folder else packaged_jar_folder()
    jars = tuple(sorted(folder.glob("*.jar"))) if folder.is_dir() else ()
    if not any(jar.match(MULTILANG_JAR) for jar in jars):
        raise MissingPrerequisiteError(f"{MULTILANG_JAR} is not in {folder}: {_FIX}")
    if not any(jar.match("amazon-kinesis-client-[0-9]*.jar") for jar in jars):
        raise MissingPrerequisiteError(f"{folder} holds only a part of the KCL ({len(jars)} jars): {_FIX}")
    return jars


def packaged_jar_folder() -> Path:
    """amazon_kclpy's folder of jars, found without importing it."""
    spec = importlib.util.find_spec("amazon_kclpy")
    if spec is None or spec.origin is None:
        raise MissingPrerequisiteError(f"the package amazon_kclpy is not installed: {_FIX}")
    return Path(spec.origin).parent / "jars"


def class_path(jars: tuple[Path, ...]) -> str:
    """The JVM's `-cp` argument."""
    return os.pathsep.join(str(jar) for jar in jars)

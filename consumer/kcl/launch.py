"""Everything one daemon needs on disk before it starts, and the command that starts it.

Written anew for each start of the agent into the stream's own folder of the state folder: what the daemon runs with
can be read there.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from consumer.kcl.class_archive import archive_flags
from consumer.kcl.jars import DAEMON_CLASS, class_path, find_jars
from consumer.kcl.java import find_java
from consumer.kcl.properties import Placement, read_template, render_properties
from consumer.kcl.proxy import proxy_arguments, without_proxy
from consumer.kcl.settings import KclSettings, StreamSettings
from consumer.kcl.trust_store import trust_store_flags, write_trust_store

FIRST_START = "first-start"


@dataclass(frozen=True, slots=True)
class Launch:
    """The command and the environment of one daemon."""

    command: tuple[str, ...]
    environment: Mapping[str, str]


def prepare_launch(
    kcl: KclSettings, stream: StreamSettings, folder: Path, placement: Placement, environment: Mapping[str, str]
) -> Launch:
    """Find Java and the jars, write properties, logging and trust store into `folder`.

    Raises MissingPrerequisiteError (Java, jars) and ConfigurationError (properties, trust) with what to do.
    """
    java, jars = find_java(environment), find_jars(kcl.jar_folder)
    properties, logback = folder / "kinesis.properties", folder / "logback.xml"
    properties.write_text(render_properties(kcl, stream, placement, environment), encoding="utf-8")
    logback.write_text(read_template("logback.xml"), encoding="utf-8")
    flags: list[str] = []
    if bundle := environment.get("AWS_CA_BUNDLE"):
        store = folder / "trust-store.jks"
        write_trust_store(Path(bundle), store)
        flags = trust_store_flags(store)
    command = (
        str(java),
        f"-Xmx{kcl.max_heap_mb}m",
        "-XX:+UseSerialGC",  # the work is light; other collectors cost threads and memory
        "-XX:-UsePerfData",  # no files in /tmp/hsperfdata_*
        "-XX:+ExitOnOutOfMemoryError",  # a JVM that limps keeps its leases
        *archive_flags(java, jars),
        f"-Dlogback.configurationFile={logback.as_uri()}",
        *flags,
        *proxy_arguments(environment, folder / "proxy.arguments"),
        "-cp",
        class_path(jars),
        DAEMON_CLASS,
        "--properties-file",
        str(properties),
    )
    # glibc gives every thread its own arena; a JVM has many threads and needs few.
    return Launch(command, {"MALLOC_ARENA_MAX": "2", **without_proxy(environment)})


def first_start(folder: Path, now: float) -> int:
    """Unix seconds of the first start with this application: `now` the first time, then what was kept."""
    file = folder / FIRST_START
    try:
        return int(file.read_text(encoding="ascii"))
    except (FileNotFoundError, ValueError):
        temporary = file.with_name(f".{FIRST_START}.{os.getpid()}")
        temporary.write_text(str(int(now)), encoding="ascii")
        temporary.replace(file)
        return int(now)

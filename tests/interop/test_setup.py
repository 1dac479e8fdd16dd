"""`make setup` in a fresh copy of the tree, as on a machine without Java and Node and in a folder with a blank.

Slow (a whole environment is installed, from the package caches where there are any) and worth it: nothing else shows
that a newcomer's two commands work.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
HIDDEN = ("java", "node", "npm", "npx", "corepack", "jdk", "jre")
SETUP_SECONDS = 600
DEMO_SECONDS = 300

pytestmark = [pytest.mark.foreign, pytest.mark.timeout(SETUP_SECONDS + DEMO_SECONDS)]


@dataclass(frozen=True)
class Copy:
    """A fresh copy of the tree and an environment in which there is neither Java nor Node."""

    folder: Path
    environment: dict[str, str]

    def make(self, *arguments: str, seconds: float, **more: str) -> subprocess.CompletedProcess[str]:
        # A virtual environment made by another one's Python would lead back to it.
        python = f"PYTHON={Path(sys.base_prefix) / 'bin' / 'python3'}"
        return subprocess.run(
            ["make", python, *arguments],
            cwd=self.folder,
            env={**self.environment, **more},
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )

    def run(self, *argv: str) -> str:
        done = subprocess.run(
            argv, cwd=self.folder, env=self.environment, capture_output=True, text=True, timeout=120, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Copy]:
    base = tmp_path_factory.mktemp("fresh")
    made = {".venv", ".tools", ".git", "var", "build", "dist"}

    def is_made(_: str, names: list[str]) -> set[str]:
        return {name for name in names if name in made or name.endswith(("_cache", "__pycache__", ".egg-info"))}

    shutil.copytree(ROOT, base / "a clone", symlinks=True, ignore=is_made)
    environment = {
        name: value
        for name, value in os.environ.items()
        if name not in ("JAVA_HOME", "VIRTUAL_ENV", "NUMBA_CACHE_DIR") and not name.startswith(("AWS_", "MAKE"))
    }
    environment["PATH"] = str(path_without_java_and_node(base / "bin"))
    yield Copy(base / "a clone", environment)
    shutil.rmtree(base)


def path_without_java_and_node(folder: Path) -> Path:
    """One folder with a link to every program on the PATH but those."""
    folder.mkdir()
    for place in os.environ["PATH"].split(os.pathsep):
        for program in Path(place).glob("*") if place else ():
            link = folder / program.name
            if not program.name.startswith(HIDDEN) and not link.is_symlink() and os.access(program, os.X_OK):
                link.symlink_to(program)
    return folder


@pytest.fixture(scope="module")
def set_up(copy: Copy) -> str:
    """What set-up printed; it worked."""
    assert shutil.which("java", path=copy.environment["PATH"]) is None
    assert shutil.which("node", path=copy.environment["PATH"]) is None
    began_at = time.monotonic()
    done = copy.make("setup", seconds=SETUP_SECONDS)
    print(f"set-up took {time.monotonic() - began_at:.0f} s")
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_set_up_without_a_terminal_names_every_step_in_plain_lines(set_up: str) -> None:
    assert all(f"[{number}/6] " in set_up for number in range(1, 7))
    assert "\x1b" not in set_up
    assert "\r" not in set_up
    assert ".venv/bin/vpcflow is ready" in set_up


def test_java_and_node_come_from_the_package_index_when_the_machine_has_none(copy: Copy, set_up: str) -> None:
    code = "from consumer.kcl.java import find_java; from consumer.demo.node import find_node; "
    found = copy.run(".venv/bin/python", "-c", code + "print(find_java(), find_node().node, sep='\\n')").splitlines()
    assert [Path(path).is_relative_to(copy.folder / ".venv") for path in found] == [True, True]


def test_the_command_set_up_leaves_behind_runs_from_a_path_with_a_blank(copy: Copy, set_up: str) -> None:
    assert copy.run(".venv/bin/vpcflow", "--version").startswith("vpcflow ")


def test_a_second_set_up_has_nothing_to_do(copy: Copy, set_up: str) -> None:
    began_at = time.monotonic()
    done = copy.make("setup", seconds=60)
    print(f"the second set-up took {time.monotonic() - began_at:.2f} s")
    assert (done.returncode, done.stdout) == (0, "set-up is up to date\n")


def test_a_deleted_part_is_put_back(copy: Copy, set_up: str) -> None:
    shutil.rmtree(copy.folder / ".tools" / "emulators")
    done = copy.make("setup", seconds=SETUP_SECONDS)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "[5/6]" in done.stdout
    assert "[2/6]" not in done.stdout


def test_lost_jars_are_fetched_again(copy: Copy, set_up: str) -> None:
    [jars] = (copy.folder / ".venv" / "lib").glob("python3*/site-packages/amazon_kclpy/jars")
    for jar in jars.glob("*.jar"):
        jar.unlink()
    done = copy.make("setup", seconds=SETUP_SECONDS)
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(list(jars.glob("*.jar"))) > 50


def test_the_demo_runs_on_what_set_up_installed(copy: Copy, set_up: str) -> None:
    done = copy.make("demo", "FOR=3", seconds=DEMO_SECONDS)
    print(done.stdout)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "every flow written was received" in done.stdout


def test_a_package_index_out_of_reach_is_one_line_that_says_what_to_do(copy: Copy) -> None:
    """In another copy, because this set-up must begin at the beginning; last, because it changes nothing there."""
    other = Copy(copy.folder.parent / "another clone", copy.environment)
    shutil.copytree(copy.folder, other.folder, ignore=shutil.ignore_patterns(".venv", ".tools"))
    nowhere = "http://127.0.0.1:9/simple"  # the discard port: nobody listens
    done = other.make(
        "setup", seconds=SETUP_SECONDS, PIP_INDEX_URL=nowhere, UV_DEFAULT_INDEX=nowhere, PIP_NO_CACHE_DIR="1"
    )
    assert done.returncode == 2
    [said] = [line for line in done.stderr.splitlines() if line.startswith("set-up")]
    assert "package index cannot be reached" in said

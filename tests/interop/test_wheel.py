"""The wheel, installed as an image or an operator installs it: with the lock as constraints, outside any checkout."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
UV = [sys.executable, "-m", "uv"]

pytestmark = [pytest.mark.foreign, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with the wheel and a JRE in it: its bin folder."""
    base = tmp_path_factory.mktemp("wheel")
    python = base / "environment" / "bin" / "python"
    lock = str(ROOT / "requirements.lock")
    run(*UV, "build", "--out-dir", str(base), str(ROOT))  # by way of an sdist: leaves no build folder in the tree
    [wheel] = base.glob("*.whl")
    run(*UV, "venv", "--python", sys.executable, str(base / "environment"))
    run(*UV, "pip", "install", "--python", str(python), "--constraint", lock, f"vpcflow[java] @ {wheel.as_uri()}")
    return python.parent


def run(*argv: str, folder: Path | None = None) -> str:
    done = subprocess.run(argv, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_command_answers_outside_a_checkout(installed: Path, tmp_path: Path) -> None:
    assert run(str(installed / "vpcflow"), "--version", folder=tmp_path).startswith("vpcflow ")
    elements = json.loads(run(str(installed / "vpcflow"), "elements", folder=tmp_path))
    assert len(elements) > 50


def test_what_the_daemon_needs_is_in_the_installation(installed: Path, tmp_path: Path) -> None:
    code = (
        "from importlib import resources; from consumer.kcl.jars import find_jars;"
        "templates = resources.files('consumer.kcl') / 'templates';"
        "print(len(find_jars()), *sorted(file.name for file in templates.iterdir() if file.is_file()))"
    )
    count, *templates = run(str(installed / "python"), "-c", code, folder=tmp_path).split()
    assert int(count) > 50
    assert {"kinesis.properties", "logback.xml"} <= set(templates)


def test_versions_are_those_of_the_lock(installed: Path) -> None:
    locked = {line.split(" ")[0] for line in (ROOT / "requirements.lock").read_text().splitlines() if "==" in line}
    found = run(*UV, "pip", "freeze", "--python", str(installed / "python")).split("\n")
    ours = {line for line in found if "==" in line}
    assert len(ours) > 20
    assert ours <= locked


def test_test_tools_are_not_installed_with_the_product(installed: Path) -> None:
    found = run(*UV, "pip", "freeze", "--python", str(installed / "python"))
    assert not {"pytest", "moto", "mypy", "ruff"} & {line.split("==")[0] for line in found.splitlines()}

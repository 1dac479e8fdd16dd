"""An agent keeps its id over restarts, and never shares it with a living agent."""

from __future__ import annotations

from pathlib import Path

import pytest

from consumer.errors import ConfigurationError
from consumer.state.identity import StateFolder


def test_the_agent_id_survives_a_restart(tmp_path: Path) -> None:
    with StateFolder(tmp_path / "state") as first:
        kept = first.agent_id
    with StateFolder(tmp_path / "state") as second:
        assert second.agent_id == kept


def test_two_agents_have_different_ids(tmp_path: Path) -> None:
    with StateFolder(tmp_path / "a") as first, StateFolder(tmp_path / "b") as second:
        assert first.agent_id != second.agent_id


def test_a_second_agent_on_the_same_folder_is_refused_with_the_fix(tmp_path: Path) -> None:
    with (
        StateFolder(tmp_path),
        pytest.raises(ConfigurationError, match="another agent runs with it"),
        StateFolder(tmp_path),
    ):
        pass


def test_what_is_remembered_first_stays(tmp_path: Path) -> None:
    with StateFolder(tmp_path) as state:
        assert state.remember("started_at/flow", 100.0) == 100.0
        assert state.remember("started_at/flow", 200.0) == 100.0


def test_a_corrupt_identity_is_set_aside_and_the_agent_starts(tmp_path: Path) -> None:
    (tmp_path / "identity.json").write_bytes(b"{")
    with StateFolder(tmp_path) as state:
        assert state.agent_id
    assert (tmp_path / "identity.corrupt").read_bytes() == b"{"

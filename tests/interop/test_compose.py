"""compose.yaml, as Docker Compose's own library reads it: the schema, the merges, what depends on what."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
COMPOSE = ROOT / ".tools" / "bin" / "cmd"
"""compose-go's command (scripts/collectors.py)."""

pytestmark = pytest.mark.foreign


def read(file: Path) -> subprocess.CompletedProcess[str]:
    every = {**os.environ, "COMPOSE_PROFILES": "*"}
    command = [str(COMPOSE), "-format", "json", str(file)]
    return subprocess.run(command, cwd=ROOT, env=every, capture_output=True, text=True, check=False)


def test_every_service_is_valid_and_the_agents_are_hardened() -> None:
    done = read(ROOT / "compose.yaml")
    assert done.returncode == 0, done.stderr
    services: dict[str, dict[str, Any]] = json.loads(done.stdout)["services"]
    agents = [one for one in services.values() if one["image"] == "vpcflow:agent"]

    assert {"agent-goflow2", "agent-nfcapd", "goflow2", "nfcapd", "demo"} == set(services)
    assert all(one["read_only"] and one["cap_drop"] == ["ALL"] for one in agents)
    assert all(set(one["depends_on"]) <= set(services) for one in agents)


def test_a_key_that_compose_does_not_know_would_be_found(tmp_path: Path) -> None:
    wrong = tmp_path / "compose.yaml"
    wrong.write_text((ROOT / "compose.yaml").read_text().replace("read_only:", "read_onyl:"))
    done = read(wrong)

    assert done.returncode != 0
    assert "read_onyl" in done.stderr

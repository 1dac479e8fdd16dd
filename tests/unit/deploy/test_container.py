"""Dockerfile and compose.yaml against each other and against the code."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from consumer.aws.operations import OPERATIONS
from consumer.config import AgentSettings
from consumer.kcl.settings import KclSettings
from deploy.image.slim import CREDENTIALS, unused_models

ROOT = Path(__file__).resolve().parents[3]
DOCKERFILE = (ROOT / "Dockerfile").read_text()
TARGETS = {"agent", "parquet", "demo"}


def services() -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]
    return found


def test_compose_runs_what_the_dockerfile_builds() -> None:
    stages = set(re.findall(r"^FROM \S+ AS (\S+)$", DOCKERFILE, flags=re.MULTILINE))
    images = {one["image"].partition(":")[2] for one in services().values() if one["image"].startswith("vpcflow:")}
    assert images <= TARGETS <= stages
    assert DOCKERFILE.rstrip().endswith("FROM agent"), "a build without a target makes the agent"


def test_the_agent_in_compose_writes_only_its_volume_and_may_do_nothing_else() -> None:
    agents = [one for one in services().values() if one["image"] == "vpcflow:agent"]
    needed = AgentSettings().stop_grace_seconds + KclSettings().shutdown_grace_ms / 1000
    for agent in agents:
        assert (agent["read_only"], agent["cap_drop"], agent["tmpfs"]) == (True, ["ALL"], ["/tmp"])
        assert agent["volumes"][0] == "state:/var/lib/vpcflow"
        assert float(agent["stop_grace_period"].removesuffix("s")) > needed
    assert len(agents) == 2


def test_every_image_runs_as_a_number() -> None:
    finals = re.split(r"^FROM ", DOCKERFILE, flags=re.MULTILINE)
    for target in TARGETS:
        (stage,) = [text for text in finals if text.split("\n")[0].endswith(f" AS {target}")]
        assert "USER 10001:0" in stage


def test_nothing_but_what_is_copied_reaches_the_builder() -> None:
    allowed = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    own = [line.split()[1:-1] for line in DOCKERFILE.splitlines() if line.startswith("COPY ") and "--from" not in line]
    copied = {name for names in own for name in names}
    assert all(any(name == one or name.startswith(f"{one}/") for one in allowed) for name in copied)
    assert allowed <= copied | {"deploy/image"}


def test_the_image_keeps_the_models_of_every_service_that_is_called(tmp_path: Path) -> None:
    used = {operation.service for operation in OPERATIONS} | CREDENTIALS
    for name in (*used, "workspaces"):
        (tmp_path / name).mkdir()
    (tmp_path / "endpoints.json").touch()

    assert [path.name for path in unused_models(tmp_path)] == ["workspaces"]

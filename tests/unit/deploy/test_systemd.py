"""What the unit says against what the code does."""

from __future__ import annotations

import configparser
import re
from pathlib import Path

from consumer.commands.common import EXIT_USAGE
from consumer.config import AgentSettings
from consumer.kcl.settings import KclSettings

FOLDER = Path(__file__).resolve().parents[3] / "deploy" / "systemd"


def service() -> dict[str, str]:
    parser = configparser.RawConfigParser(strict=False)
    parser.optionxform = str  # type: ignore[assignment,method-assign]  # keeps capital letters
    parser.read(FOLDER / "vpcflow.service")
    return dict(parser["Service"])


def test_a_stop_goes_to_the_agent_alone_and_has_time_for_the_last_checkpoint() -> None:
    agent, kcl = AgentSettings(), KclSettings()
    needed = agent.stop_grace_seconds + kcl.shutdown_grace_ms / 1000
    assert service()["KillMode"] == "mixed"
    assert float(service()["TimeoutStopSec"]) > 1.5 * needed


def test_a_faulty_configuration_is_not_tried_again_and_again() -> None:
    assert service()["RestartPreventExitStatus"] == str(EXIT_USAGE)
    assert service()["Restart"] == "always"


def test_state_cache_and_sockets_have_folders_that_only_the_service_sees() -> None:
    assert service()["DynamicUser"] == "yes"
    assert {name: service()[name] for name in ("StateDirectory", "RuntimeDirectory", "CacheDirectory")} == {
        "StateDirectory": "vpcflow",
        "RuntimeDirectory": "vpcflow",
        "CacheDirectory": "vpcflow",
    }


def test_a_reload_is_the_signal_that_the_agent_reads_its_estate_by() -> None:
    app = (Path(__file__).resolve().parents[3] / "consumer" / "agent" / "agent.py").read_text()
    assert "-HUP" in service()["ExecReload"]
    assert "signal.SIGHUP" in app


def test_the_sample_environment_sets_nothing_by_itself() -> None:
    lines = (FOLDER / "environment").read_text().splitlines()
    assert all(not line or line.startswith("#") for line in lines)
    assert len([line for line in lines if re.match(r"#[A-Z_0-9]+=", line)]) >= 5

"""`vpcflow health` against a real endpoint."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from click.testing import CliRunner

from consumer.cli import main
from consumer.demo.emulators import free_ports
from consumer.telemetry.health import Health
from consumer.telemetry.metrics import Metrics
from consumer.telemetry.probe import ask
from consumer.telemetry.server import TelemetryServer


@pytest.fixture
def health() -> Health:
    return Health(lambda: 0.0)


@pytest.fixture
def listen(health: Health) -> Iterator[str]:
    server = TelemetryServer("127.0.0.1", 0, Metrics(), health, dict)
    server.start()
    yield f"127.0.0.1:{server.port}"
    server.close()


def test_an_agent_that_waits_for_a_collector_is_up(health: Health, listen: str) -> None:
    health.set("collector main", "waiting", "nobody listens")

    answer = ask(listen)
    assert answer.is_up
    assert answer.lines == ("waiting", "collector main: waiting, nobody listens")


def test_an_agent_with_a_failing_part_is_not_up_and_says_which(health: Health, listen: str) -> None:
    health.set("stream flow", "failing", "the daemon ended")

    answer = ask(listen)
    assert not answer.is_up
    assert "stream flow: failing, the daemon ended" in answer.lines


def test_every_address_means_loopback(health: Health, listen: str) -> None:
    assert ask(listen.replace("127.0.0.1", "0.0.0.0")).is_up


def test_an_agent_that_is_not_there_is_not_up() -> None:
    (port,) = free_ports(1)

    answer = ask(f"127.0.0.1:{port}")
    assert not answer.is_up
    assert "no agent answers" in answer.lines[0]


def test_the_command_takes_the_address_from_the_agents_own_variable(listen: str) -> None:
    result = CliRunner().invoke(main, ["health"], env={"VPCFLOW__TELEMETRY__LISTEN": listen})

    assert (result.exit_code, result.stdout) == (0, "ok\n")

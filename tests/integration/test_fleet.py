"""Two agents of a fleet on one machine: one is killed or paused, the other goes on, and no flow is lost."""

from __future__ import annotations

import itertools
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.emulated_estate import MotoServer
from tests.support.estate import wait_until
from tests.support.flow_agent import FlowCollector
from tests.support.polling_agent import GroupLoad, PolledGroup, PollingAgent

pytestmark = [pytest.mark.soak, pytest.mark.timeout(900)]
LEASE_SECONDS = 20.0
_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def moto() -> Iterator[MotoServer]:
    with MotoServer() as server:
        yield server


class Pair:
    """Two agents with a state folder each, one table, one log group that either may poll, one collector."""

    def __init__(self, moto: MotoServer, folder: Path, collector: FlowCollector) -> None:
        self.group = PolledGroup(moto.endpoint, f"/vpc/fleet-{next(_numbers)}")
        state = {"backend": "dynamodb", "fleet": folder.name[-60:], "lease_seconds": LEASE_SECONDS}
        self.agents = [
            PollingAgent(folder / name, moto.endpoint, [self.group.name], collector.port, {"state": state})
            for name in ("one", "two")
        ]

    def poller(self) -> PollingAgent:
        """Who polls the group, once somebody does."""
        found: list[PollingAgent] = []

        def look() -> bool:
            found[:] = [agent for agent in self.agents if self._component(agent).get("state") == "ok"]
            return bool(found)

        wait_until(look, "somebody polls the group", 240)
        return found[0]

    def _component(self, agent: PollingAgent) -> dict[str, str]:
        components = agent.health().get("components", {}) if agent.process.poll() is None else {}
        found: dict[str, str] = components.get(f"log group 123456789012/us-east-1/{self.group.name}", {})
        return found


def test_a_killed_agents_group_is_polled_by_the_other_and_nothing_is_lost(moto: MotoServer, tmp_path: Path) -> None:
    with FlowCollector() as collector:
        pair = Pair(moto, tmp_path, collector)
        one, two = pair.agents
        with one, two, GroupLoad(pair.group):
            first = pair.poller()
            other = two if first is one else one
            wait_until(lambda: len(collector.arrived) >= 200, "flows arrive", 240)
            first.process.kill()
            first.process.wait()
            killed_at = time.time()
            wait_until(lambda: pair._component(other).get("state") == "ok", "the other exports", 240)
            print(f"\npolled again {time.time() - killed_at:.1f} s after the kill (lease {LEASE_SECONDS:g} s)")
            sent = pair.group.sent
            wait_until(lambda: collector.arrived.keys() >= set(range(sent)), "no flow is lost", 240)
        print(f"{collector.repeats()} of {sent} flows came again")
        assert collector.repeats() <= sent, "what arrived within the margin before the kill, once"


def test_a_paused_agent_that_comes_back_is_fenced_off_and_ends_with_a_message(moto: MotoServer, tmp_path: Path) -> None:
    with FlowCollector() as collector:
        pair = Pair(moto, tmp_path, collector)
        one, two = pair.agents
        with one, two, GroupLoad(pair.group):
            first = pair.poller()
            other = two if first is one else one
            wait_until(lambda: len(collector.arrived) >= 200, "flows arrive", 240)
            os.kill(first.process.pid, signal.SIGSTOP)
            wait_until(lambda: pair._component(other).get("state") == "ok", "the other polls", 240)
            os.kill(first.process.pid, signal.SIGCONT)
            assert first.process.wait(240) == 1
            sent = pair.group.sent
            wait_until(lambda: collector.arrived.keys() >= set(range(sent)), "no flow is lost", 240)
        assert "of the fleet is lost" in first.log()
        assert collector.repeats() <= sent

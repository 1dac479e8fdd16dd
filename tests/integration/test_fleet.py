"""Two agents of a fleet on one machine: one is killed or paused, the other goes on, and no flow is lost."""

from __future__ import annotations

import itertools
import os
import signal
import time
from pathlib import Path

import boto3
import pytest

from tests.support.emulated_estate import MotoServer
from tests.support.estate import wait_until
from tests.support.flow_agent import FlowCollector
from tests.support.polling_agent import REGION, GroupLoad, PolledGroup, PollingAgent

pytestmark = [pytest.mark.soak, pytest.mark.timeout(900)]
LEASE_SECONDS = 15.0
"""The default, which promises a takeover within 30 s."""
MARGIN_SECONDS = 30
"""As short as it may be."""
_numbers = itertools.count(1)


class Pair:
    """Two agents with a state folder each, one table, one log group that either may poll, one collector."""

    def __init__(self, moto: MotoServer, folder: Path, collector: FlowCollector) -> None:
        self.group = PolledGroup(moto.endpoint, f"/vpc/fleet-{next(_numbers)}")
        state = {"backend": "dynamodb", "fleet": folder.name[-60:], "lease_seconds": LEASE_SECONDS}
        self.agents = [
            PollingAgent(
                folder / name,
                moto.endpoint,
                [self.group.name],
                collector.port,
                {"state": state, "repeats": {"margin_seconds": MARGIN_SECONDS}},
            )
            for name in ("one", "two")
        ]
        self._fleet = folder.name[-60:]
        self._table = boto3.client(
            "dynamodb", region_name=REGION, endpoint_url=moto.endpoint,
            aws_access_key_id="fleet", aws_secret_access_key="emulated",
        )  # fmt: skip

    def poller(self) -> PollingAgent:
        """Who polls the group, once somebody does."""
        found: list[PollingAgent] = []

        def look() -> bool:
            found[:] = [agent for agent in self.agents if self.is_polled_by(agent)]
            return bool(found)

        wait_until(look, "somebody polls the group", 240)
        return found[0]

    def position(self) -> float:
        """Up to which arrival (Unix seconds) the group is swept, as the fleet's table has it."""
        key = {"fleet": {"S": self._fleet}, "item": {"S": f"group#123456789012/us-east-1/{self.group.name}"}}
        item = self._table.get_item(TableName="vpcflow-state", Key=key)["Item"]
        return float(item["swept_until"]["N"])

    def is_polled_by(self, agent: PollingAgent) -> bool:
        return self._component(agent).get("state") == "ok"

    def may_repeat(self, position: float) -> set[int]:
        """Flows that arrived after the margin before a position: what an agent that takes over reads again."""
        return {number for number, at in list(self.group.put_at.items()) if at > position - MARGIN_SECONDS}

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
            began = pair.position()
            wait_until(lambda: pair.position() > began + 2 * MARGIN_SECONDS, "more than the margin is swept", 240)
            first.process.kill()
            first.process.wait()
            killed_at, position = time.time(), pair.position()
            wait_until(lambda: pair.is_polled_by(other), "the other exports", 240)
            print(f"\npolled again {time.time() - killed_at:.1f} s after the kill (lease {LEASE_SECONDS:g} s)")
            sent = pair.group.sent
            wait_until(lambda: collector.arrived.keys() >= set(range(sent)), "no flow is lost", 240)
        repeated = {number for number, count in collector.arrived.items() if count > 1}
        allowed = pair.may_repeat(position)
        print(f"{len(repeated)} of {sent} flows came again, position {killed_at - position:.1f} s old at the kill")
        assert len(allowed) < sent - 1000, "there is much that may not repeat"
        assert repeated <= allowed
        assert max(collector.arrived.values()) <= 2, "once for each takeover"


def test_a_paused_agent_that_comes_back_is_fenced_off_and_ends_with_a_message(moto: MotoServer, tmp_path: Path) -> None:
    with FlowCollector() as collector:
        pair = Pair(moto, tmp_path, collector)
        one, two = pair.agents
        with one, two, GroupLoad(pair.group):
            first = pair.poller()
            other = two if first is one else one
            wait_until(lambda: len(collector.arrived) >= 200, "flows arrive", 240)
            began = pair.position()
            wait_until(lambda: pair.position() > began + 2 * MARGIN_SECONDS, "more than the margin is swept", 240)
            os.kill(first.process.pid, signal.SIGSTOP)
            position = pair.position()
            wait_until(lambda: pair.is_polled_by(other), "the other polls", 240)
            os.kill(first.process.pid, signal.SIGCONT)
            assert first.process.wait(240) == 1
            sent = pair.group.sent
            wait_until(lambda: collector.arrived.keys() >= set(range(sent)), "no flow is lost", 240)
        assert "of the fleet is lost" in first.log()
        repeated = {number for number, count in collector.arrived.items() if count > 1}
        print(f"\n{len(repeated)} of {sent} flows came again")
        assert repeated <= pair.may_repeat(position)

"""Polling takes over from a stream and gives back, with the real daemon: nothing lost or twice, every switch told.

Windows are shortened; the outages of minutes are in `make soak`.
"""

from __future__ import annotations

import itertools
import time
from pathlib import Path
from typing import Any

import pytest

from consumer.demo.emulators import ACCOUNT, REGION
from tests.integration.conftest import MakeEstate
from tests.support.blockable_java import BlockableJava
from tests.support.estate import Estate, kill, wait_until
from tests.support.flow_agent import FlowAgent, FlowCollector, agent_id
from tests.support.two_ways import TwoWays

pytestmark = [pytest.mark.jvm, pytest.mark.timeout(900)]

LONG_SECONDS = 300.0
FAILOVER_SECONDS, INTERVAL_SECONDS = 3, 1
_numbers = itertools.count(1)


def settings(group: str, stream: str) -> str:
    """A stream whose log group is known, in words of the configuration."""
    return f"""
[polling]
interval_seconds = {INTERVAL_SECONDS}
look_back_seconds = 120
[fallback]
failover_after_seconds = {FAILOVER_SECONDS}
probe_seconds = 5
lease_look_seconds = 1
[[log_groups]]
name = "{group}"
account = "{ACCOUNT}"
region = "{REGION}"
stream = "{stream}"
"""


def modes(health: dict[str, Any]) -> list[str]:
    return [switch["after"] for switch in health.get("switches", [])]


def by_stream(agent: FlowAgent) -> None:
    """Wait until the stream reports; a slow start may have been polled over."""
    wait_until(
        lambda: [one["mode"] for one in agent.health().get("fallback", ())] == ["stream"],
        "the stream reports",
        LONG_SECONDS,
    )


def test_polling_takes_over_from_a_dead_daemon_and_from_a_broken_subscription_and_gives_back(
    make_estate: MakeEstate, tmp_path: Path
) -> None:
    """One agent's life: its daemon is killed and kept from starting, and comes back; then the subscription breaks
    without a word, and is mended. Its leases are looked at all the while, and say nothing wrong."""
    estate = make_estate(owner=agent_id)
    java = BlockableJava(tmp_path, estate.environment)
    group = f"/two-ways-{next(_numbers)}"
    further = settings(group, estate.stream.name)
    with (
        FlowCollector() as collector,
        TwoWays(estate, group) as flows,
        FlowAgent(estate, collector.port, tables=further, environment=java.environment) as agent,
    ):
        wait_until(lambda: len(collector.arrived) > 300, "flows arrive", LONG_SECONDS)
        by_stream(agent)
        a_dead_daemon_is_replaced(agent, estate, java, flows, collector, group)
        by_stream(agent)
        a_broken_subscription_is_found(agent, flows, collector)
        label = f'log_group="{ACCOUNT}/{REGION}/{group}"'
        wait_until(
            lambda: agent.metrics().get(f"vpcflow_polled_for_stream{{{label}}}") == 0,
            "the metric says so",
            LONG_SECONDS,
        )
        assert f'vpcflow_source_switches_total{{{label},to="polling"}}' in agent.metrics()
        assert agent.log().count('"event":"source switched"') == len(modes(agent.health()))
        assert "leases are not known" not in agent.log()
    assert collector.repeats() == 0


def a_dead_daemon_is_replaced(
    agent: FlowAgent, estate: Estate, java: BlockableJava, flows: TwoWays, collector: FlowCollector, group: str
) -> None:
    before = len(modes(agent.health()))
    java.block()
    died_at = time.time()
    kill(estate.daemons()[0])
    sent = flows.sent
    wait_until(lambda: modes(agent.health())[before:] == ["polling"], "polling takes over", LONG_SECONDS)
    switch = agent.health()["switches"][before]
    wait_until(lambda: any(number > sent for number in list(collector.arrived)), "flows by polling", LONG_SECONDS)
    print(f"\nswitched {switch['at'] - died_at:.1f} s after the daemon's death (set: {FAILOVER_SECONDS} s),")
    print(f"first newer flow at the collector {time.time() - died_at:.1f} s after it")
    assert switch["reason"].startswith(f"Kinesis for {FAILOVER_SECONDS} s: ")
    condition = agent.health()["components"][f"fallback {ACCOUNT}/{REGION}/{group}"]
    assert condition["state"] == "waiting"
    assert "polled in place of stream" in condition["reason"]
    java.unblock()
    back_at = time.time()
    wait_until(lambda: modes(agent.health())[-1:] == ["stream"], "Kinesis reports again", LONG_SECONDS)
    print(f"back to Kinesis {time.time() - back_at:.1f} s after the daemon may start again")
    assert set(modes(agent.health())[before:]) == {"polling", "returning", "leaving", "stream"}
    everything_arrives(flows, collector)


def a_broken_subscription_is_found(agent: FlowAgent, flows: TwoWays, collector: FlowCollector) -> None:
    before = len(modes(agent.health()))
    flows.is_subscribed = False
    broken_at = time.time()

    def reasons() -> list[str]:
        """Why it was polled since; on a machine that stands still, also because the daemon did."""
        return [one["reason"] for one in agent.health().get("switches", [])[before:] if one["after"] == "polling"]

    wait_until(lambda: "its subscription brings nothing" in " ".join(reasons()), "it is found", LONG_SECONDS)
    print(f"\nfound and switched {time.time() - broken_at:.1f} s after it broke")
    everything_arrives(flows, collector)
    flows.is_subscribed = True
    wait_until(lambda: modes(agent.health())[-1:] == ["stream"], "Kinesis reports again", LONG_SECONDS)
    everything_arrives(flows, collector)


def everything_arrives(flows: TwoWays, collector: FlowCollector) -> None:
    """Whatever was written until now."""
    sent = flows.sent
    wait_until(lambda: collector.arrived.keys() >= set(range(sent)), "every flow arrived", LONG_SECONDS)

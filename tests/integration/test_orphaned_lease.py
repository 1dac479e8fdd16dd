"""A fleet of two with the real daemons and a stream that they share: one agent dies, and nobody may take its shard. The
other one polls the log group until a third has come for the dead one's place. Then the subscription breaks without a
word, which only both together can know. Nothing is lost, and what comes twice is within the promise."""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from consumer.demo.emulators import ACCOUNT, REGION
from consumer.kcl.properties import lease_table, living_seconds, worker_id
from tests.integration.conftest import MakeEstate
from tests.support.estate import Estate, kill, wait_until
from tests.support.flow_agent import FlowAgent, FlowCollector
from tests.support.two_ways import TwoWays

pytestmark = [pytest.mark.jvm, pytest.mark.soak, pytest.mark.timeout(1200)]

PATIENCE_SECONDS = 240.0
FAILOVER_SECONDS, INTERVAL_SECONDS, LOOK_SECONDS = 20.0, 1.0, 1.0
MARGIN_SECONDS = 30
"""As short as it may be."""
LEASE_SECONDS = 30
"""Of a slot: how long the third agent waits for the dead one's."""
_numbers = itertools.count(1)


def tables(group: str, estate: Estate) -> str:
    """One lease for each worker and no more: so nobody has room for the dead one's."""
    return f"""
[streams.properties]
maxLeasesForWorker = "1"
[state]
backend = "dynamodb"
fleet = "{estate.stream.name}"
lease_seconds = {LEASE_SECONDS}
[repeats]
margin_seconds = {MARGIN_SECONDS}
[polling]
interval_seconds = {INTERVAL_SECONDS}
look_back_seconds = 120
[fallback]
failover_after_seconds = {FAILOVER_SECONDS}
lease_look_seconds = {LOOK_SECONDS}
probe_seconds = 5
[[log_groups]]
name = "{group}"
account = "{ACCOUNT}"
region = "{REGION}"
stream = "{estate.stream.name}"
"""


class Flows(TwoWays):
    """`at`: when each was written, Unix seconds."""

    def __init__(self, estate: Estate, group: str) -> None:
        super().__init__(estate, group)
        self.kcl = estate.kcl
        self.at: dict[int, float] = {}

    def turn(self) -> None:
        first, now = self.sent, time.time()
        super().turn()
        self.at.update((number, now) for number in range(first, self.sent))


def share_the_shards(estate: Estate) -> None:
    """As a fleet has settled: each of two workers holds a lease."""
    dynamo, table = estate.client("dynamodb"), lease_table(estate.kcl, estate.stream)
    for number, shard in enumerate(sorted(estate.leases()), start=1):
        dynamo.update_item(
            TableName=table,
            Key={"leaseKey": {"S": shard}},
            UpdateExpression="SET leaseOwner = :owner",
            ExpressionAttributeValues={":owner": {"S": worker_id(f"slot-{number}", estate.stream)}},
        )


def owners(estate: Estate) -> set[str]:
    items = estate.client("dynamodb").scan(TableName=lease_table(estate.kcl, estate.stream))["Items"]
    return {item.get("leaseOwner", {}).get("S", "") for item in items if "checkpoint" in item}


def row(agent: FlowAgent) -> dict[str, Any]:
    """What /health says of the group's fallback."""
    rows = agent.health().get("fallback") or [{"mode": "", "polled_from": None}]
    return dict(rows[0])


def everything_arrives(flows: Flows, collector: FlowCollector) -> None:
    sent = flows.sent
    wait_until(lambda: collector.arrived.keys() >= set(range(sent)), "every flow arrived", PATIENCE_SECONDS)


def test_a_shard_that_nobody_can_take_is_polled_and_given_back(make_estate: MakeEstate, tmp_path: Path) -> None:
    first = make_estate(shards=2, owner=lambda _: "slot-1", folder=tmp_path / "one")
    second, third = (replace(first, folder=tmp_path / name) for name in ("two", "three"))
    share_the_shards(first)
    group = f"/orphaned-{next(_numbers)}"
    words = tables(group, first)
    with (
        FlowCollector() as collector,
        Flows(first, group) as flows,
        FlowAgent(first, collector.port, tables=words) as dying,
    ):
        wait_until(lambda: dying.health().get("slot") == 1, "slot 1", PATIENCE_SECONDS)
        with FlowAgent(second, collector.port, tables=words) as survivor:
            starting = (0.0, they_have_settled((dying, survivor), flows, collector))
            assert owners(first) == {worker_id(f"slot-{number}", first.stream) for number in (1, 2)}
            kill(dying.pid)
            died_at = time.time()
            polled_from = it_is_polled(survivor, flows, collector, died_at)
            assert worker_id("slot-1", first.stream) in owners(first), "nobody has taken it"
            with FlowAgent(third, collector.port, tables=words) as heir:
                wait_until(lambda: heir.health().get("slot") == 1, "the dead one's slot", PATIENCE_SECONDS)
                for agent in (survivor, heir):
                    reports_by_stream(agent)
                orphaned = (polled_from, time.time())
                print(f"given back {orphaned[1] - died_at:.1f} s after the death, load {os.getloadavg()[0]:.1f}")
                wait_until(lambda: time.time() > orphaned[1] + 2 * MARGIN_SECONDS, "flows by the stream", 600)
                broken = a_broken_subscription_is_found((survivor, heir), flows, collector)
                wait_until(lambda: time.time() > broken[1] + 5, "more flows", 60)
                flows.end()
                everything_arrives(flows, collector)
    what_came_twice_is_within_the_promise(flows, collector, died_at, [starting, orphaned, broken])


def reports_by_stream(agent: FlowAgent) -> None:
    wait_until(lambda: row(agent)["mode"] == "stream", "its stream reports", PATIENCE_SECONDS)


def has_a_shard(agent: FlowAgent) -> None:
    wait_until(lambda: '"event":"shard taken"' in agent.log(), "it has a shard", PATIENCE_SECONDS)


def they_have_settled(agents: Sequence[FlowAgent], flows: Flows, collector: FlowCollector) -> float:
    """Each has a shard, and reports by the stream for longer than the margin; since when. Until the second one has
    come, the first polls for its shard."""
    for agent in agents:
        has_a_shard(agent)
        reports_by_stream(agent)
    everything_arrives(flows, collector)
    settled_at = time.time()
    wait_until(lambda: time.time() > settled_at + 1.5 * MARGIN_SECONDS, "more than the margin", 600)
    assert [row(agent)["mode"] for agent in agents] == ["stream"] * len(agents)
    return settled_at


def it_is_polled(survivor: FlowAgent, flows: Flows, collector: FlowCollector, died_at: float) -> float:
    """By the agent whose own shard is well all the time; the arrival from which it polls."""
    wait_until(lambda: row(survivor)["mode"] == "polling", "the group is polled", PATIENCE_SECONDS)
    switch = survivor.health()["switches"][-1]
    known_seconds = LOOK_SECONDS + living_seconds(flows.kcl, None) + LOOK_SECONDS
    promised = max(LOOK_SECONDS + FAILOVER_SECONDS, known_seconds) + INTERVAL_SECONDS
    everything_arrives(flows, collector)
    print(
        f"\npolled {switch['at'] - died_at:.1f} s after the death (promised {promised:g} s: {switch['reason']}), "
        f"everything written meanwhile had arrived after {time.time() - died_at:.1f} s"
    )
    assert "is held by no living worker" in switch["reason"]
    assert switch["at"] - died_at < 3 * promised
    assert survivor.metric("vpcflow_polled_for_stream") == 1
    assert '"after":"polling"' in survivor.log()
    return float(row(survivor)["polled_from"])


def a_broken_subscription_is_found(
    agents: Sequence[FlowAgent], flows: Flows, collector: FlowCollector
) -> tuple[float, float]:
    """From when until when the group was polled for it."""
    flows.is_subscribed = False
    broken_at = time.time()
    wait_until(lambda: any(row(agent)["mode"] == "polling" for agent in agents), "it is found", PATIENCE_SECONDS)
    everything_arrives(flows, collector)
    (finder, *_) = (agent for agent in agents if row(agent)["mode"] == "polling")
    switch = finder.health()["switches"][-1]
    print(
        f"\nsubscription broken: found {switch['at'] - broken_at:.1f} s later, arrived {time.time() - broken_at:.1f} s"
    )
    assert "its subscription brings nothing" in switch["reason"]
    rows = [row(agent)["polled_from"] for agent in agents if row(agent)["mode"] != "stream"]
    flows.is_subscribed = True
    for agent in agents:
        reports_by_stream(agent)
    return min(rows), time.time()


def what_came_twice_is_within_the_promise(
    flows: Flows, collector: FlowCollector, died_at: float, polled: Sequence[tuple[float, float]]
) -> None:
    """Agents do not share what they remember: what arrived while the group was polled, and within the margin before,
    may come once more; and what the dead one had sent and not checkpointed, by its heir as well."""
    repeated = {number for number, count in collector.arrived.items() if count > 1}
    allowed = {
        number
        for number, at in flows.at.items()
        if any(began - MARGIN_SECONDS - 1 <= at <= ended for began, ended in polled)
    }
    print(f"{flows.sent} flows, 0 lost, {collector.repeats()} came again; {len(allowed)} might")
    assert len(allowed) < flows.sent - 1000, "there is much that may not repeat"
    assert repeated <= allowed
    thrice = {number for number, count in collector.arrived.items() if count > 2}
    assert all(flows.at[number] <= died_at for number in thrice)
    assert max(collector.arrived.values()) <= 3

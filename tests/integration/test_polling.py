"""`vpcflow run` on log groups alone, against an emulated CloudWatch Logs: no JVM, and nothing lost."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.emulated_estate import Fault, FaultyAws, MotoServer
from tests.support.estate import wait_until
from tests.support.flow_agent import FlowCollector
from tests.support.polling_agent import GroupLoad, PolledGroup, PollingAgent

pytestmark = pytest.mark.timeout(900)
_numbers = itertools.count(1)
THROTTLED: Fault = (400, "ThrottlingException", "Rate exceeded")


@pytest.fixture(scope="module")
def moto() -> Iterator[MotoServer]:
    with MotoServer() as server:
        yield server


@pytest.fixture
def group(moto: MotoServer) -> PolledGroup:
    return PolledGroup(moto.endpoint, f"/vpc/flow-{next(_numbers)}")


def test_polling_alone_exports_every_flow_once_and_starts_no_jvm(
    moto: MotoServer, group: PolledGroup, tmp_path: Path
) -> None:
    group.put(500, late_seconds=600)
    with (
        FaultyAws(moto.endpoint) as aws,
        FlowCollector() as collector,
        PollingAgent(tmp_path, aws.endpoint, [group.name], collector.port, arguments=["--since", "1h"]) as agent,
    ):
        with GroupLoad(group):
            wait_until(lambda: len(collector.arrived) >= 1_500, "flows arrive while they are written", 240)
        wait_until(lambda: len(collector.arrived) == group.sent, "all flows arrived", 240)
        time.sleep(3)  # two more passes over the same events: repeats would come now
        assert collector.repeats() == 0
        in_flight = aws.calls["FilterLogEvents"] - agent.metric("vpcflow_polling_calls_total")
        assert -2 <= in_flight <= 2, "each call is counted; one may be on its way at either moment"
        assert agent.metric('vpcflow_exported_lines_total{source="cloudwatch"}') == group.sent
        assert agent.health()["components"][f"log group 123456789012/us-east-1/{group.name}"]["state"] == "ok"
        assert "kinesis" not in agent.log()


def test_throttling_and_lost_answers_cost_time_only(moto: MotoServer, group: PolledGroup, tmp_path: Path) -> None:
    calls = itertools.count()

    def fault(action: str, parameters: dict[str, str]) -> Fault | None:
        return THROTTLED if action == "FilterLogEvents" and next(calls) % 3 else None

    settings = {"aws": {"attempts": 1}}
    with (
        FaultyAws(moto.endpoint) as aws,
        FlowCollector() as collector,
        PollingAgent(tmp_path, aws.endpoint, [group.name], collector.port, settings) as agent,
    ):
        aws.fault_of = fault
        wait_until(lambda: "ok" in str(agent.health().get("components", {})), "the group is polled", 240)
        with GroupLoad(group):
            wait_until(lambda: group.sent >= 600, "flows are written", 30)
        wait_until(lambda: len(collector.arrived) == group.sent, "all flows arrived", 240)
        assert agent.metric("vpcflow_polling_calls_total{") > 0
        assert collector.repeats() == 0


def test_a_killed_agent_goes_on_where_it_was_and_loses_nothing(
    moto: MotoServer, group: PolledGroup, tmp_path: Path
) -> None:
    kills = 2
    with FlowCollector() as collector, GroupLoad(group):
        for life in range(kills):
            with PollingAgent(tmp_path, moto.endpoint, [group.name], collector.port) as agent:
                wait_until(lambda agent=agent: _passes(agent) >= 4, f"life {life} polls", 240)  # type: ignore[misc]
                agent.process.kill()
                agent.process.wait()
        with PollingAgent(tmp_path, moto.endpoint, [group.name], collector.port):
            sent = group.sent
            wait_until(lambda: collector.arrived.keys() >= set(range(sent)), "all flows arrived", 240)
        print(f"\n{collector.repeats()} of {sent} flows came again after {kills} kills")
        assert collector.repeats() <= kills * 500, "at most the new flows of the pass at hand, of each kill"


def test_a_group_that_is_not_there_is_said_and_polled_once_it_is(moto: MotoServer, tmp_path: Path) -> None:
    name = f"/vpc/flow-{next(_numbers)}"
    with FlowCollector() as collector, PollingAgent(tmp_path, moto.endpoint, [name], collector.port) as agent:
        wait_until(lambda: "does not exist" in str(agent.health()), "the missing group is said", 240)


def _passes(agent: PollingAgent) -> float:
    try:
        return agent.metric("vpcflow_polling_calls_total{")
    except OSError:
        return 0.0

"""`vpcflow run` on log groups alone, against an emulated CloudWatch Logs: no JVM, and nothing lost."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.emulated_estate import FaultyAws, MotoServer
from tests.support.estate import wait_until
from tests.support.flow_agent import FlowCollector
from tests.support.polling_agent import GroupLoad, PolledGroup, PollingAgent

pytestmark = pytest.mark.timeout(900)


def test_polling_alone_exports_every_flow_once_starts_no_jvm_and_says_which_group_is_missing(
    moto: MotoServer, tmp_path: Path
) -> None:
    """(Agents that are throttled, restarted and killed: test_referee_polling.py.)"""
    group = PolledGroup(moto.endpoint, "/vpc/flow")
    group.put(500, late_seconds=600)
    groups = [group.name, "/vpc/missing"]
    with (
        FaultyAws(moto.endpoint) as aws,
        FlowCollector() as collector,
        PollingAgent(tmp_path, aws.endpoint, groups, collector.port, arguments=["--since", "1h"]) as agent,
    ):
        with GroupLoad(group):
            wait_until(lambda: len(collector.arrived) >= 1_500, "flows arrive while they are written", 240)
        wait_until(lambda: len(collector.arrived) == group.sent, "all flows arrived", 240)
        two_more_passes(agent)
        assert collector.repeats() == 0
        heard = aws.calls["FilterLogEvents"]
        counted = agent.metric("vpcflow_polling_calls_total")
        assert heard - 2 <= counted <= aws.calls["FilterLogEvents"], "each call is counted; each group may have one now"
        assert agent.metric('vpcflow_exported_lines_total{source="cloudwatch"}') == group.sent
        components = agent.health()["components"]
        assert components[f"log group 123456789012/us-east-1/{group.name}"]["state"] == "ok"
        missing = components["log group 123456789012/us-east-1//vpc/missing"]
        assert (missing["state"], "does not exist" in missing["reason"]) == ("failing", True)
        assert "kinesis" not in agent.log()


def two_more_passes(agent: PollingAgent) -> None:
    """Over the same events: repeats would come now."""
    before = agent.metric("vpcflow_polling_calls_total{")
    wait_until(lambda: agent.metric("vpcflow_polling_calls_total{") >= before + 3, "two more passes", 60)

"""The referee on a stream with the real daemon: resharding under load and kill -9, no flow lost or sent twice.

(A JVM that dies: test_fallback.py.)
"""

from __future__ import annotations

from pathlib import Path

import pytest

from consumer.demo.emulators import EmulatedAws
from tests.integration.conftest import MakeEstate
from tests.integration.referee import Referee, RefereedAgent
from tests.support.estate import wait_until
from tests.support.flow_agent import FlowCollector, agent_id

pytestmark = [pytest.mark.jvm, pytest.mark.timeout(900)]


def test_resharding_under_load_is_exact_and_a_kill_repeats_the_delivery_at_hand(
    aws: EmulatedAws, make_estate: MakeEstate, tmp_path: Path
) -> None:
    estate = make_estate(owner=agent_id)
    kinesis, name = estate.client("kinesis"), estate.stream.name
    with (
        FlowCollector() as collector,
        Referee(aws, "/referee/kinesis", collector, stream=estate) as referee,
        RefereedAgent(tmp_path, aws, collector.port, streams=[estate]) as agent,
    ):
        referee.wait_for_flows("flows arrive by Kinesis")
        kinesis.split_shard(StreamName=name, ShardToSplit="shardId-000000000000", NewStartingHashKey=str(1 << 127))
        wait_until(estate.is_active, "the shard is split", 60)
        print(f"\nsplit: flows of the new shards after {referee.wait_for_flows('flows of both halves', 200):.1f} s")
        kinesis.merge_shards(
            StreamName=name, ShardToMerge="shardId-000000000001", AdjacentShardToMerge="shardId-000000000002"
        )
        wait_until(estate.is_active, "the shards are merged", 60)
        print(f"merged: flows after {referee.wait_for_flows('flows of the merged shard', 200):.1f} s")
        assert referee.repeated() == 0, "an agent that lives sends nothing twice"
        agent.kill()
        agent.start()
        referee.wait_for_flows("flows after the agent was killed")
        verdict = referee.verdict(settle_seconds=2)
        print(verdict)
    assert verdict.lost == ()
    assert verdict.repeated <= 50, "the delivery at hand: a record holds the flows of one call, 50"

"""A container is replaced: the next one has another state folder and host name, but the dead one's slot.

Lease, fail-over and everything else are the defaults; the time that is promised holds for them. What may come twice is
what the dead one had not checkpointed: the referee reads it from the stream itself.
"""

from __future__ import annotations

import gzip
import json
import os
import signal
import time
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest

from consumer.kcl.processes import process_record
from consumer.kcl.settings import KclSettings
from tests.integration.conftest import MakeEstate
from tests.support.estate import Estate, kill, wait_until
from tests.support.flow_agent import FLOWS_PER_RECORD, FlowAgent, FlowCollector, FlowLoad, envelope

pytestmark = [pytest.mark.jvm, pytest.mark.soak, pytest.mark.timeout(900)]
PROMISED_SECONDS = 60.0
SLOW_FLOWS_PER_SECOND = 200
"""Half of them are new ones: the burst keeps the second agent busy until it is paused."""
BURST_START, BURST_RECORDS = 1_000_000, 60
STEPS = ("slot taken over", "agent started", "daemon started", "shard taken")


def test_a_replaced_agent_exports_again_and_a_paused_one_is_fenced_off(make_estate: MakeEstate, tmp_path: Path) -> None:
    first = replace(make_estate(owner=lambda _: "slot-1"), kcl=KclSettings())
    second, third = (replace(first, folder=tmp_path / name) for name in ("second", "third"))
    table = f'[state]\nbackend = "dynamodb"\nfleet = "{first.stream.name}"\n\n'
    with FlowCollector() as collector, FlowLoad(first, records_per_second=2) as load:
        with FlowAgent(first, collector.port, tables=table) as agent:
            wait_until(lambda: all(each.isdigit() for each in first.leases().values()), "a checkpoint", 300)
            assert agent.health()["slot"] == 1
            daemon = _daemon(first)
            kill(agent.pid)
            killed_at = time.time()
            wait_until(lambda: process_record(daemon) is None, "its daemon dies with it", 60)
            after_kill = _unacknowledged(first) & set(range(load.sent))
        with FlowAgent(second, collector.port, tables=table, rate=SLOW_FLOWS_PER_SECOND) as agent:
            _wait_for_flows(collector, "killed -9 and replaced", killed_at, agent)
            assert agent.health()["slot"] == 1
            burst = range(BURST_START, BURST_START + BURST_RECORDS * FLOWS_PER_RECORD)
            first.put([envelope(burst[at : at + FLOWS_PER_RECORD]) for at in range(0, len(burst), FLOWS_PER_RECORD)])
            wait_until(lambda: any(number in collector.arrived for number in burst), "the burst began", 120)

            daemon, sender = _daemon(second), list(collector.datagrams)[-1]
            os.kill(agent.pid, signal.SIGSTOP)
            paused_at, sent_at_pause = time.time(), load.sent
            assert any(number not in collector.arrived for number in burst), "it is paused amid a delivery"
            with FlowAgent(third, collector.port, tables=table) as last:
                wait_until(lambda: process_record(daemon) is None, "the paused agent's daemon is killed", 180)
                after_pause = _unacknowledged(first) & {*range(sent_at_pause), *burst}
                _wait_for_flows(collector, "paused and replaced", paused_at, last)
                assert last.health()["slot"] == 1
                before = collector.datagrams[sender]
                os.kill(agent.pid, signal.SIGCONT)
                assert agent.wait(180) == 1
                print(f"datagrams of the paused one after it came back: {collector.datagrams[sender] - before}")
                assert collector.datagrams[sender] - before <= 1
                assert "slot 1 of the fleet is lost" in agent.log()
                sent = load.sent
                wait_until(lambda: {*range(sent), *burst} <= set(collector.arrived), "every flow arrived", 300)
    print(
        f"{len(collector.arrived)} flows, {collector.repeats()} came again; "
        f"{len(after_kill)} might after the kill, {len(after_pause)} after the pause"
    )
    for number, count in collector.arrived.items():
        assert count <= 1 + (number in after_kill) + (number in after_pause), number


def _unacknowledged(estate: Estate) -> set[int]:
    """Flows of the stream that lie behind the checkpoints: what KCL gives to whoever comes next."""
    kinesis = estate.client("kinesis")
    found: set[int] = set()
    for shard, checkpoint in estate.leases().items():
        where = (
            {"ShardIteratorType": "AFTER_SEQUENCE_NUMBER", "StartingSequenceNumber": checkpoint}
            if checkpoint.isdigit()
            else {"ShardIteratorType": "TRIM_HORIZON"}
        )
        asked = kinesis.get_shard_iterator(StreamName=estate.stream.name, ShardId=shard, **where)
        iterator, is_read = asked["ShardIterator"], False
        while not is_read:
            answer = kinesis.get_records(ShardIterator=iterator)
            iterator = answer["NextShardIterator"]
            for record in answer["Records"]:
                found.update(int(one["id"]) for one in json.loads(gzip.decompress(record["Data"]))["logEvents"])
            is_read = not answer["Records"] and answer["MillisBehindLatest"] == 0
    return found


def _wait_for_flows(collector: FlowCollector, what: str, since: float, agent: FlowAgent) -> None:
    """Until this agent exports, and what the way there was made of."""
    before = set(collector.datagrams)
    wait_until(lambda: bool(set(collector.datagrams) - before), "flows arrive again", 3 * PROMISED_SECONDS)
    now = time.time()
    lines = [json.loads(line) for line in agent.log().splitlines() if line.startswith("{")]
    steps = {line["event"]: datetime.fromisoformat(line["timestamp"]).timestamp() - since for line in lines}
    words = ", ".join(f"{step} {steps[step]:.1f}" for step in STEPS if step in steps)
    print(f"\n{what}: exporting again after {now - since:.1f} s ({words})")


def _daemon(estate: Estate) -> int:
    """Process id of the daemon as the agent wrote it down."""
    pid: int = json.loads((estate.stream_folder / "daemon.json").read_bytes())["pid"]
    return pid

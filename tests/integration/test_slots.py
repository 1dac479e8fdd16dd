"""A container is replaced: the next one has another state folder and host name, but the dead one's slot."""

from __future__ import annotations

import json
import os
import signal
import time
from dataclasses import replace
from pathlib import Path

import pytest

from consumer.kcl.processes import process_record
from tests.integration.conftest import MakeEstate
from tests.support.estate import Estate, kill, wait_until
from tests.support.flow_agent import FlowAgent, FlowCollector, FlowLoad

pytestmark = [pytest.mark.jvm, pytest.mark.soak, pytest.mark.timeout(900)]
LEASE_SECONDS = 10.0
PROMISED_SECONDS = 60.0


def test_a_replaced_agent_exports_again_and_a_paused_one_is_fenced_off(make_estate: MakeEstate, tmp_path: Path) -> None:
    first = make_estate(owner=lambda _: "slot-1")
    second, third = (replace(first, folder=tmp_path / name) for name in ("second", "third"))
    table = f'[state]\nbackend = "dynamodb"\nfleet = "{first.stream.name}"\nlease_seconds = {LEASE_SECONDS}\n\n'
    with FlowCollector() as collector, FlowLoad(first, records_per_second=4) as load:
        with FlowAgent(first, collector.port, tables=table) as agent:
            wait_until(lambda: len(collector.arrived) > 200, "flows arrive", 300)
            assert agent.health()["slot"] == 1
            kill(agent.pid)
        with FlowAgent(second, collector.port, tables=table) as agent:
            seconds = _until_new_flows(collector, load)
            print(f"\nkilled -9 and replaced: exporting again after {seconds:.1f} s, start of the agent included")
            assert agent.health()["slot"] == 1
            daemon = _daemon(second)
            os.kill(agent.pid, signal.SIGSTOP)
            with FlowAgent(third, collector.port, tables=table) as last:
                wait_until(lambda: process_record(daemon) is None, "the paused agent's daemon is killed", 180)
                seconds = _until_new_flows(collector, load)
                print(f"paused and replaced: exporting again after {seconds:.1f} s")
                assert last.health()["slot"] == 1
                os.kill(agent.pid, signal.SIGCONT)
                assert agent.wait(180) == 1
                assert "slot 1 of the fleet is lost" in agent.log()
                sent = load.sent
                wait_until(lambda: set(range(sent)) <= set(collector.arrived), "every flow arrived", 300)
                print(f"{sent} flows, {collector.repeats()} came again")
    assert collector.repeats() < sent


def _until_new_flows(collector: FlowCollector, load: FlowLoad) -> float:
    """Seconds until a flow arrives that was not written before now."""
    began, known = time.monotonic(), load.sent
    wait_until(lambda: max(collector.arrived) > known, "new flows arrive", 3 * PROMISED_SECONDS)
    return time.monotonic() - began


def _daemon(estate: Estate) -> int:
    """Process id of the daemon as the agent wrote it down."""
    pid: int = json.loads((estate.stream_folder / "daemon.json").read_bytes())["pid"]
    return pid

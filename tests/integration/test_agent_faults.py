"""`vpcflow run` with the real daemon under load: deaths, stops while it is held up, a collector that is not there."""

from __future__ import annotations

import time

import pytest

from consumer.kcl.processes import process_record
from tests.integration.conftest import MakeEstate
from tests.support.estate import Census, Estate, kill, wait_until
from tests.support.flow_agent import FLOWS_PER_RECORD, FlowAgent, FlowCollector, FlowLoad, agent_id, envelope

pytestmark = [pytest.mark.jvm, pytest.mark.timeout(1200)]

PATIENCE_SECONDS = 300.0
"""10 are promised after a child's or a daemon's death; the figure seen is printed (75 with load 16 on two cores)."""
STOP_SECONDS = 45.0
"""15 are promised; the figure seen is printed."""
SHARDS = 2


def test_kill_9_of_child_daemon_and_agent_loses_no_flow(make_estate: MakeEstate) -> None:
    estate = make_estate(shards=SHARDS, owner=agent_id)
    with FlowCollector() as collector, Census(estate) as census, FlowLoad(estate) as load:
        with FlowAgent(estate, collector.port) as agent:
            wait_until(lambda: len(collector.arrived) > 500, "flows arrive", 300)
            for victim, pids in (("child", estate.children), ("daemon", estate.daemons)):
                wait_until(lambda pids=pids: bool(pids()), f"the {victim} runs", 90)  # type: ignore[misc]  # bound late
                died_at = time.monotonic()
                kill(pids()[0])
                silent = wait_until(
                    lambda died_at=died_at: collector.last_at > died_at + 2.0,  # type: ignore[misc]
                    "flows arrive again",
                    PATIENCE_SECONDS,
                )
                print(f"\n{victim} killed: flows again after {silent:.1f} s")
                wait_until(lambda n=load.sent: set(range(n)) <= set(collector.arrived), "all of them", 300)  # type: ignore[misc]
            assert collector.repeats() == 0, "an agent that lives remembers what it has exported"
            daemon = estate.daemon_pid()
            wait_until(lambda: all(each.isdigit() for each in estate.leases().values()), "both checkpointed", 300)
            kill(agent.pid)
            gone = wait_until(lambda: process_record(daemon) is None, "the daemon dies with its agent", 60)
            print(f"agent killed: its daemon ended {gone:.2f} s later")
            sent_before = load.sent
        with FlowAgent(estate, collector.port) as second:
            wait_until(lambda: max(collector.arrived) > sent_before, "the next agent exports", 300)
            sent = load.sent
            wait_until(lambda: set(range(sent)) <= set(collector.arrived), "every flow arrived", 300)
            print(f"{sent} flows, {collector.repeats()} repeated after kill -9 of the agent")
            print(f"SIGTERM to the process group: ended after {second.terminate():.1f} s")
    assert collector.repeats() <= SHARDS * FLOWS_PER_RECORD, "at most the delivery each shard was working on"
    assert census.most == 1, "two daemons with one worker id take each other's leases"


def test_a_collector_that_is_slow_or_refuses_holds_the_shard_and_nothing_is_lost_or_resent(
    make_estate: MakeEstate,
) -> None:
    """Three agents in turn: stopped while it is held up, told that nobody listens, and given what was held."""
    estate = make_estate(owner=agent_id)
    count = 40 * FLOWS_PER_RECORD
    estate.put([envelope(range(at, at + FLOWS_PER_RECORD)) for at in range(0, count, FLOWS_PER_RECORD)])
    with FlowCollector() as slow:
        port = slow.port
        arrived = a_stop_under_back_pressure_ends_at_a_record_boundary(estate, slow)
    with FlowAgent(estate, port) as agent:
        wait_until(lambda: "nobody listens" in str(agent.health()), "/health names the refusal", 300)
        with FlowCollector(port) as collector:
            seconds = wait_until(lambda: max(collector.arrived, default=0) >= count - 1, "the rest arrives", 300)
            print(f"all flows {seconds:.1f} s after the collector came back")
            assert collector.arrived == dict.fromkeys(range(arrived, count), 1)
        estate.put([envelope(range(count, count + FLOWS_PER_RECORD))])
        wait_until(lambda: "nobody listens" in str(agent.health()), "/health names the refusal again", 300)
        seconds = agent.terminate()
        print(f"stopped while nobody listens: after {seconds:.1f} s")
    assert seconds < STOP_SECONDS
    held = range(count, count + FLOWS_PER_RECORD)
    with FlowCollector(port) as collector, FlowAgent(estate, port):
        wait_until(lambda: set(held) <= set(collector.arrived), "what was held arrives", 300)
    assert collector.arrived == dict.fromkeys(held, 1)


def a_stop_under_back_pressure_ends_at_a_record_boundary(estate: Estate, collector: FlowCollector) -> int:
    """The number of flows that were exported: the first ones."""
    with FlowAgent(estate, collector.port, rate=100) as agent:
        wait_until(lambda: len(collector.arrived) > FLOWS_PER_RECORD, "flows arrive, slowly", 300)
        seconds = agent.terminate()
        arrived = len(collector.arrived)
        print(f"\nstopped after {seconds:.1f} s with {arrived} flows exported")
    assert seconds < STOP_SECONDS
    assert arrived < 40 * FLOWS_PER_RECORD, "there was no back-pressure"
    assert arrived % FLOWS_PER_RECORD == 0, "a record was exported in part"
    assert collector.arrived == dict.fromkeys(range(arrived), 1)
    assert estate.daemons() == []
    return arrived

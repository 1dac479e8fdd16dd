"""How much polling adds between CloudWatch's taking an event and the datagram, and what it costs in calls."""

from __future__ import annotations

import os
import statistics
import time
from pathlib import Path

import pytest

from tests.support.emulated_estate import FaultyAws, MotoServer
from tests.support.estate import wait_until
from tests.support.flow_agent import FirstSeen, FlowCollector
from tests.support.polling_agent import GroupLoad, PolledGroup, PollingAgent

pytestmark = [pytest.mark.soak, pytest.mark.timeout(600)]


@pytest.mark.parametrize(("interval", "seconds"), [(1.0, 40.0), (30.0, 190.0)], ids=["1s", "30s"])
def test_added_latency_and_calls(interval: float, seconds: float, tmp_path: Path) -> None:
    polling = {"interval_seconds": interval, "calls_per_second": 4, "group_calls_per_second": 3}
    with MotoServer() as moto, FaultyAws(moto.endpoint) as aws, FlowCollector() as collector:
        collector.arrived = seen = FirstSeen()
        group = PolledGroup(moto.endpoint, "/vpc/latency")
        with PollingAgent(tmp_path, aws.endpoint, [group.name], collector.port, {"polling": polling}):
            with GroupLoad(group, each=5, every_seconds=0.25):
                wait_until(lambda: len(seen) > 0, "polling has begun", 120)
                first, calls, began = group.sent, aws.calls["FilterLogEvents"], time.monotonic()
                time.sleep(seconds)
                last, rate = group.sent, (aws.calls["FilterLogEvents"] - calls) / (time.monotonic() - began)
            wait_until(lambda: len(seen) >= last, "all flows arrived", 120)
    lateness = [seen.at[number] - group.put_at[number] for number in range(first, last)]
    cuts = statistics.quantiles(lateness, n=100)
    print(
        f"\ninterval {interval:g} s: p50 {cuts[49]:.2f} s, p99 {cuts[98]:.2f} s, {rate * 3600:.0f} calls an hour, "
        f"{len(lateness)} flows, load {os.getloadavg()[0]:.1f}"
    )
    assert collector.repeats() == 0

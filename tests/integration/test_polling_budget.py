"""One log group with a backlog of weeks beside three quiet ones of its account and region, through a real agent: what
each may call is counted by the endpoint, not by us."""

from __future__ import annotations

import os
import statistics
import threading
import time
from collections import defaultdict
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import pytest

from consumer.clock import SystemClock
from consumer.demo.emulators import ACCOUNT
from consumer.model.place import LogGroupKey
from consumer.state.cursors import Cursors, Position
from tests.support.emulated_estate import Fault, FaultyAws, MotoServer
from tests.support.estate import wait_until
from tests.support.flow_agent import FirstSeen, FlowCollector
from tests.support.polling_agent import REGION, GroupLoad, PolledGroup, PollingAgent

pytestmark = pytest.mark.timeout(600)

BACKLOG = "/vpc/backlog"
BACKLOG_DAYS = 60
"""One call for each hour: eight minutes at the share of one group."""
RATE, GROUP_RATE = 4.0, 3.0
"""The defaults."""
LATE_CALLS = 6
"""How many calls may seem to come too early, for the endpoint hears of them late on a busy machine."""
THROTTLED: Fault = (400, "ThrottlingException", "Rate exceeded")


class CountedCalls:
    """When which log group was asked for a page (monotonic seconds); `throttles` refuses one group's calls."""

    def __init__(self, aws: FaultyAws) -> None:
        self.throttles = ""
        self.made: defaultdict[str, list[float]] = defaultdict(list)
        self._lock = threading.Lock()
        aws.fault_of = self._note

    def _note(self, action: str, parameters: dict[str, str]) -> Fault | None:
        if action != "FilterLogEvents":
            return None
        group = parameters["logGroupName"]
        with self._lock:
            self.made[group].append(time.monotonic())
        return THROTTLED if group == self.throttles else None

    def count(self, group: str) -> int:
        return len(self.made[group])


def keep_positions(folder: Path, groups: Sequence[PolledGroup]) -> None:
    """As if the agent had polled them until now."""
    clock = SystemClock()
    folder.mkdir()
    cursors = Cursors(folder / "cursors.sqlite", clock)
    for group in groups:
        cursors.advance("log_group", LogGroupKey(ACCOUNT, REGION, group.name).label(), Position.at(clock.now()))
    cursors.close()


def most_within(times: Sequence[float], seconds: float) -> int:
    """The most calls within any such time."""
    return max(sum(since <= at <= since + seconds for at in times) for since in times)


def test_a_huge_backlog_leaves_quiet_groups_their_calls_and_their_latency(moto: MotoServer, tmp_path: Path) -> None:
    quiet = [PolledGroup(moto.endpoint, f"/vpc/quiet-{number}") for number in range(3)]
    for number, group in enumerate(quiet):
        group.sent = number * 1_000_000
    backlog = PolledGroup(moto.endpoint, BACKLOG)
    polling = {"calls_per_second": RATE, "group_calls_per_second": GROUP_RATE, "since": f"{BACKLOG_DAYS}d"}
    keep_positions(tmp_path / "state", quiet)
    names = [backlog.name, *(group.name for group in quiet)]
    with ExitStack() as running:
        aws = running.enter_context(FaultyAws(moto.endpoint))
        calls = CountedCalls(aws)
        collector = running.enter_context(FlowCollector())
        collector.arrived = seen = FirstSeen()
        agent = running.enter_context(PollingAgent(tmp_path, aws.endpoint, names, collector.port, {"polling": polling}))
        wait_until(lambda: all(calls.count(name) for name in names), "every group is asked", 120)
        for group in quiet:
            running.enter_context(GroupLoad(group, each=5, every_seconds=0.5))
        beside_a_backlog(calls, quiet, seen)
        a_throttled_group_slows_down_alone(calls, quiet, agent)
        heard = calls.count(BACKLOG)
        (budget,) = agent.health()["polling"]
        assert (budget["account"], budget["region"]) == (ACCOUNT, REGION)
        said = budget["log_groups"][BACKLOG]
        assert heard - 2 <= said["calls"] <= calls.count(BACKLOG) + 2
        assert said["throttled"] > 0
        assert {budget["log_groups"][group.name]["throttled"] for group in quiet} == {0}
    everything = sorted(at for times in calls.made.values() for at in times)
    of_all, of_one = most_within(everything, 10), most_within(calls.made[BACKLOG], 10)
    print(f"most calls within 10 s: {of_all} of all, {of_one} of one")
    assert of_all <= 10 * RATE + 1 + LATE_CALLS
    assert of_one <= 10 * GROUP_RATE + 1 + LATE_CALLS


def beside_a_backlog(calls: CountedCalls, quiet: Sequence[PolledGroup], seen: FirstSeen) -> None:
    """A quiet group makes its calls, though the other one would take them all."""
    first = {group: group.sent for group in quiet}
    before = {name: len(times) for name, times in list(calls.made.items())}
    wait_until(lambda: calls.count(BACKLOG) >= before[BACKLOG] + 15, "the backlog is read", 120)
    made = {name: len(times) - before[name] for name, times in list(calls.made.items())}
    written = [number for group in quiet for number in range(first[group], group.sent)]
    wait_until(lambda: all(number in seen for number in written), "quiet groups' flows arrive", 120)
    put_at = {number: at for group in quiet for number, at in list(group.put_at.items())}
    lateness = [seen.at[number] - put_at[number] for number in written]
    print(
        f"\nbeside a backlog: calls {made}; quiet groups' flows p50 {statistics.median(lateness):.2f} s, "
        f"longest {max(lateness):.2f} s, load {os.getloadavg()[0]:.1f}"
    )
    assert calls.count(BACKLOG) < BACKLOG_DAYS * 24, "it is not over"
    for group in quiet:
        assert made[group.name] >= made[BACKLOG] / 3


def a_throttled_group_slows_down_alone(calls: CountedCalls, quiet: Sequence[PolledGroup], agent: PollingAgent) -> None:
    """AWS refuses what one of them asks: it backs off, the others go on; then it comes back."""
    calls.throttles = BACKLOG
    before = {name: len(times) for name, times in list(calls.made.items())}
    seconds = wait_until(
        lambda: all(calls.count(one.name) >= before[one.name] + 12 for one in quiet), "others go on", 120
    )
    slowed = calls.count(BACKLOG) - before[BACKLOG]
    share = agent.metric(f'vpcflow_polling_group_calls_per_second{{log_group="{ACCOUNT}/{REGION}/{BACKLOG}"')
    print(
        f"throttled: {slowed} calls in {seconds:.0f} s, while each other group made 12, share {share:g} calls a second"
    )
    assert slowed <= 4 + seconds / 5, "its rate is halved four times, down to a sixteenth: one call in 5.3 s"
    assert share < GROUP_RATE / 2
    assert agent.metric("vpcflow_polling_region_calls_per_second") == RATE
    calls.throttles = ""
    after = calls.count(BACKLOG)
    wait_until(lambda: calls.count(BACKLOG) >= after + 3, "it comes back", 180)

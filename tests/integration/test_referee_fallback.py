"""The referee on the way from a stream to polling and back: switches are told, nothing is lost, nothing comes twice."""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from consumer.demo.emulators import EmulatedAws
from tests.integration.conftest import MakeEstate
from tests.integration.referee import PATIENCE_SECONDS, Referee, RefereedAgent
from tests.support.blockable_java import BlockableJava
from tests.support.estate import Estate, kill, wait_until
from tests.support.flow_agent import FlowCollector, agent_id
from tests.support.proxies import TcpProxy

SHORT = {"failover_after_seconds": 5, "probe_seconds": 5}
"""[fallback] for tests; the soak runs take the defaults."""
SETTLED_SECONDS = 3.0
POLLING: dict[str, object] = {
    "interval_seconds": 1,
    "calls_per_second": 50,
    "group_calls_per_second": 50,
    "look_back_seconds": 180,
}
AWAY = (
    '"event":"shard left"',
    '"event":"daemon ended"',
    '"after":"polling"',
    '"event":"source starts"',
)
BACK = (
    '"event":"daemon started"',
    '"event":"shard taken"',
    '"after":"returning"',
    '"after":"leaving"',
    '"after":"stream"',
    '"event":"source stops"',
)
POINTS = (*AWAY, *BACK)
"""What the agent logs on its way from the stream to polling, and back."""
_numbers = itertools.count(1)


@dataclass
class Scene:
    """A log group with a stream, both in the plan, and an agent that reads them."""

    referee: Referee
    agent: RefereedAgent
    estate: Estate
    java: BlockableJava
    proxy: TcpProxy

    def settle(self) -> None:
        """The stream is read, and no group is polled in its place (any more: a slow start may have been), for a while:
        what is seen of a slow start is judged a turn later."""
        self.agent.wait_for('"event":"shard taken"')
        self.referee.wait_for_flows("flows arrive by Kinesis")
        since = time.monotonic()

        def has_settled() -> bool:
            nonlocal since
            if modes(self.agent) != ["stream"]:
                since = time.monotonic()
            return has_passed(since + SETTLED_SECONDS)

        wait_until(has_settled, "the stream reports", PATIENCE_SECONDS)

    def outage(self) -> int:
        """The JVM dies and does not start; the place in the agent's log where that began."""
        place = len(self.agent.log())
        self.java.block()
        for daemon in self.estate.daemons():
            kill(daemon)
        return place

    def switched(self, to: str, after: int) -> int:
        return self.agent.wait_for(f'"after":"{to}"', after=after)


def scene_of(aws: EmulatedAws, make_estate: MakeEstate, folder: Path, fallback: dict[str, object]) -> Iterator[Scene]:
    estate = make_estate(owner=agent_id)
    java = BlockableJava(folder, estate.environment)
    kinesis_port = int(aws.kinesis_endpoint.rpartition(":")[2])
    settings: dict[str, dict[str, object]] = {
        "fallback": fallback,
        "polling": POLLING,
        "discovery": {"enabled": True, "cron": "* * * * *"},
        "aws": {"regions": ["us-east-1"]},
    }
    with (
        TcpProxy(kinesis_port) as proxy,
        FlowCollector() as collector,
        Referee(
            aws, f"/referee/fallback-{next(_numbers)}", collector, stream=estate, is_planned=True, flows_per_second=100
        ) as referee,
        RefereedAgent(
            folder, aws, collector.port, streams=[estate], settings=settings,
            environment={**java.environment, "AWS_ENDPOINT_URL_KINESIS": f"https://localhost:{proxy.port}"},
        ) as agent,
    ):  # fmt: skip
        made = Scene(referee, agent, estate, java, proxy)
        made.settle()
        yield made


@pytest.fixture
def scene(aws: EmulatedAws, make_estate: MakeEstate, tmp_path: Path) -> Iterator[Scene]:
    yield from scene_of(aws, make_estate, tmp_path, dict(SHORT))


def has_passed(moment: float) -> bool:
    return time.monotonic() >= moment


def modes(agent: RefereedAgent) -> list[str]:
    """What /health says of who reports each log group."""
    return [one["mode"] for one in agent.health().get("fallback", ())]


def stand_ins(agent: RefereedAgent) -> list[str]:
    """What /health says of groups that are polled in place of their stream."""
    components = agent.health().get("components", {})
    return [one["reason"] for name, one in components.items() if name.startswith("fallback ")]


@pytest.mark.jvm
@pytest.mark.timeout(900)
def test_a_stream_that_is_cut_off_is_polled_for_and_comes_back_exactly(scene: Scene) -> None:
    """(A JVM that does not start: test_fallback.py, and below for three minutes.)"""
    referee, agent = scene.referee, scene.agent
    place = len(agent.log())
    scene.proxy.cut()
    place = scene.switched("polling", place)
    print(f"\nKinesis cut off: flows by polling after {referee.wait_for_flows('flows by polling', 50):.1f} s")
    assert any("polled in place of stream" in reason for reason in stand_ins(agent))
    assert agent.metric("vpcflow_source_switches_total") >= 1
    scene.proxy.mend()
    scene.switched("stream", place)
    referee.wait_for_flows("flows by Kinesis again", 50)
    assert not stand_ins(agent)
    verdict = referee.verdict(settle_seconds=2)
    print(verdict)
    assert verdict.lost == ()
    assert verdict.repeated == 0, "the agent lived all the time"


@pytest.mark.soak
@pytest.mark.jvm
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("point", POINTS, ids=lambda point: str(point).split('"')[3])
def test_kill_9_at_each_point_of_the_switch_repeats_at_most_what_was_being_sent(scene: Scene, point: str) -> None:
    """The agent is brought on its way to polling and back, killed as soon as it says `point`, and started again.

    Each in a scene of its own: after ten outages in a row the hold-down would be half an hour.
    """
    began = scene.outage()
    if point in BACK:
        scene.switched("polling", began)
        scene.java.unblock()
    scene.agent.wait_for(point, after=began)
    scene.agent.kill()
    scene.java.unblock()
    scene.agent.start()
    scene.referee.wait_for_flows("flows after the death", 50)
    scene.referee.wait_for_all("what was missed")
    verdict = scene.referee.verdict()
    print(f"\nkilled at {point}: {verdict} (load {os.getloadavg()[0]:.0f})")
    assert verdict.lost == ()
    assert verdict.repeated <= 500


@pytest.mark.soak
@pytest.mark.jvm
@pytest.mark.timeout(3600)
def test_three_minutes_without_a_jvm_with_the_default_windows(
    aws: EmulatedAws, make_estate: MakeEstate, tmp_path: Path
) -> None:
    for scene in scene_of(aws, make_estate, tmp_path, {}):
        began, died_at = scene.outage(), time.monotonic()
        scene.switched("polling", began)
        print(f"\npolling after {time.monotonic() - died_at:.1f} s")
        wait_until(partial(has_passed, died_at + 180), "three minutes", PATIENCE_SECONDS)
        print(f"{scene.referee.wait_for_flows('flows, still by polling', 50):.1f} s to the next 50 flows")
        scene.java.unblock()
        allowed_at = time.monotonic()
        # Up to a minute until the daemon is started again, two hold-downs and a sweep.
        scene.agent.wait_for('"after":"stream"', after=began, patience_seconds=900)
        print(f"back to Kinesis {time.monotonic() - allowed_at:.1f} s after the daemon may start again")
        scene.referee.wait_for_flows("flows by Kinesis again", 50)
        verdict = scene.referee.verdict()
        print(f"\n{verdict}")
        assert verdict.lost == ()
        assert verdict.repeated == 0

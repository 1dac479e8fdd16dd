"""The referee on polling alone: nothing lost, nothing twice; after kill -9 at most what was being sent."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

from consumer.demo.emulators import EmulatedAws
from tests.integration.referee import PATIENCE_SECONDS, Referee, RefereedAgent
from tests.support.estate import wait_until
from tests.support.flow_agent import FlowCollector
from tests.support.proxies import ThrottlingProxy

pytestmark = pytest.mark.timeout(600)

FLOWS_PER_SECOND = 100
A_PASS = 10 * FLOWS_PER_SECOND
"""Flows, at most, in the pass that a kill comes into: those of a second or two, where the machine is not busy."""
POLLING = {"polling": {"interval_seconds": 1, "calls_per_second": 50, "look_back_seconds": 120, "since": "10m"}}
_names = (f"/referee/polling-{number}" for number in itertools.count(1))


@pytest.fixture
def collector() -> Iterator[FlowCollector]:
    with FlowCollector() as made:
        yield made


class Throttling:
    """Two of three calls for events are throttled while `is_on`."""

    def __init__(self) -> None:
        self.is_on = False
        self._turns = itertools.count()

    def __call__(self, operation: str) -> bool:
        return self.is_on and operation == "FilterLogEvents" and next(self._turns) % 3 > 0


def test_steady_late_throttled_and_restarted_polling_is_exact_and_a_kill_repeats_what_was_being_sent(
    aws: EmulatedAws, collector: FlowCollector, tmp_path: Path
) -> None:
    """One agent's lives, for each costs seconds of CPU; three times kill -9 is a soak run."""
    name, throttling = next(_names), Throttling()
    with (
        ThrottlingProxy(aws.moto_endpoint, throttling) as proxy,
        Referee(
            aws, name, collector, flows_per_second=FLOWS_PER_SECOND, late_seconds=(60, 5, 100, 30, 0)
        ) as referee,
        RefereedAgent(
            tmp_path, aws, collector.port, groups=[name], settings=POLLING,
            environment={"AWS_ENDPOINT_URL_CLOUDWATCH_LOGS": proxy.endpoint},
        ) as agent,
    ):  # fmt: skip
        referee.wait_for_flows("flows arrive by polling", 100)
        throttling.is_on = True
        wait_until(lambda: proxy.refused["FilterLogEvents"] >= 3, "calls are throttled", PATIENCE_SECONDS)
        referee.wait_for_flows("flows arrive although two of three calls are throttled")
        throttling.is_on = False
        print(f"\n{proxy.refused} of {proxy.calls} calls throttled; stopped in {agent.terminate():.1f} s")
        agent.start()
        referee.wait_for_flows("flows arrive after a restart", 100)
        referee.wait_for_all("the backlog arrives")
        assert referee.repeated() == 0, "throttling, a stop and a start repeat nothing"
        agent.kill()
        agent.start()
        referee.wait_for_flows("flows arrive after kill -9")
        verdict = referee.verdict(settle_seconds=2)
        print(verdict)
    assert verdict.lost == ()
    assert verdict.repeated <= A_PASS


@pytest.mark.soak
def test_after_each_kill_9_at_most_what_was_being_sent_comes_twice(
    aws: EmulatedAws, collector: FlowCollector, tmp_path: Path
) -> None:
    name, kills = next(_names), 3
    with (
        Referee(aws, name, collector, flows_per_second=FLOWS_PER_SECOND, late_seconds=(60, 5, 100)) as referee,
        RefereedAgent(tmp_path, aws, collector.port, groups=[name], settings=POLLING) as agent,
    ):
        for number in range(kills):
            referee.wait_for_flows("flows arrive", 10)
            referee.wait_for_all("the backlog arrives")
            referee.wait_for_flows(f"a pass has begun, kill {number} comes into it")
            agent.kill()
            agent.start()
        verdict = referee.verdict()
        print(f"\n{verdict} after {kills} times kill -9")
    assert verdict.lost == ()
    assert verdict.repeated <= kills * A_PASS

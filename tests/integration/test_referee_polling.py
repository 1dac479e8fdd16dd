"""The referee on polling alone: nothing lost, nothing twice; after kill -9 at most what was being sent."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

from consumer.demo.emulators import EmulatedAws
from tests.integration.referee import Referee, RefereedAgent
from tests.support.flow_agent import FlowCollector
from tests.support.proxies import ThrottlingProxy

pytestmark = pytest.mark.timeout(600)

POLLING = {"polling": {"interval_seconds": 1, "calls_per_second": 50, "look_back_seconds": 120, "since": "10m"}}
_names = (f"/referee/polling-{number}" for number in itertools.count(1))


@pytest.fixture
def collector() -> Iterator[FlowCollector]:
    with FlowCollector() as made:
        yield made


def test_steady_late_and_restarted_polling_is_exact(aws: EmulatedAws, collector: FlowCollector, tmp_path: Path) -> None:
    name = next(_names)
    with (
        Referee(aws, name, collector, late_seconds=(60, 5, 100, 30, 0)) as referee,
        RefereedAgent(tmp_path, aws, collector.port, groups=[name], settings=POLLING) as agent,
    ):
        referee.wait_for_flows("flows arrive by polling", 400)
        assert referee.repeated() == 0
        print(f"\nstopped in {agent.terminate():.1f} s")
        agent.start()
        referee.wait_for_flows("flows arrive after a restart", 200)
        assert referee.repeated() == 0, "a stop and a start repeat nothing"
        verdict = referee.verdict()
        print(verdict)
    assert verdict.lost == ()
    assert verdict.repeated == 0


def test_after_each_kill_9_at_most_what_was_being_sent_comes_twice(
    aws: EmulatedAws, collector: FlowCollector, tmp_path: Path
) -> None:
    name, kills, flows_per_second = next(_names), 3, 200
    with (
        Referee(aws, name, collector, flows_per_second=flows_per_second, late_seconds=(60, 5, 100)) as referee,
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
    assert verdict.repeated <= kills * 5 * flows_per_second, "the pass at hand holds the flows of a second or a few"


def test_throttled_polling_is_late_and_loses_nothing(
    aws: EmulatedAws, collector: FlowCollector, tmp_path: Path
) -> None:
    name, turns = next(_names), itertools.count()
    with (
        ThrottlingProxy(aws.moto_endpoint, lambda operation: operation == "FilterLogEvents" and next(turns) % 3 > 0)
        as proxy,
        Referee(aws, name, collector) as referee,
        RefereedAgent(
            tmp_path, aws, collector.port, groups=[name], settings=POLLING,
            environment={"AWS_ENDPOINT_URL_CLOUDWATCH_LOGS": proxy.endpoint},
        ),
    ):  # fmt: skip
        referee.wait_for_flows("flows arrive although two of three calls are throttled", 200)
        verdict = referee.verdict()
        print(f"\n{verdict}; {proxy.refused['FilterLogEvents']} of "
              f"{proxy.refused['FilterLogEvents'] + proxy.calls['FilterLogEvents']} calls throttled")  # fmt: skip
    assert proxy.refused["FilterLogEvents"] > 0
    assert verdict.lost == ()
    assert verdict.repeated == 0

"""S3 stands in for a log group that nothing else delivers: seen, told in log, metric and /health, kept."""

from __future__ import annotations

from pathlib import Path

import pytest
from structlog.testing import capture_logs

from consumer.agent.basis import Basis
from consumer.agent.standing_in import Helped, StandingIn, helped_groups
from consumer.agent.switches import Switches
from consumer.config import Settings
from consumer.model.delivery import SourceKind
from consumer.model.place import LogGroupKey
from consumer.model.plan import Choice, FlowLog, Plan
from consumer.select.fallback import Rules
from consumer.state.identity import StateFolder
from tests.support.clock import ManualClock
from tests.unit.sources.cloudwatch.test_watch import Deaf

START = 1_700_000_000.0
GROUP = LogGroupKey("111111111111", "eu-west-1", "/flow")
COMPONENT = f"stand-in {GROUP.label()}"
STREAM = "eu-west-1/flow"
HELPERS = ("flow log fl-2 (bucket lake)",)
DENIED = "logs:FilterLogEvents denied"
POLLED = Helped(frozenset(), frozenset({"fl-1"}), HELPERS, may_be_polled=True)
STREAMED = Helped(frozenset({STREAM}), frozenset({"fl-1"}), HELPERS, may_be_polled=True)
STREAM_ONLY = Helped(frozenset({STREAM}), frozenset({"fl-1"}), HELPERS)


class Scene:
    """One group; `stream_trouble` and the watch over its polling say how it fares."""

    def __init__(self, folder: Path, helped: Helped = POLLED) -> None:
        self.clock = ManualClock(START)
        basis = Basis.of(Settings(), StateFolder(folder), self.clock)
        self.metrics, self.health = basis.metrics, basis.health
        self.switches = Switches(basis)
        self.stream_trouble = ""
        self.standing = StandingIn(basis, Rules(60.0, 300.0), lambda group, stream: self.stream_trouble, self.switches)
        self.standing.adopt({GROUP: helped})
        self.polling = self.standing.watch(GROUP, Deaf())

    def passes(self, seconds: int) -> None:
        for _ in range(seconds):
            self.clock.advance(1)
            self.standing.step()

    def gauge(self) -> float | None:
        return self.metrics.registry.get_sample_value("vpcflow_reported_from_s3", {"log_group": GROUP.label()})


def test_every_switch_to_s3_and_back_is_seen_in_log_metric_and_health_with_its_reason(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    with capture_logs() as logs:
        scene.polling.state("failing", DENIED)
        scene.passes(61)
        assert scene.standing.failed() == {"fl-1": START + 61}
        condition = scene.health.snapshot()[COMPONENT]
        assert condition.state == "waiting"
        assert condition.reason == f"reported from S3, {HELPERS[0]}: nothing delivers it for 60 s: {DENIED}"
        assert scene.gauge() == 1
        (row,) = scene.standing.details()
        assert row == {"log_group": GROUP.label(), "from": list(HELPERS), "since": START + 61}
        scene.polling.called("answered")
        scene.passes(61)
    assert scene.standing.failed() == {}
    assert COMPONENT not in scene.health.snapshot()
    assert scene.gauge() == 0
    told = [(one["before"], one["after"]) for one in scene.switches.last()]
    assert told == [("chosen", "s3"), ("s3", "chosen")]
    assert [one["reason"] for one in logs if one["event"] == "source switched"] == [
        one["reason"] for one in scene.switches.last()
    ]
    for after in ("s3", "chosen"):
        labels = {"log_group": GROUP.label(), "to": after}
        assert scene.metrics.registry.get_sample_value("vpcflow_source_switches_total", labels) == 1


@pytest.mark.parametrize(
    ("helped", "stream", "polling", "stands_in"),
    [
        pytest.param(POLLED, "", DENIED, True, id="polled-alone-and-denied"),
        pytest.param(POLLED, "", "", False, id="polled-alone-and-well"),
        pytest.param(STREAMED, "down", DENIED, True, id="both-ways-fail"),
        pytest.param(STREAMED, "down", "", False, id="polling-works"),
        pytest.param(STREAMED, "", DENIED, False, id="the-stream-works"),
        pytest.param(STREAM_ONLY, "down", "", True, id="a-stream-that-polling-cannot-replace"),
    ],
)
def test_s3_stands_in_only_where_no_other_way_delivers(
    helped: Helped, stream: str, polling: str, stands_in: bool, tmp_path: Path
) -> None:
    scene = Scene(tmp_path, helped)
    scene.stream_trouble = stream
    if polling:
        scene.polling.state("failing", polling)
    scene.passes(100)
    assert bool(scene.standing.failed()) == stands_in


def test_a_restart_goes_on_from_the_same_moment_and_says_so(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    scene.polling.state("failing", DENIED)
    scene.passes(100)
    before = scene.standing.failed()

    again = Scene(tmp_path)
    assert again.standing.failed() == before
    assert "before this agent was started" in again.health.snapshot()[COMPONENT].reason
    assert again.gauge() == 1
    again.polling.called("answered")
    again.passes(61)
    assert Scene(tmp_path).standing.failed() == {}, "it went back, and that is kept, too"


def test_a_plan_without_such_a_flow_log_ends_it(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    scene.polling.state("failing", DENIED)
    scene.passes(100)
    scene.standing.adopt({})
    assert scene.standing.failed() == {}
    assert scene.switches.last()[-1]["reason"] == "the plan has no flow log in S3 for it any more"


def test_the_groups_that_s3_may_stand_in_for_come_from_the_plan() -> None:
    def choice(name: str, source: SourceKind | None, via: str, **further: object) -> Choice:
        flow_log = FlowLog(name, "", "", "vpc-1", "ALL", "", "", "", "", 60, "", "")
        return Choice(flow_log, source, via, "", **further)  # type: ignore[arg-type]

    streamed = choice("fl-1", SourceKind.KINESIS, "arn", group=GROUP, may_be_polled=True)
    stored = choice("fl-2", None, "lake", stands_in_for=("fl-1",))
    plan = Plan({"fl-1": streamed, "fl-2": stored}, ("fl-1",))

    assert helped_groups(plan, lambda via: STREAM) == {GROUP: STREAMED}

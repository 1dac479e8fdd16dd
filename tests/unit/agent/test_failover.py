"""Every switch is an event in log, metric and /health; what was polled is known to the pipeline and after a restart."""

from __future__ import annotations

import threading
from pathlib import Path

import orjson
import pytest
from structlog.testing import capture_logs

from consumer.agent.basis import Basis
from consumer.agent.failover import Failover
from consumer.agent.fallback_file import FILE_NAME
from consumer.agent.probing import BROKEN, Prober
from consumer.agent.switches import Switches
from consumer.config import Settings
from consumer.kcl.leases import Leased
from consumer.model.delivery import Origin, SourceKind
from consumer.model.place import LogGroupKey
from consumer.select.fallback import Pair, Rules
from consumer.sources.cloudwatch.budget import Budget
from consumer.state.cursors import Cursors, Position
from consumer.state.identity import StateFolder
from tests.support.clock import ManualClock
from tests.support.log_pages import Pages
from tests.unit.sources.kinesis.test_watch import START, Deaf

GROUP = LogGroupKey("111111111111", "eu-west-1", "/flow")
OTHERS = Leased(is_shared=True, are_others=True)
PAIR = Pair(GROUP, "eu-west-1/flow")


class Scene:
    """One group and its stream; time passes second by second, and KCL calls while `is_read`."""

    def __init__(self, folder: Path) -> None:
        self.clock = ManualClock(START)
        basis = Basis.of(Settings(), StateFolder(folder), self.clock)
        self.metrics, self.health = basis.metrics, basis.health
        self.positions = Cursors(None, self.clock)
        self.failover = Failover(basis, Rules(60.0, 300.0), self.positions, Switches(basis))
        self.share = Budget(4.0, 4.0, self.clock).share(GROUP.name)
        self.watch = self.failover.watch(PAIR.stream, Deaf())
        self.failover.adopt({PAIR})
        self.is_read = True
        self.sweeps = True
        self.watch.came("a")

    def passes(self, seconds: float) -> None:
        for _ in range(int(seconds)):
            self.clock.advance(1)
            if self.is_read:
                self.watch.called("a", 0, self.clock.now())
                self.watch.exported("a", 0, 0, is_caught_up=True)
            if self.sweeps and GROUP in self.failover.polled():
                self.positions.advance("log_group", GROUP.label(), Position.at(self.clock.now()))
            self.failover.step()

    def sample(self, name: str, **labels: str) -> float | None:
        return self.metrics.registry.get_sample_value(name, {"log_group": GROUP.label(), **labels})


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path)


def test_every_switch_is_seen_in_log_metric_and_health_with_its_reason(scene: Scene) -> None:
    with capture_logs() as logs:
        scene.passes(20)
        scene.is_read = False
        scene.passes(75)
        assert GROUP in scene.failover.polled()
        condition = scene.health.snapshot()[f"fallback {GROUP.label()}"]
        assert condition.state == "waiting"
        assert "nothing comes for a" in condition.reason
        assert scene.sample("vpcflow_polled_for_stream") == 1
        scene.is_read = True
        scene.passes(300)
    assert scene.failover.polled() == {}
    assert f"fallback {GROUP.label()}" not in scene.health.snapshot()
    assert scene.sample("vpcflow_polled_for_stream") == 0
    expected = ["polling", "returning", "leaving", "stream"]
    assert [sample["after"] for sample in scene.failover.details()["switches"]] == expected
    assert [entry["after"] for entry in logs if entry["event"] == "source switched"] == expected
    for after in expected:
        assert scene.sample("vpcflow_source_switches_total", to=after) == 1
    reasons = [sample["reason"] for sample in scene.failover.details()["switches"]]
    assert all(reasons)
    assert [entry["reason"] for entry in logs if entry["event"] == "source switched"] == reasons


def test_polling_begins_at_what_kinesis_had_exported(scene: Scene) -> None:
    scene.passes(100)
    exported = scene.watch.look().exported_until
    scene.is_read = scene.sweeps = False
    scene.passes(75)
    position = scene.positions.get("log_group", GROUP.label())
    assert position is not None
    assert position.exported_until == exported
    assert scene.failover.cut_offs() == {}, "no sweep is complete"


def test_what_polling_swept_is_cut_off_but_for_the_margin_and_is_known_after_a_restart(
    scene: Scene, tmp_path: Path
) -> None:
    scene.passes(100)
    exported = scene.watch.look().exported_until
    scene.is_read = False
    scene.passes(1000)
    (cut_off,) = scene.failover.cut_offs().values()
    assert cut_off.after == exported
    assert cut_off.until == scene.clock.now() - 300
    assert cut_off.started_from == exported - 1200

    scene.failover.save()
    again = Scene(tmp_path)
    assert again.failover.cut_offs() == scene.failover.cut_offs()
    assert GROUP in again.failover.polled(), "it was being polled when the agent ended"


def test_what_is_polled_from_before_the_start_is_said_at_once_with_its_reason(scene: Scene, tmp_path: Path) -> None:
    scene.passes(20)
    scene.is_read = False
    scene.passes(100)
    before = scene.health.snapshot()[f"fallback {GROUP.label()}"]
    scene.failover.save()

    again = Scene(tmp_path)
    again.is_read = False
    again.passes(1)
    assert again.health.snapshot()[f"fallback {GROUP.label()}"].reason == before.reason
    assert "nothing comes for a" in before.reason
    assert again.sample("vpcflow_polled_for_stream") == 1
    assert again.failover.details()["switches"] == [], "nothing was switched since the start"


def test_a_shard_that_no_living_worker_holds_is_polled_from_when_it_was_held(scene: Scene) -> None:
    """Our own shard is well all the time: an agent of the fleet died, and nobody has taken its shard yet. The time for
    which nobody has held it counts from when it was held, not from when that was known."""
    scene.passes(100)
    nobody = Leased("the lease of b is held by no living worker", scene.clock.monotonic() - 40)
    scene.failover.leased(PAIR.stream, nobody)
    scene.passes(19)
    assert scene.failover.polled() == {}
    scene.passes(1)
    assert GROUP in scene.failover.polled()
    assert nobody.trouble in scene.health.snapshot()[f"fallback {GROUP.label()}"].reason
    assert scene.failover.details()["fallback"][0]["polled_from"] == pytest.approx(START + 60, abs=8)

    scene.failover.leased(PAIR.stream, None)
    scene.passes(300)
    assert scene.failover.polled() == {}, "somebody has taken it"
    after = [one["after"] for one in scene.failover.details()["switches"]]
    assert after == ["polling", "returning", "leaving", "stream"]


def test_an_agent_without_a_shard_polls_nothing_while_others_hold_them_all(scene: Scene) -> None:
    """A fleet of two, a stream of one shard."""
    scene.watch.left("a", "leaseLost")
    scene.is_read = False
    for _ in range(15):
        scene.failover.leased(PAIR.stream, OTHERS)
        scene.passes(20)
    assert scene.failover.polled() == {}

    died_at = scene.clock.monotonic()
    scene.passes(40)
    scene.failover.leased(PAIR.stream, Leased("the lease of a is held by no living worker", died_at))
    scene.passes(62)
    assert GROUP in scene.failover.polled()
    assert scene.failover.details()["fallback"][0]["polled_from"] == pytest.approx(START + 280, abs=1), "the last look"


def test_polling_ends_once_others_have_taken_the_shards_of_our_dead_daemon(scene: Scene) -> None:
    scene.passes(20)
    scene.watch.left("a", None)
    scene.watch.restarted("the daemon is killed")
    scene.is_read = False
    scene.passes(70)
    assert GROUP in scene.failover.polled()
    scene.failover.leased(PAIR.stream, OTHERS)
    scene.passes(70)
    assert scene.failover.polled() == {}
    assert scene.failover.details()["switches"][0]["reason"].endswith("a has no reader: the daemon is killed")


def test_a_group_that_loses_its_stream_while_a_shard_has_nobody_is_polled_from_when_it_was_held(scene: Scene) -> None:
    scene.passes(100)
    scene.failover.leased(PAIR.stream, Leased("the lease of b is held by no living worker", scene.clock.monotonic()))
    bring(scene, START + 100)
    scene.passes(50)
    bring(scene, START + 150)
    scene.failover.adopt(set())
    position = scene.positions.get("log_group", GROUP.label())
    assert position is not None
    assert position.exported_until == pytest.approx(START + 100, abs=8)


def test_a_damaged_file_is_begun_anew(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_bytes(b"[{")
    scene = Scene(tmp_path)
    assert scene.failover.cut_offs() == {}
    scene.is_read = False
    scene.passes(100)
    assert orjson.loads((tmp_path / FILE_NAME).read_bytes())[0]["is_polled"] is True


def test_two_groups_of_one_name_are_cut_off_only_where_both_were_polled(scene: Scene) -> None:
    other = Pair(LogGroupKey(GROUP.account, "us-east-1", GROUP.name), PAIR.stream)
    scene.passes(10)
    scene.is_read = False
    scene.passes(500)
    scene.failover.adopt({PAIR, other})
    assert scene.failover.cut_offs() == {}


def test_a_group_that_the_plan_reports_otherwise_is_no_longer_polled_for_its_stream(scene: Scene) -> None:
    scene.is_read = False
    scene.passes(100)
    scene.failover.adopt(set())
    assert scene.failover.polled() == {}
    assert scene.failover.details()["switches"][-1]["reason"] == "the plan no longer reports it by this stream"


def test_a_group_that_gets_a_stream_is_polled_on_until_the_stream_is_read_and_has_passed_it(scene: Scene) -> None:
    scene.failover.adopt(set())
    scene.positions.advance("log_group", GROUP.label(), Position.at(START + 10))
    scene.is_read = False
    scene.clock.advance(20)
    scene.failover.adopt({PAIR}, {GROUP})
    scene.passes(200)
    assert GROUP in scene.failover.polled(), "nobody reads the stream yet"
    assert "the plan gives it to this stream" in scene.health.snapshot()[f"fallback {GROUP.label()}"].reason
    scene.is_read = True
    scene.passes(300)
    assert scene.failover.polled() == {}
    assert [one["after"] for one in scene.failover.details()["switches"]] == ["returning", "leaving", "stream"]
    (cut_off,) = scene.failover.cut_offs().values()
    assert cut_off.after == START + 10


def test_a_group_that_loses_its_stream_is_polled_from_its_last_event_by_it(scene: Scene) -> None:
    scene.passes(100)
    bring(scene, START + 50)
    scene.passes(10)
    scene.failover.adopt(set())
    position = scene.positions.get("log_group", GROUP.label())
    assert position is not None
    assert position.exported_until == START + 50, "the stream was idle since; its subscription was taken away"


def bring(scene: Scene, arrived_at: float) -> None:
    origin = Origin(SourceKind.KINESIS, account=GROUP.account, log_group=GROUP.name)
    scene.failover.note(origin, arrived_at)


def test_a_silent_subscription_is_probed_and_polled_while_the_group_has_newer_events(scene: Scene) -> None:
    pages = Pages()
    stop = threading.Event()
    prober = Prober(scene.failover, lambda group: pages, lambda group: scene.share, 300.0, scene.clock)
    scene.passes(20)
    bring(scene, scene.clock.now())
    for _ in range(50):
        scene.passes(1)
        prober.look(stop)
    assert pages.asked == [], "not silent for long"
    last = START + 20
    for _ in range(200):
        scene.passes(1)
        prober.look(stop)
    assert pages.asked == [last], "one look as soon as it is suspicious, and then every five minutes"
    pages.put(timestamp=last + 5, ingested_at=last + 65)
    for _ in range(200):
        scene.passes(1)
        prober.look(stop)
    scene.passes(61)
    assert len(pages.asked) == scene.share.calls == 2, "a look takes from the group's share of calls"
    assert GROUP in scene.failover.polled()
    assert BROKEN in scene.failover.details()["switches"][0]["reason"]
    position = scene.positions.get("log_group", GROUP.label())
    assert position is not None
    bring(scene, scene.clock.now())
    scene.passes(200)
    assert scene.failover.polled() == {}, "its events come again"


def test_a_group_that_is_silent_here_while_others_hold_shards_is_not_suspected(scene: Scene) -> None:
    """Its events may all go through the shards of another agent."""
    pages = Pages()
    pages.put(timestamp=START + 100, ingested_at=START + 160)
    prober = Prober(scene.failover, lambda group: pages, lambda group: scene.share, 300.0, scene.clock)
    bring(scene, START)
    scene.failover.leased(PAIR.stream, Leased(is_shared=True))
    for _ in range(1000):
        scene.passes(1)
        prober.look(threading.Event())
    assert (scene.failover.polled(), pages.asked) == ({}, [])


def test_what_a_broken_subscription_held_back_before_the_daemon_died_is_polled(scene: Scene) -> None:
    """The last event came long ago, so polling, with its margin, begins right behind it."""
    bring(scene, START)
    scene.passes(1000)
    scene.is_read = False
    scene.passes(75)
    assert scene.failover.details()["fallback"][0]["polled_from"] == START + 300


def test_a_quiet_group_without_newer_events_stays_with_its_stream(scene: Scene) -> None:
    pages = Pages()
    prober = Prober(scene.failover, lambda group: pages, lambda group: scene.share, 300.0, scene.clock)
    for _ in range(1000):
        scene.passes(1)
        prober.look(threading.Event())
    assert scene.failover.polled() == {}
    assert 3 <= len(pages.asked) <= 5

"""Two agents that share a stream's shards: what is silent at one may come at the other, and only together they know
that a subscription brings nothing. The table is moto's."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from consumer.agent.hearing import Hearing
from consumer.agent.probing import BROKEN, Prober
from consumer.errors import RetryableError
from consumer.kcl.leases import Leased
from consumer.kcl.properties import worker_id
from consumer.kcl.settings import StreamSettings
from consumer.state.heard import Heard, HeardTable, joined
from tests.support.emulated_estate import MotoServer
from tests.support.log_pages import Pages
from tests.unit.agent.test_failover import GROUP, PAIR, Scene, bring
from tests.unit.sources.kinesis.test_watch import START
from tests.unit.state.test_shared import Fleet, Table

STREAM = StreamSettings(name="flow", region="eu-west-1")
WORKERS = ("slot-1", "slot-2")
SHARED = Leased(is_shared=True, owners=frozenset(worker_id(one, STREAM) for one in WORKERS))
PROBE_SECONDS, HEARD_SECONDS = 300, 60


@pytest.fixture(scope="module")
def moto() -> Iterator[MotoServer]:
    with MotoServer() as server:
        yield server


class Agent:
    """One of two; its shard is called as long as it lives."""

    def __init__(self, fleet: Fleet, folder: Path, name: str) -> None:
        folder.mkdir()
        self.scene = Scene(folder)
        self.pages = Pages()
        self.calls = Table(fleet.endpoint)
        failover = self.scene.failover
        table = HeardTable(self.calls, fleet.settings)
        self.hearing = Hearing(failover, table, lambda: {PAIR.stream: STREAM}, lambda: name, 60.0, self.scene.clock)
        self.prober = Prober(
            failover, lambda _: self.pages, lambda _: self.scene.share, float(PROBE_SECONDS), self.scene.clock
        )

    def second(self) -> None:
        self.scene.failover.leased(PAIR.stream, SHARED)
        self.scene.passes(1)
        self.prober.look(threading.Event())
        if int(self.scene.clock.elapsed) % HEARD_SECONDS == 0:
            self.hearing.exchange()

    @property
    def is_polling(self) -> bool:
        return GROUP in self.scene.failover.polled()


class Both:
    """Time passes for both; the world is the same to them."""

    def __init__(self, fleet: Fleet, folder: Path) -> None:
        fleet.agent("makes the table")
        self.one, self.two = (Agent(fleet, folder / name, name) for name in WORKERS)

    def pass_time(self, seconds: int) -> None:
        for _ in range(seconds):
            for agent in (self.one, self.two):
                agent.second()

    def write(self, seconds_ago: float) -> None:
        """An event into the log group, that long after its timestamp."""
        now = self.one.scene.clock.now()
        for agent in (self.one, self.two):
            agent.pages.put(timestamp=now - seconds_ago, ingested_at=now)


@pytest.fixture
def both(moto: MotoServer, tmp_path: Path) -> Both:
    return Both(Fleet(moto.endpoint, tmp_path), tmp_path)


def test_what_comes_at_another_agent_is_not_missed_here(both: Both) -> None:
    """Every event of the group goes through the other one's shard."""
    for _ in range(20):
        both.write(0)
        bring(both.two.scene, both.two.scene.clock.now())
        both.pass_time(60)
    assert not both.one.is_polling
    assert not both.two.is_polling


def test_a_subscription_that_brings_nothing_to_anybody_is_found_and_polled_from_its_last_event(both: Both) -> None:
    both.pass_time(100)
    last = both.two.scene.clock.now()
    bring(both.two.scene, last)
    both.pass_time(20)
    both.write(5)
    both.pass_time(PROBE_SECONDS + 2 * HEARD_SECONDS + 62)

    assert both.one.is_polling, "its last event came at the other one"
    (switch,) = both.one.scene.failover.details()["switches"]
    assert switch["reason"] == f"Kinesis for 60 s: {BROKEN}"
    assert both.one.scene.failover.details()["fallback"][0]["polled_from"] == pytest.approx(last + 300)
    bring(both.two.scene, both.two.scene.clock.now())
    both.pass_time(300)
    assert not both.one.is_polling, "it is heard that events come again"


def test_nothing_is_judged_while_a_holder_has_not_said_what_it_heard(both: Both) -> None:
    bring(both.one.scene, START)
    both.write(0)
    for _ in range(1000):
        both.one.second()
    assert not both.one.is_polling
    assert both.one.pages.asked == []


def test_nothing_newer_is_judged_than_what_every_holder_has_passed(both: Both) -> None:
    """One stands still: what it has not exported may hold the group's events."""
    both.pass_time(100)
    both.two.scene.is_read = False
    both.pass_time(20)
    both.write(0)
    both.pass_time(5)
    for _ in range(1000):
        both.one.second()
    assert not both.one.is_polling


def test_what_arrived_before_an_agent_began_to_listen_says_nothing(both: Both) -> None:
    """It came by the agent that was there before, and is in nobody's memory."""
    both.pass_time(10)
    bring(both.one.scene, both.one.scene.clock.now())
    both.pass_time(10)
    both.write(0)
    late = both.two.scene
    late.failover.adopt(set())
    both.pass_time(30)
    late.failover.adopt({PAIR})
    both.pass_time(1000)
    assert not both.one.is_polling


def test_a_table_that_does_not_answer_is_said_once_and_nothing_is_judged(both: Both) -> None:
    both.pass_time(200)
    both.one.calls.fault = RetryableError("throttled")
    both.write(0)
    both.pass_time(1000)
    assert not both.one.is_polling
    assert both.two.is_polling is False, "what the other one said last grows old"


def test_groups_that_one_does_not_know_are_left_out() -> None:
    one = Heard(50.0, {"a": (10.0, 10.0), "b": (0.0, 5.0)})
    two = Heard(40.0, {"a": (0.0, 20.0)})
    assert joined([one, two]) == Heard(40.0, {"a": (10.0, 20.0)})

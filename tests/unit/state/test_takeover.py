"""A polled log group goes from an agent that was killed to another, which knows positions but no ids: what repeats."""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from consumer.model.delivery import Delivery
from consumer.model.place import LogGroupKey
from consumer.sources.cloudwatch.budget import Budget
from consumer.sources.cloudwatch.settings import PollingSettings
from consumer.sources.cloudwatch.source import CloudWatchSource
from consumer.state.cursors import WRITE_SECONDS
from consumer.state.shared import SharedState
from tests.support.emulated_estate import MotoServer
from tests.support.polled_logs import LogEvent, PolledLogs, Receiver
from tests.unit.sources.cloudwatch.test_source import Seen
from tests.unit.state.test_shared import Fleet

GROUP = LogGroupKey("123456789012", "us-east-1", "/vpc/flow")
POLLING = PollingSettings(interval_seconds=10, look_back_seconds=600, sweep_page_count=1000)
MARGIN_SECONDS, EVENTS_SECONDS = 30.0, 160
AGE_SECONDS = 2 * 1.1 * POLLING.interval_seconds + WRITE_SECONDS + 2
"""How old the position of a killed agent can be: a sweep, the one that was under way, and AWS's whole seconds."""


class Killed(BaseException):
    """The process is gone: nothing after this runs."""


@pytest.fixture(scope="module")
def moto() -> Iterator[MotoServer]:
    with MotoServer() as server:
        yield server


class Life:
    """One agent's source with the positions of a fleet and ids of its own; `run` ends it at a moment."""

    def __init__(self, fleet: Fleet, name: str, logs: PolledLogs) -> None:
        self.state: SharedState = fleet.agent(name)
        self.receiver = Receiver(fleet.clock)
        self._fleet = fleet
        self._source = CloudWatchSource(
            GROUP, logs, POLLING, self.state, Budget(4.0, 4.0, fleet.clock).share(GROUP.name), fleet.clock, Seen(),
            margin_seconds=MARGIN_SECONDS, jitter=lambda: 0.5,
        )  # fmt: skip

    def run(self, until: float, *, is_killed: bool) -> None:
        clock, stop = self._fleet.clock, threading.Event()

        def look(_: float) -> None:
            for agent in self._fleet.alive:
                agent.beat()
            if clock.elapsed >= until and not is_killed:
                stop.set()

        def die(_: Delivery) -> None:
            if is_killed and clock.elapsed >= until:
                raise Killed

        clock.on_wait, self.receiver.on_delivery = look, die
        try:
            self._source.run(self.receiver.process, stop)
        except Killed:
            self._fleet.alive.remove(self.state)
        clock.on_wait = None


@pytest.mark.parametrize("seed", range(2))
def test_a_takeover_repeats_at_most_what_arrived_within_the_margin_before_the_last_position(
    moto: MotoServer, tmp_path: Path, seed: int
) -> None:
    chance = random.Random(seed)
    fleet = Fleet(moto.endpoint, tmp_path)
    logs = PolledLogs(fleet.clock, page_size=20, call_seconds=0.2)
    start = fleet.clock.now() + 10
    for number in range(EVENTS_SECONDS):
        arrival = start + number + chance.random()
        logs.events.append(LogEvent(number, arrival - chance.uniform(0, 500), arrival))
    one, two = Life(fleet, "one", logs), Life(fleet, "two", logs)
    assert fleet.gives(one.state, GROUP.label())

    killed_at = fleet.clock.elapsed + chance.uniform(80, 120)
    one.run(killed_at, is_killed=True)
    died_at = fleet.clock.now()
    exported_by_one = dict(one.receiver.exported)
    while not two.state.acquire(GROUP.label()):
        fleet.pass_time(1)
    position = two.state.get("log_group", GROUP.label())
    assert position is not None
    print(
        f"\ntaken over after {fleet.clock.now() - died_at:.0f} s, position {died_at - position.swept_until:.1f} s old"
    )
    two.run(fleet.clock.elapsed + 150, is_killed=False)

    total = Counter(exported_by_one) + two.receiver.exported
    assert set(total) == set(range(EVENTS_SECONDS)), "nothing is lost"
    repeated = {number for number, count in total.items() if count > 1}
    print(f"{len(repeated)} repeated")
    assert repeated, "the margin is read again, so this can fail"
    assert max(total.values()) == 2, "once for each takeover"
    assert died_at - position.swept_until <= AGE_SECONDS
    for event in logs.events:
        if event.number in repeated:
            assert position.swept_until - MARGIN_SECONDS <= event.arrival <= died_at

"""Two agents and one table in moto's DynamoDB: who may poll what, who is alive, who is fenced off."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from itertools import count
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from consumer.errors import PermissionDeniedError, RefusedError, RetryableError, Stopped
from consumer.state.cursors import Cursors, Position
from consumer.state.settings import StateSettings
from consumer.state.shared import SharedState
from consumer.state.slots import claim_slot, release_slot
from tests.support.clock import ManualClock
from tests.support.emulated_estate import MotoServer

KEY = "123456789012/eu-central-1//vpc/flow"
_fleets = count(1)


@pytest.fixture(scope="module")
def moto() -> Iterator[MotoServer]:
    with MotoServer() as server:
        yield server


class Table:
    """DynamoDB as the agents call it; `fault` is raised instead of a call, `late` runs between asking and answering."""

    def __init__(self, endpoint: str) -> None:
        self._client = boto3.client(
            "dynamodb",
            region_name="us-east-1",
            endpoint_url=endpoint,
            aws_access_key_id="fleet",
            aws_secret_access_key="emulated",
        )
        self.fault: Exception | None = None
        self.calls: list[str] = []

    def __call__(self, operation: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
        self.calls.append(operation)
        if self.fault is not None:
            raise self.fault
        method = "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in operation).strip("_")
        try:
            answer: dict[str, Any] = getattr(self._client, method)(**parameters)
        except ClientError as error:
            raise RefusedError(operation, error.response["Error"]["Code"], str(error)) from error
        return answer


class Fleet:
    """Agents on one clock, each with its own way to the table; `pass_time` lets those beat that are alive."""

    def __init__(self, endpoint: str, folder: Path) -> None:
        self.clock = ManualClock()
        self.settings = StateSettings(backend="dynamodb", fleet=f"fleet-{next(_fleets)}")
        self.lost: list[str] = []
        self.alive: list[SharedState] = []
        self.endpoint = endpoint
        self._folder = folder
        self.tables: dict[str, Table] = {}

    def agent(self, name: str) -> SharedState:
        table = self.tables[name] = Table(self.endpoint)
        local = Cursors(self._folder / f"{name}.sqlite", self.clock)
        shared = SharedState(
            table,
            self.settings,
            local,
            name,
            self.clock,
            self.clock.monotonic,
            lambda why: self.lost.append(f"{name}: {why}"),
        )
        shared._table.make_table(self.clock, threading.Event())
        shared.beat()
        self.alive.append(shared)
        return shared

    def gives(self, agent: SharedState, key: str) -> bool:
        """Whether the agent gets a free group, in the end."""
        if not agent.acquire(key):
            self.pass_time(6)
        return agent.acquire(key)

    def pass_time(self, seconds: float) -> None:
        end = self.clock.elapsed + seconds
        while self.clock.elapsed < end:
            self.clock.advance(min(1.0, end - self.clock.elapsed))
            if int(self.clock.elapsed) % 5 == 0:
                for agent in self.alive:
                    agent.beat()


@pytest.fixture
def fleet(moto: MotoServer, tmp_path: Path) -> Fleet:
    return Fleet(moto.endpoint, tmp_path)


def test_a_group_has_one_reader_and_its_position_goes_with_it(fleet: Fleet) -> None:
    one, two = fleet.agent("one"), fleet.agent("two")
    fleet.pass_time(10)
    takers = [agent for agent in (one, two) if agent.acquire(KEY)]
    fleet.pass_time(10)
    takers += [agent for agent in (one, two) if agent not in takers and agent.acquire(KEY)]

    (reader,) = takers
    other = two if reader is one else one
    assert reader.holds(KEY)
    assert not other.holds(KEY)
    reader.advance("log_group", KEY, Position(200, 100))
    reader.release(KEY)
    fleet.pass_time(10)
    assert fleet.gives(other, KEY)
    assert other.get("log_group", KEY) == Position(200, 100)


def test_a_dead_agents_group_is_taken_within_thirty_seconds_and_no_sooner_than_its_lease(fleet: Fleet) -> None:
    one, two = fleet.agent("one"), fleet.agent("two")
    fleet.pass_time(6)
    assert fleet.gives(one, KEY)
    fleet.pass_time(5)
    one.beat()
    died_at = fleet.clock.elapsed
    fleet.alive.remove(one)
    while not two.acquire(KEY):
        fleet.pass_time(1)
        assert not (one.is_alive() and two.holds(KEY))
    seconds = fleet.clock.elapsed - died_at
    print(f"\ntaken over after {seconds:.0f} s")

    assert fleet.settings.lease_seconds <= seconds <= 30
    assert not one.holds(KEY), "its own deadline came first"


def test_an_agent_that_paused_finds_itself_fenced_off(fleet: Fleet) -> None:
    one, two = fleet.agent("one"), fleet.agent("two")
    fleet.pass_time(6)
    assert fleet.gives(one, KEY)
    one.advance("log_group", KEY, Position.at(100))
    fleet.alive.remove(one)
    fleet.pass_time(40)
    assert fleet.gives(two, KEY)

    assert not one.holds(KEY)
    assert not one.acquire(KEY)
    one.advance("log_group", KEY, Position.at(999))
    one.beat()
    assert len(fleet.lost) == 1
    assert "did not answer for longer than a lease" in fleet.lost[0]
    assert two.get("log_group", KEY) == Position.at(100)


def test_a_beat_that_was_on_its_way_while_others_gave_us_up_fails(fleet: Fleet) -> None:
    one, two = fleet.agent("one"), fleet.agent("two")
    fleet.pass_time(6)
    table = fleet.tables["one"]
    real = table._client.update_item

    def late(**parameters: Any) -> Any:
        fleet.alive.remove(one)
        fleet.pass_time(40)
        assert two.liveness(one.me) is False
        return real(**parameters)

    table._client.update_item = late  # type: ignore[method-assign]
    one.beat()

    assert fleet.lost == ["one: another agent found it silent and took over"]
    assert not one.is_alive()


def test_a_call_whose_answer_was_lost_and_that_is_made_again_is_no_loss(fleet: Fleet) -> None:
    one = fleet.agent("one")
    table = fleet.tables["one"]
    real = table._client.update_item

    def twice(**parameters: Any) -> Any:
        real(**parameters)
        return real(**parameters)

    table._client.update_item = twice  # type: ignore[method-assign]
    one.beat()
    one.beat()
    fleet.alive.remove(one)
    fleet.clock.advance(1)

    assert fleet.lost == []
    assert one.is_alive()
    assert one.acquire(KEY)


def test_clocks_that_differ_by_hours_change_nothing(fleet: Fleet) -> None:
    one = fleet.agent("one")
    fleet.clock.started_at += 7_200
    two = fleet.agent("two")
    fleet.pass_time(60)
    fleet.clock.started_at -= 20_000
    fleet.pass_time(60)

    assert one.is_alive()
    assert two.is_alive()
    assert (one.liveness(two.me), two.liveness(one.me)) == (True, True)


def test_groups_spread_over_the_agents_that_are_there(fleet: Fleet) -> None:
    agents = [fleet.agent("one"), fleet.agent("two")]
    fleet.pass_time(6)
    keys = [f"{KEY}-{number}" for number in range(40)]
    for _ in range(2):
        for agent in agents:
            for key in keys:
                agent.acquire(key)
        fleet.pass_time(6)
    counts = [sum(agent.holds(key) for key in keys) for agent in agents]

    assert sum(counts) == 40
    assert min(counts) >= 8


def test_a_table_that_does_not_answer_costs_what_we_hold_only_when_the_lease_is_over(fleet: Fleet) -> None:
    one = fleet.agent("one")
    fleet.pass_time(6)
    assert one.acquire(KEY)
    fleet.tables["one"].fault = RetryableError("no route")
    fleet.alive.remove(one)
    fleet.pass_time(8)
    one.advance("log_group", KEY, Position.at(50))
    assert one.holds(KEY)
    assert one.problem == "no route"
    fleet.tables["one"].fault = None
    one.beat()
    one._save(KEY)
    fleet.pass_time(10)

    assert one.holds(KEY)
    two = fleet.agent("two")
    assert two.owners("group#") == {f"group#{KEY}": one.me}


def test_a_table_we_may_neither_see_nor_make_is_refused_with_its_policy(fleet: Fleet) -> None:
    table = Table(fleet.endpoint)
    table.fault = PermissionDeniedError("dynamodb:DescribeTable", "sharing", "…")
    shared = SharedState(
        table, fleet.settings, Cursors(None, fleet.clock), "one", fleet.clock, fleet.clock.monotonic, fleet.lost.append
    )

    with pytest.raises(PermissionDeniedError):
        shared.start()


def test_the_slot_of_a_dead_agent_goes_before_a_new_one(fleet: Fleet) -> None:
    one, two = fleet.agent("one"), fleet.agent("two")
    stop = threading.Event()
    assert claim_slot(one, fleet.clock, stop) == 1
    fleet.clock.on_wait = lambda seconds: _beat_all(fleet)
    assert claim_slot(two, fleet.clock, stop) == 2
    fleet.alive.remove(one)
    began = fleet.clock.elapsed
    three = fleet.agent("three")

    assert claim_slot(three, fleet.clock, stop) == 1
    print(f"\nclaimed after {fleet.clock.elapsed - began:.0f} s")
    assert fleet.clock.elapsed - began <= 30
    assert two.is_alive()


def test_a_slot_that_was_given_back_is_taken_at_once_and_never_by_two(fleet: Fleet) -> None:
    one = fleet.agent("one")
    stop = threading.Event()
    assert claim_slot(one, fleet.clock, stop) == 1
    release_slot(one, 1)
    agents = [fleet.agent(f"new-{number}") for number in range(5)]
    for agent in agents:
        agent.beat()
    fleet.clock.on_wait = lambda seconds: _beat_all(fleet)
    slots = [claim_slot(agent, fleet.clock, stop) for agent in agents]

    assert sorted(slots) == [1, 2, 3, 4, 5]


def test_an_agent_that_was_killed_and_started_again_has_its_slot_and_groups_at_once(fleet: Fleet) -> None:
    one = fleet.agent("one")
    stop = threading.Event()
    assert claim_slot(one, fleet.clock, stop) == 1
    assert fleet.gives(one, KEY)
    fleet.alive.remove(one)
    began = fleet.clock.elapsed
    again = fleet.agent("one")

    assert claim_slot(again, fleet.clock, stop) == 1
    assert fleet.clock.elapsed - began <= 1
    assert fleet.gives(again, KEY)


def test_waiting_for_a_slot_ends_with_a_stop(fleet: Fleet) -> None:
    one, two = fleet.agent("one"), fleet.agent("two")
    stop = threading.Event()
    claim_slot(one, fleet.clock, stop)
    two.beat()
    fleet.clock.on_wait = lambda seconds: stop.set()

    with pytest.raises(Stopped):
        claim_slot(two, fleet.clock, stop)


@pytest.mark.parametrize("offset", [0.0, 1.7, 3.3, 4.9])
def test_a_dead_agents_slot_is_claimed_a_second_after_its_lease_whenever_one_began_to_look(
    fleet: Fleet, offset: float
) -> None:
    one, stop = fleet.agent("one"), threading.Event()
    assert claim_slot(one, fleet.clock, stop) == 1
    fleet.clock.on_wait = _beats_when_due(fleet)
    fleet.clock.advance(offset)
    fleet.alive.remove(one)
    two = fleet.agent("two")
    began = fleet.clock.elapsed

    assert claim_slot(two, fleet.clock, stop) == 1
    lease = fleet.settings.lease_seconds
    assert lease < fleet.clock.elapsed - began <= lease + 1


@pytest.mark.parametrize(
    ("pause", "may_send", "slot"), [(3, True, 3), (13, True, 3), (14, False, 3), (15, False, 1), (60, False, 1)]
)
def test_two_that_may_send_never_share_a_slot_however_long_one_of_them_paused(
    fleet: Fleet, pause: int, may_send: bool, slot: int
) -> None:
    one, two, stop = fleet.agent("one"), fleet.agent("two"), threading.Event()
    beats = fleet.clock.on_wait = _beats_when_due(fleet)
    slots = {agent: claim_slot(agent, fleet.clock, stop) for agent in (one, two)}
    one.beat()
    fleet.alive.remove(one)
    paused_at = fleet.clock.elapsed
    third = fleet.agent("three")
    comes_back: list[bool] = []

    def in_each_wait(seconds: float) -> None:
        senders = [slots[agent] for agent in slots if agent.is_alive()]
        assert len(senders) == len(set(senders))
        if not comes_back and fleet.clock.elapsed >= paused_at + pause:
            comes_back.append(one.is_alive())  # what is asked before its next message
            fleet.alive.append(one)
            one.beat()
        beats(seconds)

    fleet.clock.on_wait = in_each_wait
    slots[third] = claim_slot(third, fleet.clock, stop)
    for _ in range(2 * pause):
        fleet.clock.wait(stop, 0.5)

    assert comes_back == [may_send]
    assert slots[third] == slot
    assert bool(fleet.lost) is (slot == 1)


def _beats_when_due(fleet: Fleet) -> Callable[[float], None]:
    """Called in each wait: who is alive beats three times in a lease, as its thread does."""
    due = fleet.clock.elapsed

    def beat(seconds: float) -> None:
        nonlocal due
        if fleet.clock.elapsed >= due:
            due = fleet.clock.elapsed + fleet.settings.lease_seconds / 3
            _beat_all(fleet)

    return beat


def _beat_all(fleet: Fleet) -> None:
    for agent in fleet.alive:
        agent.beat()

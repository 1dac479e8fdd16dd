"""How many agents of a fleet poll log groups of one account and region, as the state table in moto has it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from consumer.agent.basis import Basis
from consumer.agent.fleet import Fleet
from consumer.config import Settings
from consumer.state.cursors import Cursors
from consumer.state.identity import StateFolder
from tests.support.emulated_estate import MotoServer
from tests.unit.state.test_shared import Fleet as Agents

HERE, THERE = "111111111111/eu-west-1/", "111111111111/us-east-1/"


@pytest.fixture(scope="module")
def moto() -> Iterator[MotoServer]:
    with MotoServer() as server:
        yield server


def test_agents_that_poll_an_account_and_region_are_counted_once_each(moto: MotoServer, tmp_path: Path) -> None:
    agents = Agents(moto.endpoint, tmp_path)
    one, two = agents.agent("one"), agents.agent("two")
    agents.pass_time(10)
    basis = Basis.of(Settings(), StateFolder(tmp_path), agents.clock)
    fleet = Fleet(basis, Cursors(None, agents.clock), print, print)
    fleet.shared = one
    assert fleet.pollers("111111111111", "eu-west-1") == 0
    for agent, key in ((one, f"{HERE}/a"), (one, f"{HERE}/b"), (two, f"{HERE}/c"), (two, f"{THERE}/a")):
        assert agents.gives(agent, key)
    agents.pass_time(10)
    assert fleet.pollers("111111111111", "eu-west-1") == 2
    assert fleet.pollers("111111111111", "us-east-1") == 1
    two.release(f"{HERE}/c")
    agents.pass_time(10)
    assert fleet.pollers("111111111111", "eu-west-1") == 1

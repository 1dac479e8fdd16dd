"""One emulated AWS for all tests of a session, emptied for each; streams, lease tables and folders of a test's own."""

from __future__ import annotations

import itertools
import threading
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from consumer.demo.emulators import EmulatedAws
from consumer.demo.network import Network
from consumer.demo.seeding import seed_network
from tests.support.emulated_estate import FaultyAws, MotoServer
from tests.support.estate import AGENT, KCL, Estate, stream_settings

_numbers = itertools.count(1)

MakeEstate = Callable[..., Estate]


@pytest.fixture(scope="session")
def emulators(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmulatedAws]:
    with EmulatedAws(tmp_path_factory.mktemp("emulators")) as started:
        yield started


@pytest.fixture
def aws(emulators: EmulatedAws) -> EmulatedAws:
    """Without what earlier tests left in moto: an agent that discovers would read their flow logs, too."""
    forget = urllib.request.Request(f"{emulators.moto_endpoint}/moto-api/reset", method="POST")
    with urllib.request.urlopen(forget, timeout=180):
        return emulators


@pytest.fixture
def make_estate(aws: EmulatedAws, tmp_path: Path) -> MakeEstate:
    """Makes an estate with a stream of its own: `make_estate(shards=2, seeded=False, retrieval="fanout")`.

    `owner` names the agent for which the leases are seeded, from the estate.
    """

    def make(
        shards: int = 1,
        *,
        seeded: bool = True,
        folder: Path = tmp_path,
        owner: Callable[[Estate], str] = lambda _: AGENT,
        **settings: Any,
    ) -> Estate:
        estate = Estate(aws, folder, stream_settings(f"flow-{next(_numbers)}", **settings), KCL)
        estate.create(shards, owner=owner(estate) if seeded else None)
        return estate

    return make


@pytest.fixture(scope="module")
def moto() -> Iterator[MotoServer]:
    """AWS without streams, which the tests of a module share."""
    with MotoServer() as server:
        yield server


@pytest.fixture(scope="module")
def network(moto: MotoServer) -> Network:
    """Two accounts with VPCs and hosts in two regions."""
    return seed_network(moto.endpoint)


@pytest.fixture
def faulty_aws(moto: MotoServer, network: Network, monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultyAws]:
    """The network behind an endpoint that can have a bad day."""
    with FaultyAws(moto.endpoint) as endpoint:
        monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint.endpoint)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "own")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
        monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        before = set(threading.enumerate())
        yield endpoint
        _wait_for_the_rest(before)


def _wait_for_the_rest(before: set[threading.Thread]) -> None:
    """Threads that a test gave up on, a look-up that hung, say: they would ask the next test's endpoint, and be counted
    there. Those of the endpoint itself live as long as its connections."""
    for thread in set(threading.enumerate()) - before:
        if "process_request_thread" not in thread.name:
            thread.join(60)

"""Looking at lease tables: how often, which, and what a look that fails means. The tables are moto's."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import boto3
import pytest

from consumer.agent.lease_look import LeaseLook
from consumer.aws.lease_table import PAGE_LIMIT, scan_leases
from consumer.aws.roles import Target
from consumer.aws.sessions import Sessions
from consumer.aws.settings import AwsSettings
from consumer.errors import RefusedError, VpcflowError
from consumer.kcl.leases import Leased
from consumer.kcl.properties import lease_table
from consumer.kcl.settings import KclSettings, StreamSettings
from tests.support.clock import ManualClock
from tests.support.emulated_estate import MotoServer

STREAM = StreamSettings(name="flow", region="us-east-1")
KCL = KclSettings()
OWN = Target(None, "us-east-1")


class Scene:
    """One stream of an agent, looked at every 20 s. `answer`: what its table holds, or why nobody says."""

    def __init__(self, stream: StreamSettings = STREAM) -> None:
        self.clock = ManualClock(1_700_000_000.0)
        self.streams = {"us-east-1/flow": stream}
        self.answer: Sequence[Mapping[str, Any]] | VpcflowError = []
        self.found: list[tuple[str, Leased | None]] = []
        self.look = LeaseLook(lambda: self.streams, self.read, self.hear, lambda: "agent-1", KCL, 20.0, self.clock)

    def read(self, stream: StreamSettings) -> Sequence[Mapping[str, Any]]:
        if isinstance(self.answer, VpcflowError):
            raise self.answer
        return self.answer

    def hear(self, stream: str, leased: Leased | None) -> None:
        self.found.append((stream, leased))

    def looks(self, count: int) -> Leased | None:
        """What the last of so many looks found."""
        for _ in range(count):
            self.clock.advance(20)
            self.look.look(threading.Event())
        return self.found[-1][1]


def lease(counter: int) -> dict[str, Any]:
    return {
        "leaseKey": {"S": "shardId-000000000000"},
        "leaseOwner": {"S": "another"},
        "leaseCounter": {"N": str(counter)},
        "checkpoint": {"S": "LATEST"},
    }


def troubled(leased: Leased | None) -> bool | None:
    """None = nobody knows."""
    return None if leased is None else bool(leased.trouble)


def test_a_shard_whose_worker_died_is_told_of_and_taken_back_once_it_is_leased_again() -> None:
    scene = Scene()
    scene.answer = [lease(1)]
    assert troubled(scene.looks(2)) is False
    leased = scene.looks(1)
    assert leased is not None
    assert "another does not renew it" in leased.trouble
    scene.answer = [lease(2)]
    taken = Leased("", scene.clock.monotonic() + 20, is_shared=True, are_others=True, owners=frozenset(("another",)))
    assert scene.looks(1) == taken, "others have all of it"


def test_what_we_hold_ourselves_is_left_to_the_calls_of_kcl() -> None:
    scene = Scene()
    for count in range(5):
        scene.answer = [{**lease(count), "leaseOwner": {"S": "agent-1-us-east-1-flow"}}]
        assert scene.looks(1) == Leased("", scene.clock.monotonic(), owners=frozenset(("agent-1-us-east-1-flow",)))


def test_who_renews_slowly_by_the_streams_own_property_is_given_that_time() -> None:
    scene = Scene(STREAM.model_copy(update={"properties": {"failovertimemillis": "60000"}}))
    scene.answer = [lease(1)]
    assert troubled(scene.looks(9)) is False
    assert troubled(scene.looks(1)) is True


def test_a_table_that_cannot_be_read_says_nothing() -> None:
    scene = Scene()
    scene.answer = [lease(1)]
    assert troubled(scene.looks(3)) is True
    scene.answer = RefusedError("dynamodb:Scan", "ResourceNotFoundException", "no such table")
    assert scene.looks(5) is None


def test_a_stream_that_is_read_no_more_is_forgotten() -> None:
    scene = Scene()
    scene.answer = [lease(1)]
    assert troubled(scene.looks(3)) is True
    scene.streams = {}
    assert scene.looks(1) is None
    scene.streams = {"us-east-1/flow": STREAM}
    assert troubled(scene.looks(1)) is False, "its first look"


def test_the_table_is_that_of_the_stream_or_of_its_own_property() -> None:
    assert lease_table(KCL, STREAM) == "vpcflow-us-east-1-flow"
    assert lease_table(KCL, STREAM.model_copy(update={"properties": {"TableName": "mine"}})) == "mine"


@pytest.fixture(scope="module")
def moto() -> Iterator[MotoServer]:
    with MotoServer() as server:
        yield server


def test_a_whole_table_is_read_page_by_page_and_one_that_is_too_large_is_refused(
    moto: MotoServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {
        "AWS_ENDPOINT_URL": moto.endpoint,
        "AWS_ACCESS_KEY_ID": "own",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_EC2_METADATA_DISABLED": "true",
    }.items():
        monkeypatch.setenv(name, value)
    client = boto3.client("dynamodb", region_name="us-east-1")
    client.create_table(
        TableName="leases",
        KeySchema=[{"AttributeName": "leaseKey", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "leaseKey", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    sessions = Sessions(AwsSettings(region="us-east-1", attempts=1))

    def put(count: int) -> None:
        for number in range(count):  # 350 KB each: three a page
            name = {"leaseKey": {"S": f"shardId-{number:012}"}}
            client.put_item(TableName="leases", Item={**lease(1), **name, "padding": {"S": "x" * 350_000}})

    put(5)
    assert len(scan_leases(sessions, OWN, "leases")) == 5
    put(3 * PAGE_LIMIT + 1)
    with pytest.raises(RefusedError, match="more than"):
        scan_leases(sessions, OWN, "leases")

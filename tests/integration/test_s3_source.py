"""Objects announced by a queue, on moto's S3 and SQS: exported once, deleted after export only."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.emulated_estate import MotoServer
from tests.support.flow_bucket import ACCOUNT, REGION, Exported, FlowBucket, ReadingAgent, key, packed

WAIT_SECONDS = 60.0


@pytest.fixture(scope="module")
def moto() -> Iterator[MotoServer]:
    with MotoServer() as server:
        yield server


@pytest.fixture
def endpoint(moto: MotoServer, monkeypatch: pytest.MonkeyPatch) -> str:
    for name, value in (
        ("AWS_ENDPOINT_URL", moto.endpoint),
        ("AWS_ACCESS_KEY_ID", "test"),
        ("AWS_SECRET_ACCESS_KEY", "test"),
        ("AWS_EC2_METADATA_DISABLED", "true"),
    ):
        monkeypatch.setenv(name, value)
    return moto.endpoint


Make = Callable[..., tuple[FlowBucket, ReadingAgent]]


@pytest.fixture
def make(endpoint: str, tmp_path: Path) -> Iterator[Make]:
    agents: list[ReadingAgent] = []

    def made(*, dead_letter_after: int = 0, announces: bool = True, **more: Any) -> tuple[FlowBucket, ReadingAgent]:
        bucket = FlowBucket(endpoint, announces=announces, dead_letter_after=dead_letter_after)
        agents.append(ReadingAgent(bucket, tmp_path, endpoint, **more))
        return bucket, agents[-1]

    yield made
    for agent in agents:
        if hasattr(agent, "_thread"):
            agent.end()


def until(condition: Callable[[], bool], what: str = "it") -> None:
    deadline = time.monotonic() + WAIT_SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"{what} did not come"
        time.sleep(0.05)


def test_every_record_of_announced_objects_is_exported_once_and_the_messages_are_deleted(make: Make) -> None:
    bucket, agent = make()
    for number in range(5):
        bucket.put(key(number), packed(number * 1000, 1000))
    exported = Exported()
    agent.start(exported)
    until(bucket.is_drained, "the end of the queue")
    agent.end()
    assert sorted(exported.numbers()) == list(range(5000))
    assert agent.heard.objects == ["exported"] * 5
    assert agent.heard.parts == ["test_event"]
    assert agent.heard.messages == ["deleted"] * 6
    origin = exported.origins[0]
    assert (origin.account, origin.region, origin.flow_log_id) == (ACCOUNT, REGION, "fl-0123456789abcdef0")

"""Which fan-out consumers are ours."""

from __future__ import annotations

from datetime import UTC, datetime

from consumer.kcl.consumers import read_consumers
from consumer.kcl.settings import KclSettings, StreamSettings

STREAM = StreamSettings(name="flow", region="us-east-1")


def entry(name: str) -> dict[str, object]:
    return {
        "ConsumerName": name,
        "ConsumerARN": f"arn:aws:kinesis:us-east-1:111111111111:stream/flow/consumer/{name}:1",
        "ConsumerStatus": "ACTIVE",
        "ConsumerCreationTimestamp": datetime.fromtimestamp(1_000, UTC),
    }


def test_ours_bears_the_applications_name_and_comes_first() -> None:
    found = read_consumers([entry("another"), entry("vpcflow-us-east-1-flow")], KclSettings(), STREAM)
    assert [(each.name, each.is_ours, each.created_at) for each in found] == [
        ("vpcflow-us-east-1-flow", True, 1_000.0),
        ("another", False, 1_000.0),
    ]


def test_a_name_the_user_gave_is_ours() -> None:
    stream = STREAM.model_copy(update={"properties": {"fanoutConfig.consumerName": "mine"}})
    assert [each.is_ours for each in read_consumers([entry("mine")], KclSettings(), stream)] == [True]

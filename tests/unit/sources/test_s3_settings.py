"""A queue is named by ARN or URL, in any partition."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from consumer.sources.s3_settings import QueueSettings


@pytest.mark.parametrize(
    ("text", "region", "url"),
    [
        ("arn:aws:sqs:eu-west-1:123456789012:flow-logs", "eu-west-1", ""),
        ("arn:aws-us-gov:sqs:us-gov-west-1:123456789012:flow-logs", "us-gov-west-1", ""),
        ("https://sqs.eu-west-1.amazonaws.com/123456789012/flow-logs", "eu-west-1", "same"),
        ("https://sqs.cn-north-1.amazonaws.com.cn/123456789012/flow-logs", "cn-north-1", "same"),
        ("https://eu-west-1.queue.amazonaws.com/123456789012/flow-logs", "eu-west-1", "same"),
        ("https://vpce-1.sqs-private.example/123456789012/flow-logs", "us-east-2", "same"),
        ("http://127.0.0.1:5000/123456789012/flow-logs", "us-east-2", "same"),
    ],
    ids=["arn", "gov", "url", "china", "old-url", "private", "emulator"],
)
def test_account_region_and_name_come_from_arn_and_url(text: str, region: str, url: str) -> None:
    queue = QueueSettings(queue=text)
    assert (queue.account, queue.region_or("us-east-2"), queue.name) == ("123456789012", region, "flow-logs")
    assert queue.url == (text if url else "")


def test_a_region_that_is_given_goes_before() -> None:
    queue = QueueSettings(queue="http://127.0.0.1:5000/123456789012/flow-logs", region="eu-central-1")
    assert queue.region_or("us-east-2") == "eu-central-1"


@pytest.mark.parametrize("text", ["flow-logs", "arn:aws:sns:eu-west-1:123456789012:topic", "https://example.com/queue"])
def test_what_is_no_queue_is_refused_with_words(text: str) -> None:
    with pytest.raises(ValidationError, match="is not a queue; write arn:aws:sqs:REGION:ACCOUNT:NAME"):
        QueueSettings(queue=text)


def test_a_role_must_be_one() -> None:
    with pytest.raises(ValidationError, match="is not a role"):
        QueueSettings(queue="arn:aws:sqs:eu-west-1:123456789012:q", role="admin")

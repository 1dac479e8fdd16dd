"""A queue is named by ARN or URL, in any partition."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from consumer.sources.s3.settings import QueueSettings


@pytest.mark.parametrize(
    ("text", "region", "url"),
    [
        ("arn:aws:sqs:eu-west-1:123456789012:flow-logs", "eu-west-1", ""),
        ("arn:aws-us-gov:sqs:us-gov-west-1:123456789012:flow-logs", "us-gov-west-1", ""),
        ("https://sqs.eu-west-1.amazonaws.com/123456789012/flow-logs", "eu-west-1", "same"),
        ("https://sqs.cn-north-1.amazonaws.com.cn/123456789012/flow-logs", "cn-north-1", "same"),
        ("https://eu-west-1.queue.amazonaws.com/123456789012/flow-logs", "eu-west-1", "same"),
    ],
    ids=["arn", "gov", "url", "china", "old-url"],
)
def test_account_region_and_name_come_from_arn_and_url(text: str, region: str, url: str) -> None:
    queue = QueueSettings(queue=text)
    assert queue.place == ("123456789012", region, "flow-logs")
    assert queue.url == (text if url else "")


def test_a_url_that_does_not_say_its_region_must_be_given_one() -> None:
    url = "http://127.0.0.1:5000/123456789012/flow-logs"
    assert QueueSettings(queue=url, region="eu-central-1").place == ("123456789012", "eu-central-1", "flow-logs")
    with pytest.raises(ValidationError, match="does not say its region"):
        QueueSettings(queue=url)


@pytest.mark.parametrize("text", ["flow-logs", "arn:aws:sns:eu-west-1:123456789012:topic", "https://example.com/queue"])
def test_what_is_no_queue_is_refused_with_words(text: str) -> None:
    with pytest.raises(ValidationError, match="is not a queue; write arn:aws:sqs:REGION:ACCOUNT:NAME"):
        QueueSettings(queue=text)


def test_a_role_must_be_one() -> None:
    with pytest.raises(ValidationError, match="is not a role"):
        QueueSettings(queue="arn:aws:sqs:eu-west-1:123456789012:q", role="admin")

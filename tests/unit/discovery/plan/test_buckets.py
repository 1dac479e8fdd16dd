"""Which queue is told of a flow log's objects."""

from __future__ import annotations

from dataclasses import replace

import pytest

from consumer.discovery.plan.buckets import Bucket, Queue, bucket_of, prefix_of
from consumer.model.plan import FlowLog

ARN = "arn:aws:sqs:us-east-1:123456789012:"
LOG = FlowLog(
    "fl-1", "123456789012", "us-east-1", "vpc-1", "ALL", "", "s3", "arn:aws:s3:::lake", "", 600, "SUCCESS", ""
)


def logging_to(destination: str) -> FlowLog:
    return replace(LOG, destination=destination)


@pytest.mark.parametrize(
    ("destination", "prefix"),
    [
        ("arn:aws:s3:::lake", "AWSLogs/"),
        ("arn:aws:s3:::lake/", "AWSLogs/"),
        ("arn:aws-cn:s3:::lake/team/flows/", "team/flows/AWSLogs/"),
    ],
    ids=["bucket", "slash", "prefix"],
)
def test_the_destination_says_bucket_and_prefix(destination: str, prefix: str) -> None:
    assert (bucket_of(logging_to(destination)), prefix_of(logging_to(destination))) == ("lake", prefix)


@pytest.mark.parametrize(
    ("queue", "hears"),
    [
        (Queue(ARN), True),
        (Queue(ARN, prefix="AWSLogs/"), True),
        (Queue(ARN, prefix="AWSLogs/123456789012/vpcflowlogs/"), True),
        (Queue(ARN, prefix="AWS", suffix=".gz"), True),
        (Queue(ARN, suffix=".parquet"), True),
        (Queue(ARN, prefix="team/"), False),
        (Queue(ARN, suffix=".json.gz"), False),
    ],
    ids=["all", "tree", "deeper", "start", "columns", "elsewhere", "other-files"],
)
def test_a_queue_that_is_told_of_other_keys_only_is_none(queue: Queue, hears: bool) -> None:
    assert (Bucket("lake", "us-east-1", "1", (queue,)).queue_for(LOG) == queue) == hears


def test_the_queue_that_s3_tells_itself_goes_before_one_behind_a_topic() -> None:
    behind, direct = Queue(ARN + "a", topic="arn:aws:sns:us-east-1:1:topic"), Queue(ARN + "b")
    assert Bucket("lake", "us-east-1", "1", (behind, direct)).queue_for(LOG) == direct
    assert Bucket("lake", "us-east-1", "1", (behind,)).queue_for(LOG) == behind

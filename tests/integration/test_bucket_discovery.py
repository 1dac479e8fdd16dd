"""Looking at buckets on moto: queues of their own, queues behind topics, regions."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import boto3
import pytest

from consumer.aws.roles import Target
from consumer.aws.sessions import Sessions
from consumer.aws.settings import AwsSettings
from consumer.discovery.plan.buckets import Bucket, BucketReader
from consumer.errors import VpcflowError
from consumer.model.plan import FlowLog
from tests.support.emulated_estate import MotoServer

ACCOUNT = "123456789012"
LOG = FlowLog("fl-1", ACCOUNT, "us-east-1", "vpc-1", "ALL", "", "s3", "arn:aws:s3:::lake", "", 600, "SUCCESS", "")


def test_a_bucket_is_in_its_own_region_and_its_topics_queue_is_found(
    moto: MotoServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: dict[str, Any] = {
        "endpoint_url": moto.endpoint,
        "region_name": "eu-west-1",
        "aws_access_key_id": "test",
        "aws_secret_access_key": "test",
    }
    s3: Any = boto3.client("s3", **given)
    sqs: Any = boto3.client("sqs", **given)
    sns: Any = boto3.client("sns", **given)
    s3.create_bucket(Bucket="lake", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    redrive = {"deadLetterTargetArn": f"arn:aws:sqs:eu-west-1:{ACCOUNT}:dead", "maxReceiveCount": 3}
    sqs.create_queue(QueueName="dead")
    sqs.create_queue(QueueName="news", Attributes={"RedrivePolicy": json.dumps(redrive)})
    topic = sns.create_topic(Name="objects")["TopicArn"]
    queue = f"arn:aws:sqs:eu-west-1:{ACCOUNT}:news"
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue)
    rule = {
        "TopicArn": topic,
        "Events": ["s3:ObjectCreated:*"],
        "Filter": {"Key": {"FilterRules": [{"Name": "prefix", "Value": "AWSLogs/"}]}},
    }
    configuration = {"TopicConfigurations": [rule]}
    s3.put_bucket_notification_configuration(Bucket="lake", NotificationConfiguration=configuration)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.setenv("AWS_ENDPOINT_URL", moto.endpoint)
    told: list[VpcflowError] = []
    reader = BucketReader(
        Sessions(AwsSettings(region="us-east-1", attempts=1)),
        lambda account, region: Target(None, region),
        lambda target, error: told.append(error),
        {},
    )

    bucket = reader.read(LOG)
    assert told == []
    assert (bucket.region, bucket.others) == ("eu-west-1", (topic,))
    (found,) = bucket.queues
    assert (found.arn, found.topic, found.prefix) == (queue, topic, "AWSLogs/")
    assert found.waiting == 1, "S3's test event"
    assert found.dead_letter_arn.endswith(":dead")
    assert found.url

    elsewhere = reader.read(replace(LOG, destination="arn:aws:s3:::not-there"))
    assert elsewhere == Bucket("not-there", "us-east-1", ACCOUNT, is_read=False)
    assert "NoSuchBucket" in str(told[0])

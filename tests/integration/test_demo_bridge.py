"""The bridge on the real emulators: what a subscription would have delivered is what the agent finds."""

from __future__ import annotations

import gzip
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import boto3
import orjson
import pytest

from consumer.demo.bridge import Bridge
from consumer.demo.emulators import ACCOUNT, REGION, EmulatedAws
from consumer.demo.network import LOG_GROUP
from consumer.demo.seeding import seed_network
from consumer.demo.traffic import Entry, Traffic

if TYPE_CHECKING:
    from mypy_boto3_kinesis import KinesisClient

STREAM = "flow-logs"


@pytest.fixture(scope="module")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmulatedAws]:
    with EmulatedAws(tmp_path_factory.mktemp("aws")) as emulated:
        yield emulated


@pytest.fixture(scope="module")
def kinesis(aws: EmulatedAws) -> KinesisClient:
    client = boto3.client(
        "kinesis",
        region_name=REGION,
        endpoint_url=aws.kinesis_endpoint,
        verify=str(aws.ca_bundle),
        aws_access_key_id=ACCOUNT,
        aws_secret_access_key="emulated",
    )
    client.create_stream(StreamName=STREAM, ShardCount=1)
    client.get_waiter("stream_exists").wait(StreamName=STREAM, WaiterConfig={"Delay": 1})
    return client


@pytest.fixture(scope="module")
def written(aws: EmulatedAws, kinesis: KinesisClient) -> list[Entry]:
    """Three rounds of traffic, carried over."""
    network = seed_network(aws.moto_endpoint)
    bridge = Bridge(network, aws.moto_endpoint, kinesis, STREAM)
    bridge.open()
    traffic = Traffic(network, seed=3)
    entries: list[Entry] = []
    for _ in range(3):
        batch = traffic.lines(time.time(), 200)
        bridge.write(batch)
        entries += batch
    return entries


@pytest.fixture(scope="module")
def envelopes(kinesis: KinesisClient, written: list[Entry]) -> list[dict[str, Any]]:
    shard = kinesis.list_shards(StreamName=STREAM)["Shards"][0]["ShardId"]
    position = kinesis.get_shard_iterator(StreamName=STREAM, ShardId=shard, ShardIteratorType="TRIM_HORIZON")
    iterator = position["ShardIterator"]
    found: list[dict[str, Any]] = []
    while True:
        answer = kinesis.get_records(ShardIterator=iterator)
        if not answer["Records"]:
            return found
        iterator = answer["NextShardIterator"]
        found += [orjson.loads(gzip.decompress(record["Data"])) for record in answer["Records"]]


def test_each_subscription_begins_with_a_control_message(envelopes: list[dict[str, Any]]) -> None:
    assert [envelope["messageType"] for envelope in envelopes[:5]] == ["CONTROL_MESSAGE"] * 4 + ["DATA_MESSAGE"]


def test_every_line_arrives_once_under_its_owner(envelopes: list[dict[str, Any]], written: list[Entry]) -> None:
    arrived = [
        (envelope["owner"], envelope["logGroup"], envelope["logStream"], event["timestamp"], event["message"])
        for envelope in envelopes
        if envelope["messageType"] == "DATA_MESSAGE"
        for event in envelope["logEvents"]
    ]
    expected = [
        (entry.group.account, entry.group.name, entry.log_stream, entry.timestamp_ms, entry.line) for entry in written
    ]
    assert sorted(arrived) == sorted(expected)
    assert {owner for owner, *_ in arrived} == {"123456789012", "222222222222"}


def test_event_ids_are_the_strings_that_polling_gives(aws: EmulatedAws, envelopes: list[dict[str, Any]]) -> None:
    polled: dict[str, str] = {}
    for region in ("us-east-1", "eu-central-1"):
        logs = boto3.Session("demo", "demo", region_name=region).client("logs", endpoint_url=aws.moto_endpoint)
        for page in logs.get_paginator("filter_log_events").paginate(logGroupName=LOG_GROUP):
            polled |= {event["eventId"]: event["message"] for event in page["events"]}
    delivered = {
        event["id"]: event["message"]
        for envelope in envelopes
        if envelope["owner"] == "123456789012"
        for event in envelope["logEvents"]
    }
    assert delivered == polled
    assert all(isinstance(event_id, str) for event_id in delivered)

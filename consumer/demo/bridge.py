"""Plays the CloudWatch Logs subscription between the demo's two emulators.

Belongs here: writing log events, and carrying what a subscription filter delivers into the Kinesis stream the agent
reads. Does not: inventing lines (traffic.py). moto (5.2) runs the log groups and their subscription filters, which
deliver into moto's own Kinesis, one stream per account and region; KCL cannot read that one (no CBOR, no HTTP/2). So
each delivery is taken from there and put into kinesis-local, where one stream takes all accounts and regions, as a
CloudWatch Logs destination would make it.

The gzip envelope goes on as the filter made it but for two things in which moto differs from AWS: an event's id
becomes a string, the same that FilterLogEvents gives, and each subscription begins with a CONTROL_MESSAGE.
"""

from __future__ import annotations

import gzip
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import TYPE_CHECKING

import boto3
import orjson

from consumer.demo.network import HOME_ACCOUNT, LogGroup, Network
from consumer.demo.traffic import Entry

if TYPE_CHECKING:
    from mypy_boto3_kinesis import KinesisClient
    from mypy_boto3_kinesis.type_defs import PutRecordsRequestEntryTypeDef
    from mypy_boto3_logs import CloudWatchLogsClient

FILTER_NAME = "vpcflow"
_INNER_STREAM = "subscription"
_PUT_RECORDS_LIMIT = 500
"""Records in one PutRecords call (Kinesis API reference)."""
_GET_RECORDS_LIMIT = 1000


@dataclass(slots=True)
class _Subscription:
    """One log group and the moto stream its filter delivers into; `shard_iterator`: where reading goes on."""

    group: LogGroup
    logs: CloudWatchLogsClient
    inner: KinesisClient
    shard_iterator: str
    log_streams: set[str] = field(default_factory=set)


class Bridge:
    """Writes log events and carries them over, on one thread: moto's Kinesis breaks when read while written."""

    def __init__(self, network: Network, moto_endpoint: str, kinesis: KinesisClient, stream: str) -> None:
        self._network = network
        self._moto_endpoint = moto_endpoint
        self._kinesis = kinesis
        self._stream = stream
        self._subscriptions: dict[tuple[str, str], _Subscription] = {}

    def open(self) -> None:
        """Subscribe every log group and send its control message. Blocks about a second."""
        for group in self._network.log_groups:
            self._subscriptions[group.account, group.region] = self._subscribe(group)
        self._put(_control_message() for _ in self._subscriptions)

    def write(self, entries: Sequence[Entry]) -> None:
        """Put the lines into their log groups and everything the filters delivered into the stream."""
        by_stream = sorted(entries, key=_log_stream_of)
        for (account, region, log_stream), group in groupby(by_stream, key=_log_stream_of):
            subscription = self._subscriptions[account, region]
            self._write_events(subscription, log_stream, sorted(group, key=lambda entry: entry.timestamp_ms))
        self._put(record for subscription in self._subscriptions.values() for record in _delivered(subscription))

    def forget(self) -> None:
        """Empty the log groups, which moto would keep forever: events of a demo without end have been carried over."""
        for subscription in self._subscriptions.values():
            for log_stream in subscription.log_streams:
                subscription.logs.delete_log_stream(logGroupName=subscription.group.name, logStreamName=log_stream)
            subscription.log_streams.clear()

    def _subscribe(self, group: LogGroup) -> _Subscription:
        session = self._session(group)
        logs = session.client("logs", endpoint_url=self._moto_endpoint)
        inner = session.client("kinesis", endpoint_url=self._moto_endpoint)
        inner.create_stream(StreamName=_INNER_STREAM, ShardCount=1)
        described = inner.describe_stream(StreamName=_INNER_STREAM)["StreamDescription"]
        logs.put_subscription_filter(
            logGroupName=group.name,
            filterName=FILTER_NAME,
            filterPattern="",
            destinationArn=described["StreamARN"],
            roleArn=f"arn:aws:iam::{group.account}:role/logs-to-kinesis",
        )
        return _Subscription(group, logs, inner, _first_iterator(inner, _INNER_STREAM))

    def _session(self, group: LogGroup) -> boto3.Session:
        """Credentials of the group's account; moto lets anybody assume any role of any account."""
        home = boto3.Session("demo", "demo", region_name=group.region)
        if group.account == HOME_ACCOUNT:
            return home
        sts = home.client("sts", endpoint_url=self._moto_endpoint)
        role = f"arn:aws:iam::{group.account}:role/log-writer"
        given = sts.assume_role(RoleArn=role, RoleSessionName="bridge")["Credentials"]
        return boto3.Session(
            given["AccessKeyId"], given["SecretAccessKey"], given["SessionToken"], region_name=group.region
        )

    def _write_events(self, subscription: _Subscription, log_stream: str, entries: Iterable[Entry]) -> None:
        name = subscription.group.name
        if log_stream not in subscription.log_streams:
            subscription.logs.create_log_stream(logGroupName=name, logStreamName=log_stream)
            subscription.log_streams.add(log_stream)
        subscription.logs.put_log_events(
            logGroupName=name,
            logStreamName=log_stream,
            logEvents=[{"timestamp": entry.timestamp_ms, "message": entry.line} for entry in entries],
        )

    def _put(self, envelopes: Iterable[dict[str, object]]) -> None:
        """One Kinesis record per envelope; the partition key is the log stream, so an interface keeps its shard."""
        waiting: list[PutRecordsRequestEntryTypeDef] = [
            {
                "Data": gzip.compress(orjson.dumps(envelope), compresslevel=6),
                "PartitionKey": str(envelope["logStream"]) or "control",
            }
            for envelope in envelopes
        ]
        while waiting:
            part = waiting[:_PUT_RECORDS_LIMIT]
            answer = self._kinesis.put_records(StreamName=self._stream, Records=part)
            refused = [record for record, said in zip(part, answer["Records"], strict=True) if "ErrorCode" in said]
            waiting = refused + waiting[len(part) :]
            if refused:
                time.sleep(0.1)


def _log_stream_of(entry: Entry) -> tuple[str, str, str]:
    return (entry.group.account, entry.group.region, entry.log_stream)


def read_subscription(inner: KinesisClient, stream: str) -> Iterator[dict[str, object]]:
    """Everything that a subscription filter delivered into a stream of moto's with one shard, as envelopes."""
    iterator = _first_iterator(inner, stream)
    while True:
        envelopes, iterator = _read_page(inner, iterator)
        yield from envelopes
        if len(envelopes) < _GET_RECORDS_LIMIT:
            return


def _delivered(subscription: _Subscription) -> Iterator[dict[str, object]]:
    """Envelopes that the filter delivered since the last call."""
    while True:
        envelopes, subscription.shard_iterator = _read_page(subscription.inner, subscription.shard_iterator)
        yield from envelopes
        if len(envelopes) < _GET_RECORDS_LIMIT:
            return


def _first_iterator(inner: KinesisClient, stream: str) -> str:
    (shard,) = inner.describe_stream(StreamName=stream)["StreamDescription"]["Shards"]
    asked = inner.get_shard_iterator(StreamName=stream, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON")
    return asked["ShardIterator"]


def _read_page(inner: KinesisClient, iterator: str) -> tuple[list[dict[str, object]], str]:
    answer = inner.get_records(ShardIterator=iterator, Limit=_GET_RECORDS_LIMIT)
    return [_envelope(record["Data"]) for record in answer["Records"]], answer["NextShardIterator"]


def _envelope(data: bytes) -> dict[str, object]:
    envelope: dict[str, object] = orjson.loads(gzip.decompress(data))
    events = envelope["logEvents"]
    assert isinstance(events, list)
    envelope["logEvents"] = [{**event, "id": str(event["id"])} for event in events]
    return envelope


def _control_message() -> dict[str, object]:
    """What CloudWatch Logs sends to a new destination before anything else."""
    return {
        "messageType": "CONTROL_MESSAGE",
        "owner": "CloudwatchLogs",
        "logGroup": "",
        "logStream": "",
        "subscriptionFilters": [],
        "logEvents": [
            {
                "id": "",
                "timestamp": int(time.time() * 1000),
                "message": "CWL CONTROL MESSAGE: Checking health of destination Kinesis stream.",
            }
        ],
    }

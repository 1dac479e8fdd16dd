"""Leases written ahead of the first start: for the demo and the tests only, never by `run`.

On an empty lease table KCL waits a random 1-30 s, then for its assigner and its discoverer (32-49 s seen). A lease that
already names its owner is taken in 3.6 s. Only the columns KCL 3 needs to read a lease are written; it adds the rest.
"""

from __future__ import annotations

from typing import Any, Protocol

from consumer.kcl.properties import application_name, worker_id
from consumer.kcl.settings import KclSettings, StreamSettings


class DynamoDb(Protocol):
    """boto3's client, as far as it is needed here; boto3 itself is the caller's (aws/, demo/)."""

    def create_table(self, **arguments: Any) -> Any: ...
    def get_waiter(self, name: Any) -> Any: ...
    def put_item(self, **arguments: Any) -> Any: ...


class Kinesis(Protocol):
    """boto3's client, as far as it is needed here."""

    def list_shards(self, **arguments: Any) -> Any: ...


def seed_leases(
    dynamodb: DynamoDb, kinesis: Kinesis, stream: StreamSettings, kcl: KclSettings, agent_id: str
) -> tuple[str, ...]:
    """Create the stream's lease table with one lease a shard, from TRIM_HORIZON, owned by this agent's worker.

    Returns the shard ids. The table must not exist. A stream of up to 100 shards (one page of ListShards).
    """
    table = application_name(kcl, stream)
    dynamodb.create_table(
        TableName=table,
        KeySchema=[{"AttributeName": "leaseKey", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "leaseKey", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    dynamodb.get_waiter("table_exists").wait(TableName=table, WaiterConfig={"Delay": 1})
    shards = kinesis.list_shards(StreamName=stream.name)["Shards"]
    for shard in shards:
        dynamodb.put_item(TableName=table, Item=_lease(shard, worker_id(agent_id, stream)))
    return tuple(shard["ShardId"] for shard in shards)


def _lease(shard: Any, owner: str) -> dict[str, Any]:
    zero = {"N": "0"}
    return {
        "leaseKey": {"S": shard["ShardId"]},
        "leaseOwner": {"S": owner},
        "leaseCounter": zero,
        "checkpoint": {"S": "TRIM_HORIZON"},
        "checkpointSubSequenceNumber": zero,
        "ownerSwitchesSinceCheckpoint": zero,
        "startingHashKey": {"S": shard["HashKeyRange"]["StartingHashKey"]},
        "endingHashKey": {"S": shard["HashKeyRange"]["EndingHashKey"]},
    }

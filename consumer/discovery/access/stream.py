"""Proving that a stream can be read and its leases kept, without reading a flow or writing a lease.

Belongs here: the calls KCL will make, in a harmless form. Does not: judging what came of them (check.py). A write is
tried with a condition that no item can meet: DynamoDB looks at the permission first and then refuses the condition
(DynamoDB API reference, ConditionalCheckFailedException). CreateTable has no harmless form and is not tried.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from consumer.aws import operations
from consumer.aws.operations import Operation
from consumer.aws.paging import items
from consumer.aws.roles import Role, Target
from consumer.aws.sessions import Sessions
from consumer.errors import VpcflowError
from consumer.kcl.properties import application_name
from consumer.kcl.settings import KclSettings, StreamSettings

_NEVER = "attribute_exists(leaseKey) AND attribute_not_exists(leaseKey)"
_KEY = {"leaseKey": {"S": "vpcflow-check"}}
WRITES: tuple[tuple[Operation, dict[str, Any]], ...] = (
    (operations.PUT_ITEM, {"Item": _KEY, "ConditionExpression": _NEVER}),
    (operations.UPDATE_ITEM, {"Key": _KEY, "ConditionExpression": _NEVER}),
    (operations.DELETE_ITEM, {"Key": _KEY, "ConditionExpression": _NEVER}),
)


def try_stream(sessions: Sessions, stream: StreamSettings) -> None:
    """Find a shard and read nothing from its tip. What came of each call is in `sessions.outcomes`."""
    target = Target(Role.from_text(stream.role) if stream.role else None, stream.region)
    try:
        summary = sessions.call(operations.DESCRIBE_STREAM_SUMMARY, target, StreamName=stream.name)
        arn = summary["StreamDescriptionSummary"]["StreamARN"]
        shard = next(items(sessions, operations.LIST_SHARDS, target, StreamARN=arn))
        iterator = sessions.call(
            operations.GET_SHARD_ITERATOR,
            target,
            StreamARN=arn,
            ShardId=shard["ShardId"],
            ShardIteratorType="LATEST",
        )["ShardIterator"]
        sessions.call(operations.GET_RECORDS, target, StreamARN=arn, ShardIterator=iterator, Limit=1)
    except VpcflowError:
        return  # the next call needs the answer of this one


def try_leases(sessions: Sessions, kcl: KclSettings, stream: StreamSettings) -> None:
    """Look into the lease table as ourselves, and write what cannot be written. Outcomes as in `try_stream`.

    A refusal is no fault: the table is not there (KCL makes it), or the condition of the write held it back.
    """
    target, table = Target(None, stream.region), application_name(kcl, stream)
    reads: tuple[tuple[Operation, dict[str, Any]], ...] = (
        (operations.DESCRIBE_TABLE, {}),
        (operations.SCAN, {"Limit": 1}),
        (operations.GET_ITEM, {"Key": _KEY}),
    )
    for operation, parameters in (*reads, *WRITES):
        with suppress(VpcflowError):
            sessions.call(operation, target, TableName=table, **parameters)

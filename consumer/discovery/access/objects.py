"""Proving that a queue's messages can be held and deleted and a bucket's objects read, without taking any.

Belongs here: the calls the agent will make, in a harmless form. Does not: judging what came of them (check.py). A
message is held and deleted by a receipt that SQS never gave, which it looks at after the permission. Receiving has no
harmless form (each receive counts towards the dead-letter queue) and is not tried.
"""

from __future__ import annotations

from contextlib import suppress

from consumer.aws import operations
from consumer.aws.roles import Target
from consumer.aws.sessions import Sessions
from consumer.discovery.plan.buckets import Queue, bucket_of, prefix_of
from consumer.errors import RefusedError, VpcflowError
from consumer.model.plan import FlowLog

_RECEIPT = "vpcflow-check"
HARMLESS = frozenset({"ReceiptHandleIsInvalid", "InvalidParameterValue", "NoSuchKey", "InvalidRange"})
"""How AWS refuses the trials once the permission was looked at."""


def try_queue(sessions: Sessions, target: Target, queue: Queue) -> None:
    """Outcomes are in `sessions.outcomes`."""
    if not queue.url:
        return  # it could not even be found, which is an outcome already
    entry = {"Id": "0", "ReceiptHandle": _RECEIPT}
    with suppress(VpcflowError):
        held = [{**entry, "VisibilityTimeout": 0}]
        sessions.call(operations.CHANGE_MESSAGE_VISIBILITY, target, QueueUrl=queue.url, Entries=held)
    with suppress(VpcflowError):
        sessions.call(operations.DELETE_MESSAGE, target, QueueUrl=queue.url, Entries=[entry])


def try_objects(sessions: Sessions, target: Target, flow_log: FlowLog) -> None:
    """Read one byte of one object, which asks for its key of KMS as well; of one that is not there where none is.

    Without s3:ListBucket a missing object answers like a denied one, so nothing is read then.
    """
    bucket, start = bucket_of(flow_log), prefix_of(flow_log)
    layouts = (
        f"{start}{flow_log.account}/vpcflowlogs/",
        f"{start}aws-account-id={flow_log.account}/aws-service=vpcflowlogs/",
    )
    try:
        found = [
            one["Key"]
            for prefix in layouts
            for one in sessions.call(operations.LIST_OBJECTS, target, Bucket=bucket, Prefix=prefix, MaxKeys=1).get(
                "Contents", ()
            )
        ]
        key = found[0] if found else f"{layouts[0]}vpcflow-check"
        sessions.call(operations.GET_OBJECT, target, Bucket=bucket, Key=key, Range="bytes=0-0")["Body"].close()
    except VpcflowError:
        return


def is_harmless(error: VpcflowError | None) -> bool:
    """Whether a trial was refused for what was tried, not for who tried it."""
    return isinstance(error, RefusedError) and error.code.rpartition(".")[2] in HARMLESS

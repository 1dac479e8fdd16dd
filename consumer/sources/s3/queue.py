"""A queue that is told of new objects: receiving, holding, giving back and deleting messages.

Belongs here: SQS, in batches. Does not: what a message says (notices.py), when one is deleted (source.py). SQS API
reference; a message that is received stays invisible to others until its time is over, is deleted, or is given back.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import orjson

from consumer.aws import operations
from consumer.aws.roles import Target
from consumer.aws.sessions import Sessions

BATCH_COUNT = 10
"""Most messages of one call (SQS quotas)."""
LONGEST_WAIT_SECONDS = 20
_LOST = frozenset({"InvalidParameterValue", "MessageNotInflight", "ReceiptHandleIsInvalid"})
"""Why a message cannot be held any longer; an old receipt answers with one of these, whatever its prefix."""

Thing = TypeVar("Thing")


@dataclass(frozen=True, slots=True)
class Message:
    """`receive_count`: how often it was received, this time included."""

    id: str
    receipt: str
    body: str
    receive_count: int


@dataclass(frozen=True, slots=True)
class QueueFacts:
    """`max_receives`: after how many AWS moves a message to the dead-letter queue by itself; 0 = there is none."""

    waiting: int
    in_flight: int
    max_receives: int
    dead_letter_arn: str


class QueueObserver(Protocol):
    """Who hears how one queue is doing; called from several threads."""

    def queue(self, state: str, reason: str) -> None:
        """ok, waiting or failing."""

    def facts(self, facts: QueueFacts) -> None:
        """How much waits in it, about every minute."""

    def received(self, message: Message) -> None:
        """A message came."""

    def message(self, outcome: str) -> None:
        """A message ended: deleted, quarantined, given_back, left (for AWS's own rule), lost."""

    def part(self, reason: str) -> None:
        """A part of a message announced no object."""

    def working(self, count: int) -> None:
        """So many objects are read at once."""


class MessageQueue:
    """Thread-safe; every method blocks for one call or a few and raises what Sessions.call raises."""

    def __init__(self, sessions: Sessions, target: Target, url: str) -> None:
        self.url = url
        self._sessions = sessions
        self._target = target

    def facts(self) -> QueueFacts:
        """How full it is, and what AWS does with messages that fail."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible", "RedrivePolicy"]
        raw = self._call(operations.GET_QUEUE_ATTRIBUTES, AttributeNames=names).get("Attributes", {})
        redrive = orjson.loads(raw.get("RedrivePolicy") or "{}")
        return QueueFacts(
            int(raw.get("ApproximateNumberOfMessages", 0)),
            int(raw.get("ApproximateNumberOfMessagesNotVisible", 0)),
            int(redrive.get("maxReceiveCount", 0)),
            str(redrive.get("deadLetterTargetArn", "")),
        )

    def receive(self, count: int, wait_seconds: int, visibility_seconds: int) -> list[Message]:
        """At most `count` (and at most ten) messages; waits up to `wait_seconds` for the first."""
        found = self._call(
            operations.RECEIVE_MESSAGE,
            MaxNumberOfMessages=min(count, BATCH_COUNT),
            WaitTimeSeconds=wait_seconds,
            VisibilityTimeout=visibility_seconds,
            MessageSystemAttributeNames=["ApproximateReceiveCount"],
        ).get("Messages", ())
        return [
            Message(
                raw["MessageId"],
                raw["ReceiptHandle"],
                raw["Body"],
                int(raw.get("Attributes", {}).get("ApproximateReceiveCount", 1)),
            )
            for raw in found
        ]

    def hold(self, messages: Sequence[Message], seconds: int) -> set[Message]:
        """Keep others from receiving them for `seconds` from now (0 = give them back); those that are not ours any
        more are returned."""
        lost: set[Message] = set()
        for part in _parts(messages):
            entries = [
                {"Id": str(number), "ReceiptHandle": message.receipt, "VisibilityTimeout": seconds}
                for number, message in enumerate(part)
            ]
            answer = self._call(operations.CHANGE_MESSAGE_VISIBILITY, Entries=entries)
            lost.update(
                part[int(one["Id"])]
                for one in answer.get("Failed", ())
                if one["Code"].rpartition(".")[2] in _LOST or one.get("SenderFault")
            )
        return lost

    def delete(self, messages: Sequence[Message]) -> list[Message]:
        """Delete them; those that could not be are returned."""
        failed: list[Message] = []
        for part in _parts(messages):
            entries = [{"Id": str(number), "ReceiptHandle": message.receipt} for number, message in enumerate(part)]
            answer = self._call(operations.DELETE_MESSAGE, Entries=entries)
            failed += [part[int(one["Id"])] for one in answer.get("Failed", ())]
        return failed

    def _call(self, operation: operations.Operation, **parameters: Any) -> dict[str, Any]:
        return self._sessions.call(operation, self._target, QueueUrl=self.url, **parameters)


def _parts(things: Sequence[Thing]) -> Iterator[Sequence[Thing]]:
    for start in range(0, len(things), BATCH_COUNT):
        yield things[start : start + BATCH_COUNT]

"""Settings of reading objects that a queue announces: what concerns every queue, and one queue."""

from __future__ import annotations

import re

from pydantic import BaseModel, Field, field_validator, model_validator

from consumer.aws.roles import Role

_ARN = re.compile(
    r"arn:aws[a-z-]*:sqs:(?P<region>[a-z0-9-]+):(?P<account>\d{12}):(?P<name>[A-Za-z0-9_-]{1,80}(?:\.fifo)?)"
)
_URL = re.compile(
    r"https?://(?:sqs\.(?P<region>[a-z0-9-]+)\.|(?P<old>[a-z0-9-]+)\.queue\.)?[^/]+/(?P<account>\d{12})/"
    r"(?P<name>[A-Za-z0-9_-]{1,80}(?:\.fifo)?)"
)


class S3Settings(BaseModel, frozen=True, extra="forbid"):
    """[s3]: how objects are read that a queue announces."""

    concurrency: int = Field(2, ge=1, le=64, description="Objects of one queue that are read at the same time.")
    max_concurrency: int = Field(
        0,
        ge=0,
        le=64,
        description="Up to how many objects at the same time while the queue is full and more at once is faster; "
        "0 = always `concurrency`.",
    )
    visibility_seconds: int = Field(
        120,
        ge=3,
        le=43_200,
        description="How long nobody else is given a message, in seconds; renewed every third of it while its objects "
        "are read.",
    )
    wait_seconds: int = Field(
        18,
        ge=1,
        le=20,
        description="Longest wait of one look into the queue (long polling), in seconds; shorter where "
        "aws.read_timeout_seconds is.",
    )
    max_receives: int = Field(
        5,
        ge=1,
        le=1_000,
        description="A message that failed so often is kept in the dead letter file and deleted, where its queue has "
        "no dead-letter queue (with one, AWS moves it by the queue's own rule).",
    )
    remember_days: float = Field(
        14.0,
        gt=0,
        le=365,
        description="How long an exported object is remembered, in days, so that a second announcement is not sent "
        "again; as long as the queue keeps messages is enough.",
    )
    remember_count: int = Field(
        500_000,
        ge=1_000,
        le=50_000_000,
        description="Exported objects that are remembered at most (about 60 bytes each).",
    )


class QueueSettings(BaseModel, frozen=True, extra="forbid"):
    """One [[queues]]: an SQS queue that is told of new flow log objects; discovery finds those it may see."""

    queue: str = Field(description="ARN or URL of the queue.")
    region: str = Field("", description="Region, where neither ARN nor URL says it (private endpoints).")
    role: str = Field(
        "", description="Role to read queue and bucket with, `arn[,external-id]`; empty = whoever reads that account."
    )
    enabled: bool = Field(True, description="false = it is never read.")

    @field_validator("queue")
    @classmethod
    def _is_a_queue(cls, value: str) -> str:
        if not (_ARN.fullmatch(value) or _URL.fullmatch(value)):
            raise ValueError(
                f"{value!r} is not a queue; write arn:aws:sqs:REGION:ACCOUNT:NAME or https://sqs.REGION.amazonaws.com/"
                "ACCOUNT/NAME"
            )
        return value

    @field_validator("role")
    @classmethod
    def _is_a_role(cls, value: str) -> str:
        if value:
            Role.from_text(value)
        return value

    @model_validator(mode="after")
    def _knows_its_region(self) -> QueueSettings:
        if not self.place[1]:
            raise ValueError(f"the URL {self.queue!r} does not say its region; add region")
        return self

    def _match(self) -> re.Match[str]:
        match = _ARN.fullmatch(self.queue) or _URL.fullmatch(self.queue)
        assert match is not None, "checked when it was read"
        return match

    @property
    def url(self) -> str:
        """Empty where only the ARN is known; AWS is asked then."""
        return self.queue if self.queue.startswith("http") else ""

    @property
    def place(self) -> tuple[str, str, str]:
        """Account, region and name."""
        match = self._match().groupdict()
        return match["account"], self.region or match.get("region") or match.get("old") or "", match["name"]

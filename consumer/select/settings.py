"""Settings of what is reported."""

from __future__ import annotations

from pydantic import BaseModel, Field


class RepeatsSettings(BaseModel, frozen=True, extra="forbid"):
    """[repeats]: which log events went out already, remembered so that none goes out twice."""

    memory_mb: int = Field(
        128,
        ge=0,
        le=16_384,
        description="Memory, and disk in the state folder, for what is remembered, at most, in MB: 20,800 events each. "
        "The oldest make room and could go out twice. 0 = remember nothing: polling then repeats.",
    )
    margin_seconds: int = Field(
        300,
        ge=30,
        le=86_400,
        description="How long an event is remembered, in seconds, after it was seen last (a polled one for two sweeps "
        "in addition): more than the time between two ways of the same event, and than a restart of the agent takes.",
    )


class FallbackSettings(BaseModel, frozen=True, extra="forbid"):
    """[fallback]: log groups are polled while the stream that they reach does not deliver them."""

    enabled: bool = Field(True, description="false = a stream that is not read is waited for, whatever it takes.")
    failover_after_seconds: float = Field(
        60.0,
        ge=1,
        le=86_400,
        description="How long a stream must be unhealthy until its log groups are polled, and at least well again "
        "until they are not, in seconds.",
    )
    probe_seconds: float = Field(
        300.0,
        ge=1,
        le=86_400,
        description="Time between two looks (one event each) whether a log group that its stream is silent about has "
        "newer events, in seconds; the first look comes as soon as the silence is as long as failover_after_seconds.",
    )
    lease_look_seconds: float = Field(
        20.0,
        ge=1,
        le=3600,
        description="Time between two looks (a Scan of the stream's lease table in DynamoDB) whether every shard has a "
        "living worker, in seconds.",
    )

"""Settings of the KCL room: what concerns every stream, and one stream."""

import re
from typing import Literal

from pydantic import BaseModel, Field, field_validator

_ROLE = re.compile(r"arn:aws[a-z-]*:iam::\d{12}:role/[^\s,]+(,[\w+=,.@:/-]{2,1224})?", re.ASCII)
"""STS AssumeRole: an external id has 2 to 1,224 characters of these."""


class KclSettings(BaseModel, frozen=True, extra="forbid"):
    """`[kcl]`: how every MultiLangDaemon runs. Each also has its line in properties/kinesis.properties."""

    application: str = Field(
        default="vpcflow",
        pattern=r"^[A-Za-z0-9_.-]{1,100}$",
        description="First part of the name of each stream's lease table and fan-out consumer; agents that share it "
        "share the shards.",
    )
    metrics_level: Literal["NONE", "SUMMARY", "DETAILED"] = Field(
        default="NONE", description="KCL's own metrics in CloudWatch; anything but NONE costs money."
    )
    max_records: int = Field(default=500, ge=1, le=10_000, description="Records per call to Kinesis and per child.")
    idle_time_ms: int = Field(
        default=1_000,
        ge=200,
        le=60_000,
        description="Milliseconds between two reads of a shard (polling; AWS allows 5/s).",
    )
    failover_ms: int = Field(
        default=10_000,
        ge=2_000,
        le=300_000,
        description="Milliseconds without renewal after which another agent takes a lease.",
    )
    shutdown_grace_ms: int = Field(
        default=12_000,
        ge=1_000,
        le=120_000,
        description="Milliseconds a stopping daemon waits for the last checkpoints; must be longer than "
        "agent.stop_grace_seconds, for which a delivery may hold them up.",
    )
    checkpoint_seconds: float = Field(
        default=10.0,
        gt=0,
        le=600,
        description="Seconds between two checkpoints of a shard; each is one DynamoDB write.",
    )
    max_heap_mb: int = Field(default=192, ge=64, le=8_192, description="Heap of one daemon's JVM in MiB (-Xmx).")
    max_streams: int = Field(
        default=10, ge=1, le=100, description="Daemons (JVMs) at most; log groups of further streams are polled."
    )
    jar_folder: str = Field(
        default="",
        description="Folder with the KCL's jars, for machines without access to Maven; empty = amazon_kclpy's own.",
    )


class StreamSettings(BaseModel, frozen=True, extra="forbid"):
    """`[[kinesis.streams]]`: one Kinesis stream that CloudWatch Logs subscriptions deliver flow logs into."""

    name: str = Field(pattern=r"^[a-zA-Z0-9_.-]{1,128}$", description="Name of the stream.")
    region: str = Field(pattern=r"^[a-z]{2}(-[a-z]+)+-\d$", description="Region of the stream.")
    account: str = Field(
        default="", pattern=r"^(\d{12})?$", description="Account of the stream; empty = the agent's own."
    )
    enabled: bool = Field(default=True, description="False = known, but not read.")
    retrieval: Literal["polling", "fanout"] = Field(
        default="polling", description="fanout = enhanced fan-out: lower latency, costs extra per shard hour and GB."
    )
    initial_position: Literal["first_start", "trim_horizon", "latest"] = Field(
        default="first_start",
        description="Where a shard nobody has read yet begins: when this agent first started, the oldest record kept, "
        "or now.",
    )
    role: str = Field(
        default="", description="Role to read this stream with, `arn[,external-id]`; empty = the agent's own."
    )
    properties: dict[str, str] = Field(
        default_factory=dict, description="Any KCL property, passed through unchanged; wins over ours."
    )

    @field_validator("role")
    @classmethod
    def _is_role(cls, value: str) -> str:
        if value and not _ROLE.fullmatch(value):
            raise ValueError("a role is `arn:PARTITION:iam::ACCOUNT:role/NAME`, optionally `,EXTERNAL-ID`")
        return value

"""Settings of what outlives a restart: [state]."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field


class StateSettings(BaseModel, frozen=True, extra="forbid"):
    """[state]: where positions and slots are kept. One agent needs nothing; a fleet shares a DynamoDB table."""

    backend: Literal["sqlite", "dynamodb"] = Field(
        "sqlite",
        description='"sqlite" = a file in agent.state_folder; "dynamodb" = one table for a fleet: each log group is '
        "polled by one agent, and each agent has a numbered slot that names its KCL workers, so that a replaced "
        "container goes on where the old one was.",
    )
    table: str = Field(
        "vpcflow-state",
        pattern=r"^[A-Za-z0-9_.-]{3,255}$",
        description="Name of the DynamoDB table, in our own account; made (on-demand) when it is not there.",
    )
    region: str = Field("", description="Region of the table; empty = aws.region.")
    fleet: str = Field(
        "default",
        min_length=1,
        max_length=64,
        description="Agents of one fleet share groups and slots; one table may serve several fleets.",
    )
    lease_seconds: float = Field(
        15.0,
        ge=3,
        le=120,
        description="How long an agent that does not answer keeps what it holds, in seconds; others take it over after "
        "at most 5/3 of this. The table is written three times in it.",
    )

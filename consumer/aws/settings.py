"""Settings of the AWS room: where to look, as whom, how patiently."""

from __future__ import annotations

import re

from pydantic import BaseModel, Field, field_validator

from consumer.aws.roles import Role

_REGION = re.compile(r"[a-z]{2,}(-[a-z]+)+-\d+")


def is_region(text: str) -> bool:
    """Whether it is spelled like one; there are new ones each year."""
    return bool(_REGION.fullmatch(text))


class AwsSettings(BaseModel, frozen=True, extra="forbid"):
    """[aws]: as whom and where. Endpoints and credentials follow the SDK's own variables (AWS_ENDPOINT_URL…)."""

    region: str = Field(
        "",
        description="Default region, `us-east-1`; empty = what AWS_REGION, the profile or the instance says.",
    )
    regions: tuple[str, ...] = Field(
        (),
        description="Regions that are read; empty = every region the account has enabled (unused ones cost one call).",
    )
    roles: tuple[str, ...] = Field(
        (),
        description="Roles to assume for further accounts, each `arn[,external-id]`; our own account is always read.",
    )
    role_file: str = Field(
        "",
        description="File with further roles, one `arn[,external-id]` a line, # for remarks; a wrong one costs itself.",
    )
    credentials_file: str = Field(
        "",
        description="AWS credentials file of which every profile is an account; `default`, else the first one, is who "
        "we are ourselves. Empty = the SDK's own search.",
    )
    session_seconds: int = Field(
        3600,
        ge=900,
        le=43_200,
        description="Life of an assumed role's session in seconds; falls back to 3600 where AWS allows no more.",
    )
    connect_timeout_seconds: float = Field(5.0, ge=0.1, le=60, description="Wait for a connection, in seconds.")
    read_timeout_seconds: float = Field(20.0, ge=0.1, le=300, description="Wait for an answer, in seconds.")
    attempts: int = Field(
        4, ge=1, le=20, description="Tries of one call, the first included (adaptive retry, slows down when throttled)."
    )
    parallel_targets: int = Field(
        8, ge=1, le=64, description="Accounts and regions read at the same time; each by one call at a time."
    )

    @field_validator("roles")
    @classmethod
    def _roles_are_arns(cls, values: tuple[str, ...]) -> tuple[str, ...]:
        for value in values:
            Role.from_text(value)
        return values

    @field_validator("region", "regions")
    @classmethod
    def _regions_look_like_one(cls, value: str | tuple[str, ...]) -> str | tuple[str, ...]:
        for region in (value,) if isinstance(value, str) else value:
            if region and not is_region(region):
                raise ValueError(f"{region!r} is not a region; write it like us-east-1")
        return value

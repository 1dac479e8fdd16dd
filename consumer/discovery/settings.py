"""Settings of discovery: how often AWS is asked, exporter addresses, and formats nobody needs to ask for."""

from __future__ import annotations

import re
from datetime import datetime
from ipaddress import IPv4Address, IPv4Network
from typing import Literal

from cronsim import CronSim, CronSimError
from pydantic import BaseModel, Field, field_validator

from consumer.aws.roles import Role
from consumer.model.delivery import SourceKind
from consumer.model.log_format import LogFormat


class DiscoverySettings(BaseModel, frozen=True, extra="forbid"):
    """[discovery]: what we learn of the estate."""

    enabled: bool = Field(True, description="false = AWS is never asked and records carry their own fields only.")
    cron: str = Field(
        "*/30 * * * *",
        description="When everything is read anew, as the five fields of cron (minute hour day month weekday, local "
        "time); SIGHUP does it at once.",
    )
    exporter_pool: str = Field(
        "198.18.0.0/15",
        description="IPv4 network from which each VPC gets its exporter address, once and for good "
        "(the default is the benchmarking range of RFC 2544, free in most networks).",
    )
    exporter_addresses: dict[str, str] = Field(
        default_factory=dict,
        description='Exporter address by VPC id where you choose it yourself, `vpc-0abc = "192.0.2.7"`.',
    )
    owner_tags: tuple[str, ...] = Field(
        ("Owner",),
        max_length=8,
        description="Keys of the tags that say whose a thing is, sent for the recording interface and both ends; taken "
        "from the interface, else its instance, its subnet, its VPC.",
    )
    network_names: tuple[str, ...] = Field(
        (),
        description="Files with your own names of networks: TOML with [[networks]] tables or CSV with a header line; "
        "cidr, and any of name, site, tags, vpc, account.",
    )
    aws_ranges: bool = Field(
        True, description="Name AWS's public addresses by service and region, from AWS's ip-ranges.json."
    )
    aws_ranges_url: str = Field(
        "",
        pattern=r"^(https?://.*)?$",
        description="Where the agent may fetch a newer ip-ranges.json once a day, "
        '"https://ip-ranges.amazonaws.com/ip-ranges.json"; empty = it only uses the one it came with.',
    )
    precedence: tuple[Literal["kinesis", "cloudwatch", "s3"], ...] = Field(
        ("kinesis", "cloudwatch", "s3"),
        description="Which source reports a flow that reaches us by several, first choice first; "
        "one that is left out is never read.",
    )
    vpc_sources: dict[str, Literal["kinesis", "cloudwatch", "s3"]] = Field(
        default_factory=dict,
        description="Source that goes before all others for the flow logs of one VPC, its subnets and interfaces, "
        '`vpc-0abc = "cloudwatch"`.',
    )
    format_cache_seconds: int = Field(
        600, ge=1, le=86_400, description="How long a log group's formats are believed, in seconds."
    )
    format_timeout_seconds: float = Field(
        60.0, ge=1, le=60, description="Longest wait for the formats of a log group; a delivery is held meanwhile."
    )

    @field_validator("cron")
    @classmethod
    def _cron_has_five_fields(cls, value: str) -> str:
        try:
            if len(value.split()) != 5:
                raise CronSimError("there must be five fields")
            CronSim(value, datetime(2000, 1, 1))  # noqa: DTZ001  local time, as cron has it
        except CronSimError as error:
            raise ValueError(f"{str(error).lower()}; write it like */30 * * * *") from error
        return value

    @field_validator("precedence")
    @classmethod
    def _precedence_names_each_once(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(value)) < len(value):
            raise ValueError('a source is named twice; write it like ["kinesis", "cloudwatch", "s3"]')
        return value

    @property
    def sources(self) -> tuple[SourceKind, ...]:
        """`precedence` in our words."""
        return tuple(SourceKind(name) for name in self.precedence)

    @field_validator("exporter_pool")
    @classmethod
    def _pool_is_a_network(cls, value: str) -> str:
        try:
            network = IPv4Network(value)
        except ValueError as error:
            raise ValueError(f"{error}; write it like 198.18.0.0/15") from error
        if network.prefixlen > 30:
            raise ValueError("the pool must hold at least two addresses; write a prefix of /30 or shorter")
        return value

    @field_validator("vpc_sources")
    @classmethod
    def _sources_are_of_vpcs(cls, value: dict[str, str]) -> dict[str, str]:
        for vpc in value:
            _check_vpc(vpc)
        return value

    @field_validator("exporter_addresses")
    @classmethod
    def _addresses_are_unicast(cls, value: dict[str, str]) -> dict[str, str]:
        taken: dict[str, str] = {}
        for vpc, text in value.items():
            _check_vpc(vpc)
            address = str(_address(text))
            if address in taken:
                raise ValueError(f"{taken[address]} and {vpc} share {address}; give each its own")
            taken[address] = vpc
        return value


def _check_vpc(text: str) -> None:
    if not re.fullmatch(r"vpc-[0-9a-f]+", text):
        raise ValueError(f"{text!r} is not a VPC id; write it like vpc-0123456789abcdef0")


def _address(text: str) -> IPv4Address:
    try:
        address = IPv4Address(text)
    except ValueError as error:
        raise ValueError(f"{text!r} is not an IPv4 address") from error
    if address.is_multicast or address.is_unspecified:
        raise ValueError(f"{text} cannot be an exporter's address")
    return address


class LogFormatSettings(BaseModel, frozen=True, extra="forbid"):
    """One [[log_formats]]: the format of the flow logs that write into a log group."""

    log_group: str = Field(min_length=1, description="Name of the log group.")
    format: str = Field(description="The format as AWS shows it, `${version} ${account-id} …`.")
    account: str = Field("", pattern=r"^(\d{12})?$", description="Account of the log group, 12 digits; empty = any.")
    region: str = Field("", description="Region of the log group; empty = any.")

    @field_validator("format")
    @classmethod
    def _format_reads(cls, value: str) -> str:
        LogFormat.from_text(value)
        return value


class LogGroupSettings(BaseModel, frozen=True, extra="forbid"):
    """One [[log_groups]]: a log group that flow logs write into."""

    name: str = Field(min_length=1, description="Name of the log group.")
    account: str = Field("", pattern=r"^(\d{12})?$", description="Account of the log group; empty = any.")
    region: str = Field("", description="Region of the log group; empty = any.")
    enabled: bool = Field(True, description="false = it is never polled; a stream it is subscribed to is still read.")
    stream: str = Field(
        "",
        pattern=r"^[a-zA-Z0-9_.-]{0,128}$",
        description="Name of the stream in [[streams]] that its subscription delivers into, where discovery cannot see "
        "it (a destination of another account); empty = what discovery finds.",
    )


class BucketSettings(BaseModel, frozen=True, extra="forbid"):
    """One [[buckets]]: a bucket that flow logs write into."""

    name: str = Field(min_length=3, description="Name of the bucket.")
    queue: str = Field(
        "",
        pattern=r"^(arn:[^:]+:sqs:[^:]+:\d{12}:\S+)?$",
        description="ARN of the queue that is told of new objects; empty = what the bucket's notifications say.",
    )
    enabled: bool = Field(True, description="false = its objects are never read.")
    role: str = Field("", description="Role to read its objects with, `arn[,external-id]`; empty = that of the queue.")
    requester_pays: bool = Field(False, description="true = we pay for the requests (a requester-pays bucket).")
    expected_owner: str = Field(
        "", pattern=r"^(\d{12})?$", description="Account that must own the bucket, else nothing is read; empty = any."
    )
    delete_prefix: str = Field(
        "",
        description="Objects whose key begins so are deleted once they are exported, `AWSLogs/`; empty = none. "
        "Asks for a versioned bucket.",
    )
    delete_unversioned: bool = Field(
        False, description="true = `delete_prefix` holds in a bucket without versioning too: what is deleted is gone."
    )

    @field_validator("role")
    @classmethod
    def _is_a_role(cls, value: str) -> str:
        if value:
            Role.from_text(value)
        return value

    @field_validator("delete_prefix")
    @classmethod
    def _prefix_is_no_root(cls, value: str) -> str:
        if value.strip("/") == "" and value:
            raise ValueError(f"{value!r} is no prefix of flow logs; write it like AWSLogs/")
        return value

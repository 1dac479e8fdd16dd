"""THE table of fields: what each part of a flow log record is called and how it is read.

Belongs here: the fields of VPC flow logs, versions 2 to 11, and of transit gateway flow logs. Does not: how text
becomes columns (text.py) or which information element a field becomes (encode/mapping.py).
To add a field, add a line. A field that is not here is still read: as a string, under its own name.

Source: "Flow log records" and "Transit Gateway Flow Log records" in the AWS VPC user guide. `since` is AWS's
version of the field; a record's own `version` is only the highest among its fields, never a format.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from consumer.model.flow_batch import Kind
from consumer.model.log_format import LogFormat


class Family(StrEnum):
    """Which flow logs can have the field."""

    VPC = "vpc"
    TRANSIT_GATEWAY = "tgw"
    BOTH = "both"


@dataclass(frozen=True, slots=True)
class Field:
    """One field.

    `maximum`: of an unsigned field; a larger number is `number_out_of_range`, because it would not fit the
    information element. `is_percent_encoded`: a string that AWS writes percent-encoded (tag values).
    `shapes`: what a string starts with. Used only to tell *formats* apart, never to refuse a record: AWS adds new
    values, and account ids of 11 digits have been seen.
    """

    name: str
    kind: Kind
    since: int
    family: Family
    meaning: str
    maximum: int = 0
    is_percent_encoded: bool = False
    shapes: tuple[str, ...] = ()


_OCTET = (1 << 8) - 1
_PORT = (1 << 16) - 1
_SECONDS = (1 << 32) - 1
"""Until the year 2106; IPFIX seconds have 32 bits, too (RFC 7011 §6.1.7)."""
_INT64 = (1 << 63) - 1
"""AWS gives counters as int64 (their Parquet type)."""

VPC, TGW, BOTH = Family.VPC, Family.TRANSIT_GATEWAY, Family.BOTH


def _number(name: str, since: int, family: Family, maximum: int, meaning: str) -> Field:
    return Field(name, Kind.UNSIGNED, since, family, meaning, maximum=maximum)


def _address(name: str, since: int, family: Family, meaning: str) -> Field:
    return Field(name, Kind.ADDRESS, since, family, meaning)


def _string(name: str, since: int, family: Family, meaning: str, *shapes: str) -> Field:
    return Field(name, Kind.STRING, since, family, meaning, shapes=shapes)


def _tag(name: str, meaning: str) -> Field:
    return Field(name, Kind.STRING, 11, VPC, meaning, is_percent_encoded=True)


_TABLE: tuple[Field, ...] = (
    # ── version 2: the default format, in its order ──
    _number("version", 2, BOTH, _OCTET, "highest version among the fields of the record"),
    _string("account-id", 2, BOTH, "owner of the recording interface (or gateway); `unknown` for some services"),
    _string("interface-id", 2, VPC, "recording interface; null for a regional NAT gateway", "eni-"),
    _address("srcaddr", 2, BOTH, "source; on egress the interface's own (private) address"),
    _address("dstaddr", 2, BOTH, "destination; on ingress the interface's own primary private address"),
    _number("srcport", 2, BOTH, _PORT, "source port, 0 for protocols without ports"),
    _number("dstport", 2, BOTH, _PORT, "destination port, 0 for protocols without ports"),
    _number("protocol", 2, BOTH, _OCTET, "IANA protocol number"),
    _number("packets", 2, BOTH, _INT64, "packets in the aggregation interval"),
    _number("bytes", 2, BOTH, _INT64, "bytes in the aggregation interval"),
    _number("start", 2, BOTH, _SECONDS, "first packet, Unix seconds, up to 60 s inaccurate"),
    _number("end", 2, BOTH, _SECONDS, "last packet, Unix seconds, up to 60 s inaccurate"),
    _string("action", 2, VPC, "ACCEPT or REJECT", "ACCEPT", "REJECT"),
    _string("log-status", 2, BOTH, "OK, NODATA or SKIPDATA", "OK", "NODATA", "SKIPDATA"),
    # ── version 3 ──
    _string("vpc-id", 3, VPC, "VPC of the recording interface", "vpc-"),
    _string("subnet-id", 3, VPC, "subnet of the recording interface", "subnet-"),
    _string("instance-id", 3, VPC, "its instance; null for interfaces AWS manages", "i-"),
    _number("tcp-flags", 3, BOTH, _OCTET, "TCP flags of the interval, or-ed; a lone ACK is not reported"),
    _string("type", 3, BOTH, "IPv4, IPv6 or EFA", "IPv4", "IPv6", "EFA"),
    _address("pkt-srcaddr", 3, VPC, "source in the packet, where an intermediate interface hides it"),
    _address("pkt-dstaddr", 3, VPC, "destination in the packet, where an intermediate interface hides it"),
    # ── version 4 ──
    _string("region", 4, BOTH, "region of the recording interface"),
    _string("az-id", 4, VPC, "availability zone id (use1-az1, not the name)"),
    _string("sublocation-type", 4, VPC, "wavelength, outpost or localzone", "wavelength", "outpost", "localzone"),
    _string("sublocation-id", 4, VPC, "id of the sublocation"),
    # ── version 5 ──
    _string("pkt-src-aws-service", 5, BOTH, "AWS service behind pkt-srcaddr, as in ip-ranges.json"),
    _string("pkt-dst-aws-service", 5, BOTH, "AWS service behind pkt-dstaddr, as in ip-ranges.json"),
    _string("flow-direction", 5, BOTH, "ingress or egress, seen from the interface", "ingress", "egress"),
    _number("traffic-path", 5, VPC, _OCTET, "way of egress traffic, 1 to 8; null on ingress"),
    # ── version 7: Amazon ECS, tasks in awsvpc mode ──
    _string("ecs-cluster-arn", 7, VPC, "ARN of the ECS cluster", "arn:"),
    _string("ecs-cluster-name", 7, VPC, "name of the ECS cluster"),
    _string("ecs-container-instance-arn", 7, VPC, "ARN of the container instance", "arn:"),
    _string("ecs-container-instance-id", 7, VPC, "id of the container instance"),
    _string("ecs-container-id", 7, VPC, "runtime id of the first container"),
    _string("ecs-second-container-id", 7, VPC, "runtime id of the second container"),
    _string("ecs-service-name", 7, VPC, "name of the ECS service"),
    _string("ecs-task-definition-arn", 7, VPC, "ARN of the task definition", "arn:"),
    _string("ecs-task-arn", 7, VPC, "ARN of the task", "arn:"),
    _string("ecs-task-id", 7, VPC, "id of the task"),
    # ── versions 8 to 10 ──
    _string("reject-reason", 8, VPC, "BPA (block public access) or EC (encryption controls)"),
    _string("resource-id", 9, VPC, "resource that has no interface, e.g. a regional NAT gateway"),
    _number("encryption-status", 10, VPC, _OCTET - 1, "0 none, 1 Nitro, 2 application layer (inferred), 3 both"),
    # ── version 11 ──
    _tag("instance-tag", "value of the first chosen tag of the instance"),
    _tag("instance-tag-2", "value of the second chosen tag of the instance"),
    _tag("interface-tag", "value of the first chosen tag of the interface"),
    _tag("interface-tag-2", "value of the second chosen tag of the interface"),
    _tag("asg-tag", "value of the first chosen tag of the Auto Scaling group"),
    _tag("asg-tag-2", "value of the second chosen tag of the Auto Scaling group"),
    _string("interface-type", 11, VPC, "kind of the recording interface (nat_gateway, vpc_endpoint, …)"),
    _string("next-hop-interface-id", 11, VPC, "interface at the other end of the hop", "eni-"),
    _string("next-hop-subnet-id", 11, VPC, "its subnet", "subnet-"),
    _string("next-hop-az-id", 11, VPC, "its availability zone"),
    _string("next-hop-vpc-id", 11, VPC, "its VPC", "vpc-"),
    _string("next-hop-interface-type", 11, VPC, "its kind"),
    # ── transit gateway only ──
    _string("resource-type", 6, TGW, "TransitGateway or TransitGatewayAttachment", "TransitGateway"),
    _string("tgw-id", 6, TGW, "the transit gateway", "tgw-"),
    _string("tgw-attachment-id", 6, TGW, "the recording attachment", "tgw-attach-"),
    _string("tgw-src-vpc-account-id", 6, TGW, "owner of the source VPC"),
    _string("tgw-dst-vpc-account-id", 6, TGW, "owner of the destination VPC"),
    _string("tgw-src-vpc-id", 6, TGW, "source VPC", "vpc-"),
    _string("tgw-dst-vpc-id", 6, TGW, "destination VPC", "vpc-"),
    _string("tgw-src-subnet-id", 6, TGW, "source subnet", "subnet-"),
    _string("tgw-dst-subnet-id", 6, TGW, "destination subnet", "subnet-"),
    _string("tgw-src-eni", 6, TGW, "source attachment's interface", "eni-"),
    _string("tgw-dst-eni", 6, TGW, "destination attachment's interface", "eni-"),
    _string("tgw-src-az-id", 6, TGW, "source availability zone"),
    _string("tgw-dst-az-id", 6, TGW, "destination availability zone"),
    _string("tgw-pair-attachment-id", 6, TGW, "the other attachment of the flow", "tgw-attach-"),
    _number("packets-lost-no-route", 6, TGW, _INT64, "packets lost because there was no route"),
    _number("packets-lost-blackhole", 6, TGW, _INT64, "packets lost in a blackhole route"),
    _number("packets-lost-mtu-exceeded", 6, TGW, _INT64, "packets lost because they were too large"),
    _number("packets-lost-ttl-expired", 6, TGW, _INT64, "packets lost because their time to live ended"),
)

FIELDS: Mapping[str, Field] = MappingProxyType({field.name: field for field in _TABLE})
"""Name, in AWS's spelling → field."""

DEFAULT_FORMAT = LogFormat(tuple(field.name for field in _TABLE if field.since == 2))
"""What a VPC flow log writes when nobody chose fields: 14 of them."""

TRANSIT_GATEWAY_FORMAT = LogFormat.from_text(
    "version resource-type account-id tgw-id tgw-attachment-id tgw-src-vpc-account-id tgw-dst-vpc-account-id"
    " tgw-src-vpc-id tgw-dst-vpc-id tgw-src-subnet-id tgw-dst-subnet-id tgw-src-eni tgw-dst-eni tgw-src-az-id"
    " tgw-dst-az-id tgw-pair-attachment-id srcaddr dstaddr srcport dstport protocol packets bytes start end log-status"
    " type packets-lost-no-route packets-lost-blackhole packets-lost-mtu-exceeded packets-lost-ttl-expired tcp-flags"
    " region flow-direction pkt-src-aws-service pkt-dst-aws-service"
)
"""What a transit gateway flow log writes when nobody chose fields: 36 of them."""


def field_named(name: str) -> Field:
    """The field of that name; one AWS added after this table was written is a string."""
    return FIELDS.get(name) or Field(name, Kind.STRING, 0, Family.BOTH, "unknown to this version of vpcflow")

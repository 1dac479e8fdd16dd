"""What one account said about one region, as plain values.

Belongs here: the values, and reading them out of EC2's answers (shapes: EC2 API reference, Describe*). Does not:
calling EC2 (reading/region.py) or merging regions (merging.py). Only what enrichment uses is kept.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Network
from typing import TYPE_CHECKING, Any

from consumer.discovery.estate.routes import (
    ElasticAddress,
    Endpoint,
    GatewayPeering,
    GatewayTable,
    PrefixList,
    RouteTable,
)
from consumer.model.plan import FlowLog

if TYPE_CHECKING:
    from mypy_boto3_ec2.type_defs import (
        FlowLogTypeDef,
        InstanceTypeDef,
        NatGatewayTypeDef,
        NetworkInterfaceTypeDef,
        ReservationTypeDef,
        SubnetTypeDef,
        TagTypeDef,
        TransitGatewayAttachmentTypeDef,
        TransitGatewayTypeDef,
        VpcPeeringConnectionTypeDef,
        VpcPeeringConnectionVpcInfoTypeDef,
        VpcTypeDef,
    )


@dataclass(frozen=True, slots=True)
class Vpc:
    """`account`: the owner, not who sees it. `networks`: CIDRs of both families."""

    id: str
    name: str
    account: str
    networks: tuple[str, ...]
    is_default: bool = False
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Subnet:
    """`is_used`: somebody made it, or something took an address in it; false = a default one as AWS left it."""

    id: str
    name: str
    vpc_id: str
    az_id: str
    networks: tuple[str, ...]
    is_used: bool = True
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Interface:
    """An elastic network interface. `addresses`: all private IPv4 and IPv6; `prefixes`: delegated /28 and /80."""

    id: str
    name: str
    account: str
    vpc_id: str
    subnet_id: str
    az_id: str
    instance_id: str
    type: str
    description: str
    requester: str
    is_managed: bool
    addresses: tuple[str, ...]
    prefixes: tuple[str, ...]
    public_addresses: tuple[str, ...]
    tags: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Instance:
    id: str
    name: str
    type: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class NatGateway:
    """`interface_ids` is empty for a regional NAT gateway: nobody sees its interfaces."""

    id: str
    name: str
    vpc_id: str
    subnet_id: str
    interface_ids: tuple[str, ...]
    public_addresses: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Peer:
    """One side of a peering; all we know of a VPC whose account we cannot read."""

    vpc_id: str
    account: str
    region: str
    networks: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Peering:
    """An active peering."""

    id: str
    sides: tuple[Peer, Peer]


@dataclass(frozen=True, slots=True)
class TransitGateway:
    """`account`: the owner, not who sees it."""

    id: str
    name: str
    account: str


AttachmentKey = tuple[str, str]
"""Transit gateway and attachment."""


@dataclass(frozen=True, slots=True)
class Attachment:
    """What hangs on a transit gateway: `kind` vpc, vpn, peering…; `resource_id` of that kind.

    `id` alone does not say which: both gateways of a peering may have an attachment of one id. `key` does.
    """

    id: str
    name: str
    gateway_id: str
    kind: str
    resource_id: str
    resource_account: str
    state: str
    route_table_id: str

    @property
    def key(self) -> AttachmentKey:
        return self.gateway_id, self.id


@dataclass(frozen=True, slots=True)
class Past:
    """What an interface was until the moment `until` (Unix seconds), when it went or something about it changed."""

    interface: Interface
    instance_name: str
    until: float


@dataclass(frozen=True, slots=True)
class Part:
    """One (account, region). `taken_at`: seconds since the epoch. `is_unused`: nothing there but what AWS makes.

    `unread`: fields that could not be read, now or ever, and are empty for that reason only. `past`: what is not true
    any more and late records still speak of, in order of `until`. `located`: interface → subnet, VPC, in place of
    `interfaces` where no more is kept of them (outline.py).
    """

    account: str
    region: str
    taken_at: float
    vpcs: tuple[Vpc, ...] = field(default=())
    subnets: tuple[Subnet, ...] = field(default=())
    interfaces: tuple[Interface, ...] = field(default=())
    instances: tuple[Instance, ...] = field(default=())
    nat_gateways: tuple[NatGateway, ...] = field(default=())
    peerings: tuple[Peering, ...] = field(default=())
    flow_logs: tuple[FlowLog, ...] = field(default=())
    transit_gateways: tuple[TransitGateway, ...] = field(default=())
    attachments: tuple[Attachment, ...] = field(default=())
    route_tables: tuple[RouteTable, ...] = field(default=())
    endpoints: tuple[Endpoint, ...] = field(default=())
    elastic_addresses: tuple[ElasticAddress, ...] = field(default=())
    gateway_tables: tuple[GatewayTable, ...] = field(default=())
    gateway_peerings: tuple[GatewayPeering, ...] = field(default=())
    prefix_lists: tuple[PrefixList, ...] = field(default=())
    is_unused: bool = False
    unread: frozenset[str] = field(default=frozenset())
    past: tuple[Past, ...] = field(default=())
    located: Mapping[str, tuple[str, str]] = field(default_factory=dict)


def vpcs_in(raw: VpcTypeDef) -> Iterator[Vpc]:
    associated = [one["CidrBlock"] for one in raw.get("CidrBlockAssociationSet", ()) if _is_held(one, "CidrBlockState")]
    associated += _ipv6_blocks(raw)
    networks = (raw.get("CidrBlock", ""), *associated)
    tags = _tags(raw.get("Tags"))
    is_default = raw.get("IsDefault", False)
    yield Vpc(raw["VpcId"], tags.get("Name", ""), raw.get("OwnerId", ""), _distinct(networks), is_default, tags)


def subnets_in(raw: SubnetTypeDef) -> Iterator[Subnet]:
    networks = _distinct((raw.get("CidrBlock", ""), *_ipv6_blocks(raw)))
    tags = _tags(raw.get("Tags"))
    yield Subnet(
        id=raw["SubnetId"],
        name=tags.get("Name", ""),
        vpc_id=raw["VpcId"],
        az_id=raw.get("AvailabilityZoneId", ""),
        networks=networks,
        is_used=not raw.get("DefaultForAz", False) or _takes_addresses(raw),
        tags=tags,
    )


_RESERVED_ADDRESSES = 5
"""Addresses of each subnet that AWS keeps for itself (VPC user guide, "Subnet CIDR blocks")."""


def _takes_addresses(raw: SubnetTypeDef) -> bool:
    size = IPv4Network(raw["CidrBlock"]).num_addresses if raw.get("CidrBlock") else 0
    return raw.get("AvailableIpAddressCount", 0) < size - _RESERVED_ADDRESSES


def interfaces_in(raw: NetworkInterfaceTypeDef) -> Iterator[Interface]:
    """Strings that many interfaces share are interned: an estate has hundreds of thousands of interfaces."""
    private = raw.get("PrivateIpAddresses", ())
    addresses = [raw.get("PrivateIpAddress", "")]
    addresses += [one.get("PrivateIpAddress", "") for one in private]
    addresses += [one["Ipv6Address"] for one in raw.get("Ipv6Addresses", ())]
    prefixes = [one["Ipv4Prefix"] for one in raw.get("Ipv4Prefixes", ())]
    prefixes += [one["Ipv6Prefix"] for one in raw.get("Ipv6Prefixes", ())]
    associations = [raw.get("Association", {}), *(one.get("Association", {}) for one in private)]
    public = [text for one in associations for text in (one.get("PublicIp", ""), one.get("CarrierIp", ""))]
    tags = _tags(raw.get("TagSet"))
    yield Interface(
        id=raw["NetworkInterfaceId"],
        name=tags.get("Name", ""),
        account=sys.intern(raw.get("OwnerId", "")),
        vpc_id=sys.intern(raw.get("VpcId", "")),
        subnet_id=sys.intern(raw.get("SubnetId", "")),
        az_id=sys.intern(raw.get("AvailabilityZoneId", "")),
        instance_id=raw.get("Attachment", {}).get("InstanceId", ""),
        type=sys.intern(raw.get("InterfaceType", "")),
        description=raw.get("Description", ""),
        requester=sys.intern(raw.get("RequesterId", "")),
        is_managed=raw.get("RequesterManaged", False),
        addresses=_distinct(addresses),
        prefixes=_distinct(prefixes),
        public_addresses=_distinct(public),
        tags=tags,
    )


def instances_in(raw: ReservationTypeDef) -> Iterator[Instance]:
    for instance in raw.get("Instances", ()):
        yield _instance(instance)


def _instance(raw: InstanceTypeDef) -> Instance:
    tags = _tags(raw.get("Tags"))
    return Instance(raw["InstanceId"], tags.get("Name", ""), sys.intern(raw.get("InstanceType", "")), tags)


def nat_gateways_in(raw: NatGatewayTypeDef) -> Iterator[NatGateway]:
    """Deleted ones are listed for an hour with addresses that may be somebody else's already."""
    if raw.get("State") in ("deleted", "failed"):
        return
    behind = raw.get("NatGatewayAddresses", ())
    yield NatGateway(
        id=raw["NatGatewayId"],
        name=_name(raw.get("Tags")),
        vpc_id=raw.get("VpcId", ""),
        subnet_id=raw.get("SubnetId", ""),
        interface_ids=_distinct(one.get("NetworkInterfaceId", "") for one in behind),
        public_addresses=_distinct(one.get("PublicIp", "") for one in behind),
    )


def peerings_in(raw: VpcPeeringConnectionTypeDef) -> Iterator[Peering]:
    """Only active ones: before and after, nothing can flow and CIDRs are not told."""
    if raw.get("Status", {}).get("Code") == "active":
        sides = (_peer(raw["RequesterVpcInfo"]), _peer(raw["AccepterVpcInfo"]))
        yield Peering(raw["VpcPeeringConnectionId"], sides)


def flow_logs_in(raw: FlowLogTypeDef) -> Iterator[FlowLog]:
    """Account and region are the reader's to fill in: EC2 does not say them."""
    yield FlowLog(
        id=raw["FlowLogId"],
        account="",
        region="",
        resource_id=raw.get("ResourceId", ""),
        traffic=raw.get("TrafficType", "ALL"),
        log_format=raw.get("LogFormat", ""),
        destination_type=raw.get("LogDestinationType", "cloud-watch-logs"),
        destination=raw.get("LogDestination", ""),
        log_group=raw.get("LogGroupName", ""),
        interval_seconds=raw.get("MaxAggregationInterval", 0),
        delivery_status=raw.get("DeliverLogsStatus", ""),
        delivery_error=raw.get("DeliverLogsErrorMessage", ""),
    )


def transit_gateways_in(raw: TransitGatewayTypeDef) -> Iterator[TransitGateway]:
    if raw.get("State") not in ("deleted", "deleting"):
        yield TransitGateway(raw["TransitGatewayId"], _name(raw.get("Tags")), raw.get("OwnerId", ""))


def attachments_in(raw: TransitGatewayAttachmentTypeDef) -> Iterator[Attachment]:
    if raw.get("State") not in ("deleted", "deleting", "rejected", "failed"):
        yield Attachment(
            id=raw["TransitGatewayAttachmentId"],
            name=_name(raw.get("Tags")),
            gateway_id=raw.get("TransitGatewayId", ""),
            kind=raw.get("ResourceType", ""),
            resource_id=raw.get("ResourceId", ""),
            resource_account=raw.get("ResourceOwnerId", ""),
            state=raw.get("State", ""),
            route_table_id=raw.get("Association", {}).get("TransitGatewayRouteTableId", ""),
        )


def _peer(raw: VpcPeeringConnectionVpcInfoTypeDef) -> Peer:
    networks = [raw.get("CidrBlock", ""), *(one.get("CidrBlock", "") for one in raw.get("CidrBlockSet", ()))]
    networks += [one.get("Ipv6CidrBlock", "") for one in raw.get("Ipv6CidrBlockSet", ())]
    return Peer(raw["VpcId"], raw.get("OwnerId", ""), raw.get("Region", ""), _distinct(networks))


def _ipv6_blocks(raw: VpcTypeDef | SubnetTypeDef) -> list[str]:
    blocks = raw.get("Ipv6CidrBlockAssociationSet", ())
    return [one["Ipv6CidrBlock"] for one in blocks if _is_held(one, "Ipv6CidrBlockState")]


def _is_held(association: Mapping[str, Any], state: str) -> bool:
    """Not one that is gone or never came: EC2 goes on listing them, and the block may be another VPC's by now."""
    return association.get(state, {}).get("State") not in ("disassociated", "failed")


def _tags(raw: Iterable[TagTypeDef] | None) -> dict[str, str]:
    return {sys.intern(tag["Key"]): tag.get("Value", "") for tag in raw or () if "Key" in tag}


def _name(raw: Iterable[TagTypeDef] | None) -> str:
    return _tags(raw).get("Name", "")


def _distinct(values: Iterable[str]) -> tuple[str, ...]:
    """Non-empty values in order of first sight."""
    return tuple(dict.fromkeys(value for value in values if value))

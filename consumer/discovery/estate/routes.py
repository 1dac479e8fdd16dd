"""Where packets go next: route tables, transit gateway routes, endpoints, Elastic IPs, prefix lists, as plain values.

Belongs here: the values, and reading them out of EC2's answers (shapes: EC2 API reference). Does not: interfaces and
what holds them (values.py), following a route (inventory/routing.py).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mypy_boto3_ec2.type_defs import (
        AddressTypeDef,
        PeeringTgwInfoTypeDef,
        PrefixListEntryTypeDef,
        RouteTableTypeDef,
        RouteTypeDef,
        TransitGatewayPeeringAttachmentTypeDef,
        TransitGatewayRouteTableTypeDef,
        TransitGatewayRouteTypeDef,
        VpcEndpointTypeDef,
    )


@dataclass(frozen=True, slots=True)
class Route:
    """`destination`: CIDR or prefix list id. `target`: id of the next hop (`local`, igw-, nat-, …); empty = none, the
    route is a black hole."""

    destination: str
    target: str


@dataclass(frozen=True, slots=True)
class RouteTable:
    """A route table of a VPC. `is_main`: subnets without a table of their own use it."""

    id: str
    vpc_id: str
    is_main: bool
    subnet_ids: tuple[str, ...]
    routes: tuple[Route, ...]


@dataclass(frozen=True, slots=True)
class GatewayRoute:
    """One route of a transit gateway. No attachments = a black hole. `is_propagated`: it is a network of what the
    attachment leads to, not something a person pointed at it."""

    destination: str
    attachment_ids: tuple[str, ...]
    is_propagated: bool = False


@dataclass(frozen=True, slots=True)
class GatewayTable:
    """A route table of a transit gateway."""

    id: str
    gateway_id: str
    routes: tuple[GatewayRoute, ...] = field(default=())


@dataclass(frozen=True, slots=True)
class GatewaySide:
    """One side of a peering of transit gateways. `attachment_id`: what this side's routes call the peering."""

    gateway_id: str
    attachment_id: str
    account: str
    region: str


@dataclass(frozen=True, slots=True)
class GatewayPeering:
    """An available peering of two transit gateways, of two regions mostly. Each side has routes and a route table for
    what comes from the other side."""

    id: str
    sides: tuple[GatewaySide, GatewaySide]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A VPC endpoint. `kind`: Interface, Gateway, GatewayLoadBalancer…; `service`: its full name."""

    id: str
    name: str
    kind: str
    service: str
    vpc_id: str
    interface_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ElasticAddress:
    """An Elastic IP. `interface_id` empty = nothing uses it now."""

    id: str
    name: str
    address: str
    interface_id: str
    instance_id: str


@dataclass(frozen=True, slots=True)
class PrefixList:
    """A managed prefix list that a route names."""

    id: str
    networks: tuple[str, ...]


_TARGETS = (
    "GatewayId", "NatGatewayId", "TransitGatewayId", "VpcPeeringConnectionId", "EgressOnlyInternetGatewayId",
    "LocalGatewayId", "CarrierGatewayId", "CoreNetworkArn", "NetworkInterfaceId", "InstanceId",
)  # fmt: skip


def route_tables_in(raw: RouteTableTypeDef) -> Iterator[RouteTable]:
    """Tables of gateways (edge associations) are left out: they route what comes in, not what a subnet sends."""
    associations = raw.get("Associations", ())
    is_edge = bool(associations) and all(one.get("GatewayId") for one in associations)
    if is_edge:
        return
    yield RouteTable(
        id=raw["RouteTableId"],
        vpc_id=raw.get("VpcId", ""),
        is_main=any(one.get("Main") for one in associations),
        subnet_ids=tuple(one["SubnetId"] for one in associations if one.get("SubnetId")),
        routes=tuple(route for one in raw.get("Routes", ()) for route in _routes(one)),
    )


def _routes(raw: RouteTypeDef) -> Iterator[Route]:
    destination = (
        raw.get("DestinationCidrBlock") or raw.get("DestinationIpv6CidrBlock") or raw.get("DestinationPrefixListId")
    )
    if destination:
        target = next((str(raw[name]) for name in _TARGETS if raw.get(name)), "")  # type: ignore[literal-required]
        yield Route(destination, "" if raw.get("State") == "blackhole" else target)


def gateway_tables_in(raw: TransitGatewayRouteTableTypeDef) -> Iterator[GatewayTable]:
    if raw.get("State") not in ("deleted", "deleting"):
        yield GatewayTable(raw["TransitGatewayRouteTableId"], raw.get("TransitGatewayId", ""))


def gateway_routes_in(raw: TransitGatewayRouteTypeDef) -> Iterator[GatewayRoute]:
    if raw.get("DestinationCidrBlock"):
        attachments = raw.get("TransitGatewayAttachments", ()) if raw.get("State") == "active" else ()
        yield GatewayRoute(
            destination=raw["DestinationCidrBlock"],
            attachment_ids=tuple(one["TransitGatewayAttachmentId"] for one in attachments),
            is_propagated=raw.get("Type") == "propagated",
        )


def gateway_peerings_in(raw: TransitGatewayPeeringAttachmentTypeDef) -> Iterator[GatewayPeering]:
    """Both sides call an attachment across regions by one id; within a region the accepter's side may have its own."""
    if raw.get("State") == "available":
        name = raw["TransitGatewayAttachmentId"]
        other = raw.get("AccepterTransitGatewayAttachmentId") or name
        sides = (_side(raw["RequesterTgwInfo"], name), _side(raw["AccepterTgwInfo"], other))
        yield GatewayPeering(name, sides)


def _side(raw: PeeringTgwInfoTypeDef, attachment: str) -> GatewaySide:
    return GatewaySide(raw.get("TransitGatewayId", ""), attachment, raw.get("OwnerId", ""), raw.get("Region", ""))


def endpoints_in(raw: VpcEndpointTypeDef) -> Iterator[Endpoint]:
    if str(raw.get("State", "")).lower() not in ("deleted", "deleting", "rejected", "failed", "expired"):
        yield Endpoint(
            id=raw["VpcEndpointId"],
            name=next((tag.get("Value", "") for tag in raw.get("Tags", ()) if tag.get("Key") == "Name"), ""),
            kind=raw.get("VpcEndpointType", ""),
            service=raw.get("ServiceName", ""),
            vpc_id=raw.get("VpcId", ""),
            interface_ids=tuple(raw.get("NetworkInterfaceIds", ())),
        )


def elastic_addresses_in(raw: AddressTypeDef) -> Iterator[ElasticAddress]:
    address = raw.get("PublicIp") or raw.get("CarrierIp")
    if address:
        yield ElasticAddress(
            id=raw.get("AllocationId", ""),
            name=next((tag.get("Value", "") for tag in raw.get("Tags", ()) if tag.get("Key") == "Name"), ""),
            address=address,
            interface_id=raw.get("NetworkInterfaceId", ""),
            instance_id=raw.get("InstanceId", ""),
        )


def prefix_list_networks_in(raw: PrefixListEntryTypeDef) -> Iterator[str]:
    if raw.get("Cidr"):
        yield raw["Cidr"]

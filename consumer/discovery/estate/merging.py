"""What all accounts and regions said, together, by id.

Belongs here: whose word counts where several speak of one thing. Pure. Does not: asking AWS (reading/region.py), laying
out (inventory/snapshot.py).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from consumer.discovery.estate.routes import (
    ElasticAddress,
    Endpoint,
    GatewaySide,
    GatewayTable,
    PrefixList,
    RouteTable,
)
from consumer.discovery.estate.values import (
    Attachment,
    AttachmentKey,
    Instance,
    Interface,
    NatGateway,
    Part,
    Past,
    Peer,
    Peering,
    Subnet,
    Vpc,
)


@dataclass(slots=True)
class Estate:
    """All parts together, by id. A VPC shared by another account is seen by both; its owner's word counts."""

    vpcs: dict[str, Vpc] = field(default_factory=dict)
    regions: dict[str, str] = field(default_factory=dict)
    subnets: dict[str, Subnet] = field(default_factory=dict)
    interfaces: dict[str, Interface] = field(default_factory=dict)
    instances: dict[str, Instance] = field(default_factory=dict)
    nat_gateways: dict[str, NatGateway] = field(default_factory=dict)
    peerings: dict[str, Peering] = field(default_factory=dict)
    route_tables: dict[str, RouteTable] = field(default_factory=dict)
    endpoints: dict[str, Endpoint] = field(default_factory=dict)
    elastic_addresses: dict[str, tuple[ElasticAddress, str, str]] = field(default_factory=dict)
    """By address; with account and region, which EC2 does not say."""
    gateway_tables: dict[str, GatewayTable] = field(default_factory=dict)
    attachments: dict[AttachmentKey, Attachment] = field(default_factory=dict)
    attachment_regions: dict[AttachmentKey, str] = field(default_factory=dict)
    far_sides: dict[AttachmentKey, GatewaySide] = field(default_factory=dict)
    """The other side of each peering of transit gateways."""
    prefix_lists: dict[str, PrefixList] = field(default_factory=dict)
    past: list[Past] = field(default_factory=list)

    def foreign_vpcs(self) -> dict[str, Peer]:
        """VPCs of accounts we cannot read, known by their peerings and their attachments to our transit gateways."""
        foreign: dict[str, Peer] = {}
        for one in self.attachments.values():
            if one.kind == "vpc" and one.resource_id and one.resource_id not in self.vpcs:
                region = self.attachment_regions.get(one.key, "")
                foreign[one.resource_id] = Peer(one.resource_id, one.resource_account, region, ())
        sides = (side for peering in self.peerings.values() for side in peering.sides)
        return foreign | {side.vpc_id: side for side in sides if side.vpc_id not in self.vpcs}


def merge(parts: Iterable[Part]) -> Estate:
    """One estate out of parts of distinct (account, region)."""
    estate = Estate()
    for part in parts:
        for vpc in part.vpcs:
            if vpc.id not in estate.vpcs or vpc.account == part.account:
                estate.vpcs[vpc.id] = vpc
                estate.regions[vpc.id] = part.region
        for subnet in part.subnets:
            if subnet.id not in estate.subnets or subnet.name:
                estate.subnets[subnet.id] = subnet
        for interface in part.interfaces:
            if interface.id not in estate.interfaces or interface.account == part.account:
                estate.interfaces[interface.id] = interface
                estate.regions[interface.id] = part.region
        estate.instances.update((instance.id, instance) for instance in part.instances)
        estate.nat_gateways.update((gateway.id, gateway) for gateway in part.nat_gateways)
        estate.peerings.update((peering.id, peering) for peering in part.peerings)
        estate.endpoints.update((endpoint.id, endpoint) for endpoint in part.endpoints)
        for table in part.route_tables:
            if table.id not in estate.route_tables or table.routes:
                estate.route_tables[table.id] = table
        for address in part.elastic_addresses:
            estate.elastic_addresses[address.address] = (address, part.account, part.region)
        for gateway_table in part.gateway_tables:
            if gateway_table.id not in estate.gateway_tables or gateway_table.routes:
                estate.gateway_tables[gateway_table.id] = gateway_table
        for attachment in part.attachments:
            # Both ends of an attachment see it; only the gateway's owner is told the route table.
            if attachment.key not in estate.attachments or attachment.route_table_id:
                estate.attachments[attachment.key] = attachment
                estate.attachment_regions[attachment.key] = part.region
        for gateway_peering in part.gateway_peerings:
            one, other = gateway_peering.sides
            estate.far_sides[one.gateway_id, one.attachment_id] = other
            estate.far_sides[other.gateway_id, other.attachment_id] = one
        for prefix_list in part.prefix_lists:
            if prefix_list.id not in estate.prefix_lists or prefix_list.networks:
                estate.prefix_lists[prefix_list.id] = prefix_list
        for past in part.past:
            estate.regions.setdefault(past.interface.id, part.region)
        estate.past += part.past
    estate.past.sort(key=lambda past: past.until)
    return estate


def if_index_owners(estate: Estate) -> list[str]:
    """Ids that get an interface number: interfaces, also gone ones, and regional NAT gateways, which have none."""
    regional = (gateway.id for gateway in estate.nat_gateways.values() if not gateway.interface_ids)
    gone = (past.interface.id for past in estate.past if past.interface.id not in estate.interfaces)
    return list(dict.fromkeys((*estate.interfaces, *regional, *gone)))

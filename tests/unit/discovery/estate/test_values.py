"""Reading EC2's answers; shapes as in the EC2 API reference, where moto has none."""

from __future__ import annotations

from typing import Any

import pytest

from consumer.discovery.estate import values as estate
from consumer.discovery.estate.values import Instance, NatGateway, Peer, Peering, Subnet, Vpc

TAGS = [{"Key": "Name", "Value": "shop"}, {"Key": "owner", "Value": "web team"}]
READ_TAGS = {"Name": "shop", "owner": "web team"}


def test_a_vpc_has_every_associated_network_once_and_none_that_is_gone() -> None:
    raw: Any = {
        "VpcId": "vpc-1",
        "OwnerId": "111111111111",
        "CidrBlock": "10.0.0.0/16",
        "CidrBlockAssociationSet": [
            {"CidrBlock": "10.0.0.0/16", "CidrBlockState": {"State": "associated"}},
            {"CidrBlock": "100.64.0.0/16", "CidrBlockState": {"State": "associating"}},
            {"CidrBlock": "10.9.0.0/16", "CidrBlockState": {"State": "disassociated"}},
        ],
        "Ipv6CidrBlockAssociationSet": [
            {"Ipv6CidrBlock": "2600:1f18::/56"},
            {"Ipv6CidrBlock": "2600:1f19::/56", "Ipv6CidrBlockState": {"State": "disassociated"}},
        ],
        "Tags": TAGS,
    }

    networks = ("10.0.0.0/16", "100.64.0.0/16", "2600:1f18::/56")
    assert list(estate.vpcs_in(raw)) == [Vpc("vpc-1", "shop", "111111111111", networks, tags=READ_TAGS)]


def test_a_subnet_without_ipv4_and_without_tags_is_read() -> None:
    raw: Any = {
        "SubnetId": "subnet-1",
        "VpcId": "vpc-1",
        "AvailabilityZoneId": "use1-az1",
        "Ipv6CidrBlockAssociationSet": [
            {"Ipv6CidrBlock": "2600:1f18::/64"},
            {"Ipv6CidrBlock": "2600:1f19::/64", "Ipv6CidrBlockState": {"State": "failed"}},
        ],
    }

    assert list(estate.subnets_in(raw)) == [Subnet("subnet-1", "", "vpc-1", "use1-az1", ("2600:1f18::/64",))]


def test_an_interface_has_all_its_private_public_and_ipv6_addresses_and_prefixes() -> None:
    raw: Any = {
        "NetworkInterfaceId": "eni-1",
        "OwnerId": "111111111111",
        "VpcId": "vpc-1",
        "SubnetId": "subnet-1",
        "Attachment": {"InstanceId": "i-1"},
        "InterfaceType": "interface",
        "Description": "Primary network interface",
        "RequesterManaged": False,
        "PrivateIpAddress": "10.0.0.5",
        "PrivateIpAddresses": [
            {"PrivateIpAddress": "10.0.0.5", "Association": {"PublicIp": "52.0.0.5"}},
            {"PrivateIpAddress": "10.0.0.6", "Association": {"PublicIp": "52.0.0.6"}},
            {"PrivateIpAddress": "10.0.0.7"},
        ],
        "Association": {"PublicIp": "52.0.0.5"},
        "Ipv6Addresses": [{"Ipv6Address": "2600:1f18::5"}],
        "Ipv4Prefixes": [{"Ipv4Prefix": "10.0.0.16/28"}],
        "Ipv6Prefixes": [{"Ipv6Prefix": "2600:1f18:0:0:1::/80"}],
        "TagSet": TAGS,
    }

    (one,) = estate.interfaces_in(raw)
    assert one.addresses == ("10.0.0.5", "10.0.0.6", "10.0.0.7", "2600:1f18::5")
    assert one.public_addresses == ("52.0.0.5", "52.0.0.6")
    assert one.prefixes == ("10.0.0.16/28", "2600:1f18:0:0:1::/80")
    assert (one.name, one.instance_id, one.account) == ("shop", "i-1", "111111111111")
    assert one.tags["owner"] == "web team"


def test_an_interface_of_which_aws_tells_only_the_id_is_read() -> None:
    raw: Any = {"NetworkInterfaceId": "eni-1"}

    (one,) = estate.interfaces_in(raw)
    assert (one.addresses, one.public_addresses, one.vpc_id, one.is_managed) == ((), (), "", False)


def test_all_instances_of_a_reservation_are_read() -> None:
    raw: Any = {"Instances": [{"InstanceId": "i-1", "InstanceType": "m7g.large", "Tags": TAGS}, {"InstanceId": "i-2"}]}

    assert list(estate.instances_in(raw)) == [Instance("i-1", "shop", "m7g.large", READ_TAGS), Instance("i-2", "")]


@pytest.mark.parametrize("state", ["deleted", "failed"])
def test_a_nat_gateway_that_is_gone_names_nothing(state: str) -> None:
    raw: Any = {"NatGatewayId": "nat-1", "State": state, "NatGatewayAddresses": [{"PublicIp": "52.0.0.1"}]}

    assert list(estate.nat_gateways_in(raw)) == []


def test_a_regional_nat_gateway_has_public_addresses_and_no_interface() -> None:
    raw: Any = {
        "NatGatewayId": "nat-1",
        "State": "available",
        "VpcId": "vpc-1",
        "AvailabilityMode": "regional",
        "NatGatewayAddresses": [
            {"AllocationId": "eipalloc-1", "PublicIp": "52.0.0.1", "AvailabilityZone": "us-east-1a"},
            {"AllocationId": "eipalloc-2", "PublicIp": "52.0.0.2", "AvailabilityZone": "us-east-1b"},
        ],
        "Tags": TAGS,
    }

    assert list(estate.nat_gateways_in(raw)) == [NatGateway("nat-1", "shop", "vpc-1", "", (), ("52.0.0.1", "52.0.0.2"))]


def test_an_active_peering_tells_all_networks_of_both_sides_and_others_tell_nothing() -> None:
    raw: Any = {
        "VpcPeeringConnectionId": "pcx-1",
        "Status": {"Code": "active"},
        "RequesterVpcInfo": {
            "VpcId": "vpc-1",
            "OwnerId": "111111111111",
            "Region": "us-east-1",
            "CidrBlock": "10.0.0.0/16",
            "CidrBlockSet": [{"CidrBlock": "10.0.0.0/16"}, {"CidrBlock": "100.64.0.0/16"}],
            "Ipv6CidrBlockSet": [{"Ipv6CidrBlock": "2600:1f18::/56"}],
        },
        "AccepterVpcInfo": {
            "VpcId": "vpc-2",
            "OwnerId": "222222222222",
            "Region": "eu-west-1",
            "CidrBlock": "10.1.0.0/16",
        },
    }
    networks = ("10.0.0.0/16", "100.64.0.0/16", "2600:1f18::/56")
    sides = (
        Peer("vpc-1", "111111111111", "us-east-1", networks),
        Peer("vpc-2", "222222222222", "eu-west-1", ("10.1.0.0/16",)),
    )

    assert list(estate.peerings_in(raw)) == [Peering("pcx-1", sides)]
    raw["Status"]["Code"] = "pending-acceptance"
    assert list(estate.peerings_in(raw)) == []

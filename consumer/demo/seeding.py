"""Making the demo's network exist in an emulated AWS, through boto3, as a person would in the console.

Belongs here: the calls, and reading back what they made. Does not: which hosts there are (network.py).
moto 5.2 gives NAT gateways a private address of its own invention outside the subnet, and makes no interface for load
balancers or databases: the first is read back, the others are created with the description AWS would write.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import boto3

from consumer.demo.network import (
    HOME_ACCOUNT,
    HOSTS,
    LOG_GROUP,
    MEMBER_ROLE,
    NAT_GATEWAYS,
    PEERINGS,
    SUBNETS,
    VPCS,
    Host,
    HostPlan,
    LogGroup,
    Network,
    VpcPlan,
)

if TYPE_CHECKING:
    from mypy_boto3_ec2 import EC2Client
    from mypy_boto3_ec2.literals import ResourceTypeType
    from mypy_boto3_ec2.type_defs import TagSpecificationTypeDef


def seed_network(endpoint_url: str) -> Network:
    """Make the network in the emulator at `endpoint_url` (moto server) and describe it. Blocks about 2 s.

    Call once per emulator. boto3 errors pass through: seeding that fails is the end of the demo.
    """
    return _Seeding(endpoint_url).run()


class _Seeding:
    """One run of seeding: the clients made so far and what exists already."""

    def __init__(self, endpoint_url: str) -> None:
        self._endpoint_url = endpoint_url
        self._sessions = {HOME_ACCOUNT: boto3.Session("demo", "demo")}
        self._clients: dict[tuple[str, str], EC2Client] = {}
        self._vpc_ids: dict[str, str] = {}
        self._ipv6_blocks: dict[str, ipaddress.IPv6Network] = {}
        self._subnets: dict[tuple[str, str], tuple[str, str]] = {}
        self._vpcs = {vpc.name: vpc for vpc in VPCS}

    def run(self) -> Network:
        for vpc in VPCS:
            self._make_vpc(vpc)
        for (vpc_name, subnet_name), (cidr, zone) in SUBNETS.items():
            self._make_subnet(self._vpcs[vpc_name], subnet_name, cidr, zone)
        hosts = [self._make_host(plan) for plan in HOSTS] + [self._make_nat_gateway(plan) for plan in NAT_GATEWAYS]
        peerings = tuple(self._make_peering(one, other) for one, other in PEERINGS)
        groups = tuple(self._make_log_groups())
        regions = tuple(dict.fromkeys(vpc.region for vpc in VPCS))
        return Network(tuple(hosts), groups, peerings, regions, (MEMBER_ROLE,))

    def _session(self, account: str) -> boto3.Session:
        if account not in self._sessions:
            sts = self._session(HOME_ACCOUNT).client("sts", "us-east-1", endpoint_url=self._endpoint_url)
            given = sts.assume_role(RoleArn=MEMBER_ROLE, RoleSessionName="seeding")["Credentials"]
            self._sessions[account] = boto3.Session(
                given["AccessKeyId"], given["SecretAccessKey"], given["SessionToken"]
            )
        return self._sessions[account]

    def _ec2(self, vpc: VpcPlan) -> EC2Client:
        place = (vpc.account, vpc.region)
        if place not in self._clients:
            session = self._session(vpc.account)
            self._clients[place] = session.client("ec2", vpc.region, endpoint_url=self._endpoint_url)
        return self._clients[place]

    def _make_vpc(self, vpc: VpcPlan) -> None:
        made = self._ec2(vpc).create_vpc(
            CidrBlock=vpc.cidr, AmazonProvidedIpv6CidrBlock=vpc.has_ipv6, TagSpecifications=_named("vpc", vpc.name)
        )["Vpc"]
        self._vpc_ids[vpc.name] = made["VpcId"]
        if vpc.has_ipv6:
            block = made["Ipv6CidrBlockAssociationSet"][0]["Ipv6CidrBlock"]
            self._ipv6_blocks[vpc.name] = ipaddress.IPv6Network(block)

    def _make_subnet(self, vpc: VpcPlan, name: str, cidr: str, zone: str) -> None:
        ipv6: dict[str, Any] = {}
        if vpc.has_ipv6:
            ipv6["Ipv6CidrBlock"] = str(self._ipv6_subnet(vpc, cidr))
        made = self._ec2(vpc).create_subnet(
            VpcId=self._vpc_ids[vpc.name],
            CidrBlock=cidr,
            AvailabilityZone=vpc.region + zone,
            TagSpecifications=_named("subnet", name),
            **ipv6,
        )["Subnet"]
        self._subnets[vpc.name, name] = (made["SubnetId"], made["AvailabilityZoneId"])

    def _ipv6_subnet(self, vpc: VpcPlan, cidr: str) -> ipaddress.IPv6Network:
        """The /64 of a subnet: the third octet of its IPv4 block as the last octet of the IPv6 prefix."""
        number = ipaddress.IPv4Network(cidr).network_address.packed[2]
        base = int(self._ipv6_blocks[vpc.name].network_address)
        return ipaddress.IPv6Network((base + (number << 64), 64))

    def _make_host(self, plan: HostPlan) -> Host:
        vpc = self._vpcs[plan.vpc]
        subnet_id, az_id = self._subnets[plan.vpc, plan.subnet]
        ipv6_address = None
        ipv6: dict[str, Any] = {}
        if vpc.has_ipv6:
            block = self._ipv6_subnet(vpc, SUBNETS[plan.vpc, plan.subnet][0])
            ipv6_address = str(block.network_address + ipaddress.IPv4Address(plan.address).packed[3])
            ipv6["Ipv6Addresses"] = [{"Ipv6Address": ipv6_address}]
        ec2 = self._ec2(vpc)
        is_service = bool(plan.description)
        tags = _named("network-interface", plan.name) if is_service and plan.expected_name == plan.name else []
        interface_id = ec2.create_network_interface(
            SubnetId=subnet_id,
            PrivateIpAddress=plan.address,
            Description=plan.description,
            TagSpecifications=tags,
            **ipv6,
        )["NetworkInterface"]["NetworkInterfaceId"]
        instance_id = None if is_service else _launch(ec2, plan.name, interface_id)
        if plan.public_address:
            allocation = ec2.allocate_address(Domain="vpc", Address=plan.public_address)["AllocationId"]
            ec2.associate_address(AllocationId=allocation, NetworkInterfaceId=interface_id)
        return self._described(plan, interface_id, instance_id, plan.address, ipv6_address, (subnet_id, az_id))

    def _make_nat_gateway(self, plan: HostPlan) -> Host:
        vpc = self._vpcs[plan.vpc]
        subnet_id, az_id = self._subnets[plan.vpc, plan.subnet]
        ec2 = self._ec2(vpc)
        allocation = ec2.allocate_address(Domain="vpc", Address=plan.public_address)["AllocationId"]
        made = ec2.create_nat_gateway(
            SubnetId=subnet_id, AllocationId=allocation, TagSpecifications=_named("natgateway", plan.name)
        )["NatGateway"]
        behind = made["NatGatewayAddresses"][0]
        return self._described(plan, behind["NetworkInterfaceId"], None, behind["PrivateIp"], None, (subnet_id, az_id))

    def _described(
        self,
        plan: HostPlan,
        interface_id: str,
        instance_id: str | None,
        address: str,
        ipv6_address: str | None,
        subnet: tuple[str, str],
    ) -> Host:
        vpc = self._vpcs[plan.vpc]
        return Host(
            name=plan.name,
            expected_name=plan.expected_name or plan.name,
            role=plan.role,
            account=vpc.account,
            region=vpc.region,
            vpc_id=self._vpc_ids[plan.vpc],
            vpc_name=plan.vpc,
            subnet_id=subnet[0],
            az_id=subnet[1],
            interface_id=interface_id,
            instance_id=instance_id,
            address=address,
            ipv6_address=ipv6_address,
            public_address=plan.public_address or None,
        )

    def _make_peering(self, one: str, other: str) -> tuple[str, str]:
        ec2 = self._ec2(self._vpcs[one])
        pair = (self._vpc_ids[one], self._vpc_ids[other])
        made = ec2.create_vpc_peering_connection(
            VpcId=pair[0], PeerVpcId=pair[1], TagSpecifications=_named("vpc-peering-connection", f"{one}-{other}")
        )["VpcPeeringConnection"]
        ec2.accept_vpc_peering_connection(VpcPeeringConnectionId=made["VpcPeeringConnectionId"])
        return pair

    def _make_log_groups(self) -> Iterator[LogGroup]:
        """One group per account and region, and a flow log from every VPC there into it."""
        for account, region in dict.fromkeys((vpc.account, vpc.region) for vpc in VPCS):
            here = [vpc for vpc in VPCS if (vpc.account, vpc.region) == (account, region)]
            logs = self._session(account).client("logs", region, endpoint_url=self._endpoint_url)
            logs.create_log_group(logGroupName=LOG_GROUP)
            vpc_ids = [self._vpc_ids[vpc.name] for vpc in here]
            self._ec2(here[0]).create_flow_logs(
                ResourceIds=vpc_ids,
                ResourceType="VPC",
                TrafficType="ALL",
                LogDestinationType="cloud-watch-logs",
                LogGroupName=LOG_GROUP,
                DeliverLogsPermissionArn=f"arn:aws:iam::{account}:role/flow-logs",
                LogFormat=here[0].log_format.text(),
                MaxAggregationInterval=60,
            )
            yield LogGroup(account, region, LOG_GROUP, here[0].log_format, tuple(vpc_ids))


def _named(kind: ResourceTypeType, name: str) -> list[TagSpecificationTypeDef]:
    return [{"ResourceType": kind, "Tags": [{"Key": "Name", "Value": name}]}]


def _launch(ec2: EC2Client, name: str, interface_id: str) -> str:
    """Start an instance on an interface made before, so that its addresses are ours to choose."""
    instance = ec2.run_instances(
        ImageId="ami-12345678",
        MinCount=1,
        MaxCount=1,
        InstanceType="t3.micro",
        NetworkInterfaces=[{"DeviceIndex": 0, "NetworkInterfaceId": interface_id}],
        TagSpecifications=_named("instance", name),
    )["Instances"][0]
    return instance["InstanceId"]

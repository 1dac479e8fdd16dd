"""The demo's network without an emulator: the planned hosts, with ids made up from their names."""

from __future__ import annotations

from ipaddress import IPv4Address

from consumer.demo.network import (
    HOSTS,
    LOG_GROUP,
    MEMBER_ROLE,
    NAT_GATEWAYS,
    PEERINGS,
    VPCS,
    Host,
    HostPlan,
    LogGroup,
    Network,
)


def planned_network() -> Network:
    """What seeding would describe, with the same shape of ids and addresses."""
    hosts = tuple(_host(number, plan) for number, plan in enumerate([*HOSTS, *NAT_GATEWAYS], 1))
    places = dict.fromkeys((vpc.account, vpc.region, vpc.log_format) for vpc in VPCS)
    groups = tuple(
        LogGroup(
            account,
            region,
            LOG_GROUP,
            log_format,
            tuple(_vpc_id(vpc.name) for vpc in VPCS if (vpc.account, vpc.region) == (account, region)),
        )
        for account, region, log_format in places
    )
    peerings = tuple((_vpc_id(one), _vpc_id(other)) for one, other in PEERINGS)
    return Network(hosts, groups, peerings, tuple(dict.fromkeys(vpc.region for vpc in VPCS)), (MEMBER_ROLE,))


def _vpc_id(name: str) -> str:
    return f"vpc-{name.encode().hex()[:17]:0<17}"


def _host(number: int, plan: HostPlan) -> Host:
    vpc = next(vpc for vpc in VPCS if vpc.name == plan.vpc)
    address = plan.address or "10.0.1.200"
    return Host(
        name=plan.name,
        expected_name=plan.expected_name or plan.name,
        role=plan.role,
        account=vpc.account,
        region=vpc.region,
        vpc_id=_vpc_id(plan.vpc),
        vpc_name=plan.vpc,
        subnet_id=f"subnet-{number:017x}",
        az_id="use1-az1",
        interface_id=f"eni-{number:017x}",
        instance_id=None if plan.description or not plan.address else f"i-{number:017x}",
        address=address,
        ipv6_address=f"2001:db8:1::{IPv4Address(address).packed[3]:x}" if vpc.has_ipv6 else None,
        public_address=plan.public_address or None,
    )

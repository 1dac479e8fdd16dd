"""A synthetic estate, seeded: what discovery would have read of many accounts, with overlapping CIDRs.

Belongs here: making parts. Does not: measuring. Every VPC uses one of a few CIDRs, as real estates do, so the same
address exists in hundreds of VPCs.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Network
from itertools import pairwise

from benchmarks.generate import V2_FORMAT
from consumer.discovery.estate.routes import GatewayRoute, GatewayTable, Route, RouteTable
from consumer.discovery.estate.values import Attachment, Instance, Interface, Part, Peer, Peering, Subnet, Vpc
from consumer.model.plan import FlowLog

REGIONS = tuple(f"xx-region-{number}" for number in range(1, 18))
_BLOCKS = tuple(IPv4Network((int(IPv4Address("10.0.0.0")) + (number << 16), 16)) for number in range(24))


def parts(
    account_count: int = 40, interface_count: int = 200_000, vpc_count: int = 3_000, seed: int = 7, flow_logs: int = 0
) -> Iterator[Part]:
    """Parts of `account_count` accounts × 17 regions that hold so many interfaces and VPCs together, and so many flow
    logs a VPC."""
    chance = random.Random(seed)
    places = [(f"{100_000_000_000 + number}", region) for number in range(account_count) for region in REGIONS]
    for number, (account, region) in enumerate(places):
        first, last = (vpc_count * (number + step) // len(places) for step in (0, 1))
        vpcs = [_vpc(vpc, account) for vpc in range(first, last)]
        per_vpc = interface_count / vpc_count
        wanted = [round(per_vpc * (vpc + 1)) - round(per_vpc * vpc) for vpc in range(first, last)]
        subnets = [subnet for vpc in vpcs for subnet in _subnets(vpc, region)]
        by_vpc = {vpc.id: [subnet for subnet in subnets if subnet.vpc_id == vpc.id] for vpc in vpcs}
        interfaces = [
            _interface(chance, vpc, by_vpc[vpc.id][step % 4], step // 4, number)
            for vpc, count in zip(vpcs, wanted, strict=True)
            for step in range(count)
        ]
        yield Part(
            account,
            region,
            0.0,
            tuple(vpcs),
            tuple(subnets),
            tuple(interfaces),
            tuple(Instance(one.instance_id, f"host-{one.instance_id[-6:]}") for one in interfaces if one.instance_id),
            peerings=tuple(_peering(region, one, other) for one, other in pairwise(vpcs)),
            attachments=tuple(_attachment(vpc, account, region) for vpc in vpcs),
            route_tables=tuple(table for vpc in vpcs for table in _route_tables(vpc, by_vpc[vpc.id], account, region)),
            gateway_tables=(_gateway_table(vpcs, account, region),) if vpcs else (),
            flow_logs=tuple(_flow_log(vpc, region, step) for vpc in vpcs for step in range(flow_logs)),
        )


def _vpc(number: int, account: str) -> Vpc:
    block = _BLOCKS[number % len(_BLOCKS)]
    return Vpc(f"vpc-{number:017x}", f"network-{number}", account, (str(block),))


def _subnets(vpc: Vpc, region: str) -> Iterator[Subnet]:
    blocks = IPv4Network(vpc.networks[0]).subnets(new_prefix=20)
    for number, block in zip(range(4), blocks, strict=False):
        yield Subnet(f"subnet-{vpc.id[-15:]}{number:02x}", f"{vpc.name}-{number}", vpc.id, region, (str(block),))


def _flow_log(vpc: Vpc, region: str, step: int) -> FlowLog:
    """Of everything, into a log group that the account's VPCs share; so only one of several is reported."""
    log_format = " ".join(f"${{{name}}}" for name in V2_FORMAT.fields)
    return FlowLog(
        f"fl-{vpc.id[-12:]}{step}", vpc.account, region, vpc.id, "ALL", log_format, "cloud-watch-logs", "",
        f"/flow/{step}", 60, "SUCCESS", "",
    )  # fmt: skip


def _gateway(account: str, region: str) -> str:
    return f"tgw-{account}{region[-2:].strip('-')}"


def _attachment(vpc: Vpc, account: str, region: str) -> Attachment:
    gateway = _gateway(account, region)
    return Attachment(f"at-{vpc.id}", "", gateway, "vpc", vpc.id, account, "available", f"rtb-{gateway}")


def _gateway_table(vpcs: list[Vpc], account: str, region: str) -> GatewayTable:
    """Every VPC announces its network; the first that has it wins, as on a real gateway."""
    gateway = _gateway(account, region)
    first = {vpc.networks[0]: vpc for vpc in reversed(vpcs)}
    routes = tuple(GatewayRoute(network, (f"at-{vpc.id}",), is_propagated=True) for network, vpc in first.items())
    return GatewayTable(f"rtb-{gateway}", gateway, routes)


def _route_tables(vpc: Vpc, subnets: list[Subnet], account: str, region: str) -> Iterator[RouteTable]:
    """A public main table, and a private one for half of the subnets."""
    inside = (Route(vpc.networks[0], "local"), Route("10.0.0.0/8", _gateway(account, region)))
    yield RouteTable(f"rtb-{vpc.id}-a", vpc.id, True, (), (*inside, Route("0.0.0.0/0", f"igw-{vpc.id}")))
    private = tuple(subnet.id for subnet in subnets[2:])
    yield RouteTable(f"rtb-{vpc.id}-b", vpc.id, False, private, (*inside, Route("0.0.0.0/0", f"nat-{vpc.id}")))


def _interface(chance: random.Random, vpc: Vpc, subnet: Subnet, step: int, part: int) -> Interface:
    number = chance.getrandbits(68)
    address = IPv4Network(subnet.networks[0]).network_address + 4 + step
    is_instance = chance.random() < 0.7
    public = IPv4Address((52 << 24) + chance.getrandbits(24))
    return Interface(
        id=f"eni-{number:017x}",
        name="",
        account=vpc.account,
        vpc_id=vpc.id,
        subnet_id=subnet.id,
        az_id="",
        instance_id=f"i-{number:017x}" if is_instance else "",
        type="interface" if is_instance else "lambda",
        description="" if is_instance else f"AWS Lambda VPC ENI-job-{number % 97}-{part}",
        requester="",
        is_managed=not is_instance,
        addresses=(str(address),),
        prefixes=(),
        public_addresses=(str(public),) if chance.random() < 0.2 else (),
        tags={},
    )


def _peering(region: str, one: Vpc, other: Vpc) -> Peering:
    sides = (Peer(one.id, one.account, region, one.networks), Peer(other.id, other.account, region, other.networks))
    return Peering(f"pcx-{one.id[-8:]}{other.id[-8:]}", sides)

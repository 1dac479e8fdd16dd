"""The demo's small network: what is planned, and the description of what was really made.

Belongs here: which hosts there are (the tables people edit) and the typed description that traffic and referee read.
Does not: making them exist in an emulated AWS (seeding.py) or inventing flows (traffic.py).

Two accounts, two regions, five VPCs. `shop`, `shop-eu` and `analytics` all use 10.0.0.0/16, so the same address is
three different hosts; only `shop` and `build` are peered.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from consumer.model.log_format import LogFormat

HOME_ACCOUNT = "123456789012"
"""The account moto gives to credentials it does not know."""
MEMBER_ACCOUNT = "222222222222"
MEMBER_ROLE = f"arn:aws:iam::{MEMBER_ACCOUNT}:role/vpcflow-read"
"""The role the agent assumes to see the second account; moto opens any role of any account."""
LOG_GROUP = "/vpcflow/demo"

SHOP_FORMAT = LogFormat.from_text(
    "${version} ${account-id} ${interface-id} ${srcaddr} ${dstaddr} ${srcport} ${dstport} ${protocol} ${packets} "
    "${bytes} ${start} ${end} ${action} ${log-status} ${vpc-id} ${subnet-id} ${instance-id} ${tcp-flags} ${type} "
    "${pkt-srcaddr} ${pkt-dstaddr} ${region} ${az-id} ${sublocation-type} ${sublocation-id} "
    "${pkt-src-aws-service} ${pkt-dst-aws-service} ${flow-direction} ${traffic-path}"
)
"""All 29 fields of versions 2 to 5."""
DEFAULT_FORMAT = LogFormat.from_text(
    "version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end action log-status"
)
"""What AWS writes when nobody chose (version 2)."""


class Role(StrEnum):
    """What a host does, which decides whom it talks to."""

    WEB = "web"
    APP = "app"
    DATABASE = "database"
    CACHE = "cache"
    LOAD_BALANCER = "load_balancer"
    NAT = "nat"
    BUILD = "build"
    WORKER = "worker"
    ARCHIVE = "archive"


@dataclass(frozen=True, slots=True)
class Host:
    """One network interface and what stands behind it. `expected_name` is what enrichment must call it."""

    name: str
    expected_name: str
    role: Role
    account: str
    region: str
    vpc_id: str
    vpc_name: str
    subnet_id: str
    az_id: str
    interface_id: str
    instance_id: str | None
    address: str
    ipv6_address: str | None
    public_address: str | None


@dataclass(frozen=True, slots=True)
class LogGroup:
    """A CloudWatch log group that flow logs of `vpc_ids` write into, in one format."""

    account: str
    region: str
    name: str
    log_format: LogFormat
    vpc_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Network:
    """Everything seeded. `peerings`: pairs of VPC ids that reach each other."""

    hosts: tuple[Host, ...]
    log_groups: tuple[LogGroup, ...]
    peerings: tuple[tuple[str, str], ...]
    regions: tuple[str, ...]
    member_roles: tuple[str, ...]

    def host(self, name: str) -> Host:
        """The host of that name; KeyError when there is none."""
        for host in self.hosts:
            if host.name == name:
                return host
        raise KeyError(name)

    def log_group_of(self, host: Host) -> LogGroup:
        """The log group that gets the records of this host's interface."""
        for group in self.log_groups:
            if host.vpc_id in group.vpc_ids:
                return group
        raise KeyError(host.vpc_id)

    def in_vpc(self, vpc_name: str) -> tuple[Host, ...]:
        return tuple(host for host in self.hosts if host.vpc_name == vpc_name)


@dataclass(frozen=True, slots=True)
class VpcPlan:
    name: str
    account: str
    region: str
    cidr: str
    log_format: LogFormat
    has_ipv6: bool = False


@dataclass(frozen=True, slots=True)
class HostPlan:
    """`description`: set for interfaces that AWS services own; then no instance is made."""

    name: str
    role: Role
    vpc: str
    subnet: str
    address: str
    description: str = ""
    expected_name: str = ""
    public_address: str = ""


VPCS = (
    VpcPlan("shop", HOME_ACCOUNT, "us-east-1", "10.0.0.0/16", SHOP_FORMAT, has_ipv6=True),
    VpcPlan("build", HOME_ACCOUNT, "us-east-1", "10.1.0.0/16", SHOP_FORMAT),
    VpcPlan("shop-eu", HOME_ACCOUNT, "eu-central-1", "10.0.0.0/16", SHOP_FORMAT),
    VpcPlan("analytics", MEMBER_ACCOUNT, "us-east-1", "10.0.0.0/16", DEFAULT_FORMAT),
    VpcPlan("archive", MEMBER_ACCOUNT, "eu-central-1", "10.8.0.0/16", DEFAULT_FORMAT),
)
SUBNETS = {
    ("shop", "shop-public-a"): ("10.0.1.0/24", "a"),
    ("shop", "shop-public-b"): ("10.0.2.0/24", "b"),
    ("shop", "shop-app-a"): ("10.0.11.0/24", "a"),
    ("shop", "shop-data-a"): ("10.0.21.0/24", "a"),
    ("build", "build-a"): ("10.1.1.0/24", "a"),
    ("shop-eu", "shop-eu-public-a"): ("10.0.1.0/24", "a"),
    ("shop-eu", "shop-eu-data-a"): ("10.0.21.0/24", "a"),
    ("analytics", "analytics-a"): ("10.0.1.0/24", "a"),
    ("analytics", "analytics-data-b"): ("10.0.11.0/24", "b"),
    ("archive", "archive-a"): ("10.8.1.0/24", "a"),
}
HOSTS = (
    HostPlan("web-1", Role.WEB, "shop", "shop-public-a", "10.0.1.10", public_address="198.51.100.10"),
    HostPlan("web-2", Role.WEB, "shop", "shop-public-b", "10.0.2.10", public_address="198.51.100.11"),
    HostPlan("app-1", Role.APP, "shop", "shop-app-a", "10.0.11.10"),
    HostPlan("app-2", Role.APP, "shop", "shop-app-a", "10.0.11.11"),
    HostPlan("cache-1", Role.CACHE, "shop", "shop-data-a", "10.0.21.20"),
    HostPlan("shop-db", Role.DATABASE, "shop", "shop-data-a", "10.0.21.30", "RDSNetworkInterface", "shop-db"),
    HostPlan(
        "shop-alb",
        Role.LOAD_BALANCER,
        "shop",
        "shop-public-a",
        "10.0.1.20",
        "ELB app/shop/50dc6c495c0c9188",
        "ALB shop",
        "198.51.100.20",
    ),
    HostPlan("build-1", Role.BUILD, "build", "build-a", "10.1.1.10"),
    HostPlan("build-2", Role.BUILD, "build", "build-a", "10.1.1.11"),
    HostPlan("web-eu-1", Role.WEB, "shop-eu", "shop-eu-public-a", "10.0.1.10", public_address="198.51.100.30"),
    HostPlan(
        "shop-eu-db", Role.DATABASE, "shop-eu", "shop-eu-data-a", "10.0.21.30", "RDSNetworkInterface", "shop-eu-db"
    ),
    HostPlan("worker-1", Role.WORKER, "analytics", "analytics-a", "10.0.1.10"),
    HostPlan("worker-2", Role.WORKER, "analytics", "analytics-a", "10.0.1.11"),
    HostPlan("warehouse-1", Role.DATABASE, "analytics", "analytics-data-b", "10.0.11.10"),
    HostPlan("archive-1", Role.ARCHIVE, "archive", "archive-a", "10.8.1.10"),
)
NAT_GATEWAYS = (HostPlan("shop-nat", Role.NAT, "shop", "shop-public-a", "", public_address="198.51.100.40"),)
PEERINGS = (("shop", "build"),)

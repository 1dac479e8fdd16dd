"""Which service an interface belongs to: a table, read from the top, first match wins.

Belongs here: the table people edit, and the matching. Does not: names of instances (rows.py). AWS has no field
for it; what a service writes into type, description, requester and tags is the only trace, so every row says what it
looks for and the tests hold one interface for each. Types: EC2 API reference, NetworkInterface.InterfaceType.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from consumer.discovery.estate.values import Interface


@dataclass(frozen=True, slots=True)
class Rule:
    """One row; everything given must hold. `service` may use what `description` caught: `{name}`.

    `types`: InterfaceType is one of these. `description`: pattern that the description begins with. `requester`:
    pattern that the requester id begins with. `tag`: a tag key that is there, its value is `{tag}`.
    """

    service: str
    types: frozenset[str] = field(default=frozenset())
    description: str = ""
    requester: str = ""
    tag: str = ""
    is_instance: bool = False
    is_managed: bool = False
    is_nat: bool = False


def _types(*names: str) -> frozenset[str]:
    return frozenset(names)


_UUID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"

RULES = (
    Rule("NAT Gateway", is_nat=True),
    Rule("NAT Gateway", types=_types("natGateway", "nat_gateway", "regional_nat_gateway")),
    Rule("NAT Gateway", description=r"Interface for NAT Gateway nat-"),
    Rule("NLB {name}", description=r"ELB net/(?P<name>[^/]+)/"),
    Rule("NLB", types=_types("network_load_balancer")),
    Rule("ALB {name}", description=r"ELB app/(?P<name>[^/]+)/"),
    Rule("GWLB {name}", description=r"ELB gwy/(?P<name>[^/]+)/"),
    Rule("GWLB", types=_types("gateway_load_balancer")),
    Rule("GWLB Endpoint", types=_types("gateway_load_balancer_endpoint")),
    Rule("Classic ELB {name}", description=r"ELB (?P<name>\S+)$"),
    Rule("ALB", types=_types("load_balancer")),
    Rule("Network Firewall", description=r"AWS Network Firewall|VPC Endpoint for AWS Network Firewall"),
    Rule("Network Firewall", tag="AWSNetworkFirewallManaged"),
    Rule("VPC Endpoint", types=_types("vpc_endpoint")),
    Rule("VPC Endpoint", description=r"VPC Endpoint Interface vpce-"),
    Rule("Transit Gateway", types=_types("transit_gateway")),
    Rule("Transit Gateway", description=r"Network Interface for Transit Gateway Attachment tgw-attach-"),
    Rule("Lambda {name}", description=rf"AWS Lambda VPC ENI-(?P<name>.+?)(-{_UUID})?$"),
    Rule("Lambda", types=_types("lambda")),
    Rule("RDS", description=r"RDSNetworkInterface"),
    Rule("RDS Proxy", description=r"Network interface for DBProxy"),
    Rule("ElastiCache {name}", description=r"ElastiCache[ +:]+(?P<name>\S+)"),
    Rule("ElastiCache", description=r"ElastiCache"),
    Rule("DMS", description=r"DMSNetworkInterface"),
    Rule("Redshift", description=r"RedshiftNetworkInterface"),
    Rule("Neptune", description=r"NeptuneNetworkInterface"),
    Rule("EFS {name}", description=r"EFS mount target for (?P<name>fs-[0-9a-f]+)"),
    Rule("EFS", types=_types("efs")),
    Rule("FSx", description=r"AWS created network interface for FSx|FSx for "),
    Rule("EKS {name} control plane", description=r"Amazon EKS (?P<name>\S+)"),
    Rule("EKS {tag}", tag="cluster.k8s.amazonaws.com/name"),
    Rule("EKS node", tag="node.k8s.amazonaws.com/instance_id"),
    Rule("EKS node", description=r"aws-K8S-i-"),
    Rule("ECS {tag}", tag="aws:ecs:serviceName"),
    Rule("ECS {tag}", tag="aws:ecs:clusterName"),
    Rule("ECS", description=r"arn:aws[a-z-]*:ecs:[^:]*:\d*:attachment/"),
    Rule("Directory Service {name}", description=r"AWS created network interface for directory (?P<name>d-[0-9a-z]+)"),
    Rule("MSK", description=r"Amazon MSK|DO NOT DELETE - Amazon MSK"),
    Rule("OpenSearch {name}", description=r"ES (?P<name>\S+)"),
    Rule("OpenSearch", description=r"AWS OpenSearch|Amazon OpenSearch"),
    Rule("SageMaker", description=r"\[Do not delete\] Network interface created .* for SageMaker"),
    Rule("CloudHSM", description=r"CloudHSM Managed Interface"),
    Rule("Glue", description=r"Attached to Glue using role"),
    Rule("CodeBuild", description=r"AWS CodeBuild"),
    Rule("CodeStar Connections", types=_types("aws_codestar_connections_managed")),
    Rule("WorkSpaces", description=r"Created By Amazon Workspaces for AWS Account ID"),
    Rule("Route 53 Resolver {name}", description=r"Route 53 Resolver: (?P<name>rslvr-[0-9a-z-]+)"),
    Rule("VPC Lattice", description=r"VPC Lattice"),
    Rule("Amazon MQ", description=r"AmazonMQ|Amazon MQ"),
    Rule("API Gateway", types=_types("api_gateway_managed")),
    Rule("Global Accelerator", types=_types("global_accelerator_managed")),
    Rule("QuickSight", types=_types("quicksight")),
    Rule("IoT Rules", types=_types("iot_rules_managed")),
    Rule("EC2 Instance Connect Endpoint", types=_types("ec2_instance_connect_endpoint")),
    Rule("EKS pods", types=_types("branch", "trunk")),
    Rule("RDS", requester=r"amazon-rds"),
    Rule("Load Balancer", requester=r"amazon-elb"),
    Rule("ElastiCache", requester=r"amazon-elasticache"),
    Rule("Redshift", requester=r"amazon-redshift"),
    Rule("EC2", is_instance=True),
    Rule("EFA", types=_types("efa", "efa-only")),
    Rule("AWS-managed ({requester})", requester=r".", is_managed=True),
    Rule("AWS-managed", is_managed=True),
)  # fmt: skip
"""Order matters: a load balancer's description beats its type, because it carries the name; an instance comes last
of the named ones, because services attach their interfaces to instances of their own."""

SERVICE_TAGS = frozenset(rule.tag for rule in RULES if rule.tag)
"""Tag keys that some row looks at."""

_PATTERNS = {text: re.compile(text) for rule in RULES for text in (rule.description, rule.requester)}


def service_of(interface: Interface, *, is_nat: bool = False) -> str:
    """The service, empty when no row fits. `is_nat`: DescribeNatGateways names this interface."""
    for rule in RULES:
        service = _service_by(rule, interface, is_nat)
        if service:
            return service
    return ""


def _service_by(rule: Rule, interface: Interface, is_nat: bool) -> str:
    if rule.types and interface.type not in rule.types:
        return ""
    if (
        (rule.is_nat and not is_nat)
        or (rule.is_instance and not interface.instance_id)
        or (rule.is_managed and not interface.is_managed)
        or (rule.tag and rule.tag not in interface.tags)
        or (rule.requester and not _PATTERNS[rule.requester].match(interface.requester))
    ):
        return ""
    caught = _PATTERNS[rule.description].match(interface.description)
    if caught is None:
        return ""
    names = caught.groupdict() | {"tag": interface.tags.get(rule.tag, ""), "requester": interface.requester}
    return rule.service.format(**names).strip()

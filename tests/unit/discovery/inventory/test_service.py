"""The service table: one interface as AWS writes it for every row."""

from __future__ import annotations

import pytest

from consumer.discovery.inventory import service
from consumer.discovery.inventory.service import RULES, service_of
from tests.support.flows import interface

LAMBDA = "AWS Lambda VPC ENI-resize-images-0a1b2c3d-1111-2222-3333-444455556666"
SAGEMAKER = "[Do not delete] Network interface created to access resources in your VPC for SageMaker Notebook"

FIXTURES: tuple[tuple[str, dict[str, object]], ...] = (
    ("NAT Gateway", {"is_nat": True}),
    ("NAT Gateway", {"type": "natGateway"}),
    ("NAT Gateway", {"type": "nat_gateway", "description": "Interface for NAT Gateway nat-0123"}),
    ("NAT Gateway", {"description": "Interface for NAT Gateway nat-0123"}),
    ("NLB ingest", {"type": "network_load_balancer", "description": "ELB net/ingest/0123456789abcdef"}),
    ("NLB", {"type": "network_load_balancer"}),
    ("ALB shop", {"description": "ELB app/shop/50dc6c495c0c9188", "requester": "amazon-elb", "is_managed": True}),
    ("ALB shop", {"type": "load_balancer", "description": "ELB app/shop/50dc6c495c0c9188"}),
    ("GWLB inspect", {"type": "gateway_load_balancer", "description": "ELB gwy/inspect/0123"}),
    ("GWLB", {"type": "gateway_load_balancer"}),
    ("GWLB Endpoint", {"type": "gateway_load_balancer_endpoint", "description": "VPC Endpoint Interface vpce-0123"}),
    ("Classic ELB legacy", {"description": "ELB legacy", "requester": "amazon-elb"}),
    ("ALB", {"type": "load_balancer"}),
    ("Network Firewall", {"description": "AWS Network Firewall endpoint"}),
    ("Network Firewall", {"type": "gateway_load_balancer_endpoint_x", "tags": {"AWSNetworkFirewallManaged": "true"}}),
    ("VPC Endpoint", {"type": "vpc_endpoint"}),
    ("VPC Endpoint", {"description": "VPC Endpoint Interface vpce-0123456789abcdef0"}),
    ("Transit Gateway", {"type": "transit_gateway"}),
    ("Transit Gateway", {"description": "Network Interface for Transit Gateway Attachment tgw-attach-0123"}),
    ("Lambda resize-images", {"type": "lambda", "description": LAMBDA}),
    ("Lambda job", {"type": "lambda", "description": "AWS Lambda VPC ENI-job"}),
    ("Lambda", {"type": "lambda"}),
    ("RDS", {"description": "RDSNetworkInterface"}),
    ("RDS Proxy", {"description": "Network interface for DBProxy orders"}),
    ("ElastiCache sessions", {"description": "ElastiCache sessions"}),
    ("ElastiCache sessions-001", {"description": "ElastiCache+sessions-001"}),
    ("ElastiCache", {"description": "ElastiCache"}),
    ("DMS", {"description": "DMSNetworkInterface"}),
    ("Redshift", {"description": "RedshiftNetworkInterface"}),
    ("Neptune", {"description": "NeptuneNetworkInterface"}),
    ("EFS fs-0123", {"type": "efs", "description": "EFS mount target for fs-0123 (fsmt-4567)"}),
    ("EFS", {"type": "efs"}),
    ("FSx", {"description": "AWS created network interface for FSx file system fs-0123"}),
    ("EKS prod control plane", {"description": "Amazon EKS prod", "is_managed": True}),
    ("EKS prod", {"description": "aws-K8S-i-0123", "tags": {"cluster.k8s.amazonaws.com/name": "prod"}}),
    ("EKS node", {"tags": {"node.k8s.amazonaws.com/instance_id": "i-0123"}, "instance_id": "i-0123"}),
    ("EKS node", {"description": "aws-K8S-i-0123", "instance_id": "i-0123"}),
    ("ECS checkout", {"tags": {"aws:ecs:serviceName": "checkout", "aws:ecs:clusterName": "shop"}}),
    ("ECS shop", {"tags": {"aws:ecs:clusterName": "shop"}}),
    ("ECS", {"description": "arn:aws-cn:ecs:cn-north-1:111111111111:attachment/0123-4567", "is_managed": True}),
    ("Directory Service d-90670abcde", {"description": "AWS created network interface for directory d-90670abcde"}),
    ("MSK", {"description": "DO NOT DELETE - Amazon MSK network interface for cluster arn:aws:kafka:x"}),
    ("OpenSearch logs", {"description": "ES logs", "requester": "amazon-elasticsearch"}),
    ("OpenSearch", {"description": "AWS OpenSearch Serverless managed"}),
    ("SageMaker", {"description": SAGEMAKER}),
    ("CloudHSM", {"description": "CloudHSM Managed Interface"}),
    ("Glue", {"description": "Attached to Glue using role: arn:aws:iam::111111111111:role/glue"}),
    ("CodeBuild", {"description": "AWS CodeBuild-0123"}),
    ("CodeStar Connections", {"type": "aws_codestar_connections_managed"}),
    ("WorkSpaces", {"description": "Created By Amazon Workspaces for AWS Account ID 111111111111"}),
    ("Route 53 Resolver rslvr-in-0123", {"description": "Route 53 Resolver: rslvr-in-0123:rni-4567"}),
    ("VPC Lattice", {"description": "VPC Lattice resource gateway rgw-0123"}),
    ("Amazon MQ", {"description": "AmazonMQ network interface for broker b-0123"}),
    ("API Gateway", {"type": "api_gateway_managed"}),
    ("Global Accelerator", {"type": "global_accelerator_managed"}),
    ("QuickSight", {"type": "quicksight"}),
    ("IoT Rules", {"type": "iot_rules_managed"}),
    ("EC2 Instance Connect Endpoint", {"type": "ec2_instance_connect_endpoint"}),
    ("EKS pods", {"type": "trunk", "instance_id": "i-0123"}),
    ("RDS", {"requester": "amazon-rds", "is_managed": True}),
    ("Load Balancer", {"requester": "amazon-elb", "is_managed": True}),
    ("ElastiCache", {"requester": "amazon-elasticache", "is_managed": True}),
    ("Redshift", {"requester": "amazon-redshift", "is_managed": True}),
    ("EC2", {"instance_id": "i-0123", "description": "Primary network interface"}),
    ("EC2", {"instance_id": "i-0123", "type": "efa"}),
    ("EFA", {"type": "efa-only"}),
    ("AWS-managed (727180483921)", {"requester": "727180483921", "is_managed": True}),
    ("AWS-managed", {"is_managed": True}),
    ("", {"description": "made by hand"}),
)


def describe(fixture: tuple[str, dict[str, object]]) -> str:
    return " ".join(str(value) for value in fixture[1].values())[:40]


@pytest.mark.parametrize("fixture", FIXTURES, ids=describe)
def test_an_interface_is_recognised_by_what_its_service_wrote(fixture: tuple[str, dict[str, object]]) -> None:
    expected, values = fixture
    facts = {name: value for name, value in values.items() if name != "is_nat"}
    given = interface("eni-1", "vpc-1", "10.0.0.1", **facts)

    assert service_of(given, is_nat="is_nat" in values) == expected


def test_every_row_of_the_table_decides_about_at_least_one_fixture(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a row, some fixture gets another answer: no row is dead, and none is untested."""
    dead = []
    for position in range(len(RULES)):
        monkeypatch.setattr(service, "RULES", RULES[:position] + RULES[position + 1 :])
        changed = any(
            service_of(
                interface("eni-1", "vpc-1", **{name: value for name, value in values.items() if name != "is_nat"}),
                is_nat="is_nat" in values,
            )
            != expected
            for expected, values in FIXTURES
        )
        if not changed:
            dead.append(RULES[position])

    assert dead == []

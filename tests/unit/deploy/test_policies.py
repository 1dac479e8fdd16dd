"""The policies we publish against what the code calls: none lacks a right, and none grants one that nothing uses."""

from __future__ import annotations

from pathlib import Path

import pytest

from consumer.aws.operations import FURTHER_ACTIONS, OPERATIONS, PARTS, Feature, Part, actions_of
from tests.support.templates import FILES, FOLDER, Statement, Template, statements

POLICIES = {
    "HomePolicy": Part.HOME,
    "MetricsPolicy": Part.METRICS,
    "DiscoveryPolicy": Part.DISCOVERY,
    "MetadataPolicy": Part.METADATA,
    "LogGroupsPolicy": Part.LOG_GROUPS,
    "StreamsPolicy": Part.STREAMS,
    "ObjectsPolicy": Part.OBJECTS,
    "RemovalPolicy": Part.REMOVAL,
    "KeysPolicy": Part.KEYS,
}
"""Resource of member-role.yaml and agent-role.yaml → what it must grant, no more and no less."""
AGENT_ONLY = {"HomePolicy", "MetricsPolicy"}

OTHERS = {
    ("flow-logs-region.yaml", "PublishRole"): {
        "logs:CreateLogStream",
        "logs:PutLogEvents",
        "logs:DescribeLogStreams",
        "logs:DescribeLogGroups",
    },
    ("flow-logs-region.yaml", "SubscriptionRole"): {"kinesis:PutRecord", "logs:PutLogEvents"},
    ("flow-logs-region.yaml", "StreamKeyPolicy"): {"kms:GenerateDataKey"},
    ("central-destination.yaml", "DestinationRole"): {"kinesis:PutRecord"},
    ("central-destination.yaml", "StreamKeyPolicy"): {"kms:GenerateDataKey"},
    ("agent-ecs.yaml", "ExecutionRole"): {
        "ecr:GetAuthorizationToken",
        "ecr:BatchCheckLayerAvailability",
        "ecr:BatchGetImage",
        "ecr:GetDownloadUrlForLayer",
        "logs:CreateLogStream",
        "logs:PutLogEvents",
        "secretsmanager:GetSecretValue",
        "ssm:GetParameters",
        "kms:Decrypt",
    },
}
"""Roles that AWS's own services take, and what AWS's guides say they need; the agent never has these rights."""

NO_RESOURCE = {
    "logs:DescribeAccountPolicies": "it lists the account's policies; a statement with an ARN would never match",
    "logs:DescribeDestinations": "the same for the account's destinations",
    "cloudwatch:PutMetricData": "CloudWatch scopes it by namespace only, which the statement's condition does",
    "ecr:GetAuthorizationToken": "the token is the registry's, IAM knows no resource for it",
}
"""Besides ec2:Describe* and ec2:Search*, actions for which IAM offers no resource (service authorization reference)."""


def granted(file: str, resource: str) -> set[str]:
    template = Template(FOLDER / file)
    return {
        action
        for one in statements(template)
        if one.resource_name == resource and not one.is_trust
        for action in one.actions
    }


def where_to_mend(file: str, resource: str) -> str:
    return f"statements of {resource} in cloudformation/{file} (PARTS in consumer/aws/operations.py says what is its)"


@pytest.mark.parametrize("resource", POLICIES)
@pytest.mark.parametrize("file", ["agent-role.yaml", "member-role.yaml"])
def test_a_policy_grants_what_the_code_calls_and_nothing_else(file: str, resource: str) -> None:
    wanted = actions_of(POLICIES[resource])
    if file == "member-role.yaml" and resource in AGENT_ONLY:
        assert not granted(file, resource), "a member account keeps nothing for the agent"
        return
    lacking, useless = wanted - granted(file, resource), granted(file, resource) - wanted
    assert not lacking, f"lacking {sorted(lacking)}: add them to the {where_to_mend(file, resource)}"
    assert not useless, (
        f"granted but never called: {sorted(useless)}: take them out of the {where_to_mend(file, resource)}"
    )


def test_every_feature_is_granted_by_exactly_one_policy() -> None:
    placed = [feature for features in PARTS.values() for feature in features]
    assert sorted(placed) == sorted(set(Feature) - {Feature.IDENTITY}), (
        "each Feature of consumer/aws/operations.py must be in one part of PARTS there"
    )
    assert set(PARTS) | set(FURTHER_ACTIONS) == set(Part) == set(POLICIES.values())


def test_the_feature_without_a_policy_calls_only_what_needs_no_permission() -> None:
    calls = {operation.action for operation in OPERATIONS if operation.feature is Feature.IDENTITY}
    assert calls == {"sts:GetCallerIdentity"}


def test_what_agent_and_member_role_share_is_the_same() -> None:
    def shared(file: str) -> list[Statement]:
        found = [one for one in statements(Template(FOLDER / file)) if one.resource_name in POLICIES]
        return [one for one in found if one.resource_name not in AGENT_ONLY]

    member, agent = shared("member-role.yaml"), shared("agent-role.yaml")
    assert [(one.resource_name, one.actions, one.resources, one.conditions) for one in member] == [
        (one.resource_name, one.actions, one.resources, one.conditions) for one in agent
    ]


def test_every_other_role_grants_what_its_service_needs() -> None:
    found: dict[tuple[str, str], set[str]] = {}
    for file in FILES:
        for one in statements(Template(file)):
            if not one.is_trust and one.resource_name not in POLICIES:
                found.setdefault((file.name, one.resource_name), set()).update(one.actions)
    assert found == OTHERS


def all_statements() -> list[Statement]:
    return [one for file in FILES for one in statements(Template(file))]


@pytest.mark.parametrize("statement", all_statements(), ids=lambda one: one.place)
def test_no_statement_allows_everything(statement: Statement) -> None:
    assert not [action for action in statement.actions if action.split(":")[-1].strip("*") == ""], "Action *"
    if "*" in statement.resources:
        unscoped = {
            action
            for action in statement.actions
            if not action.startswith(("ec2:Describe", "ec2:Search")) and action not in NO_RESOURCE
        }
        assert not unscoped, f"{sorted(unscoped)} can be scoped to a resource"


@pytest.mark.parametrize("statement", [one for one in all_statements() if one.is_trust], ids=lambda one: one.place)
def test_whoever_takes_a_role_says_for_whom(statement: Statement) -> None:
    """Against a confused deputy; EC2 alone says no source, and asks iam:PassRole of whoever starts an instance."""
    if statement.place.endswith("Instances"):
        assert not statement.conditions
        return
    keys = {key for test in statement.conditions.values() for key in test}
    assert keys & {"aws:SourceArn", "sts:ExternalId"}


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_every_statement_carries_a_comment_why(file: Path) -> None:
    lines = file.read_text().splitlines()
    bare = [
        f"{number}: {line.strip()}"
        for number, line in enumerate(lines, 1)
        if line.strip().startswith("- Sid:") and not lines[number - 2].strip().startswith("#")
    ]
    sids = sum(line.strip().startswith("- Sid:") for line in lines)
    assert not bare
    assert sids == len(list(statements(Template(file))))

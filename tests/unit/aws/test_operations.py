"""The table of operations against AWS's own models."""

from __future__ import annotations

import botocore.session
import pytest

from consumer.aws.operations import BY_NAME, OPERATIONS, Operation


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.action)
def test_every_operation_exists_and_its_list_is_paged(operation: Operation) -> None:
    session = botocore.session.get_session()
    model = session.get_service_model(operation.service).operation_model(operation.name)
    if operation.items:
        assert model.output_shape is not None
        assert model.output_shape.members[operation.items].type_name == "list"
        paginators = session.get_component("data_loader").load_service_model(operation.service, "paginators-1")
        assert operation.name in paginators["pagination"]


def test_no_operation_is_listed_twice() -> None:
    assert len(BY_NAME) == len(OPERATIONS)


def test_only_operations_that_know_no_resources_are_allowed_on_everything() -> None:
    scoped = {operation.action for operation in OPERATIONS if operation.resource != "*"}
    unscoped = {operation.action for operation in OPERATIONS} - scoped

    lists = {"logs:DescribeAccountPolicies", "logs:DescribeDestinations"}  # of the whole account
    describes = ("ec2:Describe", "ec2:Search")
    assert all(action.startswith(describes) for action in unscoped - lists - {"sts:GetCallerIdentity"})


def test_a_policy_line_names_action_and_resource() -> None:
    operation = BY_NAME["ec2", "DescribeVpcs"]

    assert operation.policy_line() == '"Action": "ec2:DescribeVpcs", "Resource": "*"'


@pytest.mark.parametrize(
    ("name", "named", "resource"),
    [
        ("GetObject", "flows", "arn:aws:s3:::flows/*"),
        ("ListObjectsV2", "flows", "arn:aws:s3:::flows"),
        ("ReceiveMessage", "https://sqs.eu-west-1.amazonaws.com/111122223333/new", "arn:aws:sqs:*:*:new"),
        ("GetItem", "leases", "arn:aws:dynamodb:*:*:table/leases"),
        ("GetObject", "", "arn:aws:s3:::*/*"),
        ("DescribeSubnets", "", "*"),
    ],
)
def test_a_policy_line_allows_no_more_than_the_thing_the_call_named(name: str, named: str, resource: str) -> None:
    (operation,) = [one for (_, called), one in BY_NAME.items() if called == name]
    assert operation.policy_line(named, "aws").endswith(f'"Resource": "{resource}"')

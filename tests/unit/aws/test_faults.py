"""boto3's exceptions in our words."""

from __future__ import annotations

import botocore.exceptions as boto
import pytest

from consumer.aws.faults import translated
from consumer.aws.operations import DESCRIBE_NAT_GATEWAYS, DESCRIBE_VPCS
from consumer.errors import (
    ConfigurationError,
    PermissionDeniedError,
    ProtocolError,
    RefusedError,
    RetryableError,
    SessionOverError,
    VpcflowError,
)


def answer(code: str, status: int = 400) -> boto.ClientError:
    return boto.ClientError(
        {"Error": {"Code": code, "Message": "because"}, "ResponseMetadata": {"HTTPStatusCode": status}},  # type: ignore[typeddict-item]
        "DescribeVpcs",
    )


@pytest.mark.parametrize(
    ("error", "ours"),
    [
        (answer("UnauthorizedOperation", 403), PermissionDeniedError),
        (answer("Client.UnauthorizedOperation", 403), PermissionDeniedError),
        (answer("AccessDenied", 403), PermissionDeniedError),
        (answer("AccessDeniedException"), PermissionDeniedError),
        (answer("RequestLimitExceeded", 503), RetryableError),
        (answer("Throttling"), RetryableError),
        (answer("ExpiredToken"), SessionOverError),
        (answer("SomethingNew", 500), RetryableError),
        (answer("ResourceNotFoundException"), RefusedError),
        (answer("AuthFailure", 401), RefusedError),
        (boto.EndpointConnectionError(endpoint_url="http://x"), RetryableError),
        (boto.ReadTimeoutError(endpoint_url="http://x"), RetryableError),
        (boto.CredentialRetrievalError(provider="x", error_msg="y"), RetryableError),
        (boto.NoCredentialsError(), ConfigurationError),
        (boto.ParamValidationError(report="x"), ProtocolError),
    ],
)
def test_every_failure_becomes_one_of_ours(
    error: boto.ClientError | boto.BotoCoreError, ours: type[VpcflowError]
) -> None:
    assert type(translated(error, DESCRIBE_VPCS, "own/us-east-1")) is ours


def test_a_denial_names_action_feature_and_policy_line() -> None:
    denial = translated(answer("UnauthorizedOperation", 403), DESCRIBE_NAT_GATEWAYS, "own/us-east-1")

    assert str(denial) == (
        "ec2:DescribeNatGateways denied → names of NAT gateways → "
        'allow "Action": "ec2:DescribeNatGateways", "Resource": "*"'
    )


def test_a_refusal_keeps_the_code_for_who_must_decide() -> None:
    refusal = translated(answer("ResourceNotFoundException"), DESCRIBE_VPCS, "own/us-east-1")

    assert isinstance(refusal, RefusedError)
    assert refusal.code == "ResourceNotFoundException"
    assert "own/us-east-1" in str(refusal)

"""boto3's exceptions in our words."""

from __future__ import annotations

import botocore.exceptions as boto
import pytest
from botocore.parsers import ResponseParserError

from consumer.aws.faults import translated
from consumer.aws.operations import DESCRIBE_NAT_GATEWAYS, DESCRIBE_SUBSCRIPTION_FILTERS, DESCRIBE_VPCS
from consumer.aws.profiles import Profile
from consumer.aws.roles import Target
from consumer.errors import (
    ConfigurationError,
    PermissionDeniedError,
    ProtocolError,
    RefusedError,
    RetryableError,
    SessionOverError,
    VpcflowError,
)

OWN = Target(None, "us-east-1")


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
    assert type(translated(error, DESCRIBE_VPCS, OWN)) is ours


def test_a_denial_names_action_feature_and_policy_line() -> None:
    denial = translated(answer("UnauthorizedOperation", 403), DESCRIBE_NAT_GATEWAYS, OWN)

    assert str(denial) == (
        "ec2:DescribeNatGateways denied → names of NAT gateways → "
        'allow "Action": "ec2:DescribeNatGateways", "Resource": "*"'
    )


def test_a_refusal_keeps_the_code_for_who_must_decide() -> None:
    refusal = translated(answer("ResourceNotFoundException"), DESCRIBE_VPCS, OWN)

    assert isinstance(refusal, RefusedError)
    assert refusal.code == "ResourceNotFoundException"
    assert "own/us-east-1" in str(refusal)


def test_what_a_call_was_about_is_named_and_botocores_frame_is_not() -> None:
    gone, busy = (
        str(translated(answer(code), DESCRIBE_SUBSCRIPTION_FILTERS, OWN, "/vpc/flow"))
        for code in ("ResourceNotFoundException", "Throttling")
    )

    assert gone == (
        "logs:DescribeSubscriptionFilters refused: ResourceNotFoundException: because (own/us-east-1, /vpc/flow)"
    )
    assert busy == "logs:DescribeSubscriptionFilters in own/us-east-1, /vpc/flow: Throttling: because"


def test_a_page_that_something_in_between_answers_is_one_short_line() -> None:
    page = "<html>\n<title>Blocked</title>\n" + "<p>\n" * 1000
    answered = boto.ClientError(
        {"Error": {"Code": "403", "Message": page}, "ResponseMetadata": {"HTTPStatusCode": 403}},  # type: ignore[typeddict-item]
        "DescribeVpcs",
    )
    for error in (answered, ResponseParserError(page)):
        text = str(translated(error, DESCRIBE_VPCS, OWN))
        assert "Blocked" in text
        assert "\n" not in text
        assert len(text) < 500


def test_a_denials_policy_line_can_be_pasted_as_it_is() -> None:
    china = Target(None, "cn-north-1")
    denial = translated(answer("AccessDeniedException"), DESCRIBE_SUBSCRIPTION_FILTERS, china, "/vpc/flow", "aws-cn")

    assert str(denial).endswith('"Resource": "arn:aws-cn:logs:*:*:log-group:*"')


def test_a_profile_without_keys_is_named_with_its_file() -> None:
    lab = Target(Profile("/etc/vpcflow/credentials", "lab"), "us-east-1")
    fault = translated(boto.NoCredentialsError(), DESCRIBE_VPCS, lab)

    assert str(fault) == "profile lab: Unable to locate credentials; mend it in /etc/vpcflow/credentials"

"""What boto3 raises, in our words: denied, try again later, refused, not configured, our bug.

Belongs here: the translation. Does not: retrying (botocore does, before anything arrives here).
Error codes: EC2 API reference "Error codes" and the common errors of each service's API reference.
"""

from __future__ import annotations

import botocore.exceptions as boto
from botocore.parsers import ResponseParserError

from consumer.aws.operations import Operation
from consumer.errors import (
    ConfigurationError,
    Fault,
    PermissionDeniedError,
    ProtocolError,
    RefusedError,
    RetryableError,
    SessionOverError,
    VpcflowError,
)

_DENIED = frozenset({"AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "AuthorizationError"})
_LATER = frozenset(
    {
        "InternalError",
        "InternalFailure",
        "LimitExceededException",
        "PriorRequestNotComplete",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "RequestTimeout",
        "ServiceUnavailable",
        "ServiceUnavailableException",
        "SlowDown",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
        "Unavailable",
    }
)
_NO_CREDENTIALS = (boto.NoCredentialsError, boto.PartialCredentialsError, boto.ProfileNotFound)
_OUR_BUG = (boto.ParamValidationError, boto.OperationNotPageableError, boto.UnknownServiceError)
_SESSION_OVER = frozenset({"ExpiredToken", "ExpiredTokenException", "RequestExpired"})


FOREIGN_ERRORS = (boto.ClientError, boto.BotoCoreError, ResponseParserError)
"""What a call may raise; the last is no BotoCoreError and comes when something in between answers (a proxy's page)."""


def credentials_fault(problem: str) -> ConfigurationError:
    """What is wrong with the credentials or the SDK's own configuration files."""
    return ConfigurationError(
        [Fault("credentials", None, problem, "set AWS_PROFILE, AWS_ACCESS_KEY_ID or run with a role")]
    )


def translated(
    error: boto.ClientError | boto.BotoCoreError | ResponseParserError,
    operation: Operation,
    place: str,
    resource: str = "",
) -> VpcflowError:
    """Our exception for what `operation` raised; raise it `from error`.

    `place` says which account and region, `resource` the ARN that was asked for, where the call names one.
    """
    if isinstance(error, boto.ClientError):
        return _from_answer(error, operation, place, resource)
    if isinstance(error, _NO_CREDENTIALS):
        return credentials_fault(str(error))
    if isinstance(error, _OUR_BUG):
        return ProtocolError(f"{operation.action}: {error}")
    return RetryableError(f"{operation.action} in {place}: {error}")


def _from_answer(error: boto.ClientError, operation: Operation, place: str, resource: str) -> VpcflowError:
    code = error.response.get("Error", {}).get("Code", "")
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    if code.removeprefix("Client.") in _DENIED:
        return PermissionDeniedError(operation.action, operation.feature, operation.policy_line(resource))
    if code in _SESSION_OVER:
        return SessionOverError(f"{operation.action} in {place}: {error}")
    if code in _LATER or status >= 500:
        return RetryableError(f"{operation.action} in {place}: {error}")
    return RefusedError(operation.action, code, f"{error} in {place}")

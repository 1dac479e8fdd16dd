"""What boto3 raises, in our words: denied, try again later, refused, not configured, our bug.

Belongs here: the translation. Does not: retrying (botocore does, before anything arrives here).
Error codes: EC2 API reference "Error codes" and the common errors of each service's API reference.
"""

from __future__ import annotations

import botocore.exceptions as boto
from botocore.parsers import ResponseParserError

from consumer.aws.operations import Operation
from consumer.aws.profiles import Profile
from consumer.aws.roles import Access, Target
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
MAX_WORDS = 300
"""Characters kept of what AWS, or something in between, says; its own messages are shorter."""
_SESSION_OVER = frozenset({"ExpiredToken", "ExpiredTokenException", "RequestExpired"})


ForeignError = boto.ClientError | boto.BotoCoreError | ResponseParserError
FOREIGN_ERRORS = (boto.ClientError, boto.BotoCoreError, ResponseParserError)
"""What a call may raise; the last is no BotoCoreError and comes when something in between answers (a proxy's page)."""


def credentials_fault(problem: str, access: Access = None) -> ConfigurationError:
    """What is wrong with the credentials or the SDK's own configuration files."""
    if isinstance(access, Profile):
        return ConfigurationError([Fault(f"profile {access.name}", None, problem, f"mend it in {access.file}")])
    return ConfigurationError(
        [Fault("credentials", None, problem, "set AWS_PROFILE, AWS_ACCESS_KEY_ID or run with a role")]
    )


def translated(
    error: ForeignError, operation: Operation, target: Target, resource: str = "", partition: str = "*"
) -> VpcflowError:
    """Our exception for what `operation` raised; raise it `from error`.

    `resource`: the ARN or name of what the call is about, where it names one; `partition` that of the region.
    """
    if isinstance(error, boto.ClientError):
        return _from_answer(error, operation, target, resource, partition)
    if isinstance(error, _NO_CREDENTIALS):
        return credentials_fault(str(error), target.access)
    if isinstance(error, _OUR_BUG):
        return ProtocolError(f"{operation.action}: {error}")
    return RetryableError(f"{operation.action} in {target.label()}: {_one_line(str(error))}")


def _one_line(text: str) -> str:
    """As it fits into a line of a log or a table: what something in between answers may be a whole page."""
    words = " ".join(text.split())
    return words if len(words) <= MAX_WORDS else f"{words[:MAX_WORDS]}…"


def _from_answer(
    error: boto.ClientError, operation: Operation, target: Target, resource: str, partition: str
) -> VpcflowError:
    answer = error.response.get("Error", {})
    code, message = answer.get("Code", ""), _one_line(answer.get("Message", ""))
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    if code.removeprefix("Client.") in _DENIED:
        return PermissionDeniedError(operation.action, operation.feature, operation.policy_line(resource, partition))
    where = ", ".join(filter(None, (target.label(), resource)))
    if code in _SESSION_OVER:
        return SessionOverError(f"{operation.action} in {where}: {code}: {message}")
    if code in _LATER or status >= 500:
        return RetryableError(f"{operation.action} in {where}: {code}: {message}")
    return RefusedError(operation.action, code, f"{message.rstrip('.')} ({where})")

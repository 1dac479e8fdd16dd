"""Proving that a log group can be polled.

Belongs here: the calls polling will make. Does not: judging what came of them (check.py). The two calls that polling
makes where FilterLogEvents is denied are tried only then: who has one way needs no permission for the other.
"""

from __future__ import annotations

from contextlib import suppress

from consumer.aws import operations
from consumer.aws.roles import Target
from consumer.aws.sessions import Sessions
from consumer.errors import PermissionDeniedError, VpcflowError

_NOBODYS_STREAM = "vpcflow-check"
SECOND_WAY = frozenset({operations.DESCRIBE_LOG_STREAMS, operations.GET_LOG_EVENTS})
_RECENT_SECONDS = 60.0


def try_log_group(sessions: Sessions, target: Target, name: str, now: float) -> None:
    """One event of the last minute at most is read. Outcomes are in `sessions.outcomes`."""
    start = int((now - _RECENT_SECONDS) * 1000)
    try:
        sessions.call(operations.FILTER_LOG_EVENTS, target, logGroupName=name, startTime=start, limit=1)
    except PermissionDeniedError:
        _try_second_way(sessions, target, name)
    except VpcflowError:
        return


def _try_second_way(sessions: Sessions, target: Target, name: str) -> None:
    """Of a stream that is not there, which AWS says once it has looked at the permission."""
    with suppress(VpcflowError):
        sessions.call(operations.DESCRIBE_LOG_STREAMS, target, logGroupName=name, limit=1)
    with suppress(VpcflowError):
        sessions.call(operations.GET_LOG_EVENTS, target, logGroupName=name, logStreamName=_NOBODYS_STREAM, limit=1)

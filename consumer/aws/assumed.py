"""Roles that we take: credentials that renew themselves while the old ones still work.

Belongs here: AssumeRole, how long a session may be, when it is renewed. Does not: who we are before (sessions.py), how
roles are written (roles.py).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from botocore.credentials import RefreshableCredentials

from consumer.aws.operations import ASSUME_ROLE
from consumer.aws.roles import Learned, Role, Target
from consumer.errors import VpcflowError
from consumer.telemetry.logs import get_logger

CHAINED_SESSION_SECONDS = 3600
"""Longest session of a role assumed by a role (IAM user guide, "Role chaining"), and a role's default maximum."""


class AssumedRoles:
    """Policy only; what had to be shorter than wished is noted in `learned`.

    `call`: one API call as ourselves; `region`: where STS is asked; `wished_seconds`: length of a session.
    """

    def __init__(
        self,
        call: Callable[..., dict[str, Any]],
        region: Callable[[], str],
        learned: Callable[[], Learned],
        wished_seconds: int,
    ) -> None:
        self._call = call
        self._region = region
        self._learned = learned
        self._wished_seconds = wished_seconds
        self._log = get_logger("aws")

    def credentials(self, role: Role) -> RefreshableCredentials:
        """Credentials that renew themselves a quarter of their life early. Blocks on AssumeRole."""
        metadata = self._assume(role)
        seconds = self._seconds(role)
        return RefreshableCredentials.create_from_metadata(
            metadata,
            refresh_using=lambda: self._assume(role),
            method="assume-role",
            advisory_timeout=min(seconds // 4, CHAINED_SESSION_SECONDS // 4),
            mandatory_timeout=min(seconds // 10, CHAINED_SESSION_SECONDS // 10),
        )

    def _seconds(self, role: Role) -> int:
        return self._learned().session_seconds.get(role, self._wished_seconds)

    def _assume(self, role: Role) -> dict[str, str]:
        """One AssumeRole, in the form RefreshableCredentials reads. Falls back to an hour where more is refused."""
        seconds = self._seconds(role)
        try:
            return self._ask(role, seconds)
        except VpcflowError as error:
            if seconds <= CHAINED_SESSION_SECONDS or "DurationSeconds" not in str(error):
                raise
        self._learned().session_seconds[role] = CHAINED_SESSION_SECONDS
        self._log.warning("session duration refused, using one hour", role=role.arn, asked_seconds=seconds)
        return self._ask(role, CHAINED_SESSION_SECONDS)

    def _ask(self, role: Role, seconds: int) -> dict[str, str]:
        external = {"ExternalId": role.external_id} if role.external_id else {}
        given = self._call(
            ASSUME_ROLE,
            Target(None, self._region()),
            RoleArn=role.arn,
            RoleSessionName="vpcflow",
            DurationSeconds=seconds,
            **external,
        )["Credentials"]
        return {
            "access_key": given["AccessKeyId"],
            "secret_key": given["SecretAccessKey"],
            "token": given["SessionToken"],
            "expiry_time": given["Expiration"].isoformat(),
        }

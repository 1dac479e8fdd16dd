"""The one exception tree.

Belongs here: every exception that crosses a room's border. Does not: bad data. A bad line or payload is
never an exception; it is tallied with a reason and quarantined (docs/the-way-of-a-record.md).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


class VpcflowError(Exception):
    """Anything we raise on purpose."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong with the configuration or the command line: where, what it says (None: nothing), and the mend."""

    key: str
    value: object
    problem: str
    fix: str

    def __str__(self) -> str:
        said = "" if self.value is None else f" = {self.value!r}"
        return f"{self.key}{said}: {self.problem}; {self.fix}"


class ConfigurationError(VpcflowError):
    """The configuration cannot be used; carries *all* faults found, so that one run shows them all."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        self.faults = tuple(faults)
        super().__init__("\n".join(str(fault) for fault in self.faults))


class MissingPrerequisiteError(VpcflowError):
    """Something outside vpcflow is not there (a JRE, the KCL jars); the text says how to get it."""


class PermissionDeniedError(VpcflowError):
    """AWS refused an action; names the action, the feature that needs it, and the policy line that grants it."""

    def __init__(self, action: str, feature: str, policy_line: str) -> None:
        self.action = action
        self.feature = feature
        self.policy_line = policy_line
        super().__init__(f"{action} denied → {feature} → allow {policy_line}")


class RefusedError(VpcflowError):
    """AWS said no for a reason that is neither a permission nor load: a thing is not there, a request is wrong."""

    def __init__(self, action: str, code: str, text: str) -> None:
        self.action = action
        self.code = code
        super().__init__(f"{action} refused: {code}: {text}")


class RetryableError(VpcflowError):
    """It may work later without anybody changing anything: throttling, time-outs, a dead region."""


class SessionOverError(RetryableError):
    """AWS says that our keys are no longer valid, before they said so themselves (revoked, or a clock is wrong)."""


class LostSlotError(VpcflowError):
    """Another agent of the fleet may be what we were: the agent ends, and whoever supervises it may start it anew."""


class LostLeaseError(VpcflowError):
    """Another worker holds the shard now: stop quietly, never checkpoint."""


class BadParquetError(VpcflowError):
    """A Parquet object, or a row group of it, is damaged; it costs what it is about, and is counted."""


class UnknownParquetError(VpcflowError):
    """Right Parquet, as far as can be seen, but of a kind our own reader does not know; pyarrow may."""


class ProtocolError(VpcflowError):
    """Two of our own parts disagree: our bug."""


class Stopped(VpcflowError):  # noqa: N818  not an error: the way a blocked call hears "stop"
    """A stop was asked for while a call was blocked; the delivery at hand is not acknowledged."""

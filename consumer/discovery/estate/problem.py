"""What of an estate could not be read, and what is shown instead."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from consumer.errors import RetryableError, VpcflowError


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that could not be read. `kept_from`: when what is shown instead was read; 0 = there is nothing.

    `may_pass`: reading it again may do, without anybody changing anything.
    """

    target: str
    reason: str
    kept_from: float
    may_pass: bool = False

    @classmethod
    def of(cls, target: str, error: VpcflowError, kept_from: float = 0.0) -> Problem:
        """What an error means for what it is about."""
        return cls(target, str(error), kept_from, isinstance(error, RetryableError))

    def reason_and_age(self) -> str:
        """The reason, and how old is what is used instead."""
        if not self.kept_from:
            return self.reason
        return f"{self.reason}; it stays as it was at {datetime.fromtimestamp(self.kept_from, UTC):%Y-%m-%d %H:%M} UTC"

"""Where something lives in AWS: the keys that several rooms agree on.

Belongs here: names of things as values. Does not: finding them (discovery/) or reading them (sources/).
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class LogGroupKey:
    """One log group of one account and region. `account`: the 12 digits of its owner."""

    account: str
    region: str
    name: str

    def label(self) -> str:
        """One short text for logs, health, metrics and state: `123456789012/us-east-1//vpc/flow`."""
        return f"{self.account}/{self.region}/{self.name}"

"""What every source is to the rest: a thread's work that hands over deliveries until it is told to stop."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Protocol

from consumer.model.delivery import Delivery

Process = Callable[[Delivery], object]
"""Exports one delivery and acknowledges it, blocking while pacing or a collector holds.

Raises Stopped when the agent must end first; the delivery is then not acknowledged, and AWS gives it again.
"""


class Source(Protocol):
    """Where flow logs come from."""

    name: str
    """For logs, health and metrics: `kinesis us-east-1/flow`."""

    def run(self, process: Process, stop: threading.Event) -> None:
        """Hand over deliveries, each on the source's own thread(s), until `stop`; returns when all has ended.

        Must be called on a thread that lives as long as the call: what the source starts is tied to it.
        """

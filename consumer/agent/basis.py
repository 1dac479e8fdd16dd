"""What nearly every part of an agent is made with.

Belongs here: only what an agent has exactly one of and anybody may use. Does not: parts that know of each other; who
needs another part is given it by name (agent.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from consumer.aws.sessions import Sessions
from consumer.clock import Clock
from consumer.config import Settings
from consumer.state.identity import StateFolder
from consumer.telemetry.health import Health
from consumer.telemetry.metrics import Metrics


@dataclass(frozen=True, slots=True)
class Basis:
    """Settings, where to keep things, what time it is; as whom AWS is asked; whom to tell."""

    settings: Settings
    state: StateFolder
    clock: Clock
    sessions: Sessions
    metrics: Metrics
    health: Health

    @classmethod
    def of(cls, settings: Settings, state: StateFolder, clock: Clock) -> Self:
        return cls(settings, state, clock, Sessions(settings.aws), Metrics(), Health(clock.now))

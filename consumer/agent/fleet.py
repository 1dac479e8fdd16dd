"""This agent as one of a fleet: its place in the state table, its slot, and what happens when it loses them.

Belongs here: connecting state/, aws/ and kcl/ for that. Does not: the protocol (state/shared.py, state/slots.py).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from consumer.agent.basis import Basis
from consumer.aws.operations import BY_NAME
from consumer.aws.roles import Target
from consumer.aws.sessions import Sessions
from consumer.kcl.guard import Guard, end_daemons
from consumer.state.cursors import Cursors
from consumer.state.heard import HeardTable
from consumer.state.shared import SharedState
from consumer.state.slots import claim_slot, release_slot

_PATIENCE = {"connect_timeout_seconds": 2.0, "read_timeout_seconds": 3.0, "attempts": 2}
"""A beat must not take longer than the lease it renews."""


def boot_time() -> float:
    """Seconds since boot, sleep included."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class Fleet:
    """Inert until `enter`. `on_lost` hears once that another agent may have our slot; then the daemons are dead.

    `on_problem` hears why the state table does not answer, and an empty text when it does again.
    """

    def __init__(
        self,
        basis: Basis,
        local: Cursors,
        on_lost: Callable[[str], None],
        on_problem: Callable[[str], None],
    ) -> None:
        settings = basis.settings
        self.slot = 0
        self._sessions = Sessions(settings.aws.model_copy(update=_PATIENCE))
        self._region = settings.state.region
        self._kinesis_folder = basis.state.path / "kinesis"
        self._guard = Guard(self._kinesis_folder)
        self._on_lost = on_lost
        self._clock = basis.clock
        self.heard = HeardTable(self._call, settings.state)
        self.shared = SharedState(
            self._call,
            settings.state,
            local,
            basis.state.agent_id,
            basis.clock,
            boot_time,
            self._lost,
            self._guard.set_deadline,
            on_problem,
        )

    @property
    def worker(self) -> str:
        """The first part of our worker ids: the slot's name, so that whoever has it next is the same worker to KCL."""
        return f"slot-{self.slot}"

    def enter(self, stop: threading.Event) -> None:
        """Take part, and claim a slot: up to a lease, when somebody's may be free soon. Raises what AWS refuses."""
        end_daemons(self._kinesis_folder)  # left by an agent of this folder that was killed; its slot may not be ours
        self._guard.start()
        self.shared.start()
        self.slot = claim_slot(self.shared, self._clock, stop)

    def leave(self) -> None:
        """Give everything back, so that others have it at once."""
        if self.slot and self.shared.is_alive():
            release_slot(self.shared, self.slot)
        self.shared.close()
        self._guard.close()

    def pollers(self, account: str, region: str) -> int:
        """Agents that poll log groups of this account and region, as of the last beat."""
        return len(set(self.shared.owners(f"group#{account}/{region}/").values()) - {""})

    def may_send(self) -> bool:
        """Whether the slot is still ours; asked before each message."""
        return self.shared.is_alive()

    def _lost(self, reason: str) -> None:
        # Before the stop, lest they checkpoint in our stead; and after it, lest one was started again in between.
        end_daemons(self._kinesis_folder)
        self._on_lost(f"slot {self.slot} of the fleet is lost: {reason}")
        end_daemons(self._kinesis_folder)

    def _call(self, operation: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
        target = Target(None, self._region or self._sessions.region)
        return self._sessions.call(BY_NAME["dynamodb", operation], target, **parameters)

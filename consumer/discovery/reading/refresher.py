"""Keeps the inventory fresh while the agent runs, and says how it fares.

Belongs here: when the estate is read, and what health, metrics and log say of it. Does not: having it read (holder.py).
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from consumer.clock import Clock
from consumer.discovery.estate.problem import Problem
from consumer.discovery.reading import full_collections
from consumer.discovery.reading.holder import InventoryHolder
from consumer.discovery.reading.keeper import Refresh
from consumer.discovery.reading.look_up import UnknownInterfaces
from consumer.discovery.reading.schedule import Schedule
from consumer.errors import RetryableError, Stopped, VpcflowError
from consumer.model.inventory import Inventory
from consumer.telemetry.health import Health
from consumer.telemetry.logs import get_logger
from consumer.telemetry.metrics import Metrics

FIRST_READING_SECONDS = 30.0
"""How long the first records wait for their names: longer than a reading takes, shorter than anybody's patience."""
_RETRY_SECONDS = 120.0
"""When something failed that may pass (throttling, a time-out), everything is read again after so long, then after
twice as long each time, unless the schedule names an earlier moment: a bad minute does not cost a whole interval."""

First = Callable[[threading.Event], None]
Then = Callable[[Refresh, threading.Event], Sequence[Problem]]


def _wait_for_it(stop: threading.Event) -> None:  # noqa: ARG001
    return None


def _nothing(refresh: Refresh, stop: threading.Event) -> Sequence[Problem]:  # noqa: ARG001
    return refresh.problems


class Refresher:
    """Mutable; one thread of its own refreshes, any thread may ask for the `inventory`.

    `first` is called on that thread before the first reading. `then` is called on it after each, names being known
    already; it says what could not be read in all, by either of them.
    """

    def __init__(
        self,
        holder: InventoryHolder,
        schedule: Schedule,
        clock: Clock,
        metrics: Metrics,
        health: Health,
        then: Then = _nothing,
        first: First = _wait_for_it,
    ) -> None:
        self._holder = holder
        self._schedule = schedule
        self._clock = clock
        self._metrics = metrics
        self._health = health
        self._then = then
        self._first = first
        self.unknown = UnknownInterfaces(clock)
        """Told which interfaces flows name and the inventory does not know."""
        self._was_read = threading.Event()
        self._pause = math.inf
        """Seconds until a reading that the schedule does not name."""
        self._log = get_logger("inventory")

    def start(self, stop: threading.Event) -> None:
        """Begin reading, beside the sources that are starting; ends with `stop`.

        With a snapshot of the last run records are named at once, by what was known then.
        """
        self._health.set("inventory", "waiting", "reading the estate for the first time")
        if self._holder.restore():
            self._show(self._holder.inventory)
            age = max(0.0, self._clock.now() - self._holder.inventory.taken_at)
            self._health.set("inventory", "waiting", f"names of {age / 60:.0f} minutes ago, reading the estate anew")
            self._was_read.set()
        threading.Thread(target=self._run, args=(stop,), name="inventory", daemon=True).start()

    def reread(self) -> None:
        """Read everything now; returns at once. May be called by a signal handler."""
        self._schedule.call()

    def inventory(self) -> Inventory:
        """The latest snapshot. Blocks while the first one is being read, FIRST_READING_SECONDS at most."""
        if not self._was_read.is_set():
            self._clock.wait(self._was_read, FIRST_READING_SECONDS)
            self._was_read.set()
        return self._holder.inventory

    def _run(self, stop: threading.Event) -> None:
        try:
            self._first(stop)
            while True:
                with full_collections.put_off():
                    self._refresh(stop)
                self._was_read.set()
                if self._schedule.wait(stop, lambda: self._look_up(stop), self._pause):
                    return
        except Stopped:
            return
        except Exception as error:  # noqa: BLE001
            # The edge of the thread: records go on with the names known so far, and the reason is seen.
            self._log.exception("inventory refresh ended")
            self._health.set("inventory", "failing", f"no more refreshes until a restart: {error}")
        finally:
            self._was_read.set()

    def _refresh(self, stop: threading.Event) -> None:
        """What makes a whole reading impossible (a credentials file that is gone) may be mended by the next one."""
        try:
            refresh = self._holder.refresh(stop)
            self._report(refresh)
            self._was_read.set()
            problems = self._then(refresh, stop)
            self._plan_retry(any(problem.may_pass for problem in problems))
        except Stopped:
            raise
        except VpcflowError as error:
            self._log.warning("the estate was not read", reason=str(error))
            self._health.set("inventory", "failing", f"nothing was read: {error}")
            self._plan_retry(isinstance(error, RetryableError))

    def _plan_retry(self, may_pass: bool) -> None:
        if not may_pass:
            self._pause = math.inf
        elif self._pause == math.inf:
            self._pause = _RETRY_SECONDS
        else:
            self._pause *= 2

    def _look_up(self, stop: threading.Event) -> None:
        """Interfaces that flows named since; what fails here is tried again when their next flows come."""
        try:
            found = self._holder.look_up(self.unknown, stop)
        except Stopped:
            raise
        except VpcflowError as error:
            self._metrics.counter("vpcflow_interface_look_up_errors_total").inc()
            self._log.warning("unknown interfaces could not be looked up", reason=str(error))
            return
        if found:
            self._metrics.counter("vpcflow_interfaces_looked_up_total").inc(found)
            self._log.info("interfaces made since the last discovery have names now", count=found)
            self._show(self._holder.inventory)

    def _report(self, refresh: Refresh) -> None:
        """What could not be read keeps its old part; health says which and why."""
        now = refresh.inventory
        self._show(now)
        self._metrics.gauge("vpcflow_inventory_problems").set(len(refresh.problems))
        for problem in refresh.problems:
            self._log.warning("inventory incomplete", target=problem.target, reason=problem.reason_and_age())
        known = f"{now.interfaces.row_count - 1} interfaces known{self._ranges()}"
        if refresh.problems:
            words = "; ".join(f"{problem.target}: {problem.reason_and_age()}" for problem in refresh.problems[:3])
            self._health.set("inventory", "waiting", f"{len(refresh.problems)} could not be read: {words}; {known}")
        else:
            self._health.set("inventory", "ok", known)

    def _ranges(self) -> str:
        made_at = self._holder.ranges_made_at
        if not made_at:
            return ""
        self._metrics.read_gauge("vpcflow_aws_ranges_age_seconds", lambda: self._clock.now() - made_at)
        missed = f" (no newer ones: {problem})" if (problem := self._holder.ranges_problem) else ""
        return f"; AWS's address ranges of {datetime.fromtimestamp(made_at, UTC):%Y-%m-%d}{missed}"

    def _show(self, inventory: Inventory) -> None:
        self._metrics.gauge("vpcflow_inventory_entities", kind="interface").set(inventory.interfaces.row_count - 1)
        self._metrics.gauge("vpcflow_inventory_entities", kind="endpoint").set(inventory.endpoints.row_count - 1)
        self._metrics.read_gauge("vpcflow_inventory_age_seconds", lambda: self._clock.now() - inventory.taken_at)

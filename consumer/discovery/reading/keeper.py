"""Reading every account and region side by side, and making one inventory of what they said.

Belongs here: which targets are read, what is kept of one that fails, and what outlives a restart. Does not: the calls
(region.py), the layout of a snapshot (inventory/building.py), when it is done (refresher.py), nor the process in which
an agent has it done (errand.py, holder.py).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from consumer.aws.roles import Target
from consumer.aws.sessions import Sessions
from consumer.clock import Clock
from consumer.discovery.estate.part_file import load_part, part_file, save_part
from consumer.discovery.estate.problem import Problem
from consumer.discovery.estate.values import Part
from consumer.discovery.inventory.aws_ranges import ranges_made_at, ranges_problem, renew_ranges
from consumer.discovery.inventory.building import build
from consumer.discovery.inventory.own_names import read_names
from consumer.discovery.inventory.snapshot_file import save_snapshot
from consumer.discovery.parallel import side_by_side
from consumer.discovery.reading.region import read_interfaces, read_part
from consumer.discovery.settings import DiscoverySettings
from consumer.errors import VpcflowError
from consumer.model.inventory import Inventory
from consumer.state.assignments import Assignments
from consumer.telemetry.logs import get_logger

SNAPSHOT = "snapshot"
"""Name of the snapshot's file, beside the parts."""


@dataclass(frozen=True, slots=True)
class Refresh:
    """What one refresh brought. `problems` is empty when every target answered in full."""

    inventory: Inventory
    problems: tuple[Problem, ...]
    parts: Mapping[Target, Part]

    @property
    def part_count(self) -> int:
        """Accounts and regions of which something is known, unused ones included."""
        return len({(part.account, part.region) for part in self.parts.values()})


@dataclass(frozen=True, slots=True)
class LookUp:
    """What one look-up brought. `inventory`: with what was found, None = nothing was. `problem`: the last place that
    could not be asked."""

    inventory: Inventory | None
    found: int
    problem: VpcflowError | None


class InventoryKeeper:
    """Mutable; used by one thread.

    Holds one part per (access, region); a target that fails keeps its old part, and one that is no longer wanted goes.
    `folder`: where parts and snapshot outlive the process; None = nowhere. `is_kept`: whether the last snapshot is
    there.
    """

    def __init__(
        self,
        sessions: Sessions,
        settings: DiscoverySettings,
        assignments: Assignments,
        clock: Clock,
        parallel_targets: int = 8,
        folder: Path | None = None,
    ) -> None:
        self._sessions = sessions
        self._settings = settings
        self._assignments = assignments
        self._clock = clock
        self._parallel_targets = parallel_targets
        self._folder = folder
        self._parts: dict[Target, Part] = {}
        self.is_kept = False
        self._log = get_logger("inventory")

    def refresh(self, stop: threading.Event | None = None) -> Refresh:
        """Read every target anew. Blocks for seconds to minutes.

        A failing target becomes a problem, never an exception. Raises Stopped when `stop` is set meanwhile, and
        ConfigurationError when there is no region, no credentials setting can be right, or the pool is used up.
        """
        stop = stop or threading.Event()
        now = self._clock.now()
        accounts = self._sessions.account_targets(again=True)
        targets = [target for account in accounts for target in account.targets()]
        named = {Target(account.access, region) for account in accounts for region in account.named}
        faults = (*self._sessions.role_faults, *read_names(self._settings.network_names).faults)
        problems = [Problem(fault.key, f"{fault.value}: {fault.problem}", 0.0) for fault in faults]
        problems += [
            Problem(one.targets()[0].label(), one.problem, 0.0, one.may_pass) for one in accounts if one.problem
        ]
        parts: dict[Target, Part] = {}
        answers = side_by_side(
            lambda target: self._read(target, now, may_be_unused=target not in named),
            targets,
            self._parallel_targets,
            stop,
            "inventory",
        )
        for target, (part, found) in zip(targets, answers, strict=True):
            problems += found
            if part is not None:
                parts[target] = part
        self._parts = parts
        inventory = self._build(now)
        self._forget_files()
        if self._fetches_ranges and self._folder:
            renew_ranges(self._settings.aws_ranges_url, self._folder, now)  # for the next snapshot
        return Refresh(inventory, tuple(problems), parts)

    @property
    def ranges_made_at(self) -> float:
        """When AWS made the address ranges in use; 0 = none are."""
        return ranges_made_at(self._folder) if self._settings.aws_ranges else 0.0

    @property
    def ranges_problem(self) -> str:
        """Why no newer ones were fetched; empty = they were, or nobody asked for it."""
        return ranges_problem(self._folder) if self._fetches_ranges else ""

    @property
    def _fetches_ranges(self) -> bool:
        return self._settings.aws_ranges and bool(self._settings.aws_ranges_url)

    def recall(self, targets: Iterable[Target]) -> None:
        """Take what earlier readings kept of these targets."""
        self._parts = {target: part for target in targets if (part := self._whole(target)) is not None}

    def look_up(self, wanted: Mapping[Target, list[str]]) -> LookUp:
        """Ask for these interfaces only, in places that are known. Blocks for a second or two."""
        found = 0
        problem: VpcflowError | None = None
        for target, ids in wanted.items():
            old = self._parts.get(target)
            if old is None:
                continue
            try:
                part = read_interfaces(self._sessions, target, old, ids, owner_tags=self._settings.owner_tags)
            except VpcflowError as error:
                problem = error
                continue
            if part is not old:
                found += len({one.id for one in part.interfaces}.intersection(ids))
                self._parts[target] = self._keep(target, replace(part, is_unused=False))
        return LookUp(self._build(self._clock.now()) if found else None, found, problem)

    def _read(self, target: Target, now: float, *, may_be_unused: bool) -> tuple[Part | None, list[Problem]]:
        old = self._whole(target)
        part, problems = read_part(
            self._sessions, target, old, now, may_be_unused=may_be_unused, owner_tags=self._settings.owner_tags
        )
        if part is not None and part is not old:
            self._keep(target, part)
        return part, problems

    def _whole(self, target: Target) -> Part | None:
        """Everything that was last read there."""
        part = self._parts.get(target)
        if self._folder and part is None:
            return load_part(part_file(self._folder, target))
        return part

    def _keep(self, target: Target, part: Part) -> Part:
        """On disk, where there is one."""
        self._try_to_save(lambda folder: save_part(part, part_file(folder, target)))
        return part

    def _build(self, now: float) -> Inventory:
        """The first who reads an account and region counts."""
        chosen = {(part.account, part.region): part for part in reversed(self._parts.values())}
        inventory = build(chosen.values(), self._settings, self._assignments, now, self._folder)
        self.is_kept = self._try_to_save(lambda folder: save_snapshot(inventory, folder / SNAPSHOT))
        return inventory

    def _try_to_save(self, save: Callable[[Path], None]) -> bool:
        """Whether it is on disk. What cannot be kept costs names after the next restart, nothing now."""
        if self._folder is None:
            return False
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            save(self._folder)
        except OSError as error:
            self._log.warning("the inventory was not kept", folder=str(self._folder), reason=str(error))
            return False
        return True

    def _forget_files(self) -> None:
        """Parts of targets that nobody asks for any more go."""
        if self._folder is None or not self._folder.exists():
            return
        wanted = {part_file(self._folder, target) for target in self._parts}
        for file in set(self._folder.glob("*.part")) - wanted:
            file.unlink(missing_ok=True)

"""Keeping the inventory: reading every account and region side by side, and merging what they said.

Belongs here: which targets are read, what is kept of one that fails, and what outlives a restart. Does not: the calls
(reading.py), the layout of a snapshot (building.py), when to refresh (refresher.py).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from consumer.aws.roles import Target
from consumer.aws.sessions import Sessions
from consumer.clock import Clock
from consumer.discovery.aws_ranges import fetch_ranges, ranges_made_at
from consumer.discovery.building import build, build_in_process
from consumer.discovery.estate import Part
from consumer.discovery.look_up import UnknownInterfaces
from consumer.discovery.own_names import read_names
from consumer.discovery.parallel import side_by_side
from consumer.discovery.part_file import load_part, outline_of, part_file, save_part
from consumer.discovery.reading import Problem, read_interfaces, read_part
from consumer.discovery.settings import DiscoverySettings
from consumer.discovery.snapshot_file import load_snapshot, save_snapshot
from consumer.errors import ProtocolError, VpcflowError
from consumer.model.inventory import Inventory, empty_inventory
from consumer.state.assignments import Assignments
from consumer.telemetry.logs import get_logger

FETCH_EVERY_SECONDS, FETCH_AGAIN_SECONDS = 86_400.0, 3_600.0
"""How often AWS's address ranges are fetched (they change a few times a week), and how soon again after a failure."""
SMALL_PART = 100
"""Interfaces up to which a part is kept in memory whole. Of larger ones only the outline is, the rest is on disk: with
200,000 interfaces the agent of benchmarks/swap.py took 440 MB instead of 650."""
SMALL_ESTATE = 2_000
"""Interfaces up to which a snapshot is built right here: 0.1 s, less than a process of its own takes to start."""


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


class InventoryKeeper:
    """Mutable; `restore` and `refresh` are called by one thread at a time, `inventory` may be read by any.

    Holds one part per (access, region), of a large one the outline; a target that fails keeps its old part, and one
    that is no longer wanted goes. `folder`: where parts and snapshot outlive a restart; None = nowhere.
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
        self._outlined: set[Target] = set()
        self._inventory = empty_inventory()
        self._next_look_up = 0.0
        self._next_ranges = 0.0
        self._log = get_logger("inventory")

    @property
    def inventory(self) -> Inventory:
        """The latest snapshot; replaced whole, so a caller that holds one may go on reading it."""
        return self._inventory

    def restore(self) -> bool:
        """Take the snapshot that the last run kept; false when there is none that can be used."""
        kept = load_snapshot(self._snapshot_file) if self._folder else None
        if kept is None:
            return False
        self._inventory = kept
        return True

    def refresh(self, stop: threading.Event | None = None) -> Refresh:
        """Read every target anew and swap the snapshot. Blocks for seconds to minutes.

        A failing target becomes a problem, never an exception. Raises Stopped when `stop` is set meanwhile, and
        ConfigurationError when there is no region, no credentials setting can be right, or the pool is used up.
        """
        stop = stop or threading.Event()
        now = self._clock.now()
        read_names(self._settings.network_names)  # a fault in a file is told before minutes are spent on reading
        accounts = self._sessions.account_targets(again=True)
        targets = [target for account in accounts for target in account.targets()]
        named = {Target(account.access, region) for account in accounts for region in account.named}
        problems = [Problem(one.targets()[0].label(), one.problem, 0.0) for one in accounts if one.problem]
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
        self._inventory = self._build(now, stop)
        self._forget_files()
        self._renew_ranges(now)
        return Refresh(self._inventory, tuple(problems), parts)

    @property
    def ranges_made_at(self) -> float:
        """When AWS made the address ranges in use; 0 = none are."""
        return ranges_made_at(self._folder) if self._settings.aws_ranges else 0.0

    def _renew_ranges(self, now: float) -> None:
        """Fetch AWS's ranges for the next snapshot, once a day; what fails is said and tried again an hour later."""
        if (
            not (self._settings.aws_ranges and self._settings.aws_ranges_url and self._folder)
            or now < self._next_ranges
        ):
            return
        try:
            fetch_ranges(self._settings.aws_ranges_url, self._folder)
        except (OSError, ValueError) as error:
            self._next_ranges = now + FETCH_AGAIN_SECONDS
            url = self._settings.aws_ranges_url
            self._log.warning("AWS's address ranges were not fetched", url=url, reason=str(error))
        else:
            self._next_ranges = now + FETCH_EVERY_SECONDS

    def look_up(self, unknown: UnknownInterfaces, stop: threading.Event | None = None) -> int:
        """Ask for interfaces that flows named and nobody knew; how many were found. Blocks for a second or two.

        Called between refreshes, by the same thread. A large estate takes seconds to lay out anew, so that is done at
        most a tenth of the time. Raises VpcflowError when the last one asked could not be.
        """
        now = self._clock.monotonic()
        if now < self._next_look_up:
            return 0
        found = 0
        problem: VpcflowError | None = None
        accounts = {target: part.account for target, part in self._parts.items()}
        for target, ids in unknown.take(accounts):
            old = self._whole(target)
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
        if found:
            self._inventory = self._build(self._clock.now(), stop or threading.Event())
            done = self._clock.monotonic()
            self._next_look_up = done + 10 * (done - now)
        if problem is not None:
            raise problem
        return found

    def _read(self, target: Target, now: float, *, may_be_unused: bool) -> tuple[Part | None, list[Problem]]:
        old = self._whole(target)
        part, problems = read_part(
            self._sessions, target, old, now, may_be_unused=may_be_unused, owner_tags=self._settings.owner_tags
        )
        if part is not None and (part is not old or target in self._outlined):
            part = self._keep(target, part)
        return part or self._parts.get(target), problems

    def _whole(self, target: Target) -> Part | None:
        """Everything that was last read there."""
        part = self._parts.get(target)
        if self._folder and (part is None or target in self._outlined):
            return load_part(part_file(self._folder, target))
        return part

    def _keep(self, target: Target, part: Part) -> Part:
        """On disk, where there is one; returns what is to be kept in memory."""
        is_kept = self._try_to_save(lambda folder: save_part(part, part_file(folder, target)))
        if is_kept and len(part.interfaces) > SMALL_PART:
            self._outlined.add(target)
            return outline_of(part)
        self._outlined.discard(target)
        return part

    def _build(self, now: float, stop: threading.Event) -> Inventory:
        """The first who reads an account and region counts."""
        chosen = {(part.account, part.region): target for target, part in reversed(self._parts.items())}
        interface_count = sum(len(self._parts[target].interfaces) for target in chosen.values())
        if self._folder and self._assignments.path and interface_count > SMALL_ESTATE:
            files = [part_file(self._folder, target) for target in chosen.values()]
            file = self._snapshot_file
            try:
                build_in_process(files, self._settings, self._assignments.path, now, file, stop)
            except (OSError, ProtocolError) as error:
                self._log.warning("the inventory is laid out in the agent itself", reason=str(error))
            else:
                built = self._take(file)
                if built is not None:
                    return built
        self._assignments.reload()
        parts = (self._whole(target) or self._parts[target] for target in chosen.values())
        inventory = build(parts, self._settings, self._assignments, now, self._folder)
        self._try_to_save(lambda folder: save_snapshot(inventory, folder / "snapshot"))
        return inventory

    def _take(self, file: Path) -> Inventory | None:
        """The snapshot that another process built; None when it cannot be used."""
        return load_snapshot(file)

    @property
    def _snapshot_file(self) -> Path:
        assert self._folder is not None, "asked for only where there is one"
        return self._folder / "snapshot"

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

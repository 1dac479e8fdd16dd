"""The inventory of a running agent: a snapshot that another process makes, mapped and swapped whole.

Belongs here: sending that process out, and taking up what it brings. Does not: what it does (errand.py), when
(refresher.py). Nothing here grows with the number of interfaces but the mapped file: taking up a snapshot makes no
Python object of an interface, and so does giving back the one before.
"""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from consumer.aws.roles import Target
from consumer.aws.sessions import Sessions
from consumer.aws.settings import AwsSettings
from consumer.clock import Clock
from consumer.discovery.estate.values import Part
from consumer.discovery.inventory.snapshot_file import load_snapshot
from consumer.discovery.parallel import in_background, result_of
from consumer.discovery.reading.errand import Done, Errand, Told
from consumer.discovery.reading.keeper import SNAPSHOT, Refresh
from consumer.discovery.reading.look_up import UnknownInterfaces
from consumer.discovery.settings import DiscoverySettings
from consumer.errors import ConfigurationError, ProtocolError, RetryableError, Stopped
from consumer.kcl.tether import tethered
from consumer.model.inventory import Inventory, empty_inventory

PROGRAM = (sys.executable, "-m", "consumer.discovery.reading.errand")

REST_SECONDS = 0.001
"""After each account and region that is told. Who reads a pipe gives the interpreter up and has it again before a
thread that waits for it woke up: a batch took 75 ms meanwhile."""


class InventoryHolder:
    """Mutable; `inventory` may be read by any thread, the rest belongs to one.

    `sessions`: those of the agent, which are told what the process learned of accounts and regions; it has its own.
    `folder`: where parts and snapshot outlive a restart. `program`: what is run (benchmarks play AWS).
    """

    def __init__(
        self,
        sessions: Sessions,
        aws: AwsSettings,
        discovery: DiscoverySettings,
        assignments: Path,
        folder: Path,
        clock: Clock,
        log_level: str = "info",
        program: Sequence[str] = PROGRAM,
    ) -> None:
        self._sessions = sessions
        self._aws = aws
        self._discovery = discovery
        self._assignments = assignments
        self._folder = folder
        self._clock = clock
        self._log_level = log_level
        self._program = program
        self._accounts: dict[Target, str] = {}
        self._inventory = empty_inventory()
        self._next_look_up = 0.0
        self.ranges_made_at = 0.0
        """When AWS made the address ranges in use; 0 = none are."""
        self.ranges_problem = ""
        """Why no newer ones could be fetched."""

    @property
    def inventory(self) -> Inventory:
        """The latest snapshot; replaced whole, so a caller that holds one may go on reading it."""
        return self._inventory

    def restore(self) -> bool:
        """Take the snapshot that the last run kept; false when there is none that can be used."""
        kept = load_snapshot(self._folder / SNAPSHOT)
        if kept is None:
            return False
        self._inventory = kept
        return True

    def refresh(self, stop: threading.Event) -> Refresh:
        """Have every target read anew and swap the snapshot. Blocks for seconds to minutes.

        A failing target is a problem, never an exception. Raises Stopped when `stop` is set meanwhile,
        ConfigurationError when there is no region, no credentials setting can be right, or the pool is used up, and
        RetryableError when the process failed.
        """
        parts, done = self._run(None, stop)
        if done.failure:
            raise RetryableError(done.failure)
        self._accounts = {target: part.account for target, part in parts.items()}
        return Refresh(self._inventory, done.problems, parts)

    def look_up(self, unknown: UnknownInterfaces, stop: threading.Event) -> int:
        """Ask for interfaces that flows named and nobody knew; how many were found. Blocks for seconds.

        Called between refreshes. A large estate takes seconds to lay out anew, so that is done at most a tenth of the
        time. Raises VpcflowError when one of the places could not be asked.
        """
        began = self._clock.monotonic()
        wanted = dict(unknown.take(self._accounts)) if began >= self._next_look_up else {}
        if not wanted:
            return 0
        _, done = self._run(wanted, stop)
        if done.has_snapshot:
            ended = self._clock.monotonic()
            self._next_look_up = ended + 10 * (ended - began)
        if done.failure:
            raise RetryableError(done.failure)
        return done.found

    def _run(
        self, wanted: Mapping[Target, list[str]] | None, stop: threading.Event
    ) -> tuple[Mapping[Target, Part], Done]:
        with _spare_file() as spare:
            errand = Errand(
                self._aws,
                self._discovery,
                self._assignments,
                self._folder,
                self._sessions.learned,
                self._log_level,
                spare,
                tuple(self._accounts),
                wanted,
            )
            parts, done = self._send(errand, stop)
            if done.faults:
                raise ConfigurationError(done.faults)
            if done.has_snapshot:
                self._sessions.learned = done.learned
                self._take(Path(f"/proc/self/fd/{spare}") if done.is_spare else self._folder / SNAPSHOT)
                self.ranges_made_at = done.ranges_made_at
                self.ranges_problem = done.ranges_problem
        return parts, done

    def _send(self, errand: Errand, stop: threading.Event) -> tuple[Mapping[Target, Part], Done]:
        """Started by this thread: the process dies with the thread that started it (kcl/tether.py)."""
        command = tethered(self._program)
        with subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, pass_fds=(errand.spare,)
        ) as process:
            answers = in_background(lambda: self._talk(process, errand, stop), "errand")
            try:
                told = result_of(answers, stop)
            except Stopped:
                process.kill()
                raise
            except (OSError, EOFError, pickle.UnpicklingError) as error:
                process.kill()
                raise RetryableError(f"the process that reads the estate ended: exit {process.wait()}") from error
        return told

    def _talk(
        self, process: subprocess.Popen[bytes], errand: Errand, stop: threading.Event
    ) -> tuple[Mapping[Target, Part], Done]:
        assert process.stdin is not None and process.stdout is not None, "both are pipes"  # noqa: PT018  for the reader
        with process.stdin as asked:
            pickle.dump(errand, asked)
        parts: dict[Target, Part] = {}
        while True:
            answer = pickle.load(process.stdout)
            if isinstance(answer, Done):
                return parts, answer
            assert isinstance(answer, Told), "nothing else is sent"
            parts[answer.target] = answer.part
            self._clock.wait(stop, REST_SECONDS)

    def _take(self, file: Path) -> None:
        made = load_snapshot(file)
        if made is None:
            raise ProtocolError("the snapshot that was made cannot be used")
        self._inventory = made


@contextmanager
def _spare_file() -> Iterator[int]:
    """A file in memory that takes none until it is written."""
    spare = os.memfd_create("inventory")
    try:
        yield spare
    finally:
        os.close(spare)

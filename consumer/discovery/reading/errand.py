"""The process that reads the estate for an agent, makes the snapshot of it, and ends.

Belongs here: what it is asked, what it answers, and doing it. Does not: starting it (holder.py), the reading itself
(keeper.py). Run as a program: an Errand on standard input, answers on standard output, both pickled, for both ends
are this program; the log goes where the agent's goes.

Why a process: parsing what AWS says of 200,000 interfaces takes a minute of Python, and laying it out ten seconds more.
Done on threads of the agent, that held its pipeline for up to half a second at a time (full garbage collections over
all these values, and the interpreter's lock). And its memory goes back to the machine when it ends.
"""

from __future__ import annotations

import os
import pickle
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

from consumer.aws.roles import Learned, Target
from consumer.aws.sessions import Sessions
from consumer.aws.settings import AwsSettings
from consumer.clock import Clock, SystemClock
from consumer.discovery.estate.outline import outlines
from consumer.discovery.estate.problem import Problem
from consumer.discovery.estate.values import Part
from consumer.discovery.inventory.snapshot_file import write_snapshot
from consumer.discovery.reading.keeper import InventoryKeeper
from consumer.discovery.settings import DiscoverySettings
from consumer.errors import ConfigurationError, Fault, VpcflowError
from consumer.model.inventory import Inventory
from consumer.state.assignments import Assignments
from consumer.telemetry.logs import set_up_logs

NICENESS = 5
"""Behind the pipeline, where both want the same core."""


@dataclass(frozen=True, slots=True)
class Errand:
    """`wanted` None: read everything; else ask for these interfaces only, in the places that `known` names. `spare`:
    an open file for the snapshot where `folder` cannot be written."""

    aws: AwsSettings
    discovery: DiscoverySettings
    assignments: Path
    folder: Path
    learned: Learned
    log_level: str
    spare: int
    known: tuple[Target, ...] = ()
    wanted: Mapping[Target, list[str]] | None = None


@dataclass(frozen=True, slots=True)
class Told:
    """One account and region, as far as an agent keeps it in memory; sent apart, so that none takes long to take in."""

    target: Target
    part: Part


@dataclass(frozen=True, slots=True)
class Done:
    """The last answer. `has_snapshot`: there is a new one, `is_spare`: in the spare file. `faults`: of the
    configuration; `failure`: what else went wrong, for the whole errand or, in a look-up, for some place."""

    learned: Learned
    problems: tuple[Problem, ...] = ()
    found: int = 0
    has_snapshot: bool = False
    is_spare: bool = False
    ranges_made_at: float = 0.0
    ranges_problem: str = ""
    faults: tuple[Fault, ...] = ()
    failure: str = ""


def run(errand: Errand, sessions: Sessions, keeper: InventoryKeeper, out: BinaryIO) -> None:
    """Do it and answer."""
    try:
        done = _read(errand, keeper, out) if errand.wanted is None else _look_up(errand, keeper, errand.wanted)
    except ConfigurationError as error:
        done = Done(sessions.learned, faults=error.faults)
    except VpcflowError as error:
        done = Done(sessions.learned, failure=str(error))
    pickle.dump(replace(done, learned=sessions.learned), out)
    out.flush()


def _read(errand: Errand, keeper: InventoryKeeper, out: BinaryIO) -> Done:
    refresh = keeper.refresh()
    for target, part in outlines(refresh.parts):
        pickle.dump(Told(target, part), out)
    is_spare = _save_elsewhere(errand, keeper, refresh.inventory)
    return Done(Learned(), refresh.problems, 0, True, is_spare, keeper.ranges_made_at, keeper.ranges_problem)


def _look_up(errand: Errand, keeper: InventoryKeeper, wanted: Mapping[Target, list[str]]) -> Done:
    keeper.recall(errand.known)
    looked = keeper.look_up(wanted)
    failure = str(looked.problem) if looked.problem else ""
    if looked.inventory is None:
        return Done(Learned(), failure=failure)
    is_spare = _save_elsewhere(errand, keeper, looked.inventory)
    made_at, missed = keeper.ranges_made_at, keeper.ranges_problem
    return Done(Learned(), (), looked.found, True, is_spare, made_at, missed, failure=failure)


def _save_elsewhere(errand: Errand, keeper: InventoryKeeper, inventory: Inventory) -> bool:
    """Where the disk is full the snapshot goes into memory: names do not wait for space."""
    if keeper.is_kept:
        return False
    with os.fdopen(errand.spare, "wb", closefd=False) as spare:
        write_snapshot(inventory, spare)
    return True


def keeper_of(errand: Errand, sessions: Sessions, clock: Clock) -> InventoryKeeper:
    """Who does the work."""
    return InventoryKeeper(
        sessions,
        errand.discovery,
        Assignments(errand.assignments),
        clock,
        errand.aws.parallel_targets,
        errand.folder,
    )


def main() -> int:
    """One errand. What else may be printed must not get between the answers."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    errand: Errand = pickle.load(sys.stdin.buffer)
    os.nice(NICENESS)
    set_up_logs(errand.log_level)
    sessions = Sessions(errand.aws)
    known = errand.learned
    is_new_reading = errand.wanted is None  # who is who may have changed since the last one
    sessions.learned = Learned(known.session_seconds, known.warned) if is_new_reading else known
    run(errand, sessions, keeper_of(errand, sessions, SystemClock()), answers)
    return 0


if __name__ == "__main__":
    # By its own name, so that both ends call what they send alike.
    from consumer.discovery.reading.errand import main as errand_main

    sys.exit(errand_main())

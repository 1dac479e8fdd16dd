"""The longest gap between two batches of a busy pipeline, while the estate is read anew and swapped.

Run with `python -m benchmarks.swap [--interfaces N --vpcs N --accounts N --flow-logs N]`. One process is the agent: a
thread runs the whole pipeline, gzip envelopes to datagrams, on envelopes of 500 events, as Kinesis brings them, at four
fifths of its speed (Linux takes a real-time thread that never rests off its core for 50 ms in each second, sched(7));
the main thread is the holder of the inventory. Five stages, in turn: *alone*; *reading*, in which a process of its own
makes every part anew out of a file (of EC2's answers only the parsing is left out), keeps it and lays the snapshot out,
and tells the agent what it keeps of the parts; *swapping*, which maps the new snapshot and gives it to the pipeline;
*planning*, which decides what is reported of each flow log (`--flow-logs`: how many a VPC has); *after*, in which
Python makes up for the garbage collections that were put off. *own* is the longest
gap in which the agent worked (the smaller of its CPU time and the wall clock): what it did to itself. The rest is
neighbours on the machine, that process among them. The datagrams go to a socket that nobody reads.
"""

from __future__ import annotations

import argparse
import os
import pickle
import resource
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import cycle
from pathlib import Path
from types import SimpleNamespace
from typing import cast

from benchmarks import estate
from benchmarks.generate import V2_FORMAT, Interface, envelopes
from benchmarks.whole_job import Ledger, no_rejects
from consumer.agent.readings import places_of
from consumer.assembly import Outlet, build_lanes, warm_up
from consumer.aws.roles import Learned, Role, Target
from consumer.aws.sessions import Sessions
from consumer.aws.settings import AwsSettings
from consumer.clock import SystemClock
from consumer.discovery.estate.part_file import load_part, part_file, save_part
from consumer.discovery.estate.problem import Problem
from consumer.discovery.estate.values import Part
from consumer.discovery.plan.choosing import Wishes, make_plan
from consumer.discovery.plan.survey import Survey
from consumer.discovery.plan.survey_file import SURVEY, save_survey
from consumer.discovery.reading import full_collections
from consumer.discovery.reading.errand import NICENESS, Errand, run
from consumer.discovery.reading.holder import InventoryHolder
from consumer.discovery.reading.keeper import InventoryKeeper, Refresh
from consumer.discovery.settings import DiscoverySettings
from consumer.export.settings import CollectorSettings
from consumer.model.delivery import Delivery, Origin, SourceKind
from consumer.model.plan import Plan
from consumer.pipeline import Pipeline
from consumer.select.plan import PlanReporting, compile_reporting
from consumer.state.assignments import Assignments

ROUNDS = 3
ALONE_SECONDS = 5.0
RECORDING = 400
"""Interfaces that record flows, as in the whole job's benchmark."""
STAGES = ("alone", "reading", "swapping", "planning", "after")


def target_of(part: Part) -> Target:
    """Each account is read through a role."""
    return Target(Role(f"arn:aws:iam::{part.account}:role/vpcflow"), part.region)


def make_parts(folder: Path, accounts: int, interfaces: int, vpcs: int, flow_logs: int) -> None:
    """What a first discovery would have kept on disk; by a process of its own, whose memory is not the agent's."""
    for part in estate.parts(accounts, interfaces, vpcs, flow_logs=flow_logs):
        save_part(part, part_file(folder, target_of(part)))


class Gaps:
    """The longest time between two batches, by the stage in which it ended; seconds."""

    def __init__(self) -> None:
        self._last = (0.0, 0.0)
        self.begin()

    def begin(self) -> None:
        """Forget all."""
        self.stage = STAGES[0]
        self.longest, self.own = (dict.fromkeys(STAGES, 0.0) for _ in range(2))
        self.batch_counts = dict.fromkeys(STAGES, 0)

    def tick(self) -> None:
        """A batch is out."""
        now = (time.perf_counter(), time.process_time())
        if self._last[0]:
            wall, worked = (after - before for after, before in zip(now, self._last, strict=True))
            stage = self.stage
            self.longest[stage] = max(self.longest[stage], wall)
            self.own[stage] = max(self.own[stage], min(wall, worked))
            self.batch_counts[stage] += 1
        self._last = now


class TimedHolder(InventoryHolder):
    """The agent's own holder, which says when it takes a snapshot up."""

    gaps: Gaps

    def _take(self, file: Path) -> None:
        self.gaps.stage = "swapping"
        super()._take(file)


class PlayedKeeper(InventoryKeeper):
    """What the process does, with files in place of EC2."""

    def _read(self, target: Target, now: float, *, may_be_unused: bool) -> tuple[Part | None, list[Problem]]:  # noqa: ARG002
        part = self._whole(target)
        assert part is not None
        return self._keep(target, part), []


def play(account_count: int) -> None:
    """Be that process."""
    errand: Errand = pickle.load(sys.stdin.buffer)
    os.nice(NICENESS)
    accounts = accounts_of(account_count)
    told = SimpleNamespace(account_targets=lambda again: accounts, learned=Learned(), role_faults=())  # noqa: ARG005
    sessions = cast("Sessions", told)
    keeper = PlayedKeeper(
        sessions, errand.discovery, Assignments(errand.assignments), SystemClock(), folder=errand.folder
    )
    run(errand, sessions, keeper, sys.stdout.buffer)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"  the process that read had at most {peak:.0f} MB", file=sys.stderr, flush=True)


def accounts_of(count: int) -> tuple[SimpleNamespace, ...]:
    """What Sessions says of its targets."""
    found = []
    for number in range(count):
        role = Role(f"arn:aws:iam::{100_000_000_000 + number}:role/vpcflow")
        targets = tuple(Target(role, region) for region in estate.REGIONS)
        found.append(SimpleNamespace(access=role, named=(), problem="", targets=lambda targets=targets: targets))
    return tuple(found)


def recording(parts: Iterator[Part]) -> Sequence[Interface]:
    """Interfaces of the estate that record flows."""
    found: list[Interface] = []
    for part in parts:
        for one in part.interfaces[:1]:
            words = {"account-id": one.account, "interface-id": one.id}
            found.append(Interface(one.id, one.account, one.addresses[0], "fd00::1", words))
    return found[:RECORDING]


@contextmanager
def running(pipeline: Pipeline, payloads: Sequence[bytes], gaps: Gaps) -> Iterator[None]:
    """The pipeline on a thread of its own, resting a fifth of the time."""
    over = threading.Event()
    origin = Origin(SourceKind.KINESIS, region="eu-central-1", stream="bench", shard="shardId-0")

    def run() -> None:
        for payload in cycle(payloads):
            if over.is_set():
                return
            began = time.perf_counter()
            pipeline.process(Delivery(origin, (payload,), 0.0))
            gaps.tick()
            time.sleep((time.perf_counter() - began) / 4)

    thread = threading.Thread(target=run, name="pipeline")
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def measure(folder: Path, account_count: int) -> None:
    settings = DiscoverySettings()
    clock, gaps = SystemClock(), Gaps()
    accounts = accounts_of(account_count)
    sessions = cast("Sessions", SimpleNamespace(learned=Learned()))
    program = (
        "chrt",
        "--other",
        "0",
        sys.executable,
        "-m",
        "benchmarks.swap",
        "--play",
        "--accounts",
        str(account_count),
    )
    holder = TimedHolder(sessions, AwsSettings(), settings, folder / "assignments", folder, clock, program=program)
    holder.gaps = gaps
    stop = threading.Event()
    warm_up()
    files = (part_file(folder, target) for account in accounts for target in account.targets())
    known = recording(part for file in files if (part := load_part(file)) is not None and part.interfaces)
    payloads = list(envelopes(100_000, V2_FORMAT, events_each=500, interfaces=known))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as nobody:
        nobody.bind(("127.0.0.1", 0))
        port = nobody.getsockname()[1]
        collector = CollectorSettings(name="nobody", address=f"127.0.0.1:{port}", rate=0)
        with Outlet([collector], 32_473, clock) as outlet:
            pipeline = Pipeline(
                build_lanes(outlet, 1, 0x7F00_0001),
                formats=lambda _: [V2_FORMAT],
                inventory=lambda: holder.inventory,
                exporter=outlet.exporting_process,
                keep_rejects=no_rejects,
                ledger=Ledger(),
                clock=clock,
                abort=threading.Event(),
            )
            with running(pipeline, payloads, gaps):
                for number in range(ROUNDS + 1):
                    gaps.stage = "alone"
                    time.sleep(ALONE_SECONDS)
                    gaps.stage = "reading"
                    with full_collections.put_off():  # as the agent's refresher does
                        kept = holder.refresh(stop)
                        time.sleep(0.5)  # still swapping: the pipeline takes it up, the old one is given back
                        gaps.stage = "planning"
                        planned = planned_of(kept, folder)
                    gaps.stage = "after"
                    time.sleep(2.0)
                    if number:
                        show(gaps)
                        print(f"  {kept.part_count} parts in memory, {len(planned[0].inside):,} resources in the plan")
                    gaps.begin()


def planned_of(refresh: Refresh, folder: Path) -> tuple[Plan, PlanReporting]:
    """What the agent makes of a reading and keeps, in memory and on disk."""
    flow_logs = tuple(one for part in refresh.parts.values() for one in part.flow_logs)
    survey = Survey(refresh.parts, flow_logs, (), (), (), ())
    plan = make_plan(survey, Wishes())
    save_survey(survey, "", folder / SURVEY)
    return plan, compile_reporting(plan, places_of(plan))


def show(gaps: Gaps) -> None:
    print(f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    for stage in STAGES:
        longest, own = gaps.longest[stage] * 1e3, gaps.own[stage] * 1e3
        print(f"  {stage:8} longest gap {longest:7.1f} ms, own {own:6.1f} ms, {gaps.batch_counts[stage]:6,} batches")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    private = sum(
        int(line.split()[1])
        for line in Path("/proc/self/smaps_rollup").read_text(encoding="ascii").splitlines()
        if line.startswith("Private_")
    )
    print(f"  resident at most {peak:.0f} MB; private now {private / 1024:.0f} MB", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--accounts", type=int, default=40)
    parser.add_argument("--interfaces", type=int, default=200_000)
    parser.add_argument("--vpcs", type=int, default=3_000)
    parser.add_argument("--flow-logs", type=int, default=1)
    parser.add_argument("--make", type=Path)
    parser.add_argument("--play", action="store_true")
    wanted = parser.parse_args()
    sizes = (wanted.accounts, wanted.interfaces, wanted.vpcs)
    if wanted.play:
        play(wanted.accounts)
        return
    if wanted.make:
        make_parts(wanted.make, *sizes, wanted.flow_logs)
        return
    print(f"estate: {sizes[0]} accounts x {len(estate.REGIONS)} regions, {sizes[1]:,} interfaces, {sizes[2]:,} VPCs")
    with tempfile.TemporaryDirectory() as name:
        numbers = [f"--{name}={size}" for name, size in zip(("accounts", "interfaces", "vpcs"), sizes, strict=True)]
        numbers.append(f"--flow-logs={wanted.flow_logs}")
        subprocess.run([sys.executable, "-m", "benchmarks.swap", *numbers, "--make", name], check=True)
        measure(Path(name), sizes[0])


if __name__ == "__main__":
    main()

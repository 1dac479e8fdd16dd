"""What a snapshot of a large estate costs the agent: loading it, its memory, and the longest stall while it is swapped.

Run with `python -m benchmarks.snapshot`. The snapshot is built and saved by a process of its own, as the agent does; a
second one loads it as an agent with a busy pipeline would. CPU seconds where a name says so, else wall clock.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from benchmarks import estate
from consumer.discovery.estate.merging import if_index_owners, merge
from consumer.discovery.inventory.aws_ranges import shipped_ranges
from consumer.discovery.inventory.rows import Knowledge
from consumer.discovery.inventory.snapshot import build_inventory
from consumer.discovery.inventory.snapshot_file import load_snapshot, save_snapshot


def build(file: Path, accounts: int, interfaces: int, vpcs: int) -> None:
    merged = merge(estate.parts(accounts, interfaces, vpcs))
    began = time.process_time()
    if_indexes = {owner: number for number, owner in enumerate(if_index_owners(merged), 1)}
    exporters = dict.fromkeys(merged.vpcs, 1)
    inventory = build_inventory(merged, if_indexes, exporters, 0.0, Knowledge(ranges=shipped_ranges().ranges))
    built = time.process_time() - began
    save_snapshot(inventory, file)
    views, lists = len(inventory.views.lines), inventory.networks.list_count
    print(f"build                {built:8.2f} s CPU: {views:,} views, {lists:,} lists of networks")
    print(f"file                 {file.stat().st_size / 1e6:8.0f} MB")


class Ticker(threading.Thread):
    """Another thread of the agent, asking for the interpreter every millisecond."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.longest = 0.0
        self.is_over = False

    def run(self) -> None:
        last = time.perf_counter()
        while not self.is_over:
            time.sleep(0.001)
            now = time.perf_counter()
            self.longest = max(self.longest, now - last)
            last = now


def load(file: Path) -> None:
    before = _resident_mb()
    ticker = Ticker()
    ticker.start()
    time.sleep(0.2)
    idle, ticker.longest = ticker.longest, 0.0
    began, cpu = time.perf_counter(), time.process_time()
    inventory = load_snapshot(file)
    seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
    gap = ticker.longest
    ticker.is_over = True
    assert inventory is not None
    print(f"load                 {seconds:8.2f} s, {cpu:.2f} s CPU, {inventory.interfaces.row_count - 1:,} interfaces")
    print(f"longest stall        {gap * 1e3:8.1f} ms (without loading {idle * 1e3:.1f} ms)")
    touched = sum(int(column.sum()) for column in inventory.endpoints.strings.values())
    touched += int(inventory.addresses.slots[:, 3].sum()) + int(inventory.networks.values.sum())
    print(f"resident, grown by   {_resident_mb() - before:8.0f} MB, all of {_resident_mb():.0f} MB, every page touched")
    assert touched


def _resident_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--accounts", type=int, default=40)
    parser.add_argument("--interfaces", type=int, default=200_000)
    parser.add_argument("--vpcs", type=int, default=3_000)
    parser.add_argument("--build", type=Path)
    parser.add_argument("--load", type=Path)
    wanted = parser.parse_args()
    sizes = (wanted.accounts, wanted.interfaces, wanted.vpcs)
    if wanted.build:
        build(wanted.build, *sizes)
    elif wanted.load:
        load(wanted.load)
    else:
        print(
            f"estate: {sizes[0]} accounts x {len(estate.REGIONS)} regions, {sizes[1]:,} interfaces, {sizes[2]:,} VPCs"
        )
        print(f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores", flush=True)
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "snapshot"
            numbers = [f"--{name}={size}" for name, size in zip(("accounts", "interfaces", "vpcs"), sizes, strict=True)]
            for option in ("--build", "--load"):
                command = [sys.executable, "-m", "benchmarks.snapshot", *numbers, option, str(file)]
                subprocess.run(command, check=True)


if __name__ == "__main__":
    main()

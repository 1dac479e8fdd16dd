"""What enrichment costs: building a snapshot, and joining batches of 8,192 default-format rows with the mapped file.

Run with `python -m benchmarks.enrich [--interfaces N --vpcs N --accounts N]`. Figures of one pinned core; a batch holds
5,000 distinct addresses, half of them private, any interface with any of them: the hardest there is, for a real record
has its recording interface at one end. Every record is checked to have got its interface.
"""

from __future__ import annotations

import argparse
import os
import resource
import tempfile
import time
from ipaddress import IPv4Address
from pathlib import Path

import numpy as np

from benchmarks import estate
from consumer.discovery.estate.merging import if_index_owners, merge
from consumer.discovery.inventory.aws_ranges import shipped_ranges
from consumer.discovery.inventory.rows import Knowledge
from consumer.discovery.inventory.snapshot import build_inventory
from consumer.discovery.inventory.snapshot_file import load_snapshot, save_snapshot
from consumer.enrich import warm_up
from consumer.enrich.join import Joiner
from consumer.model.flow_batch import Column, FlowBatch, Kind
from consumer.model.inventory import Inventory
from consumer.model.log_format import LogFormat
from consumer.model.vocabulary import Vocabulary

ROWS = 8192
DISTINCT = 2500
"""Pairs of addresses; with both ends 5,000 distinct addresses a batch."""
ROUNDS = 200
SHAPES = ((1, 1), (1, 4), (4, 1), (50, 4), (500, 4))
"""Interfaces a batch, and batches in turn. An envelope or a polled stream holds one interface, an object many."""
DEFAULT_FORMAT = (
    "version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end action log-status"
)


def batch_of(inventory: Inventory, vocabulary: Vocabulary, interface_count: int, seed: int) -> FlowBatch:
    """Flows of `interface_count` interfaces among 2,500 private and 2,500 public addresses.

    A delivery from CloudWatch or Kinesis holds one log stream, which is one interface; a file from S3 holds many.
    """
    chance = np.random.default_rng(seed)
    names = LogFormat.from_text(DEFAULT_FORMAT).fields
    columns: dict[str, Column] = {}
    word = 0
    for name in names:
        kind = Kind.ADDRESS if name.endswith("addr") else Kind.STRING if name == "interface-id" else Kind.UNSIGNED
        columns[name] = Column(name, kind, word)
        word += columns[name].word_count
    words = np.zeros((ROWS, word), dtype=np.uint64)
    ids = list(inventory.interface_rows)
    interfaces = [ids[int(place)] for place in chance.integers(0, len(ids), interface_count)]
    numbers = np.array([vocabulary.intern(name) for name in interfaces], dtype=np.uint64)
    words[:, columns["interface-id"].word] = chance.choice(numbers, ROWS)
    inside = chance.integers(int(IPv4Address("10.0.0.4")), int(IPv4Address("10.23.255.255")), DISTINCT)
    outside = chance.integers(int(IPv4Address("34.0.0.0")), int(IPv4Address("60.0.0.0")), DISTINCT)
    for name, pool in (("srcaddr", inside), ("dstaddr", outside)):
        words[:, columns[name].word + 1] = chance.choice(pool.astype(np.uint64), ROWS)
        words[:, columns[name].word + 2] = 4
    return FlowBatch(
        LogFormat(names), columns, words, np.zeros((ROWS, 2), np.uint64), vocabulary, np.arange(ROWS, dtype=np.int64)
    )


def mapped(inventory: Inventory) -> Inventory:
    """The snapshot as an agent has it: a file, whose tables begin at lines of the cache."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "snapshot"
        save_snapshot(inventory, file)
        loaded = load_snapshot(file)
    assert loaded is not None
    return loaded


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--interfaces", type=int, default=200_000)
    parser.add_argument("--vpcs", type=int, default=3_000)
    parser.add_argument("--accounts", type=int, default=40)
    parser.add_argument("--cpu", type=int, default=0)
    wanted = parser.parse_args()
    os.sched_setaffinity(0, {wanted.cpu})
    warm_up()

    before = _resident_mb()
    began = time.thread_time()
    merged = merge(estate.parts(wanted.accounts, wanted.interfaces, wanted.vpcs))
    print(f"generate and merge   {time.thread_time() - began:8.2f} s")
    began = time.thread_time()
    if_indexes = {owner: number for number, owner in enumerate(if_index_owners(merged), 1)}
    knowledge = Knowledge(ranges=shipped_ranges().ranges)
    inventory = build_inventory(merged, if_indexes, dict.fromkeys(merged.vpcs, 1), 0.0, knowledge)
    print(f"build the snapshot   {time.thread_time() - began:8.2f} s")
    print(f"load average         {os.getloadavg()[0]:8.1f} on {os.cpu_count()} cores")
    print(f"resident, grown by   {_resident_mb() - before:8.0f} MB (parts and snapshot)")
    inventory = mapped(inventory)

    rows = np.arange(ROWS, dtype=np.int64)
    for interface_count, batch_count in SHAPES:
        vocabulary = Vocabulary()
        batches = [batch_of(inventory, vocabulary, interface_count, seed) for seed in range(batch_count)]
        joiner = Joiner(1)
        began = time.thread_time()
        joiner.join(batches[0], rows, inventory)
        first = (time.thread_time() - began) * 1e3
        times = []
        for number in range(ROUNDS):
            began = time.thread_time()
            joiner.join(batches[number % batch_count], rows, inventory)
            times.append(time.thread_time() - began)
        middle, best = (time_ / ROWS * 1e9 for time_ in (float(np.median(times)), min(times)))
        print(
            f"{interface_count:3} interfaces a batch, {batch_count} batches in turn: {middle:6.1f} ns a row "
            f"(best {best:.1f}), first batch {first:.2f} ms"
        )
        counts = joiner.take_counts()
        assert counts.unknown_interface == 0, counts


def _resident_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()

"""What remembering events costs: the identity of an event, a new one, a repeat, at three sizes of the table.

Run with `python -m benchmarks.repeats`. CPU time of one pinned core in batches of 8,192 events of CloudWatch's layout;
every answer of the table is checked. The smallest table lies in the cache, the largest is the default setting.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Iterator

import numpy as np
from numba import njit

from consumer.decode.events import Event, events_of
from consumer.model.delivery import Origin, SourceKind
from consumer.model.flow_batch import Rows, Words
from consumer.select import identity, repeats
from consumer.select.identity import identify
from consumer.select.repeats import BYTES_PER_ID, CONTROL_WORDS, RING_WORDS, RepeatTable

ROWS = 8192
DEFAULT_ROOM = 128_000_000 // BYTES_PER_ID
ROOMS = (2 * ROWS, 32 * ROWS, DEFAULT_ROOM // ROWS * ROWS)
FIRST_ID = 39953106606966983378809025079804211143289615424298221568
ORIGIN = Origin(SourceKind.KINESIS, account="123456789012", log_group="/vpc", log_stream="eni-0-all")


def batches(count: int) -> Iterator[Words]:
    """Identities as they come: ids of 56 digits, all of one place, most digits the same."""
    chance = np.random.default_rng(1)
    events = events_of([Event(b"", str(FIRST_ID + number).encode()) for number in range(ROWS)])
    first = identify(events, np.arange(ROWS, dtype=np.int64), ORIGIN, lambda _: 1)
    for number in range(count):
        made = first.copy()
        made[:, 1] = chance.integers(0, 1 << 54, ROWS)
        made[:, 2] += np.uint64(number)
        yield made


def identity_ns(rounds: int) -> float:
    """Nanoseconds an event from its text to its identity."""
    events = events_of([Event(b"", str(FIRST_ID + number).encode()) for number in range(ROWS)])
    lines = np.arange(ROWS, dtype=np.int64)
    taken = []
    for _ in range(rounds):
        began = time.thread_time_ns()
        identify(events, lines, ORIGIN, lambda _: 1)
        taken.append((time.thread_time_ns() - began) / ROWS)
    return float(np.median(taken))


def measure(room: int) -> str:
    """One row of the table: filled once, then overwritten, each batch asked for again at once."""
    table = RepeatTable(np.zeros(CONTROL_WORDS, np.uint64), np.zeros((room, RING_WORDS), np.uint64))
    count = max(room // ROWS, 1)
    times: dict[str, list[float]] = {"filling": [], "overwriting": [], "repeat": []}
    for number, identities in enumerate(batches(2 * count if count > 8 else 400)):
        began = time.thread_time_ns()
        claimed = table.claim(identities, number, number + 1)
        table.commit(claimed.claim)
        ended = time.thread_time_ns()
        assert len(claimed.new) == ROWS
        times["filling" if number < count else "overwriting"].append((ended - began) / ROWS)
        began = time.thread_time_ns()
        again = table.claim(identities, number, number + 1_000_000)
        times["repeat"].append((time.thread_time_ns() - began) / ROWS)
        assert not len(again.new)
    shown = "  ".join(f"{least(each):5.1f} {float(np.median(each)):6.1f}" for each in times.values())
    return f"{room:>10,} {table.bytes_per_id():6.1f}   {shown}   {miss_ns(room):6.1f}"


def least(times: list[float]) -> float:
    """The tenth that was disturbed least by whatever else runs on the machine."""
    return float(np.quantile(times, 0.1))


@njit(cache=True)
def follow(chain: Rows, steps: int) -> int:
    """Read one word after another, where the one before says."""
    at = 0
    for _ in range(steps):
        at = chain[at]
    return at


def miss_ns(room: int) -> float:
    """Nanoseconds of one random read, waited for, in as much memory as the index of such a table has."""
    lines = room * 16 // 64
    chain = np.zeros(8 * lines, dtype=np.int64)
    order = 8 * np.random.default_rng(2).permutation(lines)
    chain[order] = np.roll(order, -1)
    follow(chain, 1)
    taken = []
    for _ in range(20):
        began = time.thread_time_ns()
        follow(chain, 50_000)
        taken.append((time.thread_time_ns() - began) / 50_000)
    return least(taken)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--cpu", type=int, default=0)
    os.sched_setaffinity(0, {parser.parse_args().cpu})
    identity.warm_up()
    repeats.warm_up()
    print(f"identity of an event: {identity_ns(300):.1f} ns")
    print("ns per event: the least disturbed tenth, and the median")
    print("events in   bytes                new,  new, over                 one")
    print("the table   an event          growing  old ones      a repeat    random read")
    for room in ROOMS:
        print(measure(room), flush=True)


if __name__ == "__main__":
    main()

"""Where a record's time goes: the whole job of whole_job.py once more, with a clock at every step of its way.

Belongs here: which steps there are, and their own time, without that of the steps they call. Does not: the whole job
(whole_job.py), whose first deliveries also pay for what is seen for the first time (names, vocabulary): here all of
that is known before the clock starts. The clocks themselves take some 5 ns a record.

    python -m benchmarks.where [--records 100000] [--fields v2] [--mixed]
"""

from __future__ import annotations

import argparse
import gc
import os
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from functools import wraps
from statistics import median
from typing import Any
from unittest.mock import patch

from benchmarks.drain import Drain
from benchmarks.generate import FORMATS, envelopes
from benchmarks.whole_job import Ledger, inventory_of_estate, no_rejects
from consumer import pipeline
from consumer.assembly import Outlet, build_lanes, warm_up
from consumer.clock import SystemClock
from consumer.decode import cut, envelope, text
from consumer.decode.parser import Parser
from consumer.encode import records, sorting
from consumer.encode.activity import ActiveInterfaces
from consumer.encode.encoder import Encoder
from consumer.encode.names import NameStore
from consumer.enrich import kernels
from consumer.enrich.join import Joiner
from consumer.export.process import ExportingProcess
from consumer.export.settings import CollectorSettings
from consumer.export.udp import UdpSocket
from consumer.model.delivery import Delivery, Origin, SourceKind
from consumer.select import log_status

EVENTS_EACH = 4_000
ROUNDS = 3
STEPS: tuple[tuple[str, Any, str], ...] = (
    ("decode: gunzip", envelope, "gunzip"),
    ("decode: events cut out of the envelope", cut, "cut_events"),
    ("decode: head of the envelope, arrays", envelope, "read_regular"),
    ("decode: text to columns", text, "parse_lines"),
    ("decode: arrays of the batch", Parser, "parse"),
    ("select: kernel", log_status, "select_rows"),
    ("select: around it", pipeline, "reportable_rows"),
    ("enrich: kernel", kernels, "join_rows"),
    ("enrich: around it", Joiner, "join"),
    ("active interfaces", ActiveInterfaces, "note"),
    ("encode: which template", sorting, "classify"),
    ("encode: rows by template", sorting, "sort_by_key"),
    ("encode: which names", NameStore, "write"),
    ("encode: records", records, "write_records"),
    ("encode: around them", Encoder, "encode"),
    ("export: the kernel of the system", UdpSocket, "send_burst"),
    ("export: around it", ExportingProcess, "send"),
    ("between the stages", pipeline.Pipeline, "process"),
)
"""Step, and the function whose time it is: owner and name."""


class Watch:
    """The time of every step in every delivery, in ns. Mutable."""

    def __init__(self) -> None:
        self.deliveries: list[dict[str, int]] = []
        self._inner = [0]

    def around(self, step: str, call: Callable[..., Any]) -> Callable[..., Any]:
        """`call`, timed."""

        @wraps(call)
        def timed(*args: Any, **kwargs: Any) -> Any:
            self._inner.append(0)
            began = time.perf_counter_ns()
            try:
                return call(*args, **kwargs)
            finally:
                spent = time.perf_counter_ns() - began
                inner = self._inner.pop()
                self._inner[-1] += spent
                self.deliveries[-1][step] += spent - inner

        return timed

    def on_every_step(self, stack: ExitStack) -> None:
        """Put the clocks in place as long as `stack` is open."""
        for step, owner, name in STEPS:
            stack.enter_context(patch.object(owner, name, self.around(step, getattr(owner, name))))

    def next_delivery(self) -> None:
        """What is timed from now on is another delivery's."""
        self.deliveries.append({step: 0 for step, _, _ in STEPS})


def measure(fields: str, record_count: int, *, is_mixed: bool) -> tuple[Watch, list[int]]:
    """Steps of every delivery, and the ns of whole deliveries without the clocks."""
    log_format, inventory, clock = FORMATS[fields], inventory_of_estate(), SystemClock()
    origin = Origin(SourceKind.KINESIS, region="eu-central-1", stream="bench", shard="shardId-0")
    packed = envelopes(record_count, log_format, events_each=EVENTS_EACH, is_mixed=is_mixed)
    deliveries = [Delivery(origin, (payload,), 0.0) for payload in packed]
    warm_up()
    gc.freeze()
    with Drain(cpu=1) as drain, ExitStack() as stack:
        collector = CollectorSettings(name="drain", address=f"127.0.0.1:{drain.port}", rate=0)
        outlet = stack.enter_context(Outlet([collector], 32_473, clock))
        job = pipeline.Pipeline(
            build_lanes(outlet, 1, 0x7F00_0001),
            formats=lambda _: [log_format],
            inventory=lambda: inventory,
            exporter=outlet.exporting_process,
            keep_rejects=no_rejects,
            ledger=Ledger(),
            clock=clock,
            abort=threading.Event(),
        )
        for delivery in deliveries:
            job.process(delivery)
        bare = []
        for delivery in deliveries * ROUNDS:
            began = time.perf_counter_ns()
            job.process(delivery)
            bare.append(time.perf_counter_ns() - began)
        watch = Watch()
        watch.on_every_step(stack)
        for delivery in deliveries * ROUNDS:
            watch.next_delivery()
            job.process(delivery)
    return watch, bare


def main() -> None:
    """Print the table: medians and minima over the deliveries."""
    options = argparse.ArgumentParser(description="ns a record of every step of the whole job")
    options.add_argument("--records", type=int, default=100_000)
    options.add_argument("--fields", choices=sorted(FORMATS), default="v2")
    options.add_argument("--mixed", action="store_true", help="all interfaces in every envelope")
    asked = options.parse_args()
    os.sched_setaffinity(0, {0})
    watch, bare = measure(asked.fields, asked.records, is_mixed=asked.mixed)
    print(f"{'ns a record':42}{'median':>8}{'least':>8}")
    for step, _, _ in STEPS:
        times = [delivery[step] / EVENTS_EACH for delivery in watch.deliveries]
        print(f"{step:42}{median(times):8.1f}{min(times):8.1f}")
    sums = [sum(delivery.values()) / EVENTS_EACH for delivery in watch.deliveries]
    print(f"{'all steps':42}{median(sums):8.1f}{min(sums):8.1f}")
    print(f"{'the same without clocks':42}{median(bare) / EVENTS_EACH:8.1f}{min(bare) / EVENTS_EACH:8.1f}")


if __name__ == "__main__":
    main()

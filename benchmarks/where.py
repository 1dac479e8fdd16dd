"""Where a record's time goes: the whole job of whole_job.py or objects.py, with a clock at every step of its way.

Belongs here: which steps there are, and their own time, without that of the steps they call. Does not: the whole job
(whole_job.py, objects.py), whose first deliveries also pay for what is seen for the first time (names, vocabulary):
here all of that is known before the clock starts, except what an object's own dictionaries hold. The clocks themselves
take some 5 ns a record, 20 in Parquet.

    python -m benchmarks.where [--source envelopes|text|parquet] [--records 100000] [--fields v2] [--mixed]
"""

from __future__ import annotations

import argparse
import gc
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial, wraps
from inspect import isgeneratorfunction
from statistics import median
from typing import Any
from unittest.mock import patch

from benchmarks import objects
from benchmarks.drain import Drain
from benchmarks.generate import FORMATS, envelopes, lines
from benchmarks.whole_job import Ledger, inventory_of_estate, no_rejects
from consumer import pipeline
from consumer.assembly import Outlet, build_lanes, warm_up
from consumer.clock import SystemClock
from consumer.decode import columns, cut, decoder, envelope, text
from consumer.decode.parquet import ColumnReader
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
from consumer.model.log_format import LogFormat
from consumer.parquet import column, encodings, page
from consumer.select import log_status
from consumer.sources.chunks.cutters import TextCutter
from consumer.sources.chunks.text import _Unpacked

EVENTS_EACH = 4_000
ENVELOPE_ROUNDS, OBJECT_ROUNDS = 3, 15
Steps = tuple[tuple[str, Any, str], ...]
"""Step, and the function whose time it is: owner and name."""
Deliveries = Callable[[], Iterator[Delivery]]
_PARSED: Steps = (
    ("decode: text to columns", text, "parse_lines"),
    ("decode: arrays of the batch", Parser, "parse"),
)
FIRST_STEPS: dict[str, Steps] = {
    "envelopes": (
        ("decode: gunzip", envelope, "gunzip"),
        ("decode: events cut out of the envelope", cut, "cut_events"),
        ("decode: head of the envelope, arrays", envelope, "read_regular"),
        *_PARSED,
    ),
    "text": (
        ("object: gunzip", _Unpacked, "_gunzip"),
        ("object: cut into chunks", TextCutter, "cut"),
        ("object: around it", objects, "read_object"),
        ("decode: chunk with a margin", decoder, "plain"),
        ("decode: lines cut", cut, "split_lines"),
        *_PARSED,
    ),
    "parquet": (
        ("object: gunzip", page, "_gunzip"),
        ("object: page headers", page.ColumnBytes, "read_header"),
        ("object: pages", column, "next_page"),
        ("object: levels and indices", encodings, "read_indices"),
        ("object: plain numbers", encodings, "plain_numbers"),
        ("object: plain strings", encodings, "plain_strings"),
        ("object: around it", objects, "read_object"),
        ("decode: addresses learned", columns, "learn_addresses"),
        ("decode: strings looked up", columns, "intern_values"),
        ("decode: columns to rows", columns, "place_rows"),
        ("decode: families compared", columns, "mark_mixed"),
        ("decode: around it", ColumnReader, "read"),
    ),
}
STEPS: Steps = (
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
    ("export: the kernel of the system", UdpSocket, "send_many"),
    ("export: around it", ExportingProcess, "send"),
    ("between the stages", pipeline.Pipeline, "process"),
)


class Watch:
    """The time of every step in every turn (an envelope, or an object), in ns. Mutable."""

    def __init__(self, steps: Steps) -> None:
        self.turns: list[dict[str, int]] = []
        self._steps = steps
        self._inner = [0]

    def around(self, step: str, call: Callable[..., Any]) -> Callable[..., Any]:
        """`call`, timed; of a generator, every step it makes."""
        if isgeneratorfunction(call):
            return self._around_each(step, call)

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
                self.turns[-1][step] += spent - inner

        return timed

    def _around_each(self, step: str, call: Callable[..., Iterator[Any]]) -> Callable[..., Iterator[Any]]:
        @wraps(call)
        def timed(*args: Any, **kwargs: Any) -> Iterator[Any]:
            following = self.around(step, partial(next, call(*args, **kwargs), self))
            while (found := following()) is not self:
                yield found

        return timed

    def on_every_step(self, stack: ExitStack) -> None:
        """Put the clocks in place as long as `stack` is open."""
        for step, owner, name in self._steps:
            stack.enter_context(patch.object(owner, name, self.around(step, getattr(owner, name))))

    def next_turn(self) -> None:
        """What is timed from now on is another turn's."""
        self.turns.append({step: 0 for step, _, _ in self._steps})


def turns_of(source: str, record_count: int, log_format: LogFormat, *, is_mixed: bool) -> tuple[list[Deliveries], int]:
    """(what makes the deliveries of each turn, records of a turn)."""
    if source == "envelopes":
        origin = Origin(SourceKind.KINESIS, region="eu-central-1", stream="bench", shard="shardId-0")
        packed = envelopes(record_count, log_format, events_each=EVENTS_EACH, is_mixed=is_mixed)
        singles: list[Deliveries] = [partial(iter, [Delivery(origin, (payload,), 0.0)]) for payload in packed]
        return singles * ENVELOPE_ROUNDS, EVENTS_EACH
    pack = objects.parquet_object if source == "parquet" else objects.text_object
    content = pack(list(lines(record_count, log_format)), log_format)
    whole: Deliveries = partial(objects.deliveries, content)
    return [whole] * OBJECT_ROUNDS, record_count


def measure(source: str, turns: list[Deliveries], log_format: LogFormat) -> tuple[Watch, list[int]]:
    """Steps of every turn, and the ns of whole turns without the clocks."""
    inventory, clock = inventory_of_estate(), SystemClock()
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
        bare = []
        for deliveries in turns * 2:  # names and caches are known after the first time
            began = time.perf_counter_ns()
            for delivery in deliveries():
                job.process(delivery)
            bare.append(time.perf_counter_ns() - began)
        watch = Watch(FIRST_STEPS[source] + STEPS)
        watch.on_every_step(stack)
        for deliveries in turns:
            watch.next_turn()
            for delivery in deliveries():
                job.process(delivery)
    return watch, bare[len(turns) :]


def main() -> None:
    """Print the table: medians and minima over the turns."""
    options = argparse.ArgumentParser(description="ns a record of every step of the whole job")
    options.add_argument("--source", choices=sorted(FIRST_STEPS), default="envelopes")
    options.add_argument("--records", type=int, default=100_000)
    options.add_argument("--fields", choices=sorted(FORMATS), default="v2")
    options.add_argument("--mixed", action="store_true", help="all interfaces in every envelope")
    asked = options.parse_args()
    os.sched_setaffinity(0, {0})
    log_format = FORMATS[asked.fields]
    turns, count = turns_of(asked.source, asked.records, log_format, is_mixed=asked.mixed)
    watch, bare = measure(asked.source, turns, log_format)
    print(f"{'ns a record':42}{'median':>8}{'least':>8}")
    for step in watch.turns[0]:
        times = [turn[step] / count for turn in watch.turns]
        print(f"{step:42}{median(times):8.1f}{min(times):8.1f}")
    sums = [sum(turn.values()) / count for turn in watch.turns]
    print(f"{'all steps':42}{median(sums):8.1f}{min(sums):8.1f}")
    print(f"{'the same without clocks':42}{median(bare) / count:8.1f}{min(bare) / count:8.1f}")


if __name__ == "__main__":
    main()

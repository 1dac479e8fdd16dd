"""The whole job from objects of a bucket: gzip text and Parquet → named IPFIX handed to the kernel, pacing off.

Belongs here: an object in memory through the code that reads buckets, everything else as in whole_job.py (one pinned
core, CPU time, a drain that counts), beside the same records in envelopes of a stream, *flowlogs_reader* with its own
readers of both formats, and the floor. Interfaces are mixed in an object, and one each in an envelope, as AWS has it.
Parquet is written by pyarrow with gzip inside; what fetching an object costs is not part of it.
"""

from __future__ import annotations

import csv
import gc
import gzip
import io
import os
import resource
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from operator import truediv
from statistics import median
from typing import Any

import pyarrow as pa
from flowlogs_reader import FlowRecord
from pyarrow import parquet

from benchmarks.generate import FORMATS, envelopes, lines
from benchmarks.whole_job import inventory_of_estate, run_deliveries, run_floor, run_whole_job
from consumer.assembly import warm_up
from consumer.decode.decoder import Decoder
from consumer.decode.fields import field_named
from consumer.model.delivery import Delivery, Origin, SourceKind
from consumer.model.flow_batch import Kind
from consumer.model.log_format import LogFormat
from consumer.sources.chunks.stored import read_object

RUNS = 5
PEER_RECORDS = 50_000
_ORIGIN = Origin(SourceKind.S3, account="111111111111", region="eu-central-1", bucket="bench", key="object")
Packer = Callable[[list[str], LogFormat], bytes]
Passer = Callable[[bytes], float]


@dataclass(frozen=True, slots=True)
class Stored:
    """An object in memory, given out in the blocks that GetObject gives."""

    content: bytes

    @property
    def size_bytes(self) -> int:
        return len(self.content)

    def blocks(self) -> Iterator[bytes]:
        for start in range(0, len(self.content), 256 << 10):
            yield self.content[start : start + (256 << 10)]

    def read(self, start: int, size_bytes: int) -> bytes:
        return self.content[start : start + size_bytes]


def text_object(records: list[str], log_format: LogFormat) -> bytes:
    """As AWS writes text: a header, then the records, in gzip."""
    return gzip.compress(("\n".join([" ".join(log_format.fields), *records]) + "\n").encode(), 6, mtime=0)


def parquet_object(records: list[str], log_format: LogFormat) -> bytes:
    """As AWS documents Parquet: typed columns, underscores, gzip."""
    columns = zip(*(record.split(" ") for record in records), strict=True)
    table = {
        name.replace("-", "_"): _column(name, ["" if token == "-" else token for token in column])
        for name, column in zip(log_format.fields, columns, strict=True)
    }
    file = io.BytesIO()
    parquet.write_table(pa.table(table), file, compression="gzip")
    return file.getvalue()


def _column(name: str, tokens: list[str]) -> Any:
    field = field_named(name)
    if field.kind is not Kind.UNSIGNED:
        return pa.array([token or None for token in tokens])
    kind = pa.int32() if field.maximum < 1 << 31 else pa.int64()
    return pa.array([int(token) if token else None for token in tokens], kind)


def deliveries(content: bytes) -> Iterator[Delivery]:
    """The object as its source hands it over."""
    return (chunk.delivery(_ORIGIN, 0.0) for chunk in read_object(Stored(content)))


def run_reading(content: bytes) -> float:
    """Seconds to unpack and cut."""
    began = time.process_time()
    for _ in deliveries(content):
        pass
    return time.process_time() - began


def run_columns(content: bytes) -> float:
    """Seconds to unpack, cut and decode."""
    decoder = Decoder()
    for _ in decoder.decode_delivery(next(deliveries(content)), lambda _: []):
        pass
    began = time.process_time()
    for delivery in deliveries(content):
        for _ in decoder.decode_delivery(delivery, lambda _: []):
            pass
    return time.process_time() - began


def run_text_peer(content: bytes) -> float:
    """Seconds for what flowlogs_reader does with an object of text (S3FlowLogsReader)."""
    began = time.process_time()
    with gzip.open(io.BytesIO(content), "rt") as unpacked:
        reader = csv.DictReader(unpacked, delimiter=" ")
        reader.fieldnames = [name.replace("-", "_") for name in reader.fieldnames or ()]
        for event in reader:
            FlowRecord(event)
    return time.process_time() - began


def run_parquet_peer(content: bytes) -> float:
    """The same for Parquet."""
    began = time.process_time()
    for batch in parquet.ParquetFile(io.BytesIO(content)).iter_batches():
        for event in batch.to_pylist():
            FlowRecord({name: value for name, value in event.items() if value is not None})
    return time.process_time() - began


SHAPES: dict[str, tuple[Packer, Passer]] = {
    "gzip text": (text_object, run_text_peer),
    "Parquet": (parquet_object, run_parquet_peer),
}


def measure(fields: str, record_count: int) -> dict[str, list[float]]:
    """One log format, everything in the same run: what → records a second, a figure for each run."""
    log_format = FORMATS[fields]
    records = list(lines(record_count, log_format))
    inventory = inventory_of_estate()
    payloads = list(envelopes(record_count, log_format, events_each=4_000))
    mixed = list(envelopes(record_count, log_format, events_each=4_000, is_mixed=True))
    contents = {shape: pack(records, log_format) for shape, (pack, _) in SHAPES.items()}
    small = {shape: pack(records[:PEER_RECORDS], log_format) for shape, (pack, _) in SHAPES.items()}
    del records
    warm_up()
    gc.freeze()
    found: dict[str, list[float]] = {}

    def note(what: str, seconds: float, count: int = record_count) -> None:
        found.setdefault(what, []).append(count / seconds)

    for _ in range(RUNS):
        seconds, _, octets = run_whole_job(payloads, log_format, inventory)
        note("envelopes of a stream → IPFIX, for comparison", seconds)
        note("envelopes of a stream, interfaces mixed as in an object", run_whole_job(mixed, log_format, inventory)[0])
        for shape, content in contents.items():
            note(f"{shape}: unpacked and cut", run_reading(content))
            note(f"{shape}: to columns", run_columns(content))
            seconds = run_deliveries(partial(deliveries, content), log_format, inventory)[0]
            note(f"**{shape} → IPFIX**", seconds)
            note(f"{shape}, flowlogs_reader, parsing only", SHAPES[shape][1](small[shape]), PEER_RECORDS)
        note("floor: gunzip of the text and the same bytes as datagrams", run_floor([contents["gzip text"]], octets))
    return found


def main(record_count: int = 300_000) -> None:
    """Print the table of docs/s3.md."""
    os.sched_setaffinity(0, {0})
    print(f"objects, {record_count:,} records each, one pinned core, CPU time, medians of {RUNS} runs")
    results = [measure(fields, record_count) for fields in FORMATS]
    print("| records/s | default format (v2) | 29 fields (v2-v5) |\n|---|---|---|")
    for what in results[0]:
        print(f"| {what} | {' | '.join(f'{median(one[what]):,.0f}' for one in results)} |")
    for title, over, under in (
        ("text : envelopes", "**gzip text → IPFIX**", "envelopes of a stream → IPFIX, for comparison"),
        (
            "text : envelopes, interfaces mixed in both",
            "**gzip text → IPFIX**",
            "envelopes of a stream, interfaces mixed as in an object",
        ),
        ("Parquet : text, to columns", "Parquet: to columns", "gzip text: to columns"),
        ("Parquet : text", "**Parquet → IPFIX**", "**gzip text → IPFIX**"),
        ("text : flowlogs_reader", "**gzip text → IPFIX**", "gzip text, flowlogs_reader, parsing only"),
        ("Parquet : flowlogs_reader", "**Parquet → IPFIX**", "Parquet, flowlogs_reader, parsing only"),
    ):
        ratios = [median(map(truediv, one[over], one[under])) for one in results]
        print(f"| ratio {title} | {' | '.join(f'{ratio:.2f} ×' for ratio in ratios)} |")
    print(f"\npeak memory: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB")


if __name__ == "__main__":
    main()

"""Encode: ns a record from columns to messages, on one pinned core, and bytes a record on the wire.

    python -m benchmarks.encode [--records 100000] [--core 1]

Batches come from the seeded generator through the real decoder; every interface and its own side of each flow has
names, the other side is unknown, as with traffic to the internet. Every round checks that all records were written.
"""

from __future__ import annotations

import argparse
import os
import time
from itertools import cycle, islice
from typing import Literal

import numpy as np

from benchmarks.generate import FORMATS, VPC_COUNT, Interface, estate, text_object
from consumer.decode.decoder import Decoder
from consumer.encode.encoder import Encoder
from consumer.encode.settings import EncodingSettings
from consumer.encode.warm_up import warm_up
from consumer.model.delivery import Origin, SourceKind, TextState
from consumer.model.flow_batch import Column, FlowBatch, JoinedColumns, Kind, Rows
from consumer.model.inventory import EntityTable
from consumer.model.log_format import LogFormat
from consumer.select.log_status import reportable_rows

_ORIGIN = Origin(SourceKind.FILE)
_ROUNDS = 15
_NAMES = (
    "name", "instance_name", "subnet_name", "vpc_name", "service",
    "account_id", "interface_id", "vpc_id", "subnet_id", "instance_id", "region", "az_id",
)  # fmt: skip
_JOINED = {
    column.name: column
    for column in (
        Column("interface", Kind.REFERENCE, 0, "interface"),
        Column("source", Kind.REFERENCE, 1, "endpoint"),
        Column("destination", Kind.REFERENCE, 2, "endpoint"),
        Column("ingress_interface", Kind.UNSIGNED, 3),
        Column("egress_interface", Kind.UNSIGNED, 4),
        Column("exporter_address", Kind.UNSIGNED, 5),
    )
}

Piece = tuple[FlowBatch, Rows, JoinedColumns]


def decoded(log_format: LogFormat, record_count: int, family: int) -> list[FlowBatch]:
    """Batches of the generator's records, interfaces mixed. `family` 4 or 6: only those, again and again."""
    header, *lines = text_object(record_count, log_format).splitlines(keepends=True)
    if family:
        lines = [line for line in lines if (b":" in line) == (family == 6)]
        lines = list(islice(cycle(lines), record_count))
    pieces = Decoder().decode(header + b"".join(lines), _ORIGIN, TextState(), lambda _: [log_format])
    return [piece.batch for piece in pieces if piece.batch is not None]


def tables(interfaces: list[Interface]) -> dict[str, EntityTable]:
    """Names of about the length people give."""
    texts: dict[bytes, int] = {b"": 0}
    strings = {column: np.zeros(len(interfaces) + 1, dtype=np.int32) for column in _NAMES}
    for row, interface in enumerate(interfaces, 1):
        vpc = f"prod-{row % VPC_COUNT}"
        names = (f"web-{row}", f"web-{row}", f"{vpc}-private-a", vpc, "" if row % 5 else "NAT gateway")
        known = [interface.fields[f"{column.replace('_', '-')}"] for column in _NAMES[5:]]
        for column, text in zip(_NAMES, (*names, *known), strict=True):
            strings[column][row] = texts.setdefault(text.encode(), len(texts))
    row_count = len(interfaces) + 1
    return {name: EntityTable(name, row_count, {}, strings, tuple(texts)) for name in ("interface", "endpoint")}


def join(batch: FlowBatch, entities: dict[str, EntityTable]) -> JoinedColumns:
    """References as enrich would find them: the interface, and the side of the flow that is ours, in turn."""
    words = np.zeros((batch.row_count, len(_JOINED)), dtype=np.uint64)
    chance = np.random.default_rng(1)
    row_count = entities["interface"].row_count
    words[:, 0] = chance.integers(1, row_count, batch.row_count)
    is_source = np.arange(batch.row_count) % 2 == 0
    words[:, 1] = np.where(is_source, words[:, 0], 0)
    words[:, 2] = np.where(is_source, 0, words[:, 0])
    words[:, 3] = 0x1234_5678
    words[:, 5] = 0xC612_0001
    return JoinedColumns(_JOINED, words, entities)


def pieces_of(log_format: LogFormat, record_count: int, family: int) -> list[Piece]:
    """Batches with the rows to encode; `family` 4 or 6 keeps only those, 0 all."""
    entities = tables(estate())
    return [
        (batch, reportable_rows(batch).rows, join(batch, entities))
        for batch in decoded(log_format, record_count, family)
    ]


def measure(pieces: list[Piece], settings: EncodingSettings) -> tuple[float, float, float]:
    """(best ns a record, median, bytes a record)."""
    encoder = Encoder(settings)
    record_count = sum(len(rows) for _, rows, _ in pieces)
    times = []
    for _ in range(_ROUNDS):
        written = size = 0
        began = time.perf_counter()
        for batch, rows, joined in pieces:
            messages = encoder.encode(batch, rows, joined, 1)
            written += messages.record_count
            size += len(messages.buffer)
        times.append((time.perf_counter() - began) / record_count * 1e9)
        assert written == record_count
    return min(times), float(np.median(times)), size / record_count


def main() -> None:
    """Print the table."""
    options = argparse.ArgumentParser(description="ns a record of encode")
    options.add_argument("--records", type=int, default=100_000)
    options.add_argument("--core", type=int, default=1)
    asked = options.parse_args()
    os.sched_setaffinity(0, {asked.core % (os.cpu_count() or 1)})
    warm_up()
    profiles: tuple[tuple[Literal["core", "iana", "full"], bool], ...] = (
        ("core", False), ("iana", False), ("full", False), ("full", True),
    )  # fmt: skip
    print("format  rows  profile             ns/record  (median)  bytes/record")
    for name, log_format in FORMATS.items():
        for label, family in (("v4", 4), ("v6", 6), ("all", 0)):
            pieces = pieces_of(log_format, asked.records, family)
            for profile, has_identifiers in profiles:
                settings = EncodingSettings(profile=profile, include_identifiers=has_identifiers)
                best, median, size = measure(pieces, settings)
                title = profile + (" + identifiers" if has_identifiers else "")
                print(f"{name:7} {label:5} {title:19} {best:9.1f} {median:9.1f} {size:13.1f}", flush=True)


if __name__ == "__main__":
    main()

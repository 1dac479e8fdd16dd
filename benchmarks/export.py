"""Encode and export: what a record costs from columns to the wire, and how many datagrams a core sends.

    python -m benchmarks.export [--records 100000] [--core 0]

Belongs here: the two last stages together, as they follow each other in service: batch by batch of 2,000 rows, each
encoded, then handed to the kernel, plainly and with segmentation offload. A drain on another core reads every datagram;
figures whose datagrams did not all arrive are thrown away. Times are CPU time of this process, so that neighbours on
the machine do not count; what the kernel does for a datagram on loopback up to the receiver's queue is in them.
"""

from __future__ import annotations

import argparse
import os
import threading
import time
from dataclasses import dataclass
from typing import Literal

from benchmarks.drain import Drain
from benchmarks.encode import Piece, pieces_of
from benchmarks.generate import FORMATS
from consumer.assembly import Outlet, warm_up
from consumer.clock import SystemClock
from consumer.encode.encoder import Encoder
from consumer.export.settings import CollectorSettings

_ROUNDS = 7
_BATCH_ROWS = 2_000
"""Records of a usual envelope."""


@dataclass(frozen=True, slots=True)
class Cost:
    """Of the best round each. Nanoseconds a record; datagrams a CPU second; bytes a record, headers shared out."""

    encode: float
    send: float
    datagrams: float
    size: float


def in_batches(pieces: list[Piece]) -> list[Piece]:
    """The same rows, as many at once as an envelope brings."""
    return [
        (batch, rows[begin : begin + _BATCH_ROWS], joined)
        for batch, rows, joined in pieces
        for begin in range(0, len(rows), _BATCH_ROWS)
    ]


def measure(pieces: list[Piece], profile: Literal["core", "iana", "full"], *, has_offload: bool) -> Cost:
    """Raises when a datagram did not arrive."""
    rounds = [_measure_once(pieces, profile, has_offload=has_offload) for _ in range(_ROUNDS)]
    return Cost(
        min(one.encode for one in rounds),
        min(one.send for one in rounds),
        max(one.datagrams for one in rounds),
        rounds[0].size,
    )


def _measure_once(pieces: list[Piece], profile: Literal["core", "iana", "full"], *, has_offload: bool) -> Cost:
    never = threading.Event()
    encode_seconds = send_seconds = 0.0
    with Drain(cpu=1) as drain:
        collector = CollectorSettings(
            address=f"127.0.0.1:{drain.port}", rate=0, profile=profile, segmentation_offload=has_offload
        )
        with Outlet([collector], 32_473, SystemClock()) as outlet:
            ((key, settings),) = outlet.encodings.items()
            encoder, process, counts = Encoder(settings), outlet.exporting_process, outlet.first_counts()
            for is_warm in (False, True):
                if is_warm:
                    records, messages, octets = counts.records, counts.messages, counts.octets
                for batch, rows, joined in pieces if is_warm else pieces[:1]:
                    began = time.process_time()
                    encoded = encoder.encode(batch, rows, joined, 1)
                    between = time.process_time()
                    process.send({key: encoded}, never)
                    if is_warm:
                        encode_seconds += between - began
                        send_seconds += time.process_time() - between
        if drain.finish() != (counts.messages, counts.octets):
            raise RuntimeError("datagrams were lost: no figure")
    records, messages, octets = counts.records - records, counts.messages - messages, counts.octets - octets
    return Cost(encode_seconds / records * 1e9, send_seconds / records * 1e9, messages / send_seconds, octets / records)


def main() -> None:
    """Print the table."""
    options = argparse.ArgumentParser(description="ns a record of encode and export, datagrams a second")
    options.add_argument("--records", type=int, default=100_000)
    options.add_argument("--core", type=int, default=0)
    asked = options.parse_args()
    os.sched_setaffinity(0, {asked.core % (os.cpu_count() or 1)})
    warm_up()
    print("                        ns a record               datagrams a second    bytes a record")
    print("format rows profile   encode    send  offload      plain     offload      plain  padded")
    for name, log_format in FORMATS.items():
        for label, family in (("v4", 4), ("v6", 6)):
            pieces = in_batches(pieces_of(log_format, asked.records, family))
            for profile in ("core", "iana", "full"):
                plain = measure(pieces, profile, has_offload=False)
                offload = measure(pieces, profile, has_offload=True)
                print(
                    f"{name:6} {label:4} {profile:8} {plain.encode:7.0f} {plain.send:7.0f} {offload.send:8.0f} "
                    f"{plain.datagrams:10,.0f} {offload.datagrams:11,.0f} {plain.size:10.0f} {offload.size:7.0f}",
                    flush=True,
                )


if __name__ == "__main__":
    main()

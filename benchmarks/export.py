"""Encode and export: what a record costs from columns to the wire, and how many datagrams a core sends.

    python -m benchmarks.export [--records 100000] [--core 0]

Belongs here: the two last stages together, as they follow each other in service: batch by batch of 2,000 rows, each
encoded, then handed to the kernel, plainly and with segmentation offload. A drain on another core reads every datagram;
figures whose datagrams did not all arrive are thrown away. Times are CPU time of this process, of each batch the best
of several rounds, so that neighbours on the machine count as little as they can; what the kernel does for a datagram
on loopback up to the receiver's queue is in them.
"""

from __future__ import annotations

import argparse
import os
import threading
import time
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from benchmarks.drain import Drain
from benchmarks.encode import Piece, pieces_of
from benchmarks.generate import FORMATS
from consumer.assembly import Outlet, warm_up
from consumer.clock import SystemClock
from consumer.encode.encoder import Encoder
from consumer.export.settings import CollectorSettings

_ROUNDS = 15
_BATCH_ROWS = 2_000
"""Records of a usual envelope."""


@dataclass(frozen=True, slots=True)
class Cost:
    """Nanoseconds a record; datagrams a CPU second; bytes a record, headers shared out."""

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
    encode_seconds, send_seconds = np.min([one.seconds for one in rounds], axis=0).sum(axis=0)
    records, messages, octets = rounds[0].records, rounds[0].messages, rounds[0].octets
    return Cost(encode_seconds / records * 1e9, send_seconds / records * 1e9, messages / send_seconds, octets / records)


@dataclass(frozen=True, slots=True)
class _Round:
    """`seconds`: float64[batches, 2], CPU seconds of encoding and sending each."""

    seconds: NDArray[np.float64]
    records: int
    messages: int
    octets: int


def _measure_once(pieces: list[Piece], profile: Literal["core", "iana", "full"], *, has_offload: bool) -> _Round:
    never = threading.Event()
    seconds = np.zeros((len(pieces), 2))
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
                for number, (batch, rows, joined) in enumerate(pieces if is_warm else pieces[:1]):
                    began = time.process_time()
                    encoded = encoder.encode(batch, rows, joined, 1)
                    between = time.process_time()
                    process.send({key: encoded}, never)
                    seconds[number] = between - began, time.process_time() - between
        if drain.finish() != (counts.messages, counts.octets):
            raise RuntimeError("datagrams were lost: no figure")
    return _Round(seconds, counts.records - records, counts.messages - messages, counts.octets - octets)


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

"""Encode and export: what a record costs from columns to the wire, and how many datagrams a core sends.

    python -m benchmarks.export [--records 100000] [--core 0]

Belongs here: the two last stages together, as they follow each other in service: batch by batch of 2,000 rows, each
written down as decode and enrich have just done (not timed), encoded, then handed to the kernel, plainly and with
segmentation offload. A drain on another core reads every datagram; figures whose datagrams did not all arrive are
thrown away. Beside each figure stands its floor: the octets of the messages copied once (encode), and the system calls
alone (send). The floor has rounds of its own, in turn with the others, and in the same place: after the batch was
encoded, the same datagrams from a bare socket. Between two of our own batches its calls would empty the caches, and
sent right after ours its datagrams find an awake receiver.
The last columns are for comparison with records of another length.
Times are CPU time of this process, of each batch the best of several rounds, so that neighbours on the machine count as
little as they can; what the kernel does for a datagram on loopback up to the receiver's queue is in them.
"""

from __future__ import annotations

import argparse
import os
import socket
import threading
import time
from dataclasses import dataclass, replace
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
from consumer.export.vectors import BURST_MESSAGES, Vectors
from consumer.model.flow_batch import FlowBatch, JoinedColumns, Rows
from consumer.model.messages import MessageBatch

_ROUNDS = 15
_BATCH_ROWS = 2_000
"""Records of a usual envelope."""


@dataclass(frozen=True, slots=True)
class Cost:
    """Nanoseconds a record, each beside its floor; datagrams a CPU second; bytes a record, headers shared out."""

    encode: float
    copy: float
    send: float
    kernel: float
    datagrams: float
    size: float


def in_batches(pieces: list[Piece]) -> list[Piece]:
    """The same rows, as many at once as an envelope brings, each batch with columns of its own."""
    return [
        _part(batch, rows[begin : begin + _BATCH_ROWS], joined)
        for batch, rows, joined in pieces
        for begin in range(0, len(rows), _BATCH_ROWS)
    ]


def _part(batch: FlowBatch, rows: Rows, joined: JoinedColumns) -> Piece:
    """Some rows of a batch, as a batch."""
    part = replace(batch, words=batch.words[rows], nulls=batch.nulls[rows], line_numbers=batch.line_numbers[rows])
    return part, np.arange(len(rows)), replace(joined, words=joined.words[rows])


def _just_written(piece: Piece) -> Piece:
    """The same batch in memory that was written a moment ago."""
    batch, rows, joined = piece
    words, nulls, joined_words = batch.words.copy(), batch.nulls.copy(), joined.words.copy()
    return replace(batch, words=words, nulls=nulls), rows, replace(joined, words=joined_words)


class Floor:
    """What no exporter can do without: the call that hands over the same datagrams, and writing the octets once."""

    def __init__(self, port: int, *, has_offload: bool) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.connect(("127.0.0.1", port))
        self._burst_messages = BURST_MESSAGES if has_offload else 1
        self._vectors = Vectors(_BATCH_ROWS)
        self._room = np.zeros(_BATCH_ROWS * 1400, dtype=np.uint8)
        self.messages = self.octets = 0

    def copy(self, batch: MessageBatch) -> None:
        self._room[: len(batch.buffer)] = batch.buffer

    def lay_out(self, batch: MessageBatch) -> None:
        """What `send` sends: not timed."""
        self._vectors.lay_out(batch.buffer, batch.starts, 0, batch.message_count, self._burst_messages)
        self.messages += batch.message_count
        self.octets += len(batch.buffer)

    def send(self) -> None:
        self._vectors.send(self._socket.fileno())

    def close(self) -> None:
        self._socket.close()


def measure(pieces: list[Piece], profile: Literal["core", "iana", "full"], *, has_offload: bool) -> Cost:
    """Raises when a datagram did not arrive."""
    ours, floors, arrived = [], [], np.zeros(2, dtype=np.int64)
    with Drain(cpu=1) as drain:
        settings = CollectorSettings(
            address=f"127.0.0.1:{drain.port}", rate=0, profile=profile, segmentation_offload=has_offload
        )
        for _ in range(_ROUNDS):
            ours.append(_measure_once(pieces, settings, arrived))
            floors.append(_measure_floor(pieces, settings, drain.port, arrived))
        if drain.finish() != tuple(arrived.tolist()):
            raise RuntimeError("datagrams were lost: no figure")
    records, messages, octets = ours[0].records, ours[0].messages, ours[0].octets
    encode, send = _best(ours)
    kernel, copy = _best(floors)
    per_record = 1e9 / records
    return Cost(
        encode * per_record, copy * per_record, send * per_record, kernel * per_record,
        messages / send, octets / records,
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Round:
    """`seconds`: float64[batches, 2], CPU seconds: of encoding and sending, or of the calls alone and copying."""

    seconds: NDArray[np.float64]
    records: int
    messages: int
    octets: int


def _best(rounds: list[_Round]) -> tuple[float, float]:
    """CPU seconds of all batches, of each the best of the rounds."""
    first, second = np.min([one.seconds for one in rounds], axis=0).sum(axis=0).tolist()
    return first, second


def _measure_once(pieces: list[Piece], to: CollectorSettings, sent: NDArray[np.int64]) -> _Round:
    """Encode and send each batch; datagrams and octets are added to `sent`."""
    never = threading.Event()
    seconds = np.zeros((len(pieces), 2))
    with Outlet([to], 32_473, SystemClock()) as outlet:
        ((key, settings),) = outlet.encodings.items()
        encoder, process, counts = Encoder(settings), outlet.exporting_process, outlet.first_counts()
        process.send({key: encoder.encode(*pieces[0], 1)}, never)
        records, messages, octets = counts.records, counts.messages, counts.octets
        for number, piece in enumerate(pieces):
            written = _just_written(piece)
            times = [time.process_time()]
            encoded = encoder.encode(*written, 1)
            times.append(time.process_time())
            process.send({key: encoded}, never)
            times.append(time.process_time())
            seconds[number] = np.diff(times)
            del encoded
    sent += (counts.messages, counts.octets)
    return _Round(seconds, counts.records - records, counts.messages - messages, counts.octets - octets)


def _measure_floor(pieces: list[Piece], to: CollectorSettings, port: int, sent: NDArray[np.int64]) -> _Round:
    """Encode each batch, hand it over with nothing around the calls, and copy it."""
    seconds = np.zeros((len(pieces), 2))
    (settings,) = Outlet([to], 32_473, SystemClock()).encodings.values()
    encoder, floor = Encoder(settings), Floor(port, has_offload=to.segmentation_offload)
    for number, piece in enumerate(pieces):
        encoded = encoder.encode(*_just_written(piece), 1)
        floor.lay_out(encoded)
        times = [time.process_time()]
        floor.send()
        times.append(time.process_time())
        floor.copy(encoded)
        times.append(time.process_time())
        seconds[number] = np.diff(times)
    floor.close()
    sent += (floor.messages, floor.octets)
    return _Round(seconds, 0, floor.messages, floor.octets)


def main() -> None:
    """Print the table."""
    options = argparse.ArgumentParser(description="ns a record of encode and export, datagrams a second")
    options.add_argument("--records", type=int, default=100_000)
    options.add_argument("--core", type=int, default=0)
    asked = options.parse_args()
    os.sched_setaffinity(0, {asked.core % (os.cpu_count() or 1)})
    warm_up()
    print(f"load {os.getloadavg()[0]:.1f}")
    print(f"{'':20}ns a record: figure / its floor{'':19}datagrams a second   bytes a record      ns a byte")
    print(
        "format rows profile encode / copy     send / calls  offload / calls      plain   offload    plain  padded "
        "encode offload"
    )
    for name, log_format in FORMATS.items():
        for label, family in (("v4", 4), ("v6", 6)):
            pieces = in_batches(pieces_of(log_format, asked.records, family))
            for profile in ("core", "iana", "full"):
                plain = measure(pieces, profile, has_offload=False)
                offload = measure(pieces, profile, has_offload=True)
                print(
                    f"{name:6} {label:4} {profile:7} {plain.encode:6.0f} / {plain.copy:4.0f} "
                    f"{plain.send:8.0f} / {plain.kernel:5.0f} {offload.send:8.0f} / {offload.kernel:5.0f} "
                    f"{plain.datagrams:10,.0f} {offload.datagrams:9,.0f} {plain.size:8.0f} {offload.size:7.0f} "
                    f"{plain.encode / plain.size:6.2f} {offload.send / offload.size:7.2f}",
                    flush=True,
                )


if __name__ == "__main__":
    main()

"""UDP receivers and message batches made by hand, for tests of exporting and collecting."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from consumer.collect.listen import Datagram, Listener
from consumer.model.messages import MessageBatch

TEMPLATE_ID = 300
RECORD_BYTES = 8
TEMPLATE_RECORD = struct.pack("!HHHHHH", TEMPLATE_ID, 2, 1, 4, 2, 4)
"""octetDeltaCount and packetDeltaCount, four octets each."""


def message_batch(
    record_counts: Sequence[int], *, domain: int = 7, first_value: int = 0, is_options: bool = False
) -> MessageBatch:
    """One message a count; record i of the batch holds (first_value + i, i) in elements 1 and 2."""
    messages: list[bytes] = []
    value = 0
    for count in record_counts:
        records = b"".join(struct.pack("!II", first_value + value + i, value + i) for i in range(count))
        value += count
        data_set = struct.pack("!HH", TEMPLATE_ID, 4 + len(records)) + records
        messages.append(struct.pack("!HHIII", 10, 16 + len(data_set), 0, 0, domain) + data_set)
    sizes = [len(message) for message in messages]
    template = TEMPLATE_RECORD
    if is_options:
        template = struct.pack("!HHHHHHH", TEMPLATE_ID, 2, 1, 149, 4, 41, 4)
    return MessageBatch(
        domain=domain,
        buffer=np.frombuffer(b"".join(messages), dtype=np.uint8).copy(),
        starts=np.cumsum([0, *sizes], dtype=np.int64),
        totals=np.cumsum([0, *record_counts], dtype=np.int64),
        templates={TEMPLATE_ID: template},
        is_options=is_options,
    )


@dataclass(frozen=True, slots=True)
class Message:
    """A received message, its header read."""

    length: int
    export_time: int
    sequence: int
    domain: int
    set_id: int
    body: bytes

    @property
    def is_template(self) -> bool:
        return self.set_id in (2, 3)

    @property
    def values(self) -> list[int]:
        """First elements of the records of `message_batch`."""
        return [value for value, _ in struct.iter_unpack("!II", self.body)]


def read_message(datagram: bytes) -> Message:
    """Header and only set of a datagram; asserts what RFC 7011 §3.1 asks of the lengths."""
    version, length, export_time, sequence, domain, set_id, set_length = struct.unpack_from("!HHIIIHH", datagram)
    assert version == 10
    assert length == len(datagram) == set_length + 16
    return Message(length, export_time, sequence, domain, set_id, datagram[20:])


class Receiver:
    """A bound UDP socket on loopback."""

    def __init__(self, host: str = "127.0.0.1", port: int = 0) -> None:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.socket = socket.socket(family, socket.SOCK_DGRAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        self.socket.bind((host, port))
        self.socket.setblocking(False)
        self.host = host
        self.port: int = self.socket.getsockname()[1]
        self.senders: list[tuple[str, int]] = []

    @property
    def address(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    def messages(self) -> list[Message]:
        """What has arrived so far; on loopback that is everything sent."""
        found: list[Message] = []
        while True:
            try:
                datagram, sender = self.socket.recvfrom(65_535)
            except BlockingIOError:
                return found
            self.senders.append(sender[:2])
            found.append(read_message(datagram))

    def close(self) -> None:
        self.socket.close()


@contextmanager
def receiver(host: str = "127.0.0.1", port: int = 0) -> Iterator[Receiver]:
    """A Receiver that is closed afterwards."""
    opened = Receiver(host, port)
    try:
        yield opened
    finally:
        opened.close()


def receive_queue(port: int) -> int | None:
    """Bytes waiting in the socket bound to `port`, IPv4 or IPv6; None when there is none (/proc/net/udp, udp6)."""
    for table in ("/proc/net/udp", "/proc/net/udp6"):
        for line in Path(table).read_text(encoding="ascii").splitlines()[1:]:
            words = line.split()
            if int(words[1].partition(":")[2], 16) == port:
                return int(words[4].partition(":")[2], 16)
    return None


def take_all(listener: Listener) -> list[Datagram]:
    """All that is there once nobody sends any more: also what its thread has not read yet."""
    found: list[Datagram] = []
    while True:
        waits = receive_queue(listener.port)
        some = listener.take(0.3)
        found += some
        if not some and not waits:
            return found


def unused_port(host: str = "127.0.0.1") -> int:
    """A port nobody listens on now."""
    with receiver(host) as closed:
        return closed.port

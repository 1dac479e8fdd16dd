"""A collector that only counts: reads datagrams on a core of its own as fast as it can.

A send into a full socket is dropped early by the kernel and looks three times cheaper, so a figure counts only when
every datagram arrived. Run as a process of its own: `python -m benchmarks.drain CPU`, prints its port, and at the end
of its input the datagrams and bytes it read.
"""

from __future__ import annotations

import os
import select
import socket
import subprocess
import sys
from types import TracebackType
from typing import Self

RECEIVE_BUFFER_BYTES = 64 << 20
_SO_RCVBUFFORCE = 33


class Drain:
    """The drain as a child process; `port` after `__enter__`, `finish` gives (datagrams, bytes)."""

    def __init__(self, cpu: int) -> None:
        self._cpu = cpu
        self.port = 0

    def __enter__(self) -> Self:
        command = [sys.executable, "-m", "benchmarks.drain", str(self._cpu)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout
        self.port = int(self._process.stdout.readline())
        return self

    def finish(self) -> tuple[int, int]:
        """Wait until nothing more comes; returns datagrams and bytes read."""
        out, _ = self._process.communicate("")
        datagrams, octets = out.split()
        return int(datagrams), int(octets)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()


def main(cpu: int) -> None:
    """Count until standard input ends and 0.3 s passed without a datagram."""
    os.sched_setaffinity(0, {cpu})
    receiver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        receiver.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, RECEIVE_BUFFER_BYTES)  # root only
    except PermissionError:
        receiver.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)
    receiver.bind(("127.0.0.1", 0))
    print(receiver.getsockname()[1], flush=True)
    receiver.settimeout(0.3)
    buffer = bytearray(65_536)
    datagrams = octets = 0
    while True:
        try:
            for _ in range(1000):
                octets += receiver.recv_into(buffer)
                datagrams += 1
        except TimeoutError:
            if select.select([sys.stdin], [], [], 0)[0]:
                break
    print(datagrams, octets)


if __name__ == "__main__":
    main(int(sys.argv[1]))

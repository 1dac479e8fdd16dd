"""A real way to a collector: some distance, then a router whose far side can be made narrower.

Belongs here: three network namespaces, their links, running something inside. Does not: what is sent. Needs root,
iproute2 and /dev/net/tun.

    agent ── tun ── this process, `delay_seconds` each way ── tun ── router ── veth ── collector
    192.0.2.2                                                192.0.2.1     192.0.2.5   192.0.2.6
    2001:db8:1::2                                            2001:db8:1::1             2001:db8:2::6

All but the delay is the kernel's: it routes, answers what is too large with ICMP "fragmentation needed" (RFC 1191) or
"packet too big" (RFC 8201), learns the path's MTU from that, and cuts fragments. IPv6 links have at least 1,280 octets.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import select
import socket
import struct
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TypeVar

from tests.support.udp import Receiver

COLLECTOR_ADDRESSES = {4: "192.0.2.6", 6: "2001:db8:2::6"}
_NEW_NETWORK = 0x4000_0000
"""CLONE_NEWNET of setns(2)."""
_TUNSETIFF = 0x4004_54CA
_TUN_WITHOUT_HEADER = 0x1001
"""IFF_TUN | IFF_NO_PI: bare IP packets."""
_RECEIVE_BUFFER_FORCE = 33
"""SO_RCVBUFFORCE: whatever the system's maximum is."""
_LIBC = ctypes.CDLL(None, use_errno=True)
_IDLE = ("unshare", "--net", "sh", "-c", "echo ready; exec sleep 600")
_Made = TypeVar("_Made")


@dataclass(frozen=True, slots=True)
class Namespace:
    """A network namespace, kept alive by the process `pid`."""

    pid: int

    def inside(self, command: Sequence[str]) -> list[str]:
        """The command line that runs `command` in it."""
        return ["nsenter", f"--target={self.pid}", "--net", *command]

    def run(self, script: str) -> None:
        """Run a shell script in it, to its end."""
        subprocess.run(self.inside(["sh", "-exc", script]), check=True, timeout=30)

    def make(self, maker: Callable[[], _Made]) -> _Made:
        """What `maker` makes in it: a socket or a device stays in the namespace it was made in."""
        made: list[_Made] = []

        def enter_and_make() -> None:  # in a thread of its own, for a thread enters for good
            descriptor = os.open(f"/proc/{self.pid}/ns/net", os.O_RDONLY)
            try:
                if _LIBC.setns(descriptor, _NEW_NETWORK):
                    raise OSError(ctypes.get_errno(), "setns")
                made.append(maker())
            finally:
                os.close(descriptor)

        thread = threading.Thread(target=enter_and_make)
        thread.start()
        thread.join()
        return made[0]


@dataclass(frozen=True, slots=True)
class NarrowWay:
    """`agent` sends through `router` to `collector`."""

    agent: Namespace
    router: Namespace
    collector: Namespace

    def narrow(self, mtu: int) -> None:
        """From now on no packet above `mtu` octets passes behind the router."""
        self.router.run(f"ip link set far mtu {mtu}")

    def dropped(self) -> int:
        """Packets the router found too large so far (FragFails of /proc/net/snmp and snmp6)."""
        argv = self.router.inside(["cat", "/proc/net/snmp", "/proc/net/snmp6"])
        text = subprocess.run(argv, check=True, capture_output=True, text=True, timeout=30).stdout
        names, values = (line.split() for line in text.splitlines() if line.startswith("Ip:"))
        (six,) = (line.split()[1] for line in text.splitlines() if line.startswith("Ip6FragFails"))
        return int(values[names.index("FragFails")]) + int(six)

    def receiver(self, family: int) -> Receiver:
        """A socket in the collector's namespace, with room for all that a test sends, and the way there in use (until
        neighbours have found each other, a router drops without a word); close it."""
        made = self.collector.make(lambda: Receiver(COLLECTOR_ADDRESSES[family]))
        made.socket.setsockopt(socket.SOL_SOCKET, _RECEIVE_BUFFER_FORCE, 64 << 20)
        with self.agent.make(lambda: socket.socket(made.socket.family, socket.SOCK_DGRAM)) as sender:
            while not select.select([made.socket], (), (), 0.2)[0]:
                sender.sendto(b"first", (made.host, made.port))
        while select.select([made.socket], (), (), 0.2)[0]:
            made.socket.recv(100)
        return made


@contextmanager
def narrow_way(delay_seconds: float) -> Iterator[NarrowWay]:
    """The way, 1,500 octets wide; gone afterwards."""
    with ExitStack() as stack:
        way = NarrowWay(*(stack.enter_context(_namespace()) for _ in range(3)))
        ends = way.agent.make(_tun), way.router.make(_tun)
        for end in ends:
            stack.callback(os.close, end)
        way.agent.run(
            "ip link set lo up; ip address add 192.0.2.2/30 dev tun; ip address add 2001:db8:1::2/64 dev tun nodad\n"
            "ip link set tun txqueuelen 100000 up\n"
            "ip route add default via 192.0.2.1; ip route add default via 2001:db8:1::1"
        )
        way.router.run(
            f"ip link add name far type veth peer name end; ip link set end netns {way.collector.pid}\n"
            "ip address add 192.0.2.1/30 dev tun; ip address add 192.0.2.5/30 dev far\n"
            "ip address add 2001:db8:1::1/64 dev tun nodad; ip address add 2001:db8:2::5/64 dev far nodad\n"
            "ip link set tun txqueuelen 100000 up; ip link set far up\n"
            "echo 1 > /proc/sys/net/ipv4/ip_forward; echo 1 > /proc/sys/net/ipv6/conf/all/forwarding"
        )
        way.collector.run(
            "ip link set lo up; ip address add 192.0.2.6/30 dev end; ip address add 2001:db8:2::6/64 dev end nodad\n"
            "ip link set end up; ip route add default via 192.0.2.5; ip route add default via 2001:db8:2::5"
        )
        stack.enter_context(_distance(ends, delay_seconds))
        yield way


@contextmanager
def _namespace() -> Iterator[Namespace]:
    process = subprocess.Popen(_IDLE, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL)
    try:
        assert process.stdout
        assert process.stdout.readline() == b"ready\n", "unshare(1) was not allowed: this needs root"
        yield Namespace(process.pid)
    finally:
        process.kill()
        process.communicate()


def _tun() -> int:
    """A descriptor that reads and writes the packets of a new device `tun`."""
    descriptor = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(descriptor, _TUNSETIFF, struct.pack("16sH22x", b"tun", _TUN_WITHOUT_HEADER))
    return descriptor


@contextmanager
def _distance(ends: tuple[int, int], delay_seconds: float) -> Iterator[None]:
    """Carry packets between the two ends, each `delay_seconds` late."""
    is_over = threading.Event()
    thread = threading.Thread(target=_carry, args=(ends, delay_seconds, is_over), name="distance")
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()


def _carry(ends: tuple[int, int], delay_seconds: float, is_over: threading.Event) -> None:
    other_end = {ends[0]: ends[1], ends[1]: ends[0]}
    under_way: deque[tuple[float, int, bytes]] = deque()
    while not is_over.is_set():
        patience = max(0.0, under_way[0][0] - time.monotonic()) if under_way else 0.05
        for end in select.select(ends, (), (), patience)[0]:
            under_way.append((time.monotonic() + delay_seconds, other_end[end], os.read(end, 65_535)))
        while under_way and under_way[0][0] <= time.monotonic():
            _, end, packet = under_way.popleft()
            os.write(end, packet)

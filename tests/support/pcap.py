"""Datagrams as a capture file, so that tshark reads what was sent without the right to capture."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from pathlib import Path

PORT = 4739
"""Destination port written into the capture: IANA's for IPFIX."""
_LINKTYPE_RAW = 101
"""Each packet begins with its IP header (https://www.tcpdump.org/linktypes.html)."""


def write_capture(file: Path, datagrams: Iterable[bytes]) -> None:
    """Write `datagrams` as IPv4/UDP packets from 127.0.0.1:50000 to 127.0.0.1:4739, one a second."""
    content = [struct.pack("=IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65_535, _LINKTYPE_RAW)]
    for number, datagram in enumerate(datagrams):
        udp = struct.pack("!HHHH", 50_000, PORT, 8 + len(datagram), 0) + datagram
        address = bytes((127, 0, 0, 1))
        ip = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(udp), number & 0xFFFF, 0, 64, 17, 0) + address + address
        packet = ip + udp
        content.append(struct.pack("=IIII", number, 0, len(packet), len(packet)) + packet)
    file.write_bytes(b"".join(content))

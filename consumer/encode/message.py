"""The fixed parts of IPFIX messages (RFC 7011 §3.1, §3.3.2).

Belongs here: header layouts and sizes. Does not: data records (records.py), template records (template.py), stamping
export time and sequence number (export/).
"""

from __future__ import annotations

import struct
from collections.abc import Iterable

VERSION = 10
MESSAGE_HEADER = struct.Struct("!HHIII")
"""Version, length with header, export time, sequence number, observation domain."""
SET_HEADER = struct.Struct("!HH")
"""Set id, length with header."""
HEADERS_BYTES = MESSAGE_HEADER.size + SET_HEADER.size
"""What a message of one set has before its first record."""

TEMPLATE_SET = 2
OPTIONS_TEMPLATE_SET = 3
FIRST_DATA_SET = 256


def build_message(domain: int, set_id: int, records: Iterable[bytes], export_time: int = 0, sequence: int = 0) -> bytes:
    """One message with one set of whole records (template records with set id 2 or 3, else data records)."""
    body = b"".join(records)
    length = HEADERS_BYTES + len(body)
    header = MESSAGE_HEADER.pack(VERSION, length, export_time, sequence, domain)
    return header + SET_HEADER.pack(set_id, SET_HEADER.size + len(body)) + body

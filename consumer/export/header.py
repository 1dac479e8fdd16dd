"""The fixed octets of a message that the exporting process reads or writes (RFC 7011 §3.1, §3.3.2).

Belongs here: layouts and their constants. Does not: what follows them (encode/).
"""

from __future__ import annotations

import struct

VERSION = 10
HEADER = struct.Struct("!HHIII")
"""Version 10, length, export time, sequence number, observation domain."""
SET_HEADER = struct.Struct("!HH")
HEADERS_BYTES = HEADER.size + SET_HEADER.size
TIME_AND_SEQUENCE = struct.Struct("!II")
TIME_OFFSET = 4
DOMAIN_OFFSET = 12
SEQUENCE_MASK = 0xFFFF_FFFF

TEMPLATE_SET = 2
OPTIONS_TEMPLATE_SET = 3

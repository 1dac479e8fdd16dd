"""IPFIX written by hand, octet by octet, for tests of reading it."""

from __future__ import annotations

import struct
from collections.abc import Sequence

VARIABLE = 65_535
Field = tuple[int, int, int]
"""Enterprise number (0: IANA), element id, length."""


def message(*sets: bytes, sequence: int = 0, domain: int = 7, export_time: int = 1_700_000_000) -> bytes:
    """A whole message."""
    body = b"".join(sets)
    return struct.pack("!HHIII", 10, 16 + len(body), export_time, sequence, domain) + body


def ipfix_set(set_id: int, content: bytes) -> bytes:
    """A set with its header."""
    return struct.pack("!HH", set_id, 4 + len(content)) + content


def template(number: int, *fields: Field) -> bytes:
    """A template record."""
    return struct.pack("!HH", number, len(fields)) + b"".join(map(specifier, fields))


def options_template(number: int, scope: Sequence[Field], *options: Field) -> bytes:
    """An options template record."""
    head = struct.pack("!HHH", number, len(scope) + len(options), len(scope))
    return head + b"".join(map(specifier, [*scope, *options]))


def specifier(field: Field) -> bytes:
    pen, element_id, length = field
    if pen:
        return struct.pack("!HHI", element_id | 0x8000, length, pen)
    return struct.pack("!HH", element_id, length)


def variable(content: bytes, *, long_form: bool = False) -> bytes:
    """A variable-length value with its length in front (RFC 7011 §7)."""
    if len(content) < 255 and not long_form:
        return bytes([len(content)]) + content
    return b"\xff" + struct.pack("!H", len(content)) + content

"""From the bytes of one information element to a value people can read.

Belongs here: the abstract data types of RFC 7011 §6.1 (and RFC 5610's names for them). Does not: which element has
which type (encode/iana.py, encode/enterprise.py).
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable
from functools import lru_cache

Value = int | float | bool | str
Reader = Callable[[bytes], Value]

_MANY = 1 << 16
"""Distinct addresses and strings kept decoded: flows repeat theirs. Bounded, because senders choose them."""
_LONGEST_KEPT = 256


def read_hex(data: bytes) -> str:
    """Bytes nobody named: `0x…`, exactly what came."""
    return "0x" + data.hex()


def read_unsigned(data: bytes) -> Value:
    """Unsigned integer of any length up to 8, RFC 7011 §6.2 (reduced size)."""
    return int.from_bytes(data, "big") if 0 < len(data) <= 8 else read_hex(data)


def read_signed(data: bytes) -> Value:
    """Two's complement of any length up to 8."""
    return int.from_bytes(data, "big", signed=True) if 0 < len(data) <= 8 else read_hex(data)


def read_float(data: bytes) -> Value:
    """IEEE 754, four or eight octets."""
    if len(data) not in (4, 8):
        return read_hex(data)
    number: float = struct.unpack("!f" if len(data) == 4 else "!d", data)[0]
    return number if number - number == 0 else str(number)  # JSON knows neither infinity nor NaN


def read_boolean(data: bytes) -> Value:
    """1 = true, 2 = false; anything else is shown as it came (RFC 7011 §6.1.5)."""
    return {b"\x01": True, b"\x02": False}.get(data, read_hex(data))


@lru_cache(maxsize=_MANY)
def read_address(data: bytes) -> Value:
    """IPv4 of 4 octets, IPv6 of 16."""
    if len(data) == 4:
        return socket.inet_ntop(socket.AF_INET, data)
    return socket.inet_ntop(socket.AF_INET6, data) if len(data) == 16 else read_hex(data)


def read_mac(data: bytes) -> Value:
    """Six octets, `02:00:5e:00:53:01`."""
    return data.hex(":") if len(data) == 6 else read_hex(data)


@lru_cache(maxsize=_MANY)
def _short_text(data: bytes) -> str:
    return data.rstrip(b"\x00").decode("utf-8", "replace")


def read_string(data: bytes) -> Value:
    """UTF-8; faults show as U+FFFD. Zeros at the end are the padding of fixed-length strings."""
    return _short_text(data) if len(data) <= _LONGEST_KEPT else data.rstrip(b"\x00").decode("utf-8", "replace")


READERS: dict[str, Reader] = {
    "octetArray": read_hex,
    "unsigned8": read_unsigned,
    "unsigned16": read_unsigned,
    "unsigned32": read_unsigned,
    "unsigned64": read_unsigned,
    "signed8": read_signed,
    "signed16": read_signed,
    "signed32": read_signed,
    "signed64": read_signed,
    "float32": read_float,
    "float64": read_float,
    "boolean": read_boolean,
    "macAddress": read_mac,
    "string": read_string,
    "dateTimeSeconds": read_unsigned,
    "dateTimeMilliseconds": read_unsigned,
    "dateTimeMicroseconds": read_unsigned,
    "dateTimeNanoseconds": read_unsigned,
    "ipv4Address": read_address,
    "ipv6Address": read_address,
}
"""Data type (RFC 5610 §3.1, IANA's spelling) → how it is read. Moments stay the numbers that came: seconds or
milliseconds since 1970, or an NTP timestamp (RFC 7011 §6.1.9); the element's name says which."""


def reader_of(data_type: str) -> Reader:
    """How a type is read; types we do not know (lists) are shown as bytes."""
    return READERS.get(data_type, read_hex)

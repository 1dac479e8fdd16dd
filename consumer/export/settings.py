"""Settings of one collector, and how its address is written.

Belongs here: names, units, ranges, defaults. Does not: what a profile holds (encode/) or how a socket is made (udp).
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, Field, PlainValidator

SMALLEST_MESSAGE = 512
LARGEST_MESSAGE = 8900
"""goflow2 reads 9,000 bytes of a datagram, nfacctd 10,000."""
UNKNOWN_PATH_MESSAGE = 1400
"""With `auto`, until the path is known."""

_BRACKETED = re.compile(r"\[(?P<host>[^\]]*)\]:(?P<port>.*)")
_HOST_NAME = re.compile(r"(?=.{1,253}\.?\Z)[A-Za-z0-9_]([A-Za-z0-9_-]{0,62})(\.[A-Za-z0-9_][A-Za-z0-9_-]{0,62})*\.?")


OptionKind = Literal["selector", "types", "interfaces", "statistics"]


@dataclass(frozen=True, slots=True)
class Destination:
    """Where datagrams go: an IPv4 or IPv6 address (a zone like `%eth0` allowed) or a host name, and a UDP port."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse_destination(text: str) -> Destination:
    """Read `host:port`, `192.0.2.1:port` or `[2001:db8::1]:port`. Raises ValueError whose words hold the mend."""
    bracketed = _BRACKETED.fullmatch(text)
    if bracketed:
        host, port_text = bracketed["host"], bracketed["port"]
        if not _is_address(host, version=6):
            raise ValueError(f"{host!r} is no IPv6 address; write [2001:db8::1]:4739")
    else:
        host, colon, port_text = text.rpartition(":")
        if not colon:
            raise ValueError(f"the port is missing; write {text or 'collector.example'}:4739")
        if ":" in host:
            raise ValueError(f"an IPv6 address stands in brackets; write [{text}]:4739 or [{host}]:{port_text}")
        if not host:
            raise ValueError(f"the host is missing; write collector.example:{port_text or 4739}")
        if not _is_host(host):
            raise ValueError(
                f"{host!r} is no host name or IPv4 address; write collector.example:4739 or 192.0.2.1:4739"
            )
    if not (port_text.isascii() and port_text.isdigit() and 1 <= int(port_text) <= 65_535):
        raise ValueError(f"{port_text!r} is no port; write a number from 1 to 65535, often 4739 (IPFIX) or 2055")
    return Destination(host, int(port_text))


def _is_address(host: str, version: int) -> bool:
    try:
        return ipaddress.ip_address(host).version == version
    except ValueError:
        return False


def _is_host(host: str) -> bool:
    if re.fullmatch(r"[0-9.]+", host):
        return _is_address(host, version=4)
    return _HOST_NAME.fullmatch(host) is not None


def _checked_destination(text: str) -> str:
    parse_destination(text)
    return text


def _checked_message_size(given: object) -> int | Literal["auto"]:
    """One validator for number and word, so that a fault is told once."""
    if given == "auto":
        return "auto"
    if isinstance(given, int) and not isinstance(given, bool) and SMALLEST_MESSAGE <= given <= LARGEST_MESSAGE:
        return given
    raise ValueError(f"write a number from {SMALLEST_MESSAGE} to {LARGEST_MESSAGE}, or auto")


def _checked_source(text: str) -> str:
    if text and not (_is_address(text, 4) or _is_address(text, 6)):
        raise ValueError(f"{text!r} is no address of this machine; write an IPv4 or IPv6 address, or leave it out")
    return text


class CollectorSettings(BaseModel, frozen=True, extra="forbid"):
    """[[collectors]]: one collector and how it is spoken to."""

    name: str = Field(
        "main",
        pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$",
        description="Name of the collector in metrics, health and logs.",
    )
    address: Annotated[str, AfterValidator(_checked_destination)] = Field(
        description="Host and UDP port of the collector: host:port, 192.0.2.1:port or [2001:db8::1]:port."
    )
    profile: Literal["core", "iana", "full"] = Field(
        "full",
        description="What a record holds: core = fixed IANA elements only, iana = names in IANA elements too, "
        "full = everything, in elements of our own where IANA has none.",
    )
    include_identifiers: bool = Field(
        False,
        description="Profile full only: also send the ids, accounts, regions and zones that the inventory knows of the "
        "recording interface and both ends; about 200 bytes more a record.",
    )
    message_size: Annotated[int | Literal["auto"], PlainValidator(_checked_message_size)] = Field(
        1400,
        description="Largest IPFIX message in bytes, without IP and UDP headers (28 with IPv4, 48 with IPv6); "
        "auto = what the path to the collector takes. Never more than the path is known to take.",
        json_schema_extra={"range": f"{SMALLEST_MESSAGE}–{LARGEST_MESSAGE} or `auto`"},
    )
    rate: int = Field(
        20_000,
        ge=0,
        le=100_000_000,
        description="Records per second at most, smooth to one message; 0 = unlimited, which overruns most collectors.",
    )
    burst_messages: int = Field(
        1,
        ge=1,
        le=64,
        description="Messages that may go at once under a rate limit; more cost less CPU (segmentation_offload), but a "
        "default receive buffer holds only 92 messages. Without a rate limit as many go as fit into 64 KB.",
    )
    segmentation_offload: bool = Field(
        True,
        description="Where more than one message may go at once: hand them to the kernel in one call (Linux 4.18). "
        "Records of the profiles iana and full then end in paddingOctets, which makes messages equally long; false for "
        "a collector that cannot read past it.",
    )
    required: bool = Field(
        True,
        description="true: nothing is acknowledged before this collector was sent it, and it may hold everything; "
        "false: it holds nobody, and what it cannot take is dropped and counted.",
    )
    on_refused: Literal["hold", "send"] = Field(
        "hold",
        description="When nobody listens at the address: hold = wait and probe every second, send = send all the same.",
    )
    template_refresh_seconds: int = Field(
        300, ge=1, le=86_400, description="Templates are sent again after this many seconds."
    )
    template_refresh_messages: int = Field(
        4096, ge=1, le=10_000_000, description="Templates are sent again after this many messages."
    )
    template_lead_ms: int = Field(
        20,
        ge=0,
        le=10_000,
        description="Head start of a template the collector does not know yet before the first record that needs it. "
        "goflow2 reads messages side by side and drops records that overtake their template; 0 = none.",
    )
    options: tuple[OptionKind, ...] = Field(
        ("selector", "types", "interfaces", "statistics"),
        description="What else is told, for domains that have flows: selector = nothing is sampled (goflow2 and "
        "Akvorado ask for it), types = names and types of our own elements (RFC 5610, hourly, profile full), "
        "interfaces = names of the interfaces of the last hour, statistics = what was sent so far. With every "
        "template refresh but for types. nfcapd counts a sequence error for each such message, and loses nothing.",
    )
    source_address: Annotated[str, AfterValidator(_checked_source)] = Field(
        "", description="Address of this machine to send from; empty = the kernel chooses."
    )
    source_port: int = Field(
        0,
        ge=0,
        le=65_535,
        description="UDP port to send from; 0 = chosen once by the kernel, then kept across restarts.",
    )
    dscp: int = Field(0, ge=0, le=63, description="Differentiated services code point of the datagrams (RFC 2474).")

    @property
    def largest_message(self) -> int:
        """No message is ever larger, whatever the path takes."""
        return LARGEST_MESSAGE if self.message_size == "auto" else self.message_size

    @property
    def may_burst(self) -> bool:
        """Whether messages are to be made and sent for segmentation offload."""
        return self.segmentation_offload and (self.rate == 0 or self.burst_messages > 1)

    @property
    def destination(self) -> Destination:
        """`address`, read."""
        return parse_destination(self.address)

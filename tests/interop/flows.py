"""Flow log lines with known content, and what every collector must make of them.

The expectation is read from the lines by a few lines of plain Python that share nothing with the product.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import unquote

FIELDS = [
    "version",
    "account-id",
    "interface-id",
    "srcaddr",
    "dstaddr",
    "srcport",
    "dstport",
    "protocol",
    "packets",
    "bytes",
    "start",
    "end",
    "action",
    "log-status",
    "vpc-id",
    "subnet-id",
    "instance-id",
    "tcp-flags",
    "type",
    "pkt-srcaddr",
    "pkt-dstaddr",
    "region",
    "flow-direction",
    "traffic-path",
    "reject-reason",
    "instance-tag",
]
"""Of versions 2, 3, 4, 5, 8 and 11; instance-tag takes texts of any length."""

ENTERPRISE_STRINGS = {
    1002: "account-id",
    1003: "interface-id",
    1004: "action",
    1005: "log-status",
    1006: "vpc-id",
    1007: "subnet-id",
    1008: "instance-id",
    1009: "type",
    1014: "region",
    1031: "reject-reason",
    1034: "instance-tag",
}
"""Element number → field, for what goes out as a string of our own."""

LONG_TAG = "x" * 300
"""Longer than one length octet can say."""
PEN = 32473


@dataclass(frozen=True, slots=True)
class Expected:
    """One flow, as the line says it. `direction`: 0 ingress, 1 egress, None not logged."""

    source: str
    destination: str
    source_port: int
    destination_port: int
    protocol: int
    octets: int
    packets: int
    start_ms: int
    end_ms: int
    tcp_flags: int
    status: int
    direction: int | None
    traffic_path: int
    strings: Mapping[int, str]
    """Element number → text, empty where the line has `-`."""


_SPECIAL = (
    # both families, both verdicts, empty strings, counters above 32 bits, a text above 254 bytes, no ports, no flags
    "8 123456789012 eni-01 10.0.1.5 203.0.113.9 49152 443 6 10 5000 1700000000 1700000060 ACCEPT OK "
    "vpc-1 subnet-1 i-01 19 IPv4 10.0.1.5 203.0.113.9 us-east-1 egress 8 - web%2D1",
    "8 123456789012 eni-01 198.51.100.7 10.0.1.5 40000 22 6 3 180 1700000001 1700000031 REJECT OK "
    "vpc-1 subnet-1 i-01 2 IPv4 198.51.100.7 10.0.1.5 us-east-1 ingress - BPA -",
    "8 unknown eni-02 10.0.1.6 10.0.2.7 5353 53 17 4294967297 9999999999 1700000002 1700000003 ACCEPT OK "
    "- - - - - - - - - - - -",
    "8 123456789012 eni-03 2001:db8::1 2001:db8::2 50000 443 6 7 700 1700000004 1700000005 ACCEPT OK "
    "vpc-2 subnet-3 i-03 18 IPv6 2001:db8::1 2001:db8::2 us-east-1 egress 1 - caf%C3%A9",
    "8 123456789012 eni-03 2001:db8::9 2001:db8::2 0 0 58 1 64 1700000006 1700000007 REJECT OK "
    "vpc-2 subnet-3 i-03 - IPv6 - - us-east-1 ingress - EC -",
    "8 123456789012 eni-04 10.9.9.9 10.8.8.8 1 65535 6 1 40 1700000008 1700000009 ACCEPT OK "
    f"vpc-3 - - 0 IPv4 - - us-east-1 ingress - - {LONG_TAG}",
    "8 123456789012 eni-04 255.255.255.255 10.8.8.8 3 3 132 1 40 1700000010 1700000011 ACCEPT OK "
    f"vpc-3 - - 0 IPv4 - - us-east-1 ingress - - {'y' * 254}",
)


def lines(count: int, seed: int = 1) -> list[str]:
    """The special lines and seeded ones up to `count`; no two have the same addresses and ports."""
    chance = random.Random(seed)
    made = list(_SPECIAL)
    while len(made) < count:
        number = len(made)
        is_ipv4 = chance.random() < 0.7
        client = f"10.{seed % 256}.{number >> 8 & 255}.{number & 255}" if is_ipv4 else f"2001:db8:{seed:x}::{number:x}"
        server = "203.0.113.80" if is_ipv4 else "2001:db8:ffff::80"
        egress = chance.random() < 0.5
        source, destination = (client, server) if egress else (server, client)
        ports = (10_000 + number % 50_000, 443) if egress else (443, 10_000 + number % 50_000)
        packets = chance.randint(1, 10_000)
        start = 1_700_000_000 + chance.randint(0, 100_000)
        tag = "-" if chance.random() < 0.3 else "t" * chance.choice((1, 20, 253, 254, 255, 256))
        made.append(
            f"8 123456789012 eni-{number % 7} {source} {destination} {ports[0]} {ports[1]} {chance.choice((6, 17))} "
            f"{packets} {packets * chance.randint(40, 1500)} {start} {start + chance.randint(0, 60)} "
            f"{chance.choice(('ACCEPT', 'REJECT'))} OK vpc-{number % 3} subnet-1 i-{number % 9} "
            f"{chance.choice((0, 2, 3, 18, 19))} {'IPv4' if is_ipv4 else 'IPv6'} {source} {destination} eu-west-1 "
            f"{'egress' if egress else 'ingress'} {chance.randint(1, 8) if egress else '-'} - {tag}"
        )
    return made[:count]


def write_flow_log(file: Path, content: Sequence[str]) -> Path:
    """A flow log file as S3 holds it: header, then lines."""
    file.write_text("\n".join([" ".join(FIELDS), *content]) + "\n", encoding="ascii")
    return file


def expected(line: str) -> Expected:
    """What the line says."""
    field = dict(zip(FIELDS, line.split(" "), strict=True))
    text = {name: "" if value == "-" else value for name, value in field.items()}
    number = {name: int(value) for name, value in text.items() if value.isdigit()}
    text["instance-tag"] = unquote(text["instance-tag"])
    refused = {"": 128, "BPA": 129, "EC": 130}
    return Expected(
        source=str(ip_address(text["srcaddr"])),
        destination=str(ip_address(text["dstaddr"])),
        source_port=number["srcport"],
        destination_port=number["dstport"],
        protocol=number["protocol"],
        octets=number["bytes"],
        packets=number["packets"],
        start_ms=number["start"] * 1000,
        end_ms=number["end"] * 1000,
        tcp_flags=number.get("tcp-flags", 0),
        status=64 if text["action"] == "ACCEPT" else refused[text["reject-reason"]],
        direction={"ingress": 0, "egress": 1}.get(text["flow-direction"]),
        traffic_path=number.get("traffic-path", 0),
        strings={element: text[name] for element, name in ENTERPRISE_STRINGS.items()},
    )

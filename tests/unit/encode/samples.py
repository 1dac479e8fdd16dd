"""Rows the tests of encode share."""

from __future__ import annotations

from consumer.decode.fields import DEFAULT_FORMAT, FIELDS, Family
from tests.unit.encode.building import Row

V2 = DEFAULT_FORMAT.fields
ALL_VPC = tuple(name for name, field in FIELDS.items() if field.family is not Family.TRANSIT_GATEWAY)

FLOW: Row = {
    "version": 2,
    "account-id": "123456789012",
    "interface-id": "eni-0123456789abcdef0",
    "srcaddr": "10.0.1.5",
    "dstaddr": "203.0.113.9",
    "srcport": 49152,
    "dstport": 443,
    "protocol": 6,
    "packets": 10,
    "bytes": 1500,
    "start": 1_700_000_000,
    "end": 1_700_000_060,
    "action": "ACCEPT",
    "log-status": "OK",
}
FLOW_IPV6: Row = {**FLOW, "srcaddr": "2001:db8::5", "dstaddr": "2001:db8:1::9"}

PEN = 32473

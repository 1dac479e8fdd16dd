"""goflow2: a mapping file (`-mapping FILE`).

Belongs here: its format, run with goflow2 2.2.6. Does not: anything of other collectors.

What its format asks for, each seen by leaving it out: `penprovided: true`, or an element under an enterprise number
never matches, silently; `render`, or a string is printed as hex; `fields`, or a name of ours is not printed; every
destination declared under `protobuf`, or it exits. The file replaces the built-in one, whose names are kept here.
"""

from __future__ import annotations

from collections.abc import Sequence

from consumer.encode.catalogue import Entry
from consumer.encode.definitions.parts import heading, snake_case

_BUILT_IN_FIELDS = (
    "type", "time_received_ns", "sequence_num", "sampling_rate", "sampler_address", "observation_domain_id",
    "time_flow_start_ns", "time_flow_end_ns", "bytes", "packets", "src_addr", "dst_addr", "etype", "proto",
    "src_port", "dst_port", "tcp_flags", "in_if", "out_if", "forwarding_status",
)  # fmt: skip
_BUILT_IN_DESTINATIONS = {239: "bi_flow_direction", 234: "ingress_vrf_id", 235: "egress_vrf_id"}
"""IANA elements that its own mapping file names and that we do not send: other exporters may."""
_BUILT_IN_INDEXES = {"bi_flow_direction": 41, "flow_direction": 42, "ingress_vrf_id": 39, "egress_vrf_id": 40}
"""Protobuf numbers of its own mapping file."""
_MAPPED_IANA = frozenset((61, 130, 133, 233, 348, 350))
"""IANA elements we send that it leaves out unless they are mapped."""
_FIRST_INDEX = 1000
"""Protobuf number = this + the element's number: ours begin at 2001, IANA's stay below 1500; its own end at 1000."""


def write(entries: Sequence[Entry]) -> str:
    """The whole file."""
    mapped = [entry for entry in entries if entry.enterprise or entry.number in _MAPPED_IANA]
    names = [snake_case(entry.name) for entry in mapped]
    lines = [f"# {line}" for line in heading("goflow2", entries)] if any(entry.enterprise for entry in mapped) else []
    lines += ["formatter:", "  fields:"]
    lines += [f"    - {name}" for name in (*_BUILT_IN_FIELDS, *names, *_BUILT_IN_DESTINATIONS.values())]
    lines += ["  key: [sampler_address]", "  protobuf:"]
    lines += [_declaration(entry) for entry in mapped]
    lines += [
        f"    - {{name: {name}, index: {_BUILT_IN_INDEXES[name]}, type: varint}}"
        for name in _BUILT_IN_DESTINATIONS.values()
    ]
    lines += ["  render:", "    time_received_ns: datetimenano"]
    lines += [f"    {snake_case(entry.name)}: {_render(entry)}" for entry in mapped if _render(entry)]
    lines += ["ipfix:", "  mapping:"]
    lines += [_mapping(entry) for entry in mapped]
    lines += [f"    - {{field: {number}, destination: {name}}}" for number, name in _BUILT_IN_DESTINATIONS.items()]
    lines += [
        "netflowv9:",
        "  mapping:",
        "    - {field: 34, destination: sampling_rate, endian: little}",
        "    - {field: 61, destination: flow_direction}",
    ]
    return "\n".join(lines) + "\n"


def _declaration(entry: Entry) -> str:
    name = snake_case(entry.name)
    index = _BUILT_IN_INDEXES.get(name, _FIRST_INDEX + entry.number)
    kind = {"string": "string", "ip": "bytes"}.get(_render(entry), "varint")
    return f"    - {{name: {name}, index: {index}, type: {kind}}}"


def _render(entry: Entry) -> str:
    """How it is printed; empty: as the number it is."""
    return {"string": "string", "ipv4Address": "ip", "ipv6Address": "ip"}.get(entry.type, "")


def _mapping(entry: Entry) -> str:
    whose = f", penprovided: true, pen: {entry.enterprise}" if entry.enterprise else ""
    return f"    - {{field: {entry.number}{whose}, destination: {snake_case(entry.name)}}}"

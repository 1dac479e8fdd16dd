"""The Logstash netflow codec (`ipfix_definitions => FILE`), and Filebeat, which reads the same files.

Belongs here: their YAML. The codec's format was run with logstash-codec-netflow 4.3.4; Filebeat's with the netflow
input of Filebeat 7.17.28 (it takes the codec's files for `custom_definitions`). Does not: anything of other collectors.

The codec refuses a template as soon as one element of it is unknown, so every element we may ever send is here. Our
group is merged beside its own (number 0), which must not be repeated: a group given twice replaces the first.
"""

from __future__ import annotations

from collections.abc import Sequence

from consumer.encode.catalogue import Entry
from consumer.encode.definitions.parts import enterprise_number, heading, own

_TYPES = {
    "string": "string",
    "unsigned8": "uint8",
    "unsigned16": "uint16",
    "unsigned32": "uint32",
    "unsigned64": "uint64",
    "ipv4Address": "ip4_addr",
    "ipv6Address": "ip6_addr",
}


def write_logstash(entries: Sequence[Entry]) -> str:
    """The whole file; empty when the codec knows every element."""
    return _write("logstash", entries)


def write_filebeat(entries: Sequence[Entry]) -> str:
    """The whole file; empty when Filebeat knows every element. Filebeat turns names into snake case itself."""
    return _write("filebeat", entries)


def _write(collector: str, entries: Sequence[Entry]) -> str:
    elements = own(entries)
    if not elements:
        return ""
    lines = ["---", *(f"# {line}" for line in heading(collector, entries)), f"{enterprise_number(entries)}:"]
    for entry in elements:
        lines += [f"  {entry.number}:", f"  - :{_TYPES[entry.type]}", f"  - :{entry.name}"]
    return "\n".join(lines) + "\n"

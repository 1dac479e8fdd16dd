"""Readers that others wrote, taught by the file `vpcflow elements --for` writes: the netflow inputs of Telegraf and
Filebeat, each run by itself (readers/: their library, a few lines around it), and libfixbuf's ipfixDump.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterable, Mapping
from datetime import datetime
from ipaddress import ip_address
from pathlib import Path
from typing import Any, ClassVar

import orjson
import pytest

from consumer.encode.catalogue import catalogue
from consumer.export.settings import CollectorSettings
from consumer.model.inventory import empty_inventory
from tests.interop.collectors import ForeignCollector, Seen, assert_same, program
from tests.interop.flows import FIELDS, expected, lines, write_flow_log
from tests.interop.replaying import RATE, replay
from tests.interop.test_agreement import datagrams_of
from tests.interop.test_definitions import NAMES, PEN, write_definitions
from tests.interop.test_names import INVENTORY
from tests.support.exporting import export_text
from tests.support.udp import receiver

pytestmark = pytest.mark.foreign

_BASICS = frozenset(
    ("source", "destination", "source_port", "destination_port", "protocol", "octets", "packets", "start_ms", "end_ms")
)
_OWN_NAMES = {entry.number: entry.name for entry in catalogue(PEN) if entry.enterprise}


class GoReader(ForeignCollector):
    """Prints a JSON object a record on its standard output, which is written in one call each."""

    shows_always = _BASICS | {"tcp_flags", "status", "direction", "traffic_path"}

    def argv(self) -> list[str]:
        definitions = write_definitions(self.name, self.folder)
        return [program(f"{self.name}-netflow"), self.address, str(definitions)]

    def printed(self) -> list[dict[str, Any]]:
        """Objects only: what it logs stands between."""
        return [orjson.loads(line) for line in self._log.read_bytes().splitlines() if line.startswith(b"{")]

    def texts(self, record: Mapping[str, Any]) -> Seen:
        return {f"string_{number}": record[NAMES[number]] for number in self.strings}


class Telegraf(GoReader):
    """inputs.netflow of Telegraf 1.37.2: verdicts, protocols and flags come as words."""

    name = "telegraf"
    _statuses: ClassVar = {
        ("forwarded", "unknown"): 64, ("dropped", "unknown"): 128,
        ("dropped", "ACL deny"): 129, ("dropped", "ACL drop"): 130,
    }  # fmt: skip
    _protocols: ClassVar = {"tcp": 6, "udp": 17, "ipv6-icmp": 58, "sctp": 132}

    def read(self) -> list[Seen]:
        return [self._flow(record) for record in self.printed() if "in_bytes" in record]

    def _flow(self, record: Mapping[str, Any]) -> Seen:
        flags = record.get("tcp_flags", "")
        return {
            "source": record["src"],
            "destination": record["dst"],
            "source_port": record["src_port"],
            "destination_port": record["dst_port"],
            "protocol": self._protocols[record["protocol"]],
            "octets": record["in_bytes"],
            "packets": record["in_packets"],
            "start_ms": record["flow_start_ms"],
            "end_ms": record["flow_end_ms"],
            "tcp_flags": sum(1 << 7 - place for place, flag in enumerate(flags) if flag != "."),
            "status": self._statuses[record["fwd_status"], record["fwd_reason"]],
            "direction": {"ingress": 0, "egress": 1, None: None}[record.get("direction")],
            "traffic_path": record["vpc_traffic_path"],
        } | self.texts(record)


class Filebeat(GoReader):
    """The netflow input of Filebeat 7.17.28: IANA's names in snake case, ours beside them."""

    name = "filebeat"

    def read(self) -> list[Seen]:
        flows = (record["netflow"] for record in self.printed())
        return [self._flow(flow) for flow in flows if flow["type"] == "netflow_flow"]

    def _flow(self, record: Mapping[str, Any]) -> Seen:
        family = record["ip_version"]
        return {
            "source": record[f"source_ipv{family}_address"],
            "destination": record[f"destination_ipv{family}_address"],
            "source_port": record["source_transport_port"],
            "destination_port": record["destination_transport_port"],
            "protocol": record["protocol_identifier"],
            "octets": record["octet_delta_count"],
            "packets": record["packet_delta_count"],
            "start_ms": _milliseconds(record["flow_start_milliseconds"]),
            "end_ms": _milliseconds(record["flow_end_milliseconds"]),
            "tcp_flags": record.get("tcp_control_bits", 0),
            "status": record["forwarding_status"],
            "direction": record.get("flow_direction"),
            "traffic_path": record["vpc_traffic_path"],
        } | self.texts(record)


def _milliseconds(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp() * 1000)


KINDS = [Telegraf, Filebeat]


@pytest.mark.parametrize("kind", KINDS)
def test_every_field_and_text_is_read_in_three_domains_of_three_exporters(kind: type[GoReader], tmp_path: Path) -> None:
    content = lines(600)
    with kind(tmp_path / "reader") as reader:
        for domain in (1, 2, 3):
            part = content[200 * (domain - 1) : 200 * domain]
            replay(write_flow_log(tmp_path / f"{domain}.log", part), reader.address, domain=domain, pen=PEN)
    assert_same(reader.read(), (reader.show(expected(line)) for line in content))


@pytest.mark.parametrize("kind", KINDS)
def test_messages_padded_for_bursts_are_read_as_well(kind: type[GoReader], tmp_path: Path) -> None:
    content = lines(300)
    text = "\n".join([" ".join(FIELDS), *content]) + "\n"
    with kind(tmp_path / "reader") as reader:
        settings = CollectorSettings(address=reader.address, burst_messages=8, rate=RATE)
        export_text(text, [settings], empty_inventory(), private_enterprise_number=PEN)
    assert_same(reader.read(), (reader.show(expected(line)) for line in content))


def _ends(records: Iterable[Mapping[str, Any]], source: str) -> dict[str, list[str]]:
    names = [NAMES[number] for number in (1054, 1101, 1103, 1151, 1153)]
    return {record[source]: [record[name] for name in names] for record in records}


@pytest.mark.parametrize("kind", KINDS)
def test_both_ends_have_their_names(kind: type[GoReader], tmp_path: Path) -> None:
    text = "\n".join([" ".join(FIELDS), *lines(3)]) + "\n"
    reader = kind(tmp_path / "reader")
    with reader:
        export_text(text, [CollectorSettings(address=reader.address)], INVENTORY, private_enterprise_number=PEN)
    if kind is Telegraf:
        ends = _ends((record for record in reader.printed() if "in_bytes" in record), "src")
    else:
        flows = (record["netflow"] for record in reader.printed())
        ends = _ends((flow for flow in flows if flow["type"] == "netflow_flow"), "source_ipv4_address")
    assert ends == {
        "10.0.1.5": ["shop", "web-1 Zürich", "shop", "", ""],
        "198.51.100.7": ["shop", "", "", "web-1 Zürich", "shop"],
        "10.0.1.6": [""] * 5,
    }


# libfixbuf


_FIELD = re.compile(rb"^\t\((?:(\d+)/)?(\d+)\) +(\w+) : (?:\(len: (\d+)\) ?)?(.*)$")


def dumped(file: Path, *options: str) -> list[dict[str, str]]:
    """Flow records by element name, as ipfixDump prints them."""
    argv = [program("ipfixDump"), "--data", *options, "--in", str(file)]
    done = subprocess.run(argv, capture_output=True, check=True, timeout=500)
    assert done.stderr == b"", done.stderr
    records: list[dict[str, str]] = []
    for line in done.stdout.splitlines():
        if line.startswith(b"--- data record"):
            records.append({})
        elif (found := _FIELD.match(line)) and records:
            name, text = found[3].decode(), found[5].decode()
            records[-1][name] = str(ip_address(text)) if name.endswith("IPv6Address") else text
    return [record for record in records if "octetDeltaCount" in record]


def wanted(line: str) -> Seen:
    flow = expected(line)
    family = 4 if "." in flow.source else 6
    return {
        f"sourceIPv{family}Address": flow.source,
        f"destinationIPv{family}Address": flow.destination,
        "sourceTransportPort": str(flow.source_port),
        "octetDeltaCount": str(flow.octets),
        "packetDeltaCount": str(flow.packets),
        "forwardingStatus": str(flow.status),
        "vpcTrafficPath": str(flow.traffic_path),
    } | {_OWN_NAMES[number]: text for number, text in flow.strings.items()}


@pytest.mark.parametrize(("way", "rate"), [("our file", RATE), ("type records", RATE), ("our file", 0)])
def test_ipfixdump_names_every_field_by_our_file_or_by_the_types_we_send(way: str, rate: int, tmp_path: Path) -> None:
    """Without a rate limit messages go in bursts, padded to one length."""
    content = lines(150)
    with receiver() as opened:
        replay(write_flow_log(tmp_path / "flows.log", content), opened.address, pen=PEN, rate=rate)
        file = tmp_path / "flows.ipfix"
        file.write_bytes(b"".join(datagrams_of(opened)))
    options = ["--rfc5610"]
    if way == "our file":
        options = ["--element-file", str(write_definitions("libfixbuf", tmp_path))]
    looked_at = [wanted(line) for line in content]
    names = {name for flow in looked_at for name in flow}
    seen = [{name: text for name, text in record.items() if name in names} for record in dumped(file, *options)]
    assert_same(seen, looked_at)

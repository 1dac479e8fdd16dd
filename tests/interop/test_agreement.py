"""What nfdump, pmacct, goflow2 and tshark read in our bytes is what the flow log said, field by field."""

from __future__ import annotations

from datetime import UTC, datetime
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest

from consumer.export.settings import CollectorSettings, OptionKind
from consumer.model.inventory import empty_inventory
from tests.interop.collectors import ForeignCollector, Goflow2, Nfacctd, Nfcapd, assert_same, tshark_messages
from tests.interop.flows import ENTERPRISE_STRINGS, FIELDS, PEN, Expected, expected, lines, write_flow_log
from tests.interop.replaying import RATE, replay
from tests.support.exporting import export_text
from tests.support.udp import Receiver, read_message, receiver

pytestmark = pytest.mark.foreign

COUNT = 2000


@pytest.mark.parametrize("kind", [Nfcapd, Nfacctd, Goflow2])
def test_every_field_the_collector_can_show_is_that_of_the_line(kind: type[ForeignCollector], tmp_path: Path) -> None:
    content = lines(COUNT)
    with kind(tmp_path / "collector") as collector:
        summary = replay(write_flow_log(tmp_path / "flows.log", content), collector.address)
    assert summary.records == summary.exported == COUNT
    assert_same(collector.read(), (collector.show(expected(line)) for line in content))


@pytest.mark.parametrize("profile", ["core", "iana"])
@pytest.mark.parametrize("kind", [Nfcapd, Goflow2])
def test_the_profiles_without_our_own_elements_agree_too(
    kind: type[ForeignCollector], profile: str, tmp_path: Path
) -> None:
    content = lines(300)
    with kind(tmp_path / "collector") as collector:
        replay(write_flow_log(tmp_path / "flows.log", content), collector.address, profile=profile)
    own = {"traffic_path", *(f"string_{number}" for number in ENTERPRISE_STRINGS)}
    seen = [{name: value for name, value in flow.items() if name not in own} for flow in collector.read()]
    wanted = [
        {name: value for name, value in collector.show(expected(line)).items() if name not in own} for line in content
    ]
    assert_same(seen, wanted)


@pytest.mark.parametrize("kind", [Nfcapd, Nfacctd, Goflow2])
def test_messages_padded_for_bursts_agree_too(kind: type[ForeignCollector], tmp_path: Path) -> None:
    """Records here have up to 600 octets, so up to as many are missing to the size of a message."""
    content = lines(COUNT)
    with kind(tmp_path / "collector") as collector:
        settings = CollectorSettings(address=collector.address, burst_messages=8, rate=RATE)
        text = write_flow_log(tmp_path / "flows.log", content).read_text()
        export_text(text, [settings], empty_inventory(), private_enterprise_number=PEN)
    assert_same(collector.read(), (collector.show(expected(line)) for line in content))


@pytest.mark.parametrize("kind", [Nfcapd, Nfacctd, Goflow2])
def test_a_collector_reached_over_ipv6_gets_the_same(kind: type[ForeignCollector], tmp_path: Path) -> None:
    content = lines(300)
    with kind(tmp_path / "collector", host="::1") as collector:
        assert collector.address.startswith("[::1]:")
        replay(write_flow_log(tmp_path / "flows.log", content), collector.address)
    assert_same(collector.read(), (collector.show(expected(line)) for line in content))


@pytest.mark.parametrize("options", [(), CollectorSettings.model_fields["options"].default], ids=["flows", "options"])
def test_nfcapd_finds_no_gap_but_for_options_which_it_does_not_count(
    options: tuple[OptionKind, ...], tmp_path: Path
) -> None:
    """RFC 7011 §3.1 counts options data records in the sequence number, nfcapd does not: an error a message at most."""
    with Nfcapd(tmp_path / "collector") as collector, receiver() as beside:
        settings = [
            # A datagram that its socket dropped would look like a gap of ours.
            CollectorSettings(name=name, address=address, options=options, rate=RATE)
            for name, address in (("nfcapd", collector.address), ("beside", beside.address))
        ]
        text = write_flow_log(tmp_path / "flows.log", lines(COUNT)).read_text()
        export_text(text, settings, empty_inventory(), private_enterprise_number=PEN)
        sets = [message.set_id for message in beside.messages()]
    assert isinstance(collector, Nfcapd)
    assert collector.sequence_errors() <= sum(256 <= number < 512 for number in sets)
    assert len(collector.read()) == COUNT


# tshark


def datagrams_of(opened: Receiver) -> list[bytes]:
    found: list[bytes] = []
    while True:
        try:
            found.append(opened.socket.recv(65_535))
        except BlockingIOError:
            return found


def tshark_flow(flow: dict[str, Any], numbers: list[int]) -> dict[str, Any]:
    """A dissected data record. `numbers`: our elements in the order of the template.

    tshark prints ours as bytes, one list a record, and leaves empty strings out of it: the others keep their order.
    """
    status = flow["Forwarding Status"]
    times = flow["cflow.timedelta_tree"]
    entries = flow["cflow.enterprise_private_entry"]
    code = next((int(value) for name, value in status.items() if name.endswith("_code")), 0)
    return {
        "source": flow.get("cflow.srcaddr") or flow["cflow.srcaddrv6"],
        "destination": flow.get("cflow.dstaddr") or flow["cflow.dstaddrv6"],
        "source_port": int(flow["cflow.srcport"]),
        "destination_port": int(flow["cflow.dstport"]),
        "protocol": int(flow["cflow.protocol"]),
        "octets": int(flow["cflow.octets"]),
        "packets": int(flow["cflow.packets"]),
        "start": times["cflow.abstimestart"],
        "end": times["cflow.abstimeend"],
        "tcp_flags": int(flow.get("cflow.tcpflags", "0"), 16),
        "status": (int(status["cflow.forwarding_status"]) << 6) + code,
        "direction": int(flow["cflow.direction"]) if "cflow.direction" in flow else None,
        "own": tuple(bytes.fromhex(entry.replace(":", "")) for entry in entries),
        "numbers": tuple(numbers),
    }


_FLOW_PATHS = {1: 1, 2: 10, 3: 8, 4: 2, 5: 2, 6: 9, 7: 6, 8: 5}
"""flowPath by traffic-path, where no metadata tells more."""


def wanted_of_tshark(flow: Expected, line: str, numbers: tuple[int, ...]) -> dict[str, Any]:
    """The same of a line. `numbers`: as above."""
    own = {number: text.encode() for number, text in flow.strings.items()}
    field = line.split(" ")
    own |= {
        1001: bytes([int(field[0])]),
        1020: bytes([flow.traffic_path]),
        1056: bytes([_FLOW_PATHS.get(flow.traffic_path, 0)]),
    }
    packet_source, packet_destination = (ip_bytes(text) for text in field[19:21])
    family = 4 if "." in flow.source else 6
    none = bytes(4 if family == 4 else 16)
    own |= {
        1010 if family == 4 else 1012: packet_source or none,
        1011 if family == 4 else 1013: packet_destination or none,
    }
    return {
        "source": flow.source,
        "destination": flow.destination,
        "source_port": flow.source_port,
        "destination_port": flow.destination_port,
        "protocol": flow.protocol,
        "octets": flow.octets,
        "packets": flow.packets,
        "start": tshark_time(flow.start_ms),
        "end": tshark_time(flow.end_ms),
        "tcp_flags": flow.tcp_flags,
        "status": flow.status,
        "direction": flow.direction,
        "own": tuple(value for number in numbers if (value := own.get(number, b""))),
        "numbers": numbers,
    }


def ip_bytes(text: str) -> bytes:
    return b"" if text == "-" else ip_address(text).packed


def tshark_time(moment_ms: int) -> str:
    """`Nov 14, 2023 22:13:22.000000000 UTC`"""
    return datetime.fromtimestamp(moment_ms / 1000, UTC).strftime("%b %e, %Y %H:%M:%S.000000000 UTC")


def parts(message: dict[str, Any], name: str) -> list[dict[str, Any]]:
    """Sub-trees whose label begins with `name`."""
    return [content for label, content in message.items() if label.startswith(name) and isinstance(content, dict)]


@pytest.mark.parametrize(
    ("rate", "host"),
    [(20_000, "127.0.0.1"), (0, "127.0.0.1"), (20_000, "::1")],
    ids=["paced", "in padded bursts", "over IPv6"],
)
def test_tshark_reads_every_element_and_finds_nothing_to_complain_about(rate: int, host: str, tmp_path: Path) -> None:
    content = lines(400)
    with receiver(host) as opened:
        replay(write_flow_log(tmp_path / "flows.log", content), opened.address, rate=rate)
        messages = tshark_messages(tmp_path / "flows.pcap", datagrams_of(opened))
    assert_tshark_reads(messages, content)


def test_tshark_reads_three_exporters_in_three_domains_whose_templates_come_again(tmp_path: Path) -> None:
    content = lines(300)
    datagrams: list[bytes] = []
    with receiver() as opened:
        settings = CollectorSettings(address=opened.address, template_refresh_messages=5)
        for domain in (1, 2, 3):
            text = "\n".join([" ".join(FIELDS), *content[100 * (domain - 1) : 100 * domain]]) + "\n"
            inventory = empty_inventory()
            export_text(text, [settings], inventory, private_enterprise_number=PEN, domain=domain)
            datagrams += datagrams_of(opened)
    assert {read_message(datagram).domain for datagram in datagrams} == {1, 2, 3}
    assert_tshark_reads(tshark_messages(tmp_path / "flows.pcap", datagrams), content)


def assert_tshark_reads(messages: list[dict[str, Any]], content: list[str]) -> None:
    """Every element of every flow, and nothing to complain about."""
    layouts: dict[str, list[int]] = {}
    seen: list[dict[str, Any]] = []
    for message in messages:
        assert "_ws.expert" not in str(message), message
        for content_of_set in parts(message, "Set "):
            for template in parts(content_of_set, "Template "):
                own = [field.get("cflow.template_ipfix_field_type_enterprise") for field in parts(template, "Field ")]
                layouts[template["cflow.template_id"]] = [int(number) for number in own if number]
            set_id = content_of_set["cflow.flowset_id"]
            if set_id not in layouts:
                continue  # options records
            seen += [tshark_flow(flow, layouts[set_id]) for flow in parts(content_of_set, "Flow ")]
    by_ends = {(flow["source"], flow["source_port"], flow["destination"]): flow for flow in seen}
    assert len(by_ends) == len(seen) == len(content)
    for line in content:
        flow = expected(line)
        found = by_ends[flow.source, flow.source_port, flow.destination]
        assert found == wanted_of_tshark(flow, line, found["numbers"])

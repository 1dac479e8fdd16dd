"""A data record as a flow, and how it is written."""

from __future__ import annotations

from rich.console import Console

from consumer.collect.flow import Flow, read_flow
from consumer.collect.show import FlowTable, flow_line, plain, size_text
from consumer.collect.values import Value

VALUES: dict[str, Value] = {
    "sourceIPv4Address": "10.0.1.5",
    "destinationIPv4Address": "10.0.0.220",
    "sourceTransportPort": 49152,
    "destinationTransportPort": 443,
    "protocolIdentifier": 6,
    "octetDeltaCount": 1234,
    "packetDeltaCount": 9,
    "flowStartMilliseconds": 1_700_000_000_000,
    "flowEndMilliseconds": 1_700_000_060_000,
    "forwardingStatus": 64,
    "awsInterfaceId": "eni-1",
    "sourceName": "web-1",
    "destinationName": "nat-gateway",
}


def flow(**others: Value) -> Flow:
    found = read_flow(VALUES | others)
    assert found is not None
    return found


def test_a_flow_is_read_by_the_names_of_its_elements() -> None:
    found = flow()
    assert (found.source, found.destination, found.source_port, found.destination_port) == (
        "10.0.1.5", "10.0.0.220", 49152, 443,
    )  # fmt: skip
    assert (found.protocol, found.octets, found.packets) == (6, 1234, 9)
    assert (found.start_ms, found.end_ms) == (1_700_000_000_000, 1_700_000_060_000)
    assert (found.interface_id, found.source_name, found.destination_name) == ("eni-1", "web-1", "nat-gateway")


def test_a_flow_through_a_nat_gateway_shows_where_its_packets_go() -> None:
    outwards = flow(pktSourceIPv4Address="10.0.1.5", pktDestinationIPv4Address="203.0.113.9")
    assert outwards.way == "web-1 → nat-gateway → 203.0.113.9:443"
    back = flow(sourceName="", destinationName="", pktSourceIPv4Address="203.0.113.9")
    assert back.way == "203.0.113.9 → 10.0.1.5 → 10.0.0.220:443"


def test_ends_without_a_name_are_shown_by_address_and_port() -> None:
    assert flow(sourceName="", destinationName="").way == "10.0.1.5:49152 → 10.0.0.220:443"
    assert flow().way == "web-1 → nat-gateway:443"
    assert flow(protocolIdentifier=1).way == "web-1 → nat-gateway"


def test_ipv6_ends_stand_in_brackets_and_mapped_addresses_are_ipv4() -> None:
    values: dict[str, Value] = {
        "sourceIPv6Address": "2001:db8::1",
        "destinationIPv6Address": "::ffff:192.0.2.1",
        "protocolIdentifier": 17,
        "destinationTransportPort": 53,
    }
    found = read_flow(values)
    assert found is not None
    assert found.way == "[2001:db8::1]:0 → 192.0.2.1:53"


def test_unspecified_packet_addresses_mean_not_reported() -> None:
    assert flow(pktSourceIPv4Address="0.0.0.0", pktDestinationIPv4Address="0.0.0.0").way == "web-1 → nat-gateway:443"


def test_the_verdict_is_the_action_or_the_forwarding_status() -> None:
    assert flow().verdict == "ACCEPT"
    assert flow(forwardingStatus=129).verdict == "REJECT"
    assert flow(forwardingStatus=0).verdict == ""
    assert flow(vpcAction="REJECT").verdict == "REJECT"


def test_a_record_without_two_addresses_is_no_flow() -> None:
    assert read_flow({"observationDomainId": 7}) is None
    assert read_flow({"sourceIPv4Address": "10.0.0.1"}) is None


def test_a_line_says_when_verdict_way_and_amount() -> None:
    assert flow_line(flow()) == "22:13:20 ACCEPT TCP web-1 → nat-gateway:443, 1.2 kB in 9 packets"
    assert flow_line(flow(packetDeltaCount=1, flowStartMilliseconds=2**64 - 1)).endswith("1.2 kB in 1 packet")


def test_control_characters_never_reach_the_terminal() -> None:
    assert plain("web\x1b[2J\r\u202e1") == "web\ufffd[2J\ufffd\ufffd1"
    assert "\x1b" not in flow_line(flow(sourceName="\x1b]0;owned\x07", vpcAction="\x1b[0m"))


def test_sizes_have_steps_of_a_thousand() -> None:
    assert [size_text(n) for n in (0, 999, 1000, 1_234_567, 10**30)] == [
        "0 B", "999 B", "1.0 kB", "1.2 MB", "1000000000000.0 EB",
    ]  # fmt: skip


def test_the_table_shows_the_newest_flows_totals_and_rates() -> None:
    table = FlowTable("flows", shown_rows=2)
    assert table.rates(0.0) == (0.0, 0.0)
    for number in range(30):
        table.add(flow(sourceName=f"web-{number}" if number % 2 else "[red]x", octetDeltaCount=1000), number * 0.5)
    console = Console(width=120, record=True, color_system=None, file=None, force_terminal=False)
    with console.capture() as shown:
        console.print(table.render(14.5, "a note"))
    text = shown.get()
    assert "web-29 → nat-gateway:443" in text
    assert "[red]x" in text
    assert "web-27" not in text
    assert "30 flows (30 named), 2/s; 30.0 kB of traffic, 2.0 kB/s" in text
    assert "a note" in text

"""The demo's traffic: lines AWS could have written, and a balance that can be kept over them."""

from __future__ import annotations

from collections import Counter, defaultdict
from ipaddress import ip_address

import pytest

from consumer.demo.network import DEFAULT_FORMAT
from consumer.demo.traffic import Entry, Traffic
from tests.support.demo_network import planned_network

NOW = 1_795_000_000.0
NETWORK = planned_network()


@pytest.fixture(scope="module")
def entries() -> list[Entry]:
    return Traffic(NETWORK, seed=1).lines(NOW, 30_000)


def fields_of(entry: Entry) -> dict[str, str]:
    return dict(zip(entry.group.log_format.fields, entry.line.split(" "), strict=True))


def test_every_line_has_the_fields_of_its_log_group(entries: list[Entry]) -> None:
    assert all(len(entry.line.split(" ")) == len(entry.group.log_format.fields) for entry in entries)


def test_the_same_seed_gives_the_same_lines(entries: list[Entry]) -> None:
    assert Traffic(NETWORK, seed=1).lines(NOW, 1_000)[:1_000] == entries[:1_000]
    assert Traffic(NETWORK, seed=2).lines(NOW, 1_000)[:1_000] != entries[:1_000]


def test_the_key_of_a_flow_is_what_its_line_says(entries: list[Entry]) -> None:
    for entry in entries:
        if entry.key is None:
            continue
        line = fields_of(entry)
        assert entry.key == (
            line["srcaddr"],
            line["dstaddr"],
            int(line["srcport"]),
            int(line["dstport"]),
            int(line["protocol"]),
            line["interface-id"],
        )
        assert str(ip_address(line["srcaddr"])) == line["srcaddr"]
        assert str(ip_address(line["dstaddr"])) == line["dstaddr"]


def test_thirty_thousand_flows_repeat_no_key_but_those_of_icmp(entries: list[Entry]) -> None:
    counts = Counter(entry.key for entry in entries if entry.key is not None)
    assert {key.protocol for key, count in counts.items() if count > 1} <= {1}


def test_all_that_an_operator_will_look_for_is_there(entries: list[Entry]) -> None:
    lines = [fields_of(entry) for entry in entries]
    assert {line["log-status"] for line in lines} == {"OK", "NODATA", "SKIPDATA"}
    assert {line["action"] for line in lines} == {"ACCEPT", "REJECT", "-"}
    assert {line.get("type") for line in lines} == {"IPv4", "IPv6", "-", None}
    assert {line["protocol"] for line in lines} == {"6", "17", "1", "-"}
    assert len({(entry.group.account, entry.group.region) for entry in entries}) == 4
    assert {line["interface-id"] for line in lines} == {host.interface_id for host in NETWORK.hosts}
    assert any(entry.group.log_format == DEFAULT_FORMAT for entry in entries)


def test_a_conversation_inside_the_estate_is_logged_at_both_ends(entries: list[Entry]) -> None:
    interface = {host.name: host.interface_id for host in NETWORK.hosts}
    seen_at: dict[tuple[str, ...], set[str]] = defaultdict(set)
    for entry in entries:
        line = fields_of(entry)
        if line["dstport"] == "9000":
            seen_at[line["srcaddr"], line["srcport"], line["dstaddr"]].add(line["interface-id"])
    assert seen_at
    ends = {frozenset((interface[web], interface[app])) for web in ("web-1", "web-2") for app in ("app-1", "app-2")}
    assert {frozenset(interfaces) for interfaces in seen_at.values()} == ends


def test_a_nat_gateway_shows_its_own_address_and_the_packets_own_ends(entries: list[Entry]) -> None:
    nat = NETWORK.host("shop-nat")
    inside = [
        line
        for line in map(fields_of, entries)
        if line["interface-id"] == nat.interface_id and line["dstaddr"] == nat.address and line["dstport"] == "443"
    ]
    assert inside
    assert {line["pkt-dstaddr"] for line in inside} == {"203.0.113.9"}
    assert all(line["pkt-srcaddr"] == line["srcaddr"] for line in inside)


def test_only_what_leaves_has_a_path_and_a_refused_attempt_never_does(entries: list[Entry]) -> None:
    lines = [line for line in map(fields_of, entries) if line.get("log-status") == "OK" and "traffic-path" in line]
    assert {line["traffic-path"] for line in lines if line["flow-direction"] == "egress"} == {"1", "4", "7", "8"}
    assert {line["traffic-path"] for line in lines if line["flow-direction"] == "ingress"} == {"-"}
    assert {line["flow-direction"] for line in lines if line["action"] == "REJECT"} == {"ingress"}


def test_an_idle_line_carries_no_flow(entries: list[Entry]) -> None:
    idle = [entry for entry in entries if entry.key is None]
    assert idle
    assert all(fields_of(entry)["srcaddr"] == "-" and fields_of(entry)["bytes"] == "-" for entry in idle)
    assert all((fields_of(entry)["log-status"] == "OK") == (entry.key is not None) for entry in entries)

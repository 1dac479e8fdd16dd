"""Each collector, started with exactly the file `vpcflow elements --for` writes, names what the flow log said.

An enterprise number other than the default shows that everything derives from it.
"""

from __future__ import annotations

import shlex
import subprocess
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import orjson
import pytest

from consumer.collect.look import MARK, SOURCE, ways_to_look
from consumer.decode.fields import FIELDS, Family
from consumer.encode.catalogue import catalogue
from consumer.encode.definitions.collectors import COLLECTORS
from consumer.encode.definitions.parts import snake_case
from tests.interop.collectors import Goflow2, Nfacctd, Nfcapd, Seen, program
from tests.interop.flows import ENTERPRISE_STRINGS, expected, lines, write_flow_log
from tests.interop.replaying import VPCFLOW, replay
from tests.support.pcap import write_capture
from tests.support.udp import Receiver, receiver

pytestmark = pytest.mark.foreign

PEN = 64_999
NAMES = {entry.number: snake_case(entry.name) for entry in catalogue(PEN) if entry.enterprise}


def write_definitions(collector: str, folder: Path, *options: str) -> Path:
    """The file, made as its users make it."""
    argv = [*VPCFLOW, "elements", "--for", collector, "--pen", str(PEN), *options]
    file = folder / COLLECTORS[collector].file_name
    file.write_bytes(subprocess.run(argv, capture_output=True, check=True, timeout=500).stdout)
    return file


def check_collector(address: str) -> dict[str, Any]:
    argv = [*VPCFLOW, "check", "collector", address, "--pen", str(PEN)]
    report: dict[str, Any] = orjson.loads(subprocess.run(argv, capture_output=True, check=True, timeout=500).stdout)
    return report


class TaughtGoflow2(Goflow2):
    """goflow2 with our mapping file."""

    def argv(self) -> list[str]:
        return [
            program("goflow2"), "-listen", f"netflow://{self.address}", "-addr", "",
            "-format", "json", "-mapping", str(write_definitions("goflow2", self.folder)),
            "-transport.file", str(self.folder / "goflow2.json"),
        ]  # fmt: skip

    def read(self) -> list[Seen]:
        return self.records()


class TaughtNfacctd(Nfacctd):
    """nfacctd with our primitives, all that the file offers."""

    def argv(self) -> list[str]:
        argv = super().argv()
        file = write_definitions("pmacct", self.folder)
        names = [line.split()[0].removeprefix("name=") for line in file.read_text().splitlines() if line[0] == "n"]
        configuration = Path(argv[-1])
        settings = dict(line.split(": ", 1) for line in configuration.read_text().splitlines())
        settings["aggregate"] = ",".join(["src_host", "dst_host", "src_port", "dst_port", "proto", *names])
        settings["aggregate_primitives"] = str(file)
        configuration.write_text("".join(f"{key}: {value}\n" for key, value in settings.items()))
        return argv

    def read(self) -> list[Seen]:
        return [orjson.loads(line) for line in (self.folder / "nfacctd.json").read_bytes().splitlines()]


def named(records: Iterable[Mapping[str, Any]]) -> Counter[tuple[tuple[str, str], ...]]:
    """Every record as the names it has that are not empty, of those the flow log's lines fill."""
    wanted = [NAMES[number] for number in ENTERPRISE_STRINGS]
    return Counter(tuple((name, record[name]) for name in wanted if record.get(name)) for record in records)


def named_in(content: Iterable[str]) -> Counter[tuple[tuple[str, str], ...]]:
    """What the lines say."""
    return named({NAMES[number]: text for number, text in expected(line).strings.items()} for line in content)


@pytest.mark.parametrize("kind", [TaughtGoflow2, TaughtNfacctd])
def test_the_file_makes_the_collector_name_every_string_of_every_flow(
    kind: type[TaughtGoflow2] | type[TaughtNfacctd], tmp_path: Path
) -> None:
    content = lines(500)
    with kind(tmp_path / "collector") as collector:
        replay(write_flow_log(tmp_path / "flows.log", content), collector.address, pen=PEN)
    assert named(collector.read()) == named_in(content)


@pytest.mark.parametrize("kind", [TaughtGoflow2, TaughtNfacctd])
def test_the_numbers_and_addresses_of_ours_are_read_as_such(
    kind: type[TaughtGoflow2] | type[TaughtNfacctd], tmp_path: Path
) -> None:
    content = lines(4)
    with kind(tmp_path / "collector") as collector:
        replay(write_flow_log(tmp_path / "flows.log", content), collector.address, pen=PEN)
    source, port = ("src_addr", "src_port") if kind is TaughtGoflow2 else ("ip_src", "port_src")
    by_end = {(record[source], int(record[port])): record for record in collector.read()}
    egress, ipv6 = by_end["10.0.1.5", 49152], by_end["2001:db8::1", 50000]
    assert int(egress["vpc_traffic_path"]) == 8
    assert int(egress["flow_direction"]) == 1
    assert int(egress["firewall_event"]) == 5
    assert egress["exporter_ipv4_address"] == "127.0.0.1"
    assert egress["pkt_destination_ipv4_address"] == "203.0.113.9"
    assert ipv6["pkt_source_ipv6_address"] == "2001:db8::1"


@pytest.mark.parametrize("kind", [TaughtGoflow2, TaughtNfacctd])
def test_the_marked_flow_of_a_check_shows_its_name(
    kind: type[TaughtGoflow2] | type[TaughtNfacctd], tmp_path: Path
) -> None:
    with kind(tmp_path / "collector") as collector:
        assert check_collector(collector.address)["is_there"]
    (record,) = collector.read()
    assert record["source_name"] == record["observed_instance_name"] == MARK
    assert record["destination_name"] == ""
    assert SOURCE in record.values()


def test_nfdump_finds_the_marked_flow_the_way_the_check_says(tmp_path: Path) -> None:
    with Nfcapd(tmp_path / "collector") as collector:
        report = check_collector(collector.address)
    way = shlex.split(report["ways_to_look"]["nfdump"].partition(" (")[0])
    argv = [program("nfdump"), *way[1:], "-o", "csv"]
    argv[argv.index("FOLDER")] = str(tmp_path / "collector" / "nfcapd")
    done = subprocess.run(argv, capture_output=True, check=True, timeout=500)
    assert done.stdout.decode().count(SOURCE) == 1


# tshark


def capture(opened: Receiver, file: Path, cut: int | None = None) -> Path:
    """What was received, as a capture; each datagram cut to `cut` bytes, its IPFIX length left as it was."""
    datagrams = []
    while True:
        try:
            datagrams.append(opened.socket.recv(65_535)[:cut])
        except BlockingIOError:
            break
    write_capture(file, datagrams)
    return file


def tshark(script: Path, file: Path, *options: str) -> str:
    """Its output; nothing about Lua on stderr."""
    argv = [program("tshark"), "-X", f"lua_script:{script}", "-r", str(file), *options]
    done = subprocess.run(argv, capture_output=True, check=True, timeout=500)
    assert b"lua" not in done.stderr.lower(), done.stderr
    return done.stdout.decode()


def flows_of(output: str) -> list[dict[str, Any]]:
    """The script's records of all packets, names without their prefix."""
    found: list[dict[str, Any]] = []
    for packet in orjson.loads(output):
        records = packet["_source"]["layers"].get("vpcflow", {}).get("vpcflow", [])
        found += records if isinstance(records, list) else [records]
    return [{name.removeprefix("vpcflow."): value for name, value in record.items()} for record in found]


def test_the_lua_script_makes_tshark_name_every_string_of_every_flow(tmp_path: Path) -> None:
    content = lines(500)
    with receiver() as opened:
        replay(write_flow_log(tmp_path / "flows.log", content), opened.address, pen=PEN)
        file = capture(opened, tmp_path / "flows.pcap")
    output = tshark(write_definitions("tshark", tmp_path), file, "-T", "json", "--no-duplicate-keys", "-J", "vpcflow")
    flows = flows_of(output)
    assert named(flows) == named_in(content)
    assert "Malformed" not in output


def test_tshark_reads_a_format_with_every_field_whose_template_is_longer_than_it_takes_by_itself(
    tmp_path: Path,
) -> None:
    names = [name for name, field in FIELDS.items() if field.family is not Family.TRANSIT_GATEWAY]
    known = {"srcaddr": "10.0.0.1", "dstaddr": "10.0.0.2", "srcport": "4711", "instance-tag-2": "b%C3%BChne%2F1"}
    line = " ".join(known.get(name, "1.2.3.4" if name.startswith("pkt-") and "addr" in name else "7") for name in names)
    (tmp_path / "flows.log").write_text(f"{' '.join(names)}\n{line}\n")
    with receiver() as opened:
        replay(tmp_path / "flows.log", opened.address, pen=PEN)
        file = capture(opened, tmp_path / "flows.pcap")
    shown = ("-T", "fields", "-e", "cflow.srcaddr", "-e", "cflow.srcport", "-e", "vpcflow.ec2_instance_tag2")
    seen = tshark(write_definitions("tshark", tmp_path), file, *shown, "-Y", "cflow.srcport")
    assert seen.split() == ["10.0.0.1", "4711", "bühne/1"]


def test_the_names_can_be_filtered_and_the_flow_is_told_by_its_ends(tmp_path: Path) -> None:
    with receiver() as opened:
        check_collector(opened.address)
        file = capture(opened, tmp_path / "flow.pcap")
    script = write_definitions("tshark", tmp_path)
    shown = tshark(script, file, "-Y", f'vpcflow.source_name == "{MARK}"', "-V")
    assert "Flow 192.0.2.1:49152 -> 198.51.100.1:4739" in shown
    assert f"observedInstanceName: {MARK}" in shown
    assert tshark(script, file, "-Y", 'vpcflow.source_name == "web-1"', "-V") == ""
    columns = tshark(script, file, "-T", "fields", "-e", "vpcflow.source_name")
    assert columns.split() == [MARK]


def test_the_filter_that_the_check_prints_finds_the_flow(tmp_path: Path) -> None:
    with receiver() as opened:
        check_collector(opened.address)
        file = capture(opened, tmp_path / "flow.pcap")
    way = shlex.split(ways_to_look(4739)["tshark"].partition(", started")[0])
    display_filter = way[way.index("-Y") + 1]
    argv = [program("tshark"), "-r", str(file), "-Y", display_filter, "-T", "fields", "-e", "cflow.srcaddr"]
    assert subprocess.run(argv, capture_output=True, check=True, timeout=500).stdout.decode().split() == [SOURCE]


@pytest.mark.parametrize("cut", [4, 15, 19, 25, 40, 100, 300])
def test_a_message_that_ends_early_breaks_neither_tshark_nor_the_script(cut: int, tmp_path: Path) -> None:
    """Their length fields say more than there is: such messages are left to Wireshark's own dissector."""
    with receiver() as opened:
        replay(write_flow_log(tmp_path / "flows.log", lines(20)), opened.address, pen=PEN)
        file = capture(opened, tmp_path / "cut.pcap", cut)
    output = tshark(write_definitions("tshark", tmp_path), file, "-T", "json", "--no-duplicate-keys", "-J", "vpcflow")
    assert flows_of(output) == []


def test_records_that_lie_about_their_length_show_what_came_before(tmp_path: Path) -> None:
    with receiver() as opened:
        replay(write_flow_log(tmp_path / "flows.log", lines(20)), opened.address, pen=PEN)
        datagrams = []
        while True:
            try:
                datagrams.append(bytearray(opened.socket.recv(65_535)))
            except BlockingIOError:
                break
    flows = (datagram for datagram in datagrams if int.from_bytes(datagram[16:18], "big") >= 512)  # not options
    largest = max(flows, key=len)
    largest[len(largest) // 2 :] = b"\xff" * (len(largest) - len(largest) // 2)
    file = tmp_path / "lying.pcap"
    write_capture(file, [bytes(datagram) for datagram in datagrams])
    output = tshark(write_definitions("tshark", tmp_path), file, "-T", "json", "--no-duplicate-keys", "-J", "vpcflow")
    assert 0 < len(flows_of(output)) < 20

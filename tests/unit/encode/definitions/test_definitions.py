"""Files for collectors: read back by an independent reader of each format, they say what the catalogue says."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import get_args
from xml.etree import ElementTree

import pytest
from click.testing import CliRunner

from consumer.cli import main
from consumer.commands.elements import TAUGHT_COLLECTORS
from consumer.encode.catalogue import Entry, catalogue
from consumer.encode.definitions.collectors import COLLECTORS, definitions
from consumer.encode.definitions.parts import heading, snake_case
from consumer.encode.definitions.pmacct import PRIMITIVES_LIMIT, TEXTS_LIMIT
from consumer.encode.settings import Profile

PEN = 64_999
OWN = {entry.number: entry for entry in catalogue(PEN) if entry.enterprise}

Found = dict[int, tuple[str, str]]
"""Element number → name and type, as the file spells them."""


def lines_of(collector: str) -> list[str]:
    return definitions(collector, PEN).splitlines()


def names_of(*, snake: bool) -> dict[int, str]:
    return {number: snake_case(entry.name) if snake else entry.name for number, entry in OWN.items()}


def check(found: Found, types: dict[str, str], *, snake: bool) -> None:
    """Every element of ours once, under its name, with the type that stands for IANA's."""
    assert {number: name for number, (name, _) in found.items()} == names_of(snake=snake)
    for number, (_, kind) in found.items():
        assert kind == types[OWN[number].type], number


def test_goflow2_maps_declares_prints_and_renders_every_element() -> None:
    text = definitions("goflow2", PEN)
    mapped = {
        int(number): name
        for number, name in re.findall(
            rf"^    - {{field: (\d+), penprovided: true, pen: {PEN}, destination: (\w+)}}$", text, re.MULTILINE
        )
    }
    assert mapped == names_of(snake=True)
    declared = {
        name: (int(index), kind)
        for name, index, kind in re.findall(r"- {name: (\w+), index: (\d+), type: (\w+)}", text)
    }
    rendered = dict(re.findall(r"^    (\w+): (string|ip)$", text, re.MULTILINE))
    printed = re.findall(r"^    - (\w+)$", text, re.MULTILINE)
    for number, name in mapped.items():
        kind = {"string": "string", "ipv4Address": "bytes", "ipv6Address": "bytes"}.get(OWN[number].type, "varint")
        assert declared[name][1] == kind
        assert rendered.get(name) == {"string": "string", "bytes": "ip"}.get(kind)
    assert len({index for index, _ in declared.values()}) == len(declared)
    assert len(printed) == len(set(printed))
    destinations = set(re.findall(r"destination: (\w+)", text)) - {"sampling_rate"}
    assert destinations == set(declared) <= set(printed)


def test_pmacct_gets_the_types_lengths_and_no_more_names_than_it_can_take() -> None:
    text = definitions("pmacct", PEN)
    pattern = rf"^(! )?name=(\w+) field_type={PEN}:(\d+) len=(\w+) semantics=(\w+)$"
    found = {
        int(number): (name, length, semantics)
        for _, name, number, length, semantics in re.findall(pattern, text, re.MULTILINE)
    }
    for number, entry in OWN.items():
        semantics = {"string": "str", "ipv4Address": "ip", "ipv6Address": "ip"}.get(entry.type, "u_int")
        assert found[number] == (snake_case(entry.name), str(entry.size or "vlen"), semantics)
    assert set(found) == set(OWN)
    active = [line for line in text.splitlines() if line.startswith("name=")]
    assert len(active) <= PRIMITIVES_LIMIT
    is_text = ["len=vlen" in line for line in active]
    assert is_text.index(False) == sum(is_text) <= TEXTS_LIMIT, "from the 49th line on it mixes texts up"
    assert max(map(len, text.splitlines())) <= 288, "nfacctd ignores longer lines"
    assert all(len(name) < 64 for name, _, _ in found.values())


@pytest.mark.parametrize(
    "name", ["source_name", "destination_vpc_name", "destination_owner", "vpc_id", "vpc_action", "flow_direction"]
)
def test_pmacct_takes_up_the_names_that_most_flows_have(name: str) -> None:
    assert any(line.startswith(f"name={name} ") for line in lines_of("pmacct"))


@pytest.mark.parametrize("collector", ["logstash", "filebeat"])
def test_the_netflow_codec_gets_a_type_and_a_name_for_every_element(collector: str) -> None:
    lines = [line for line in lines_of(collector) if not line.startswith(("#", "---"))]
    assert lines[0] == f"{PEN}:"
    rows = list(zip(lines[1::3], lines[2::3], lines[3::3], strict=True))
    found: Found = {}
    for number, kind, name in rows:
        assert number.startswith("  1")
        assert number.endswith(":")
        assert kind.startswith("  - :")
        assert name.startswith("  - :")
        found[int(number.strip(" :"))] = (name[5:], kind[5:])
    types = {
        "string": "string", "unsigned8": "uint8", "unsigned64": "uint64",
        "ipv4Address": "ip4_addr", "ipv6Address": "ip6_addr",
    }  # fmt: skip
    check(found, types, snake=False)


def test_telegraf_gets_a_row_for_every_element() -> None:
    rows = csv.reader(line for line in lines_of("telegraf") if not line.startswith("#"))
    found: Found = {}
    for identity, name, kind in rows:
        number = identity.removeprefix(f"{PEN}.")
        found[int(number)] = (name, kind)
    types = {
        "string": "string", "unsigned8": "uint", "unsigned64": "uint", "ipv4Address": "ip", "ipv6Address": "ip",
    }  # fmt: skip
    check(found, types, snake=True)


SAME = {entry.type: entry.type for entry in catalogue(PEN)}


def test_graylog_gets_the_three_keys_of_every_element() -> None:
    document = json.loads(definitions("graylog", PEN))
    assert set(document) == {"enterprise_number", "information_elements"}
    assert document["enterprise_number"] == PEN
    elements = document["information_elements"]
    assert all(set(element) == {"element_id", "name", "data_type"} for element in elements)
    check({element["element_id"]: (element["name"], element["data_type"]) for element in elements}, SAME, snake=False)


def records(collector: str, tag: str) -> Iterator[dict[str, str]]:
    for record in ElementTree.fromstring(definitions(collector, PEN)).iter():
        if record.tag.rpartition("}")[2] == tag:
            yield {child.tag.rpartition("}")[2]: child.text or "" for child in record}


def test_libfixbuf_gets_a_record_in_ianas_shape_for_every_element() -> None:
    found = list(records("libfixbuf", "record"))
    assert {record["enterpriseId"] for record in found} == {str(PEN)}
    check({int(record["elementId"]): (record["name"], record["dataType"]) for record in found}, SAME, snake=False)
    for record in found:
        entry = OWN[int(record["elementId"])]
        assert record["dataTypeSemantics"] == entry.semantics
        assert record.get("units", "") == entry.unit
        assert record["description"] == entry.description


def test_ipfixcol2_gets_a_scope_with_biflow_and_every_element() -> None:
    (scope,) = records("ipfixcol2", "scope")
    assert scope == {"pen": str(PEN), "name": "vpcflow", "biflow": ""}
    found = list(records("ipfixcol2", "element"))
    check({int(record["id"]): (record["name"], record["dataType"]) for record in found}, SAME, snake=False)
    assert all(record["dataSemantics"] == OWN[int(record["id"])].semantics for record in found)


def test_the_lua_script_has_every_element_and_the_number() -> None:
    text = definitions("tshark", PEN)
    assert f"local ENTERPRISE_NUMBER = {PEN}\n" in text
    rows = re.findall(r'^    \[(\d+)\] = {"(\w+)", "(\w+)", "(\w+)"},$', text, re.MULTILINE)
    types = {
        "string": "string", "unsigned8": "uint8", "unsigned64": "uint64", "ipv4Address": "ipv4", "ipv6Address": "ipv6",
    }  # fmt: skip
    check({int(number): (name, kind) for number, kind, name, _ in rows}, types, snake=True)
    assert {int(number): label for number, _, _, label in rows} == names_of(snake=False)


@pytest.mark.parametrize("collector", COLLECTORS)
def test_no_file_holds_another_enterprise_number_than_the_one_asked_for(collector: str) -> None:
    text = definitions(collector, PEN)
    assert str(PEN) in text
    assert "32473" not in text
    assert text.endswith("\n")
    assert "\t" not in text


@pytest.mark.parametrize("collector", COLLECTORS)
@pytest.mark.parametrize("profile", ["core", "iana"])
def test_a_profile_without_elements_of_ours_asks_for_no_definition_of_them(collector: str, profile: Profile) -> None:
    text = definitions(collector, PEN, profile)
    assert str(PEN) not in text
    if collector == "goflow2":  # it has to be told of IANA elements too
        assert "flow_direction" in text
        assert ("virtual_station_name" in text) is (profile == "iana")
    elif collector == "pmacct":
        assert "forwarding_status" in text
    else:
        assert text == ""


def test_the_trial_number_is_called_one_in_the_file() -> None:
    entries = catalogue()
    assert "documentation" in heading("goflow2", entries)[-1]
    assert "documentation" not in "".join(heading("goflow2", catalogue(PEN)))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("vpcId", "vpc_id"),
        ("pktSourceIPv4Address", "pkt_source_ipv4_address"),
        ("ec2InstanceTag2", "ec2_instance_tag2"),
        ("exporterIPv4Address", "exporter_ipv4_address"),
    ],
)
def test_names_in_snake_case(name: str, expected: str) -> None:
    assert snake_case(name) == expected


def test_names_stay_distinct_in_snake_case_and_fit_every_collector() -> None:
    names = [snake_case(entry.name) for entry in catalogue()]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"[a-z][a-z0-9_]*", name) for name in names)


def test_every_type_of_the_table_is_known_to_every_writer() -> None:
    """A new type would raise here, not at a user's."""
    types = {entry.type for entry in catalogue() if entry.enterprise}
    for kind in sorted(types | {"unsigned16", "unsigned32"}):
        entry = Entry(1099, PEN, "tryIt", kind, 4, "default", "", ("full",), ("try-it",), "For this test.")
        for collector in COLLECTORS.values():
            assert "1099" in collector.write([entry])


# the command


def test_the_command_offers_every_collector_of_the_table() -> None:
    assert sorted(TAUGHT_COLLECTORS) == sorted(COLLECTORS)
    assert set(get_args(Profile)) == {"core", "iana", "full"}


@pytest.mark.parametrize("collector", COLLECTORS)
def test_the_command_prints_the_file_and_nothing_else(collector: str) -> None:
    result = CliRunner().invoke(main, ["elements", "--for", collector, "--pen", str(PEN)])
    assert result.exit_code == 0
    assert result.stdout == definitions(collector, PEN)
    assert result.stderr == ""


def test_the_command_says_when_there_is_nothing_to_teach() -> None:
    result = CliRunner().invoke(main, ["elements", "--for", "logstash", "--profile", "core"])
    assert (result.exit_code, result.stdout) == (0, "")
    assert "logstash knows every element of profile core" in result.stderr


@pytest.mark.parametrize("number", ["0", "29305", "4294967296", "none"])
def test_the_command_refuses_numbers_that_are_no_enterprise_number(number: str) -> None:
    result = CliRunner().invoke(main, ["elements", "--for", "goflow2", "--pen", number])
    assert result.exit_code == 2
    assert "--pen" in result.stderr


def test_file_names_are_distinct_and_every_collector_has_a_page() -> None:
    names = [collector.file_name for collector in COLLECTORS.values()]
    assert len(set(names)) == len(names)
    pages = Path(__file__).resolve().parents[4] / "docs" / "collectors"
    for collector in COLLECTORS.values():
        assert (pages / f"{collector.page}.md").is_file()

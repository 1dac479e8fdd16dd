"""Names from the inventory and options records, as goflow2 and pmacct show them."""

from __future__ import annotations

from pathlib import Path

import pytest

from consumer.discovery.estate.values import Instance, Part, Subnet, Vpc
from consumer.encode.options import selection, type_information
from consumer.encode.settings import EncodingSettings
from consumer.export.settings import CollectorSettings
from tests.interop.collectors import ForeignCollector, Goflow2, Nfacctd, Nfcapd, assert_same
from tests.interop.flows import FIELDS, PEN, expected, lines
from tests.interop.test_definitions import PEN as TAUGHT_PEN
from tests.interop.test_definitions import TaughtNfacctd
from tests.support.exporting import export_text
from tests.support.flows import interface, inventory_of

pytestmark = pytest.mark.foreign

NAMES = {
    1051: "observedInterfaceName",
    1052: "observedInstanceName",
    1053: "observedSubnetName",
    1054: "observedVpcName",
    1101: "sourceName",
    1103: "sourceVpcName",
    1151: "destinationName",
}
ACCOUNT = "123456789012"
INVENTORY = inventory_of(
    Part(
        ACCOUNT,
        "us-east-1",
        0.0,
        vpcs=(Vpc("vpc-1", "shop", ACCOUNT, ("10.0.0.0/16",)),),
        subnets=(Subnet("subnet-1", "private", "vpc-1", "use1-az1", ("10.0.1.0/24",)),),
        interfaces=(
            interface("eni-01", "vpc-1", "10.0.1.5", subnet_id="subnet-1", instance_id="i-01", account=ACCOUNT),
        ),
        instances=(Instance("i-01", "web-1 Zürich"),),
    )
)


def text_of(content: list[str]) -> str:
    return "\n".join([" ".join(FIELDS), *content]) + "\n"


@pytest.mark.parametrize("kind", [Nfacctd, Goflow2])
def test_names_arrive_on_the_right_flows_and_nowhere_else(kind: type[ForeignCollector], tmp_path: Path) -> None:
    """The first two special lines were recorded by eni-01, out of and into 10.0.1.5; the third by another interface."""
    with kind(tmp_path / "collector", NAMES) as collector:
        settings = CollectorSettings(address=collector.address)
        export_text(text_of(lines(3)), [settings], INVENTORY, private_enterprise_number=PEN)
    by_source = {flow["source"]: [flow[f"string_{number}"] for number in NAMES] for flow in collector.read()}
    recorded = ["web-1 Zürich", "web-1 Zürich", "private", "shop"]
    assert by_source == {
        "10.0.1.5": [*recorded, "web-1 Zürich", "shop", ""],
        "198.51.100.7": [*recorded, "", "", "web-1 Zürich"],
        "10.0.1.6": [""] * 7,
    }


def test_pmacct_s_file_names_both_ends_and_leaves_the_empty_texts_empty(tmp_path: Path) -> None:
    """It finds texts by the line of the file they stand on; from the 49th line on it would show one for another."""
    with TaughtNfacctd(tmp_path / "collector") as collector:
        settings = CollectorSettings(address=collector.address)
        export_text(text_of(lines(3)), [settings], INVENTORY, private_enterprise_number=TAUGHT_PEN)
    ends = {
        record["ip_src"]: {name: text for name, text in record.items() if name.startswith(("source_", "destination_"))}
        for record in collector.read()
    }
    named = {"name": "web-1 Zürich", "subnet_name": "private", "vpc_name": "shop", "service": "EC2"}
    parts = ("name", "subnet_name", "vpc_name", "service", "owner", "site")
    source = {f"source_{part}": named.get(part, "") for part in parts}
    destination = {f"destination_{part}": named.get(part, "") for part in parts}
    assert ends == {
        "10.0.1.5": {**source, **dict.fromkeys(destination, "")},
        "198.51.100.7": {**dict.fromkeys(source, ""), **destination},
        "10.0.1.6": dict.fromkeys((*source, *destination), ""),
    }


@pytest.mark.parametrize("kind", [Nfcapd, Nfacctd, Goflow2])
def test_options_records_disturb_nobody(kind: type[ForeignCollector], tmp_path: Path) -> None:
    content = lines(200)
    encoding = EncodingSettings(private_enterprise_number=PEN)
    with kind(tmp_path / "collector") as collector:
        export_text(
            text_of(content),
            [CollectorSettings(address=collector.address)],
            INVENTORY,
            private_enterprise_number=PEN,
            options=[type_information(encoding, 1), selection(encoding, 1)],
        )
    assert_same(collector.read(), (collector.show(expected(line)) for line in content))

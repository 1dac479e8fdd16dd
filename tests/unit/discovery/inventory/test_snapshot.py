"""Merging accounts and regions into one snapshot."""

from __future__ import annotations

from ipaddress import IPv4Address

import numpy as np
import pytest

from consumer.discovery.estate.merging import merge
from consumer.discovery.estate.values import Instance, NatGateway, Part, Peer, Peering, Subnet, Vpc
from consumer.discovery.inventory.places import COLUMNS
from consumer.enrich.join import Joiner
from consumer.model.inventory import Inventory
from tests.support.flows import all_rows, flow_batch, interface, inventory_of

OWNER, GUEST = "111111111111", "222222222222"


def words(inventory: Inventory, interface_id: str) -> dict[str, str]:
    """Non-empty strings of an interface's row."""
    row = inventory.interface_rows[interface_id.encode()]
    table = inventory.interfaces
    return {name: table.text(name, row).decode() for name in table.strings if table.text(name, row)}


def part(account: str = OWNER, region: str = "us-east-1", **fields: object) -> Part:
    return Part(account, region, 0.0, **fields)  # type: ignore[arg-type]


def test_row_zero_of_both_tables_knows_nothing() -> None:
    inventory = inventory_of(part(interfaces=(interface("eni-1", "vpc-1", "10.0.0.1"),)))

    for table in (inventory.interfaces, inventory.endpoints):
        assert {table.text(name, 0) for name in table.strings} == {b""}
        assert {int(column[0]) for column in table.integers.values()} <= {0}
    assert set(inventory.interfaces.strings) == set(inventory.endpoints.strings) == set(COLUMNS)
    assert set(inventory.interfaces.integers) == {"if_index", "vpc", "view", "exporter_address"}
    assert set(inventory.endpoints.integers) == {"path"}


def test_an_interface_is_the_same_row_in_both_tables() -> None:
    inventory = inventory_of(part(interfaces=tuple(interface(f"eni-{n}", "vpc-1", f"10.0.0.{n}") for n in (1, 2))))

    for row in inventory.interface_rows.values():
        assert inventory.interfaces.text("interface_id", row) == inventory.endpoints.text("interface_id", row)


def test_a_name_is_the_interfaces_own_else_the_instances_else_the_service() -> None:
    inventory = inventory_of(
        part(
            interfaces=(
                interface("eni-own", "vpc-1", name="uplink", instance_id="i-1"),
                interface("eni-instance", "vpc-1", instance_id="i-1"),
                interface("eni-unnamed", "vpc-1", instance_id="i-2"),
                interface("eni-service", "vpc-1", description="ELB app/shop/0123"),
                interface("eni-nothing", "vpc-1"),
            ),
            instances=(Instance("i-1", "web-1"), Instance("i-2", "")),
        )
    )

    names = {name: words(inventory, name).get("name", "") for name in ("eni-own", "eni-instance", "eni-unnamed")}
    assert names == {"eni-own": "uplink", "eni-instance": "web-1", "eni-unnamed": "i-2"}
    assert words(inventory, "eni-service")["name"] == "ALB shop"
    assert words(inventory, "eni-own")["instance_name"] == "web-1"
    assert "name" not in words(inventory, "eni-nothing")


def test_a_zonal_nat_gateway_names_its_interface_and_is_found_by_both_ids() -> None:
    inventory = inventory_of(
        part(
            interfaces=(interface("eni-1", "vpc-1", "10.0.0.4"),),
            nat_gateways=(NatGateway("nat-1", "shop-nat", "vpc-1", "subnet-1", ("eni-1",), ("52.0.0.1",)),),
        )
    )

    assert words(inventory, "eni-1")["name"] == "shop-nat"
    assert words(inventory, "eni-1")["service"] == "NAT Gateway"
    assert inventory.interface_rows[b"nat-1"] == inventory.interface_rows[b"eni-1"]


def test_a_shared_vpc_seen_by_two_accounts_is_one_vpc_with_its_owners_names() -> None:
    """Tags of a shared VPC and its subnets are visible to the owner only (VPC user guide, "Share your VPC")."""
    seen_by_owner = part(
        vpcs=(Vpc("vpc-1", "shared", OWNER, ("10.0.0.0/16",)),),
        subnets=(Subnet("subnet-1", "shared-a", "vpc-1", "use1-az1", ("10.0.0.0/24",)),),
        interfaces=(interface("eni-1", "vpc-1", "10.0.0.1", account=GUEST, subnet_id="subnet-1"),),
    )
    seen_by_guest = part(
        GUEST,
        vpcs=(Vpc("vpc-1", "", OWNER, ("10.0.0.0/16",)),),
        subnets=(Subnet("subnet-1", "", "vpc-1", "use1-az1", ("10.0.0.0/24",)),),
        interfaces=(interface("eni-1", "vpc-1", "10.0.0.1", account=GUEST, subnet_id="subnet-1", name="guest"),),
    )
    for parts in ((seen_by_owner, seen_by_guest), (seen_by_guest, seen_by_owner)):
        inventory = inventory_of(*parts)
        seen = words(inventory, "eni-1")
        assert (seen["vpc_name"], seen["subnet_name"], seen["name"], seen["account_id"]) == (
            "shared",
            "shared-a",
            "guest",
            GUEST,
        )
        assert inventory.interfaces.row_count == 2


def test_an_interface_lies_in_the_region_it_was_read_from_and_the_zone_of_its_subnet() -> None:
    inventory = inventory_of(
        part(
            region="eu-central-1",
            vpcs=(Vpc("vpc-1", "", OWNER, ()),),
            subnets=(Subnet("subnet-1", "", "vpc-1", "euc1-az2", ()),),
            interfaces=(
                interface("eni-1", "vpc-1", subnet_id="subnet-1"),
                interface("eni-2", "vpc-1", subnet_id="subnet-1", az_id="euc1-az3"),
            ),
        )
    )

    assert (words(inventory, "eni-1")["region"], words(inventory, "eni-1")["az_id"]) == ("eu-central-1", "euc1-az2")
    assert words(inventory, "eni-2")["az_id"] == "euc1-az3"


def test_vpcs_are_numbered_from_one_and_carry_their_exporter_address() -> None:
    address = int(IPv4Address("198.18.0.7"))
    inventory = inventory_of(
        part(
            vpcs=(Vpc("vpc-b", "", OWNER, ()), Vpc("vpc-a", "", OWNER, ())),
            interfaces=(interface("eni-1", "vpc-b"), interface("eni-2", "vpc-a")),
        ),
        exporters={"vpc-b": address, "vpc-gone": 1},
    )

    assert inventory.vpc_numbers == {b"vpc-a": 1, b"vpc-b": 2}
    assert inventory.vpc_exporters.tolist() == [0, 0, address]
    columns = {name: column.tolist() for name, column in inventory.interfaces.integers.items()}
    assert columns == {
        "if_index": [0, 1, 2],
        "vpc": [0, 2, 1],
        "view": [0, 2, 1],
        "exporter_address": [0, address, 0],
    }


def test_a_peering_seen_from_both_sides_counts_once() -> None:
    sides = (Peer("vpc-1", OWNER, "us-east-1", ("10.0.0.0/16",)), Peer("vpc-2", GUEST, "us-east-1", ("10.1.0.0/16",)))
    peering = Peering("pcx-1", sides)
    one = part(vpcs=(Vpc("vpc-1", "", OWNER, ("10.0.0.0/16",)),), peerings=(peering,))
    other = part(GUEST, vpcs=(Vpc("vpc-2", "", GUEST, ("10.1.0.0/16", "10.3.0.0/16")),), peerings=(peering,))

    inventory = inventory_of(one, other)
    reached = inventory.views.lines[inventory.vpc_numbers[b"vpc-1"], 1]
    networks = inventory.networks
    ranges = slice(int(networks.starts[2 * reached]), int(networks.starts[2 * reached + 1]))
    firsts, values = networks.lows[ranges].tolist(), networks.values[ranges].tolist()
    known = {str(IPv4Address(first)) for first, value in zip(firsts, values, strict=True) if value}
    assert known == {"10.1.0.0", "10.3.0.0"}, "both of the peer's, though the peering names one"


@pytest.mark.parametrize("address", ["100.64.0.9", "fd00::9"])
def test_an_interface_outside_of_the_networks_that_could_be_read_is_found_all_the_same(address: str) -> None:
    vpcs = (Vpc("vpc-1", "", OWNER, ("10.0.0.0/16",)), Vpc("vpc-2", "", OWNER, ("10.0.0.0/16",)))
    inventory = inventory_of(part(vpcs=vpcs, interfaces=(interface("eni-1", "vpc-1", address),)))

    def behind(vpc: str) -> bytes:
        batch = flow_batch([{"vpc-id": vpc, "srcaddr": address}])
        joined = Joiner().join(batch, all_rows(batch), inventory)
        return inventory.endpoints.text("interface_id", int(joined.words[0, joined.columns["source"].word]))

    assert (behind("vpc-1"), behind("vpc-2")) == (b"eni-1", b"")


def test_an_estate_of_nothing_is_a_snapshot_of_nothing() -> None:
    inventory = inventory_of()

    assert (inventory.interfaces.row_count, inventory.endpoints.row_count) == (1, 1)
    assert np.count_nonzero(inventory.addresses.slots) == 0


def test_vpcs_that_only_a_peering_knows_are_foreign() -> None:
    sides = (Peer("vpc-1", OWNER, "us-east-1", ()), Peer("vpc-2", GUEST, "us-east-1", ("10.1.0.0/16",)))
    estate = merge([part(vpcs=(Vpc("vpc-1", "", OWNER, ()),), peerings=(Peering("pcx-1", sides),))])

    assert list(estate.foreign_vpcs()) == ["vpc-2"]

"""Joining records with the inventory: interface, both ends, ifIndex and exporter address."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest

from consumer.discovery.estate.values import Instance, NatGateway, Part, Peer, Peering, Subnet, Vpc
from consumer.enrich.join import JoinCounts, Joiner
from consumer.model.flow_batch import FlowBatch, JoinedColumns
from consumer.model.inventory import Inventory, empty_inventory
from consumer.model.vocabulary import Vocabulary
from consumer.state.assignments import Assignments
from tests.support.flows import all_rows, flow_batch, interface, inventory_of

AGENT = 0xC0000201
SHOP, BUILD, OTHER, FOREIGN = "vpc-a1", "vpc-b2", "vpc-c3", "vpc-f4"
SHOP_EXPORTER = 0xC6120001


def estate() -> Inventory:
    """`shop` and `other` share 10.0.0.0/16; `shop` peers with `build` and with a VPC of an account nobody can read."""
    ours = Part(
        "111111111111",
        "us-east-1",
        0.0,
        vpcs=(
            Vpc(SHOP, "shop", "111111111111", ("10.0.0.0/16", "2600:1f18::/56")),
            Vpc(BUILD, "build", "111111111111", ("10.1.0.0/16",)),
            Vpc(OTHER, "other", "111111111111", ("10.0.0.0/16",)),
        ),
        subnets=(
            Subnet("subnet-a", "shop-a", SHOP, "use1-az1", ("10.0.1.0/24",)),
            Subnet("subnet-b", "build-a", BUILD, "use1-az2", ("10.1.1.0/24",)),
        ),
        interfaces=(
            interface(
                "eni-web", SHOP, "10.0.1.10", "2600:1f18::a", instance_id="i-web",
                subnet_id="subnet-a", public_addresses=("52.0.0.10",),
            ),
            interface("eni-app", SHOP, "10.0.1.11", name="app", prefixes=("10.0.5.16/28", "2600:1f18:0:0:5::/80")),
            interface("eni-build", BUILD, "10.1.1.10", name="builder", subnet_id="subnet-b"),
            interface("eni-other", OTHER, "10.0.1.10", name="stranger"),
        ),
        instances=(Instance("i-web", "web-1"),),
        nat_gateways=(NatGateway("nat-regional", "shop-nat", SHOP, "", (), ("52.0.0.99",)),),
        peerings=(
            Peering(
                "pcx-1",
                (
                    Peer(SHOP, "111111111111", "us-east-1", ("10.0.0.0/16",)),
                    Peer(BUILD, "111111111111", "us-east-1", ("10.1.0.0/16",)),
                ),
            ),
            Peering(
                "pcx-2",
                (
                    Peer(FOREIGN, "999999999999", "eu-west-1", ("10.9.0.0/16",)),
                    Peer(SHOP, "111111111111", "us-east-1", ("10.0.0.0/16",)),
                ),
            ),
        ),
    )  # fmt: skip
    return inventory_of(ours, exporters={SHOP: SHOP_EXPORTER})


INVENTORY = estate()


def end(joined: JoinedColumns, side: str, row: int = 0) -> dict[str, str]:
    """Non-empty columns of the endpoint on one side of a flow."""
    table = joined.tables["endpoint"]
    at = int(joined.words[row, joined.columns[side].word])
    return {name: table.text(name, at).decode() for name in table.strings if table.text(name, at)}


def value(joined: JoinedColumns, name: str, row: int = 0) -> int:
    return int(joined.words[row, joined.columns[name].word])


def join(record: Mapping[str, str], inventory: Inventory = INVENTORY) -> tuple[JoinedColumns, JoinCounts]:
    joiner = Joiner(AGENT)
    batch = flow_batch([record])
    return joiner.join(batch, all_rows(batch), inventory), joiner.take_counts()


def name_of(address: str, interface_id: str = "eni-web") -> str | None:
    """What the other end of a flow of that interface is called."""
    joined, _ = join({"interface-id": interface_id, "srcaddr": "10.0.1.10", "dstaddr": address})
    return end(joined, "destination").get("name")


def test_a_flow_gets_its_interface_and_both_ends() -> None:
    joined, counts = join({"interface-id": "eni-web", "srcaddr": "10.0.1.10", "dstaddr": "10.0.1.11"})

    table = joined.tables["interface"]
    assert table.text("instance_name", value(joined, "interface")) == b"web-1"
    assert end(joined, "source") == {
        "name": "web-1",
        "instance_id": "i-web",
        "instance_name": "web-1",
        "interface_id": "eni-web",
        "subnet_id": "subnet-a",
        "subnet_name": "shop-a",
        "vpc_id": SHOP,
        "vpc_name": "shop",
        "account_id": "111111111111",
        "region": "us-east-1",
        "az_id": "use1-az1",
        "service": "EC2",
    }
    assert end(joined, "destination")["name"] == "app"
    assert counts == JoinCounts()


def test_the_same_address_is_another_host_in_another_vpc() -> None:
    assert name_of("10.0.1.10", "eni-web") == "web-1"
    assert name_of("10.0.1.10", "eni-other") == "stranger"


def test_a_peered_vpc_is_reached_and_an_unpeered_one_is_not() -> None:
    assert name_of("10.1.1.10", "eni-web") == "builder"
    assert name_of("10.1.1.10", "eni-other") is None


def test_peering_is_not_transitive() -> None:
    joined, _ = join({"interface-id": "eni-build", "srcaddr": "10.1.1.10", "dstaddr": "10.9.0.1"})

    assert end(joined, "destination") == {}


def test_a_peer_whose_account_nobody_can_read_is_named_by_vpc_account_and_region() -> None:
    joined, _ = join({"interface-id": "eni-web", "srcaddr": "10.0.1.10", "dstaddr": "10.9.0.1"})

    assert end(joined, "destination") == {"vpc_id": FOREIGN, "account_id": "999999999999", "region": "eu-west-1"}


@pytest.mark.parametrize(
    ("address", "place"),
    [("10.0.1.200", "subnet-a"), ("10.1.1.200", "subnet-b")],
    ids=["own subnet", "subnet of a peer"],
)
def test_an_address_that_nobody_claims_is_placed_in_its_subnet(address: str, place: str) -> None:
    joined, _ = join({"interface-id": "eni-web", "srcaddr": "10.0.1.10", "dstaddr": address})

    assert end(joined, "destination")["subnet_id"] == place
    assert "interface_id" not in end(joined, "destination")


def test_an_address_outside_every_subnet_is_placed_in_its_vpc() -> None:
    joined, _ = join({"interface-id": "eni-web", "srcaddr": "10.0.1.10", "dstaddr": "10.0.77.1"})

    assert end(joined, "destination") == {
        "vpc_id": SHOP,
        "vpc_name": "shop",
        "account_id": "111111111111",
        "region": "us-east-1",
    }


def test_public_addresses_are_known_to_everybody_even_without_a_vpc() -> None:
    assert name_of("52.0.0.10", "eni-other") == "web-1"
    assert name_of("52.0.0.10", "eni-nobody") == "web-1"
    assert name_of("52.0.0.99", "eni-other") == "shop-nat"
    assert name_of("203.0.113.9") is None


def test_ipv6_addresses_are_found_inside_and_as_public_ones_from_outside() -> None:
    assert name_of("2600:1f18::a", "eni-app") == "web-1"
    assert name_of("2600:1f18::a", "eni-other") == "web-1"


@pytest.mark.parametrize(
    ("address", "name"),
    [("10.0.5.16", "app"), ("10.0.5.31", "app"), ("10.0.5.32", None), ("2600:1f18:0:0:5::99", "app")],
)
def test_an_address_of_a_delegated_prefix_belongs_to_the_interface(address: str, name: str | None) -> None:
    assert name_of(address) == name


def test_an_ipv4_address_is_not_the_ipv6_address_with_the_same_bits() -> None:
    assert name_of("::10.0.1.11") is None


@pytest.mark.parametrize(
    ("direction", "ingress", "egress"),
    [("ingress", 1, 0), ("egress", 0, 1), ("-", 1, 1), ("sideways", 1, 1)],
)
def test_the_direction_decides_which_side_the_interface_is_on(direction: str, ingress: int, egress: int) -> None:
    joined, _ = join({"interface-id": "eni-web", "flow-direction": direction})

    assert (value(joined, "ingress_interface"), value(joined, "egress_interface")) == (ingress, egress)


def test_a_format_without_direction_puts_the_interface_on_both_sides() -> None:
    joined, _ = join({"interface-id": "eni-web"})

    assert (value(joined, "ingress_interface"), value(joined, "egress_interface")) == (1, 1)


def test_an_interface_has_the_number_it_gets_before_anybody_knows_it() -> None:
    unknown, _ = join({"interface-id": "eni-new", "flow-direction": "egress"})
    nobody, _ = join({"interface-id": "-"})

    number = Assignments(None).assign("if_index", ["eni-new"], low=1, high=(1 << 31) - 1, now=0.0)["eni-new"]
    assert (value(unknown, "ingress_interface"), value(unknown, "egress_interface")) == (0, number)
    assert (value(nobody, "ingress_interface"), value(nobody, "egress_interface")) == (0, 0)


def test_a_vpc_speaks_with_its_exporter_address_and_an_unknown_one_with_the_agents() -> None:
    known, counts = join({"interface-id": "eni-web"})
    assert (value(known, "exporter_address"), counts.unknown_vpc) == (SHOP_EXPORTER, 0)

    unknown, counts = join({"interface-id": "eni-nobody"})
    assert (value(unknown, "exporter_address"), counts.unknown_vpc) == (AGENT, 1)


def test_the_vpc_in_the_record_stands_in_for_an_unknown_interface() -> None:
    joined, counts = join({"interface-id": "eni-new", "vpc-id": SHOP, "dstaddr": "10.0.1.10"})

    assert end(joined, "destination")["name"] == "web-1"
    assert value(joined, "exporter_address") == SHOP_EXPORTER
    assert counts == JoinCounts(unknown_interface=1)


def test_a_regional_nat_gateway_is_found_by_resource_id() -> None:
    joined, counts = join({"interface-id": "-", "resource-id": "nat-regional", "dstaddr": "10.0.1.10"})

    table = joined.tables["interface"]
    assert table.text("name", value(joined, "interface")) == b"shop-nat"
    assert table.text("service", value(joined, "interface")) == b"NAT Gateway"
    assert value(joined, "ingress_interface") == 5
    assert end(joined, "destination")["name"] == "web-1"
    assert counts == JoinCounts()


def test_a_transit_gateway_record_resolves_each_end_in_the_vpc_it_names() -> None:
    record = {"tgw-src-vpc-id": OTHER, "tgw-dst-vpc-id": BUILD, "srcaddr": "10.0.1.10", "dstaddr": "10.1.1.10"}
    joined, counts = join(record)

    assert (end(joined, "source")["name"], end(joined, "destination")["name"]) == ("stranger", "builder")
    assert counts.unknown_interface == 0


def test_null_addresses_and_an_empty_inventory_name_nothing() -> None:
    joined, counts = join({"interface-id": "-", "srcaddr": "-", "dstaddr": "10.0.1.1"}, empty_inventory())

    assert (value(joined, "interface"), value(joined, "source"), value(joined, "destination")) == (0, 0, 0)
    assert counts == JoinCounts(unknown_vpc=1)


def test_two_owners_of_one_address_leave_it_unnamed_and_counted() -> None:
    part = Part(
        "111111111111",
        "us-east-1",
        0.0,
        vpcs=(Vpc(SHOP, "shop", "111111111111", ("10.0.0.0/16",)),),
        interfaces=(interface("eni-1", SHOP, "10.0.0.9"), interface("eni-2", SHOP, "10.0.0.9")),
    )
    joined, counts = join({"interface-id": "eni-1", "srcaddr": "10.0.0.9", "dstaddr": "-"}, inventory_of(part))

    assert end(joined, "source") == {}
    assert counts == JoinCounts(unknown_vpc=1, ambiguous_source=1)


def test_two_peers_with_one_network_leave_its_addresses_unnamed_and_counted() -> None:
    peers = [Peer(f"vpc-{number}", "999999999999", "us-east-1", ("10.5.0.0/16",)) for number in (1, 2)]
    shop = Peer(SHOP, "111111111111", "us-east-1", ("10.0.0.0/16",))
    part = Part(
        "111111111111",
        "us-east-1",
        0.0,
        vpcs=(Vpc(SHOP, "shop", "111111111111", ("10.0.0.0/16",)),),
        interfaces=(interface("eni-1", SHOP, "10.0.0.9"),),
        peerings=tuple(Peering(f"pcx-{number}", (shop, peer)) for number, peer in enumerate(peers)),
    )
    joined, counts = join({"interface-id": "eni-1", "srcaddr": "10.0.0.9", "dstaddr": "10.5.0.1"}, inventory_of(part))

    assert end(joined, "destination") == {}
    assert (counts.ambiguous_source, counts.ambiguous_destination) == (0, 1)


def test_only_selected_rows_are_joined() -> None:
    batch = flow_batch([{"interface-id": "eni-new"}, {"interface-id": "eni-web"}, {"interface-id": "eni-app"}])
    joiner = Joiner(AGENT)
    joined = joiner.join(batch, np.array([1, 2], dtype=np.int64), INVENTORY)

    assert [value(joined, "interface", row) for row in (1, 2)] == [1, 2]
    assert joiner.take_counts().unknown_interface == 0
    assert joiner.take_unknown_interfaces() == ()


def test_unknown_interfaces_are_reported_once_for_a_targeted_look_up() -> None:
    batch = flow_batch([{"interface-id": name} for name in ("eni-1", "eni-2", "eni-1", "-", "eni-web")])
    joiner = Joiner(AGENT)
    for _ in range(2):
        joiner.join(batch, all_rows(batch), INVENTORY)

    assert joiner.take_unknown_interfaces() == (b"eni-1", b"eni-2")
    assert joiner.take_unknown_interfaces() == ()
    assert joiner.take_counts().unknown_interface == 6


def interface_rows(joiner: Joiner, batch: FlowBatch, inventory: Inventory = INVENTORY) -> list[int]:
    joined = joiner.join(batch, all_rows(batch), inventory)
    return [value(joined, "interface", row) for row in range(batch.row_count)]


def test_a_new_snapshot_is_used_at_once() -> None:
    record = {"interface-id": "eni-web", "srcaddr": "10.0.1.10"}
    batch = flow_batch([record])
    joiner = Joiner(AGENT)

    assert interface_rows(joiner, batch, empty_inventory()) == [0]
    assert interface_rows(joiner, batch, INVENTORY) == [1]
    joined = joiner.join(batch, all_rows(batch), INVENTORY)
    assert end(joined, "source")["name"] == "web-1"


def test_a_renewed_vocabulary_gives_old_numbers_new_meanings() -> None:
    joiner = Joiner(AGENT)

    assert interface_rows(joiner, flow_batch([{"interface-id": "eni-web"}])) == [1]
    assert interface_rows(joiner, flow_batch([{"interface-id": "eni-app"}])) == [2]


def test_a_vocabulary_that_grows_between_batches_keeps_its_meanings() -> None:
    vocabulary = Vocabulary(16, 1 << 10)
    joiner = Joiner(AGENT)
    assert interface_rows(joiner, flow_batch([{"interface-id": "eni-web"}], vocabulary)) == [1]

    vocabulary.starts = np.concatenate([vocabulary.starts, np.zeros(1000, dtype=np.int64)])
    vocabulary.sizes = np.concatenate([vocabulary.sizes, np.zeros(1000, dtype=np.int64)])
    names = [f"eni-{number}" for number in range(100)] + ["eni-web", "eni-app"]

    assert interface_rows(joiner, flow_batch([{"interface-id": name} for name in names], vocabulary))[-2:] == [1, 2]


def test_strings_first_met_in_the_middle_of_a_batch_are_looked_up_without_losing_a_row() -> None:
    names = ["eni-web"] * 5 + ["eni-nobody"] + ["eni-app"] * 3 + ["eni-web"]
    batch = flow_batch(
        [{"interface-id": name, "flow-direction": "egress" if row % 2 else "ingress"} for row, name in enumerate(names)]
    )
    joiner = Joiner(AGENT)
    joiner.join(batch, np.arange(2, dtype=np.int64), INVENTORY)

    joined = joiner.join(batch, all_rows(batch), INVENTORY)
    assert [value(joined, "interface", row) for row in range(10)] == [1, 1, 1, 1, 1, 0, 2, 2, 2, 1]
    assert [value(joined, "ingress_interface", row) for row in range(10)] == [1, 0, 1, 0, 1, 0, 2, 0, 2, 0]

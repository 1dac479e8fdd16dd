"""A record is named by what was true when its flow began."""

from __future__ import annotations

from dataclasses import replace

import pytest

from consumer.discovery.estate.past import KEPT_SECONDS, past_of
from consumer.discovery.estate.values import Instance, Interface, Part, Subnet, Vpc
from consumer.enrich.join import Joiner
from consumer.model.inventory import Inventory
from tests.support.flows import all_rows, flow_batch, interface, inventory_of

OWNER, VPC = "111111111111", "vpc-1"
OBSERVER = interface("eni-observer", VPC, "10.0.0.9", name="observer", subnet_id="subnet-1")


def web(name: str = "old-web", *addresses: str) -> Interface:
    return interface("eni-web", VPC, *(addresses or ("10.0.0.1",)), name=name, subnet_id="subnet-1")


def part(*interfaces: Interface, instances: tuple[Instance, ...] = ()) -> Part:
    return Part(
        OWNER,
        "us-east-1",
        0.0,
        vpcs=(Vpc(VPC, "shop", OWNER, ("10.0.0.0/16",)),),
        subnets=(Subnet("subnet-1", "a", VPC, "use1-az1", ("10.0.0.0/24",)),),
        interfaces=(OBSERVER, *interfaces),
        instances=instances,
    )


def after(*steps: tuple[float, Part]) -> Part:
    """The last of these parts, read one after the other at their moments."""
    old: Part | None = None
    for now, new in steps:
        old = replace(new, past=past_of(old, new, now))
    assert old is not None
    return old


def destination(inventory: Inventory, start: int | str, address: str = "10.0.0.1") -> str:
    return joined(inventory, {"interface-id": "eni-observer", "dstaddr": address, "start": str(start)}, "destination")


def joined(inventory: Inventory, record: dict[str, str], column: str) -> str:
    batch = flow_batch([record])
    found = Joiner().join(batch, all_rows(batch), inventory)
    table = found.tables["interface" if column == "interface" else "endpoint"]
    return table.text("name", int(found.words[0, found.columns[column].word])).decode()


def test_a_new_name_begins_when_it_was_noticed() -> None:
    inventory = inventory_of(after((1000, part(web("old-web"))), (2000, part(web("new-web")))))

    assert [destination(inventory, start) for start in (1, 1999, 2000, 9999)] == ["old-web"] * 2 + ["new-web"] * 2
    own = {"interface-id": "eni-web", "start": "1500"}
    assert joined(inventory, own, "interface") == "old-web"
    assert joined(inventory, own | {"start": "2500"}, "interface") == "new-web"


def test_an_address_that_changed_hands_is_named_by_its_owner_at_the_time() -> None:
    first = interface("eni-1", VPC, "10.0.0.1", name="first", subnet_id="subnet-1")
    second = interface("eni-2", VPC, "10.0.0.1", name="second", subnet_id="subnet-1")
    third = interface("eni-3", VPC, "10.0.0.1", name="third", subnet_id="subnet-1")
    inventory = inventory_of(after((1000, part(first)), (2000, part(second)), (3000, part(third))))

    assert [destination(inventory, start) for start in (1500, 2500, 3500)] == ["first", "second", "third"]


def test_a_gone_interface_is_kept_for_late_records_and_forgotten_afterwards() -> None:
    gone = after((1000, part(web())), (2000, part()))
    an_hour_later = replace(part(), past=past_of(gone, part(), 2000 + 3600))
    much_later = replace(part(), past=past_of(gone, part(), 2000 + KEPT_SECONDS))

    for kept in (gone, an_hour_later):
        assert destination(inventory_of(kept), 1900) == "old-web"
        assert joined(inventory_of(kept), {"interface-id": "eni-web", "start": "1900"}, "interface") == "old-web"
    forgotten = inventory_of(much_later)
    assert destination(forgotten, 1900) == ""
    assert b"eni-web" not in forgotten.interface_rows


def test_a_gone_interface_keeps_its_number() -> None:
    inventory = inventory_of(after((1000, part(web())), (2000, part())))
    batch = flow_batch([{"interface-id": "eni-web", "start": "1900"}])
    found = Joiner().join(batch, all_rows(batch), inventory)

    assert int(found.words[0, found.columns["ingress_interface"].word]) > 0


def test_an_instances_name_is_that_of_the_time() -> None:
    host = interface("eni-host", VPC, "10.0.0.1", instance_id="i-1", subnet_id="subnet-1")
    inventory = inventory_of(
        after(
            (1000, part(host, instances=(Instance("i-1", "blue"),))),
            (2000, part(host, instances=(Instance("i-1", "green"),))),
        )
    )

    assert [destination(inventory, start) for start in (1500, 2500)] == ["blue", "green"]


def test_an_address_given_to_two_at_once_is_ambiguous_from_then_on_only() -> None:
    again = interface("eni-again", VPC, "10.0.0.1", name="again", subnet_id="subnet-1")
    inventory = inventory_of(after((1000, part(web("old-web"))), (2000, part(web("new-web"), again))))

    assert destination(inventory, 1500) == "old-web"
    assert destination(inventory, 2500) == ""


@pytest.mark.parametrize("start", ["-", "0"])
def test_a_record_without_a_start_is_named_by_the_present(start: str) -> None:
    inventory = inventory_of(after((1000, part(web("old-web"))), (2000, part(web("new-web")))))

    assert destination(inventory, start) == "new-web"


def test_what_did_not_change_has_no_past() -> None:
    assert after((1000, part(web())), (2000, part(web()))).past == ()


def test_knowing_more_than_before_is_not_a_change() -> None:
    host = interface("eni-host", VPC, "10.0.0.1", instance_id="i-1", subnet_id="subnet-1")
    denied = replace(part(host), unread=frozenset({"instances"}))
    allowed = part(host, instances=(Instance("i-1", "blue"),))

    assert past_of(denied, allowed, 2000) == ()

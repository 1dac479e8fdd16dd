"""What a row asks of its interface, in one line."""

from __future__ import annotations

from dataclasses import replace

from consumer.discovery.estate.past import past_of
from consumer.discovery.estate.values import Part, Subnet, Vpc
from consumer.enrich import addresses
from consumer.enrich.views import Views
from consumer.model.if_index import if_index_of
from consumer.model.inventory import code_of
from tests.support.flows import interface, inventory_of

OWNER, VPC, COUNT = "111111111111", "vpc-1", 3000


def part(count: int, name: str = "") -> Part:
    vpcs = (Vpc(VPC, "shop", OWNER, ("10.0.0.0/16",)),)
    subnets = (Subnet("subnet-1", "a", VPC, "use1-az1", ("10.0.0.0/20",)),)
    ones = (interface(f"eni-{number}", VPC, name=name, subnet_id="subnet-1") for number in range(count))
    return Part(OWNER, "us-east-1", 0.0, vpcs, subnets, tuple(ones))


def test_many_interfaces_keep_their_views_and_each_lies_in_a_line_of_the_cache() -> None:
    inventory = inventory_of(part(COUNT))
    views = Views(inventory)
    numbers = [number for code in range(1, COUNT + 1) for number in views.add([code], [b"eni-x"])]

    assert views.lines[numbers, addresses.VIEW_INTERFACE].tolist() == list(range(1, COUNT + 1))
    if_indexes = inventory.interfaces.integers["if_index"][1:]
    assert views.lines[numbers, addresses.VIEW_IF_INDEX].tolist() == if_indexes.tolist()
    assert set(views.lines[numbers, addresses.VIEW_VPC].tolist()) == {inventory.vpc_numbers[VPC.encode()]}
    assert views.lines.ctypes.data % 64 == 0
    assert views.lines.strides == (64, 4)


def test_an_interface_that_nobody_knows_is_seen_from_nowhere_and_has_the_number_of_its_id() -> None:
    views = Views(inventory_of(part(1)))
    lines = views.lines[views.add([0, 1, 0], [b"eni-new", b"eni-0", b"eni-other"])]

    assert lines[::2, addresses.VIEW_IF_INDEX].tolist() == [if_index_of(b"eni-new"), if_index_of(b"eni-other")]
    lines[:, addresses.VIEW_IF_INDEX] = 0
    assert (lines == views.lines[addresses.NOWHERE]).all(axis=1).tolist() == [True, False, True]


def test_rows_that_took_turns_are_side_by_side_and_the_first_says_so() -> None:
    old, new = part(1, "old"), part(1, "new")
    inventory = inventory_of(replace(new, past=past_of(old, new, 1000.0)))
    views = Views(inventory)
    (first,) = views.add([code_of(0)], [b"eni-0"])

    rows = views.lines[first : first + 2, addresses.VIEW_INTERFACE].tolist()
    assert [inventory.interfaces.text("name", row) for row in rows] == [b"old", b"new"]
    assert views.lines[first : first + 2, addresses.VIEW_TURNS].tolist() == [1, 0]


def test_forgotten_interfaces_leave_their_place_to_others() -> None:
    views = Views(inventory_of(part(2)))
    (number,) = views.add([1], [b"eni-0"])
    views.forget()

    assert views.add([2], [b"eni-1"]) == [number]
    assert views.lines[number, addresses.VIEW_INTERFACE] == 2

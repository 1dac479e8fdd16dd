"""What an agent keeps of the estate between two readings decides the same plan as the whole."""

from __future__ import annotations

from dataclasses import replace

from consumer.aws.roles import Target
from consumer.discovery.estate.outline import outlines
from consumer.discovery.estate.values import Part, Subnet, Vpc
from consumer.discovery.plan.choosing import Wishes, make_plan
from consumer.discovery.plan.survey import Survey
from consumer.model.plan import FlowLog
from tests.support.flows import interface
from tests.unit.discovery.plan.test_choosing import flow_log


def subnet(name: str, vpc: str) -> Subnet:
    return Subnet(name, "", vpc, "", ())


def part(*flow_logs: FlowLog) -> Part:
    vpcs = tuple(Vpc(name, "", "1", ()) for name in ("vpc-1", "vpc-2"))
    faces = (
        interface("eni-1", "vpc-1", "10.0.0.1", subnet_id="subnet-1"),
        interface("eni-2", "vpc-2", "10.0.0.1", subnet_id="subnet-2", tags={"Name": "x"}),
    )
    subnets = (subnet("subnet-1", "vpc-1"), subnet("subnet-2", "vpc-2"))
    return Part("1", "r", 5.0, vpcs, subnets, faces, flow_logs=flow_logs)


def on(resource: str, number: str = "1") -> FlowLog:
    return replace(flow_log(number), resource_id=resource)


def kept(*parts: Part) -> list[str]:
    """Interfaces of which anything is kept."""
    return [name for _, outline in outlines(dict(enumerate(parts))) for name in outline.located]


def test_interfaces_of_vpcs_with_one_flow_log_are_not_kept() -> None:
    assert kept(part(on("vpc-1"), on("vpc-2", "2"))) == []


def test_an_interface_with_a_flow_log_of_its_own_is_kept() -> None:
    assert kept(part(on("eni-2"))) == ["eni-2"]


def test_interfaces_of_a_vpc_with_several_flow_logs_are_kept_wherever_those_are() -> None:
    assert kept(part(on("vpc-1"), on("vpc-1", "2"))) == ["eni-1"]
    assert kept(part(on("vpc-2"), on("subnet-2", "2"))) == ["eni-2"]
    assert kept(part(on("vpc-2"), on("subnet-1", "2"))) == []


def test_flow_logs_of_two_accounts_of_a_shared_vpc_count_together() -> None:
    theirs = replace(part(on("subnet-2", "2")), account="2", interfaces=())

    assert kept(part(on("vpc-2")), theirs) == ["eni-2"]


def test_what_is_kept_of_an_interface_is_where_it_is() -> None:
    whole = part(on("eni-2"))
    ((_, outline),) = outlines({0: whole})

    assert outline.located == {"eni-2": ("subnet-2", "vpc-2")}
    assert (outline.vpcs, outline.flow_logs, outline.taken_at) == (whole.vpcs, whole.flow_logs, 5.0)


def test_interfaces_of_one_subnet_share_what_is_said_of_their_place() -> None:
    whole = part(on("vpc-1"), on("vpc-1", "2"))
    further = interface("eni-3", "vpc-1", "10.0.0.3", subnet_id="subnet-1")
    ((_, outline),) = outlines({0: replace(whole, interfaces=(*whole.interfaces, further))})

    assert outline.located["eni-1"] is outline.located["eni-3"]


def test_an_outline_decides_as_the_whole_does() -> None:
    whole = part(on("vpc-1"), on("eni-1", "2"), on("subnet-2", "3"))
    ((_, outline),) = outlines({0: whole})
    plans = [
        make_plan(Survey({Target(None, "r"): one}, one.flow_logs, (), (), (), ()), Wishes()) for one in (whole, outline)
    ]

    assert plans[0].choices == plans[1].choices
    assert plans[0].inside.items() >= plans[1].inside.items()

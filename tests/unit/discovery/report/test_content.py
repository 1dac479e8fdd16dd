"""What `vpcflow discover` reports of things that several accounts see, and of names that people choose."""

from __future__ import annotations

from dataclasses import replace
from io import StringIO

import pytest
from rich.console import Console

from consumer.aws.roles import AccountTarget, Role, Target
from consumer.aws.sessions import Sessions
from consumer.aws.settings import AwsSettings
from consumer.discovery.estate.merging import merge
from consumer.discovery.estate.values import Part, TransitGateway, Vpc
from consumer.discovery.inventory.snapshot import build_inventory
from consumer.discovery.plan.choosing import Wishes, make_plan
from consumer.discovery.plan.survey import Survey
from consumer.discovery.report.content import Row, report
from consumer.discovery.report.show import show
from tests.unit.discovery.plan.test_choosing import ACCOUNT, INTERFACE, REGION, SUBNET, VPC

PARTICIPANT = "000000000001"
ROLE = Role(f"arn:aws:iam::{PARTICIPANT}:role/read")
GATEWAY = TransitGateway("tgw-1", "hub", ACCOUNT)
OWNERS = Part(ACCOUNT, REGION, 0.0, (VPC,), (SUBNET,), (INTERFACE,), transit_gateways=(GATEWAY,))


def reported(*parts: Part) -> dict[str, list[Row]]:
    targets = {Target(ROLE if part.account == PARTICIPANT else None, REGION): part for part in parts}
    survey = Survey(targets, (), (), (), (), ())
    sessions = Sessions(AwsSettings(region=REGION))
    sessions.learned.accounts = {None: ACCOUNT}
    sessions.learned.account_targets = tuple(AccountTarget(one.access, (REGION,)) for one in targets)
    inventory = build_inventory(merge(parts), {}, {"vpc-1": 1 << 24}, 0.0)
    return report(survey, make_plan(survey, Wishes()), inventory, sessions)


def printed(rows: dict[str, list[Row]], width: int) -> str:
    text = StringIO()
    show(rows, {}, 1.0, Console(file=text, width=width))
    return text.getvalue()


def test_of_what_is_shared_the_owner_knows_the_name() -> None:
    shared = replace(VPC, name="", tags={})
    seen = Part(PARTICIPANT, REGION, 0.0, (shared,), (SUBNET,), transit_gateways=(replace(GATEWAY, name=""),))

    rows = reported(seen, OWNERS)

    assert [(one["name"], one["account"]) for one in rows["vpcs"]] == [(VPC.name, ACCOUNT)]
    assert [(one["name"], one["account"]) for one in rows["transit_gateways"]] == [("hub", ACCOUNT)]


def test_an_account_that_is_read_twice_is_counted_once() -> None:
    rows = reported(OWNERS)
    rows["accounts"] *= 2

    assert "1 account, 1 VPC " in printed(rows, 200)


@pytest.mark.parametrize("name", ["L" * 255, "two\nlines", "[red]markup[/red]", "back\\", "tab\there", "x" * 40 + " y"])
def test_no_name_hides_a_column_or_changes(name: str) -> None:
    vpc: Vpc = replace(VPC, id="vpc-0123456789abcdef0", name=name)
    interface = replace(INTERFACE, vpc_id=vpc.id)
    text = printed(reported(replace(OWNERS, vpcs=(vpc,), interfaces=(interface,))), 80)

    (line,) = [line for line in text.splitlines() if vpc.id in line]
    assert vpc.networks[0] in line
    assert "NO: no flow log" in line
    assert all(word in text for word in name.split() if len(word) <= 30)
    assert "\\\\" not in text


def test_of_two_who_read_an_account_the_first_asks_for_all_of_it() -> None:
    second = Role(f"arn:aws:iam::{PARTICIPANT}:role/second")
    part = replace(OWNERS, account=PARTICIPANT)
    survey = Survey({Target(ROLE, REGION): part, Target(second, REGION): part}, (), (), (), (), ())

    assert survey.access(PARTICIPANT) == ROLE
    assert survey.access(ACCOUNT) is None

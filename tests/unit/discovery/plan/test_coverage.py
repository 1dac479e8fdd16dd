"""Which VPCs and transit gateways are logged, and what is said of those that are not."""

from __future__ import annotations

from dataclasses import replace

from consumer.discovery.estate.values import Attachment, Part, TransitGateway
from consumer.discovery.plan.coverage import cover_gateways, cover_vpcs
from consumer.model.plan import FlowLog
from tests.unit.discovery.plan.test_choosing import ACCOUNT, INTERFACE, REGION, SUBNET, VPC, flow_log

OTHER = replace(INTERFACE, id="eni-2", subnet_id="subnet-2")
GATEWAY = TransitGateway("tgw-1", "hub", ACCOUNT)
ATTACHMENT = Attachment("tgw-attach-1", "", "tgw-1", "vpc", "vpc-1", ACCOUNT, "available", "")


def part(*flow_logs: FlowLog) -> Part:
    return Part(
        ACCOUNT,
        REGION,
        0.0,
        (VPC,),
        (SUBNET,),
        (INTERFACE, OTHER),
        flow_logs=flow_logs,
        transit_gateways=(GATEWAY,),
        attachments=(ATTACHMENT,),
    )


def said(*flow_logs: FlowLog) -> tuple[bool | None, str, int]:
    coverage = cover_vpcs([part(*flow_logs)])["vpc-1"]
    assert coverage.interface_count == 2
    return coverage.is_logged, coverage.reason, coverage.logged_interface_count


def test_a_vpc_without_a_flow_log_is_not_logged() -> None:
    assert said() == (False, "no flow log on it, its subnets or its interfaces", 0)


def test_its_own_flow_log_covers_every_interface() -> None:
    assert said(flow_log("1")) == (True, "by its own flow log", 2)
    assert said(flow_log("1", traffic="REJECT")) == (True, "its flow log holds REJECT only", 2)


def test_a_failing_flow_log_logs_nothing_and_the_reason_is_awss() -> None:
    assert said(flow_log("1", error="Rate limited")) == (False, "AWS cannot deliver fl-1: Rate limited", 0)
    assert said(flow_log("1", error="Rate limited"), flow_log("2"))[0] is True


def test_flow_logs_of_parts_are_counted_by_interface() -> None:
    assert said(flow_log("1", "subnet-1")) == (False, "1 of 2 interfaces are logged", 1)
    assert said(flow_log("1", "subnet-1"), flow_log("2", "eni-2")) == (
        True,
        "by flow logs of its subnets and interfaces",
        2,
    )


def test_what_could_not_be_read_is_not_called_unlogged() -> None:
    unread = replace(part(), unread=frozenset({"flow_logs"}))

    assert cover_vpcs([unread])["vpc-1"].is_logged is None
    assert cover_gateways([unread])["tgw-1"].is_logged is None


def test_a_shared_vpc_is_judged_by_its_owner() -> None:
    guest = replace(part(), account="222222222222")

    assert cover_vpcs([guest, part(flow_log("1"))])["vpc-1"].is_logged is True
    assert cover_vpcs([part(flow_log("1")), guest])["vpc-1"].is_logged is True


def test_a_transit_gateway_is_logged_by_its_own_flow_log() -> None:
    assert cover_gateways([part(flow_log("1", "tgw-1"))])["tgw-1"].is_logged is True
    assert cover_gateways([part(flow_log("1", "tgw-attach-1"))])["tgw-1"].reason == "only attachments are logged"
    assert cover_gateways([part(flow_log("1", "tgw-1", error="no"))])["tgw-1"].reason == "AWS cannot deliver: no"
    assert cover_gateways([part()])["tgw-1"].is_logged is False

"""`vpcflow check aws` on a terminal: what does not work, where, and what mends it."""

from __future__ import annotations

import io

from rich.console import Console

from consumer.discovery.access.check import Finding, State, Verdict
from consumer.tools.check_aws import show

LINE = '"Action": "ec2:DescribeFlowLogs", "Resource": "*"'


def finding(region: int, state: State = "ok", feature: str = "finding flow logs", *, required: bool = True) -> Finding:
    reason, policy = ("ec2:DescribeFlowLogs → flow logs", LINE) if state == "denied" else ("", "")
    action = "ec2:DescribeFlowLogs"
    return Finding("1" * 12, f"us-east-{region}", feature, action, "", state, required, reason, policy)


def shown(*findings: Finding, skew: float | None = 0.0) -> list[str]:
    text = io.StringIO()
    show(Verdict(findings, skew, ()), Console(file=text, width=80))
    return text.getvalue().splitlines()


def test_a_feature_is_one_row_however_many_places_it_was_tried_in() -> None:
    lines = shown(*(finding(region) for region in range(100)))

    assert len([line for line in lines if "finding flow logs" in line]) == 1
    assert any("100 of 100" in line for line in lines)
    assert lines[-1] == "the main job can run"


def test_what_does_not_work_comes_first_with_its_places_and_the_line_that_mends_it_once() -> None:
    denied = [finding(region, "denied") for region in range(9)]
    lines = shown(finding(0, feature="names", required=False), finding(9), *denied)

    first, *_ = [line for line in lines[2:] if line.strip()]
    assert first.startswith("finding flow logs")
    assert "1 of 10" in first
    text = " ".join(" ".join(lines).split())
    assert "ec2:DescribeFlowLogs denied in" in text
    assert "and 5 more" in text
    assert lines.count(f"ec2:DescribeFlowLogs → flow logs → allow {LINE}") == 1
    assert lines[-1] == "the main job cannot run as things are"


def test_a_clock_that_is_wrong_is_said_with_what_to_do() -> None:
    assert "clock: +600.0 s against AWS, which refuses requests that are 5 minutes off: let NTP set it" in shown(
        skew=600
    )
    assert "clock: +3.0 s against AWS" in shown(skew=3)
    assert "clock: AWS did not say" in shown(skew=None)


def test_what_stands_in_a_file_is_named_by_its_line() -> None:
    wrong = Finding("", "", "further accounts", "aws.role_file", "/roles, line 2", "failed", True, "no role")
    lines = shown(finding(0), wrong)

    assert any("aws.role_file failed in /roles, line 2" in line for line in lines)

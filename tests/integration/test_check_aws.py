"""`vpcflow check aws`: what is allowed, what is denied and by which line it would be allowed, and the exit code."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import orjson
import pytest
from click.testing import CliRunner

from consumer.aws.operations import BY_NAME
from consumer.cli import main
from consumer.demo.network import LOG_GROUP, MEMBER_ACCOUNT, MEMBER_ROLE
from tests.support.discovered_estate import DiscoveredEstate, seed_estate
from tests.support.emulated_estate import DENIED, Fault, FaultyAws, MotoServer
from tests.support.faulty_storage import FaultyStorage, Refuse

REGION = "us-east-1"
REFUSED: Fault = (400, "AccessDeniedException", "User is not authorized")


@pytest.fixture(scope="module")
def estate(moto: MotoServer) -> DiscoveredEstate:
    return seed_estate(moto.endpoint)


@pytest.fixture
def aws(moto: MotoServer, estate: DiscoveredEstate, monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultyAws]:
    with FaultyAws(moto.endpoint) as endpoint:
        monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint.endpoint)
        for service in ("S3", "SQS"):
            monkeypatch.setenv(f"AWS_ENDPOINT_URL_{service}", moto.endpoint)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDVISIBLE")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "a-real-secret")
        monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
        monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        yield endpoint


def checked(*options: str, code: int = 0) -> dict[str, Any]:
    result = CliRunner().invoke(main, ["check", "aws", "--json", "--region", REGION, *options])
    assert result.exit_code == code, result.output
    for secret in ("a-real-secret", "an-external-id"):
        assert secret not in result.output
    answer: dict[str, Any] = orjson.loads(result.stdout)
    assert answer["may_run"] is (code == 0)
    return answer


MEMBER = ("--role", f"{MEMBER_ROLE},an-external-id")


def states(answer: dict[str, Any], account: str = "123456789012") -> dict[str, str]:
    return {one["action"]: one["state"] for one in answer["findings"] if one["account"] == account}


def test_where_everything_is_allowed_the_main_job_can_run_and_the_trial_leaves_nothing(aws: FaultyAws) -> None:
    answer = checked(*MEMBER)

    own, member = states(answer), states(answer, MEMBER_ACCOUNT)
    assert set(own.values()) == set(member.values()) == {"ok"}
    assert {"kinesis:GetRecords", "dynamodb:PutItem", "sts:AssumeRole", "sqs:GetQueueAttributes"} < set(own)
    assert "ec2:DescribeFlowLogs" in member
    assert abs(answer["clock_skew_seconds"]) < 60
    assert set(own) <= {operation.action for operation in BY_NAME.values()}
    assert aws.calls["PutItem"] == aws.calls["DeleteItem"] == 1
    assert aws.calls["GetRecords"] == 1
    assert not {"CreateTable", "CreateFlowLogs", "PutRecord"} & set(aws.calls)


def test_a_denial_that_costs_names_only_does_not_stop_the_main_job(aws: FaultyAws) -> None:
    aws.fault_of = lambda action, _: DENIED if action == "DescribeNatGateways" else None
    answer = checked()

    (denied,) = [one for one in answer["findings"] if one["state"] != "ok"]
    assert (denied["state"], denied["is_required"]) == ("denied", False)
    assert denied["reason"] == "ec2:DescribeNatGateways → names of NAT gateways"
    assert denied["policy"] == '"Action": "ec2:DescribeNatGateways", "Resource": "*"'


@pytest.mark.parametrize(
    ("actions", "fault"),
    [
        ({"DescribeFlowLogs"}, DENIED),
        ({"GetCallerIdentity"}, (403, "AccessDenied", "no")),
        ({"GetRecords", "PutItem", "Scan"}, REFUSED),
    ],
)
def test_a_denial_of_what_the_main_job_needs_is_exit_code_one(aws: FaultyAws, actions: set[str], fault: Fault) -> None:
    aws.fault_of = lambda asked, _: fault if asked in actions else None
    denied = [one for one in checked(code=1)["findings"] if one["state"] == "denied"]

    assert {one["action"].partition(":")[2] for one in denied} == actions
    assert all(one["is_required"] and one["policy"].startswith('"Action": ') for one in denied)


def test_a_line_of_the_role_file_that_names_nobody_is_a_finding_and_the_others_are_read(
    aws: FaultyAws, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    roles = tmp_path / "roles"
    roles.write_text(f"{MEMBER_ROLE},an-external-id\nadmin\n")
    monkeypatch.setenv("VPCFLOW__AWS__ROLE_FILE", str(roles))
    answer = checked(code=1)

    assert "ec2:DescribeFlowLogs" in states(answer, MEMBER_ACCOUNT)
    (wrong,) = [one for one in answer["findings"] if one["state"] != "ok"]
    assert (wrong["action"], wrong["resource"]) == ("aws.role_file", f"{roles}, line 2")
    assert "'admin' is not a role" in wrong["reason"]


def polling(action: str) -> list[dict[str, Any]]:
    """What was found out about one call of polling."""
    return [one for one in checked(*MEMBER)["findings"] if one["action"] == action]


def test_polling_is_tried_where_the_plan_polls_or_would(aws: FaultyAws) -> None:
    found = polling("logs:FilterLogEvents")

    assert {(one["account"], one["resource"], one["state"]) for one in found} == {
        (account, LOG_GROUP, "ok") for account in ("123456789012", MEMBER_ACCOUNT)
    }
    assert not aws.calls["GetLogEvents"], "who has one way needs no permission for the other"


@pytest.mark.parametrize(("also", "code"), [("", 0), ("GetLogEvents", 1), ("DescribeLogStreams", 1)])
def test_a_polled_group_needs_one_of_two_ways(aws: FaultyAws, also: str, code: int) -> None:
    aws.fault_of = lambda asked, _: REFUSED if asked in {"FilterLogEvents", also} else None
    findings = checked(*MEMBER, code=code)["findings"]

    denied = {one["action"]: one["policy"] for one in findings if one["state"] == "denied"}
    assert denied.keys() == {f"logs:{action}" for action in ("FilterLogEvents", also) if action}
    assert all(policy.endswith('"arn:aws:logs:*:*:log-group:*"') for policy in denied.values())


def test_a_stream_that_the_settings_switched_off_is_not_tried(aws: FaultyAws, tmp_path: Path) -> None:
    config = tmp_path / "c.toml"
    config.write_text(f'[[streams]]\nname = "flow"\nregion = "{REGION}"\nenabled = false\n')
    aws.fault_of = lambda asked, _: REFUSED if asked == "GetRecords" else None

    assert "kinesis:GetRecords" not in states(checked("-c", str(config)))


def test_a_role_that_cannot_be_assumed_is_named(aws: FaultyAws) -> None:
    aws.fault_of = lambda action, _: (403, "AccessDenied", "no") if action == "AssumeRole" else None
    answer = checked(*MEMBER, code=1)

    denied = [one for one in answer["findings"] if one["state"] == "denied"]
    assert {(one["action"], one["resource"]) for one in denied} == {("sts:AssumeRole", MEMBER_ROLE)}
    assert "trust policy" in denied[0]["reason"]


def test_a_region_that_does_not_answer_is_a_failure_and_not_a_denial(
    aws: FaultyAws, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    release = threading.Event()

    def hang(action: str, parameters: dict[str, str]) -> None:
        if action == "DescribeSubnets":
            release.wait(60)

    aws.fault_of = hang
    config = tmp_path / "c.toml"
    # Long enough for every other answer, also on a busy machine.
    config.write_text("[aws]\nattempts = 1\nread_timeout_seconds = 4\n")
    answer = checked("-c", str(config), code=1)
    release.set()

    failed = {one["action"]: one["reason"] for one in answer["findings"] if one["state"] == "failed"}
    assert "timeout" in failed["ec2:DescribeSubnets"]
    assert "not tried, because" in failed["ec2:DescribeFlowLogs"]


def test_a_clock_that_is_wrong_stops_the_main_job(aws: FaultyAws, monkeypatch: pytest.MonkeyPatch) -> None:
    from consumer.clock import SystemClock

    real = SystemClock.now
    monkeypatch.setattr(SystemClock, "now", lambda self: real(self) + 600)

    assert 590 < checked(code=1)["clock_skew_seconds"] < 610


def test_a_clock_so_wrong_that_aws_refuses_everything_is_said(aws: FaultyAws, monkeypatch: pytest.MonkeyPatch) -> None:
    from consumer.clock import SystemClock

    real = SystemClock.now
    monkeypatch.setattr(SystemClock, "now", lambda self: real(self) - 3600)
    aws.fault_of = lambda *_: (403, "SignatureDoesNotMatch", "Signature expired: it is now earlier than it was")

    assert -3610 < checked(code=1)["clock_skew_seconds"] < -3590


def test_a_credentials_file_that_others_may_read_is_said_and_stops_nothing(aws: FaultyAws, tmp_path: Path) -> None:
    file = tmp_path / "credentials"
    file.write_text("[default]\naws_access_key_id = AKIDVISIBLE\naws_secret_access_key = a-real-secret\n")
    file.chmod(0o644)
    exposed = checked("--credentials-file", str(file))["notes"]

    assert [note for note in exposed if f"chmod 0400 {file}" in note]


def test_missing_credentials_are_a_fault_of_the_configuration(aws: FaultyAws, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    result = CliRunner().invoke(main, ["check", "aws", "--region", REGION])

    assert result.exit_code == 2
    assert "credentials" in result.stderr


def test_objects_and_messages_that_are_denied_are_found_without_taking_a_message(
    aws: FaultyAws, moto: MotoServer, estate: DiscoveredEstate, monkeypatch: pytest.MonkeyPatch
) -> None:
    ec2 = boto3.client("ec2", region_name=REGION, endpoint_url=moto.endpoint)
    (made,) = ec2.create_flow_logs(
        ResourceIds=[estate.bare_vpc],
        ResourceType="VPC",
        TrafficType="ALL",
        LogDestinationType="s3",
        LogDestination="arn:aws:s3:::lake",
    )["FlowLogIds"]
    with FaultyStorage(moto.endpoint) as storage:
        for service in ("S3", "SQS"):
            monkeypatch.setenv(f"AWS_ENDPOINT_URL_{service}", storage.endpoint)
        whole = states(checked())
        assert whole["s3:GetObject"] == whole["s3:ListBucket"] == whole["sqs:DeleteMessage"] == "ok"
        assert "ReceiveMessage" not in {request.action for request in storage.requests}

        storage.trouble = lambda request: (
            Refuse(403, "AccessDenied") if request.is_get_object or request.action == "DeleteMessageBatch" else None
        )
        denied = {one["action"] for one in checked(code=1)["findings"] if one["state"] == "denied"}
    ec2.delete_flow_logs(FlowLogIds=[made])
    assert denied == {"s3:GetObject", "sqs:DeleteMessage"}

"""Each template deployed and deleted in an emulated CloudFormation, and flow logs read through what it made."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import orjson
import pytest
from click.testing import CliRunner

from consumer.cli import main
from consumer.demo.bridge import read_subscription
from tests.support.emulated_estate import MotoServer
from tests.support.stacks import BY_API, Deployment
from tests.support.templates import FOLDER, Template

REGION = "us-east-1"
ACCOUNT, MEMBER_ACCOUNT = "123456789012", "111111111111"
KEY = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/0a1b2c3d"
LINE = "2 123456789012 eni-0a1b2c3d4e5f60718 10.0.0.1 10.0.0.2 443 50000 6 10 1000 1700000000 1700000060 ACCEPT OK"

Deploy = Callable[..., Deployment]


@pytest.fixture
def session(moto: MotoServer, monkeypatch: pytest.MonkeyPatch) -> boto3.Session:
    monkeypatch.setenv("AWS_ENDPOINT_URL", moto.endpoint)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "deploy")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "deploy")
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    return boto3.Session("deploy", "deploy", region_name=REGION)


@pytest.fixture
def deploy(moto: MotoServer, session: boto3.Session) -> Iterator[Deploy]:
    """`deploy("flow-logs-region", Name="one")`; what a test leaves standing is deleted after it."""
    standing: list[Deployment] = []

    def deployed(
        file: str, exports: dict[str, str] | None = None, account: str = ACCOUNT, **parameters: str
    ) -> Deployment:
        template = Template(FOLDER / f"{file}.yaml", parameters, exports=exports or {})
        template.values["AWS::AccountId"] = account
        who = session if account == ACCOUNT else session_of(account, session)
        stack = Deployment(who, moto.endpoint, template, f"{file}-{parameters.get('Name', 'one')}")
        stack.create()
        standing.append(stack)
        return stack

    yield deployed
    for stack in reversed(standing):
        stack.delete()
        log_groups = stack.template.of_kind("AWS::Logs::LogGroup")
        for group in {stack.template.properties(name)["LogGroupName"] for name in log_groups}:
            logs = stack.client("logs")
            if logs.describe_log_groups(logGroupNamePrefix=group)["logGroups"]:
                logs.delete_log_group(logGroupName=group)


@pytest.fixture
def vpc(session: boto3.Session, moto: MotoServer) -> str:
    made = session.client("ec2", endpoint_url=moto.endpoint).create_vpc(CidrBlock="10.0.0.0/16")
    return str(made["Vpc"]["VpcId"])


def check_stack(name: str, *options: str, code: int) -> list[dict[str, Any]]:
    result = CliRunner().invoke(main, ["check", "aws", "--json", "--region", REGION, "--stack", name, *options])
    assert result.exit_code == code, result.output
    stacks: list[dict[str, Any]] = orjson.loads(result.stdout)["stacks"]
    return stacks


def test_what_a_region_stack_subscribes_is_read_by_the_demos_bridge(deploy: Deploy, vpc: str) -> None:
    stack = deploy("flow-logs-region", Name="read", VpcId1=vpc)
    logs, kinesis = stack.client("logs"), stack.client("kinesis")
    group, stream = stack.outputs()["LogGroupName"], stack.outputs()["StreamName"]
    assert (group, stream) == ("/read", "read")
    now = int(time.time() * 1000)

    logs.create_log_stream(logGroupName=group, logStreamName="eni-0a1b2c3d4e5f60718-all")
    logs.put_log_events(
        logGroupName=group,
        logStreamName="eni-0a1b2c3d4e5f60718-all",
        logEvents=[{"timestamp": now, "message": LINE}],
    )
    envelopes = list(read_subscription(kinesis, stream))
    assert [one["logEvents"] for one in envelopes] == [[{"id": "0", "timestamp": now, "message": LINE}]]
    assert {one["logGroup"] for one in envelopes} == {"/read"}


def test_a_region_stack_is_made_whole_and_leaves_only_its_logs(deploy: Deploy, vpc: str) -> None:
    stack = deploy("flow-logs-region", Name="whole", VpcId1=vpc, LogRetentionDays="7", StreamRetentionHours="48")
    kinesis, logs = stack.client("kinesis"), stack.client("logs")

    assert stack.status() == "CREATE_COMPLETE"
    made = {name for name, one in stack.template.resources.items() if one["Type"] not in BY_API}
    assert set(stack.kinds()) == made
    assert logs.describe_log_groups(logGroupNamePrefix="/whole")["logGroups"][0]["retentionInDays"] == 7
    of_ours = [{"Name": "log-group-name", "Values": ["/whole"]}]
    (flow_log,) = stack.client("ec2").describe_flow_logs(Filters=of_ours)["FlowLogs"]
    assert (flow_log["ResourceId"], flow_log["LogGroupName"]) == (vpc, "/whole")
    assert flow_log["LogFormat"] == stack.template.values["LogFormat"]
    alarms = {one["AlarmName"] for one in stack.client("cloudwatch").describe_alarms()["MetricAlarms"]}
    assert alarms == {f"whole-{REGION}-{what}" for what in ("not-read", "delivery-failed", "throttled", "silent")}

    stack.delete()
    assert kinesis.list_streams()["StreamNames"] == []
    assert not stack.client("cloudwatch").describe_alarms()["MetricAlarms"]


def test_two_stacks_live_in_one_account_and_region(deploy: Deploy) -> None:
    one, two = deploy("flow-logs-region", Name="one"), deploy("flow-logs-region", Name="two", KmsKeyArn=KEY)

    assert {one.outputs()["StreamName"], two.outputs()["StreamName"]} == {"one", "two"}
    one.delete()
    assert two.client("kinesis").list_streams()["StreamNames"] == ["two"]


def test_a_central_destination_lets_in_the_accounts_it_names(deploy: Deploy) -> None:
    stream = deploy("flow-logs-region", Name="central").outputs()["StreamArn"]
    stack = deploy("central-destination", Name="central-in", StreamArn=stream, AccountIds="111111111111,222222222222")

    (made,) = stack.client("logs").describe_destinations()["destinations"]
    assert made["targetArn"] == stream
    (statement,) = json.loads(made["accessPolicy"])["Statement"]
    assert statement["Principal"] == {"AWS": ["111111111111", "222222222222"]}
    assert statement["Resource"] == stack.outputs()["DestinationArn"]
    assert check_stack("central-destination-central-in", code=0)[0]["found"] == [
        f"destination central-in delivers into {stream}"
    ]


def session_of(account: str, session: boto3.Session) -> boto3.Session:
    """Somebody of another account; moto knows accounts by the keys that a role of theirs was given."""
    role = f"arn:aws:iam::{account}:role/owner"
    keys = session.client("sts").assume_role(RoleArn=role, RoleSessionName="owner")["Credentials"]
    return boto3.Session(keys["AccessKeyId"], keys["SecretAccessKey"], keys["SessionToken"], region_name=REGION)


def test_a_member_account_subscribes_to_the_destination_of_the_central_one(deploy: Deploy) -> None:
    """moto lacks the last step, destination into stream: it takes a destination for a log group of that name."""
    stream = deploy("flow-logs-region", Name="central").outputs()["StreamArn"]
    central = deploy("central-destination", Name="central-in", StreamArn=stream, AccountIds=MEMBER_ACCOUNT)
    destination = central.outputs()["DestinationArn"]
    central.client("logs").create_log_group(logGroupName="central-in")
    central.client("logs").create_log_stream(logGroupName="central-in", logStreamName="eni-0a-all")
    member = deploy("flow-logs-region", account=MEMBER_ACCOUNT, Name="member", DestinationArn=destination)

    assert destination.split(":")[4] == ACCOUNT
    assert member.client("kinesis").list_streams()["StreamNames"] == []
    logs = member.client("logs")
    (subscription,) = logs.describe_subscription_filters(logGroupName="/member")["subscriptionFilters"]
    assert subscription["destinationArn"] == destination
    assert subscription["roleArn"] == f"arn:aws:iam::{MEMBER_ACCOUNT}:role/member-subscribe-{REGION}"

    logs.create_log_stream(logGroupName="/member", logStreamName="eni-0a-all")
    event = {"timestamp": int(time.time() * 1000), "message": LINE}
    logs.put_log_events(logGroupName="/member", logStreamName="eni-0a-all", logEvents=[event])
    arrived = central.client("logs").filter_log_events(logGroupName="central-in")["events"]
    assert [one["message"] for one in arrived] == [LINE]

    role = f"arn:aws:iam::{MEMBER_ACCOUNT}:role/vpcflow-member,an-external-id"
    (report,) = check_stack("flow-logs-region-member", "--role", role, code=1)
    assert (report["account"], report["found"]) == (MEMBER_ACCOUNT, [f"/member is subscribed to {destination}"])
    assert [problem.split(":")[0] for problem in report["problems"]] == ["no flow log writes into /member"]


def test_an_organizations_destination_names_the_organization(deploy: Deploy) -> None:
    arn = f"arn:aws:kinesis:{REGION}:{ACCOUNT}:stream/s"
    stack = deploy("central-destination", Name="org", StreamArn=arn, OrganizationId="o-a1b2c3d4e5")

    (made,) = stack.client("logs").describe_destinations()["destinations"]
    (statement,) = json.loads(made["accessPolicy"])["Statement"]
    assert statement["Condition"] == {"StringEquals": {"aws:PrincipalOrgID": "o-a1b2c3d4e5"}}


MEMBER = {"AgentRoleArn": f"arn:aws:iam::{ACCOUNT}:role/vpcflow-agent", "ExternalId": "an-external-id"}


@pytest.mark.parametrize(
    ("switches", "policies"),
    [
        ({}, 4),
        ({"Metadata": "no", "LogGroups": "no", "Streams": "no"}, 1),
        ({"Objects": "yes", "DeleteObjects": "yes", "KmsKeyArns": KEY}, 7),
    ],
    ids=["defaults", "flow logs only", "everything"],
)
def test_a_member_role_has_the_policies_that_were_switched_on(
    deploy: Deploy, switches: dict[str, str], policies: int
) -> None:
    stack = deploy("member-role", **MEMBER, **switches)
    role = stack.client("iam").get_role(RoleName="vpcflow-member")["Role"]

    (trust,) = role["AssumeRolePolicyDocument"]["Statement"]
    assert trust["Condition"]["StringEquals"]["sts:ExternalId"] == "an-external-id"
    attached = stack.client("iam").list_attached_role_policies(RoleName="vpcflow-member")["AttachedPolicies"]
    assert len(attached) == policies


@pytest.mark.parametrize("principal", ["ecs", "ec2", "rolesanywhere"])
def test_an_agent_role_is_taken_by_what_the_agent_runs_as(deploy: Deploy, principal: str) -> None:
    anchor = f"arn:aws:rolesanywhere:{REGION}:{ACCOUNT}:trust-anchor/a"
    stack = deploy("agent-role", Principal=principal, TrustAnchorArn=anchor)

    role = stack.client("iam").get_role(RoleName="vpcflow-agent")["Role"]
    trust = role["AssumeRolePolicyDocument"]["Statement"]
    (statement,) = trust if isinstance(trust, list) else [trust]
    service = {"ecs": "ecs-tasks", "ec2": "ec2", "rolesanywhere": "rolesanywhere"}[principal]
    assert statement["Principal"] == {"Service": f"{service}.amazonaws.com"}
    assert ("InstanceProfileArn" in stack.outputs()) is (principal == "ec2")


def test_an_iam_user_gets_the_policies_instead_of_a_role(deploy: Deploy, session: boto3.Session) -> None:
    iam = session.client("iam")
    iam.create_user(UserName="on-prem")
    deploy("agent-role", Principal="user", UserName="on-prem")

    assert len(iam.list_attached_user_policies(UserName="on-prem")["AttachedPolicies"]) == 5
    assert "vpcflow-agent" not in {role["RoleName"] for role in iam.list_roles()["Roles"]}


def test_the_agent_on_ecs_runs_once_read_only_as_its_own_role(deploy: Deploy, vpc: str, session: boto3.Session) -> None:
    role = deploy("agent-role").outputs()["RoleArn"]
    subnet = session.client("ec2").create_subnet(VpcId=vpc, CidrBlock="10.0.1.0/24")["Subnet"]["SubnetId"]
    stack = deploy(
        "agent-ecs",
        exports={"agent-role-one-RoleArn": role},
        Image="registry.example/vpcflow:0.1.0",
        AgentRoleStack="agent-role-one",
        Configuration=f"arn:aws:ssm:{REGION}:{ACCOUNT}:parameter/vpcflow/config",
        SecretArn=f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:vpcflow-role",
        SubnetIds=subnet,
        SecurityGroupIds="sg-0a1b2c3d",
        CollectorImage="netsampler/goflow2:v2.2.6",
    )
    ecs = stack.client("ecs")

    assert stack.status() == "CREATE_COMPLETE"
    task = ecs.describe_task_definition(taskDefinition="vpcflow-agent")["taskDefinition"]
    assert stack.template.properties("Task")["TaskRoleArn"] == role  # moto drops it
    agent, collector = task["containerDefinitions"]
    assert (agent["user"], agent["readonlyRootFilesystem"]) == ("10001:0", True)
    assert {one["name"] for one in agent["secrets"]} == {"VPCFLOW_CONFIGURATION", "VPCFLOW__AWS__ROLES__0"}
    assert collector["image"] == "netsampler/goflow2:v2.2.6"
    (service,) = ecs.describe_services(cluster="vpcflow-agent", services=["vpcflow-agent"])["services"]
    assert service["desiredCount"] == 1
    deployment = stack.template.properties("Service")["DeploymentConfiguration"]  # moto drops it too
    assert (deployment["MaximumPercent"], deployment["MinimumHealthyPercent"]) == (100, 0)


def test_check_aws_says_that_a_stack_does_its_job(deploy: Deploy, vpc: str) -> None:
    deploy("flow-logs-region", Name="good", VpcId1=vpc)

    (report,) = check_stack("flow-logs-region-good", code=0)
    assert report["template"] == "flow-logs-region 1"
    assert report["problems"] == []
    assert len(report["found"]) == 3


def test_check_aws_says_what_of_a_stack_is_missing(deploy: Deploy) -> None:
    stack = deploy("flow-logs-region", Name="bare")
    stack.client("logs").delete_subscription_filter(logGroupName="/bare", filterName="vpcflow")
    stack.client("kinesis").stop_stream_encryption(StreamName="bare", EncryptionType="KMS", KeyId="alias/aws/kinesis")

    (report,) = check_stack("flow-logs-region-bare", code=1)
    no_flow_log, no_subscription, not_encrypted = report["problems"]
    assert no_flow_log.startswith("no flow log writes into /bare: set VpcId1")
    assert "is subscribed to nothing" in no_subscription
    assert "not encrypted" in not_encrypted


def test_check_aws_says_that_a_member_role_is_not_in_the_configuration(deploy: Deploy) -> None:
    arn = deploy("member-role", **MEMBER).outputs()["RoleArn"]

    (report,) = check_stack("member-role-one", code=1)
    assert arn in report["problems"][0]
    reports = check_stack("member-role-one", "--role", f"{arn},an-external-id", code=0)
    assert all(not one["problems"] for one in reports)


def test_a_stack_that_nobody_has_is_a_finding(session: boto3.Session) -> None:
    assert check_stack("nobodys", code=1) == []

"""What the running agent reads follows discovery: new things start, gone ones stop, failures change nothing."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from consumer.agent.basis import Basis
from consumer.agent.failover import Failover
from consumer.agent.standing_in import StandingIn
from consumer.agent.steering import Steering
from consumer.agent.switches import Switches
from consumer.aws.settings import AwsSettings
from consumer.clock import SystemClock
from consumer.config import Settings
from consumer.discovery.reading.keeper import InventoryKeeper
from consumer.discovery.settings import DiscoverySettings
from consumer.kcl.settings import KclSettings, StreamSettings
from consumer.select.fallback import Rules
from consumer.state.assignments import Assignments
from consumer.state.cursors import Cursors
from consumer.state.identity import StateFolder
from tests.support.emulated_estate import DENIED, FaultyAws, MotoServer

REGION = "us-east-1"
GROUP = "123456789012/us-east-1//flow"


class Scene:
    """One account with a VPC whose flow log writes into /flow, and a steering that discovers when told."""

    def __init__(self, aws: FaultyAws, moto: str, folder: Path) -> None:
        self.aws = aws
        self._folder = folder
        self._moto = moto
        self.clock = SystemClock()
        self.begin()

    def begin(self, **settings: Any) -> None:
        """A new steering with other settings."""
        aws = AwsSettings(region=REGION, regions=(REGION,), attempts=1)
        basis = Basis.of(Settings(aws=aws, **settings), StateFolder(self._folder), self.clock)
        self.metrics, self.health = basis.metrics, basis.health
        switches = Switches(basis)
        failover = Failover(basis, Rules(), Cursors(None, self.clock), switches)
        self.standing_in = StandingIn(basis, Rules(), failover.trouble_of, switches)
        self.steering = Steering(basis, failover, self.standing_in, self._folder)
        self._keeper = InventoryKeeper(basis.sessions, DiscoverySettings(), Assignments(None), self.clock)

    def client(self, service: str) -> Any:
        return boto3.client(service, region_name=REGION, endpoint_url=self._moto)  # type: ignore[call-overload]

    def make_flow_log(self, group: str = "/flow") -> str:
        self.client("logs").create_log_group(logGroupName=group)
        vpc = self.client("ec2").create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
        return str(
            self.client("ec2").create_flow_logs(
                ResourceIds=[vpc],
                ResourceType="VPC",
                TrafficType="ALL",
                LogDestinationType="cloud-watch-logs",
                LogGroupName=group,
                DeliverLogsPermissionArn="arn:aws:iam::123456789012:role/logs",
            )["FlowLogIds"][0]
        )

    def subscribe(self, stream: str, group: str = "/flow") -> None:
        kinesis = self.client("kinesis")
        kinesis.create_stream(StreamName=stream, ShardCount=1)
        arn = kinesis.describe_stream_summary(StreamName=stream)["StreamDescriptionSummary"]["StreamARN"]
        self.client("logs").put_subscription_filter(
            logGroupName=group, filterName="to", filterPattern="", destinationArn=arn
        )

    def discover(self) -> dict[str, str]:
        """Read everything; what should be read then, with the reason."""
        stop = threading.Event()
        self.steering.refreshed(self._keeper.refresh(stop), stop)
        return {task.label(): task.reason for task in self.steering.tasks()}

    def restart(self, **settings: Any) -> dict[str, str]:
        """A new process with the old state folder, before its first reading; what it reads then, with the reason."""
        self.begin(**settings)
        self.steering.restore(threading.Event())
        return {task.label(): task.reason for task in self.steering.tasks()}

    def condition(self, name: str) -> tuple[str, str]:
        known = self.health.snapshot()[name]
        return known.state, known.reason


@pytest.fixture
def scene(moto: MotoServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Scene]:
    """In an account without anything."""
    moto.reset()
    with FaultyAws(moto.endpoint) as aws:
        monkeypatch.setenv("AWS_ENDPOINT_URL", aws.endpoint)
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", moto.endpoint)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "own")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "own")
        yield Scene(aws, moto.endpoint, tmp_path)


def test_what_discovery_finds_is_read_and_what_is_gone_is_not(scene: Scene) -> None:
    assert scene.discover() == {}
    assert "discovery knows 0 flow logs" in scene.steering.idle_reason()

    flow_log = scene.make_flow_log()
    found = scene.discover()
    assert list(found) == [f"cloudwatch {GROUP}"]
    assert "it is not subscribed to a stream" in found[f"cloudwatch {GROUP}"]

    scene.subscribe("flow")
    assert scene.discover() == {"kinesis us-east-1/flow": "log group /flow is subscribed to stream flow"}
    (row,) = scene.steering.details()["plan"]
    assert (row["flow_log"], row["source"], row["if_it_fails"]) == (
        flow_log,
        "kinesis",
        "polled from log group /flow",
    )
    (vpc,) = scene.steering.details()["vpcs"]
    assert vpc["reported_by"] == ["Kinesis (flow)"]
    labels = {"flow_log": flow_log, "resource": vpc["vpc"], "source": "kinesis"}
    assert scene.metrics.registry.get_sample_value("vpcflow_plan_flow_log", labels) == 1
    assert scene.condition("plan") == ("ok", "1 flow logs: 1 by Kinesis")

    scene.client("kinesis").delete_stream(StreamName="flow")
    found = scene.discover()
    assert list(found) == [f"cloudwatch {GROUP}"]
    assert "stream flow does not exist" in found[f"cloudwatch {GROUP}"]

    scene.client("ec2").delete_flow_logs(FlowLogIds=[flow_log])
    assert scene.discover() == {}
    assert scene.metrics.registry.get_sample_value("vpcflow_plan_flow_log", labels) is None


def test_a_discovery_that_fails_keeps_the_old_plan(scene: Scene) -> None:
    scene.make_flow_log()
    scene.subscribe("flow")
    before = scene.discover()
    for action in ("DescribeSubscriptionFilters", "DescribeStreamSummary", "DescribeFlowLogs", "DescribeVpcs"):
        scene.aws.fault_of = lambda asked, _, action=action: DENIED if asked == action else None  # type: ignore[misc]
        assert scene.discover() == before, action


def test_streams_beyond_the_limit_are_polled_and_say_so_and_those_of_the_settings_run_in_any_case(
    scene: Scene,
) -> None:
    for name in ("a", "b"):
        scene.make_flow_log(f"/{name}")
        scene.subscribe(name, f"/{name}")
    scene.begin(kcl=KclSettings(max_streams=1))
    found = scene.discover()
    assert set(found) == {"kinesis us-east-1/a", "cloudwatch 123456789012/us-east-1//b"}
    assert "stream b is one more than kcl.max_streams = 1" in found["cloudwatch 123456789012/us-east-1//b"]

    scene.begin(kcl=KclSettings(max_streams=1), streams=(StreamSettings(name="b", region=REGION),))
    assert set(scene.discover()) == {"kinesis us-east-1/b", "cloudwatch 123456789012/us-east-1//a"}


def test_without_permission_to_discover_the_streams_of_the_settings_run(scene: Scene) -> None:
    scene.begin(streams=(StreamSettings(name="flow", region=REGION),))
    scene.aws.fault_of = lambda action, _: DENIED

    assert [task.label() for task in scene.steering.tasks()] == ["kinesis us-east-1/flow"]
    assert scene.discover() == {"kinesis us-east-1/flow": "it is in the settings"}


def test_a_subscription_of_the_whole_account_is_found(scene: Scene) -> None:
    """The emulator has no such policies, so the answer is AWS's as its API reference shows it."""
    scene.make_flow_log()
    scene.make_flow_log("/left-out")
    scene.client("kinesis").create_stream(StreamName="all", ShardCount=1)
    document = (
        '{\\"DestinationArn\\":\\"arn:aws:kinesis:us-east-1:123456789012:stream/all\\",\\"FilterPattern\\":\\"\\"}'
    )
    answer = (
        '{"accountPolicies":[{"policyName":"everything","policyType":"SUBSCRIPTION_FILTER_POLICY","scope":"ALL",'
        f'"accountId":"123456789012","policyDocument":"{document}",'
        '"selectionCriteria":"LogGroupName NOT IN [\\"/left-out\\"]"}]}'
    )
    scene.aws.answer_of = lambda action: answer.encode() if action == "DescribeAccountPolicies" else None

    found = scene.discover()

    assert found["kinesis us-east-1/all"].endswith("stream all, by a policy of the account")
    assert [label for label in found if label.startswith("cloudwatch")] == [
        "cloudwatch 123456789012/us-east-1//left-out"
    ]


def test_a_policy_of_an_account_that_nobody_can_read_costs_itself_only(scene: Scene) -> None:
    scene.make_flow_log()
    scene.aws.answer_of = {"DescribeAccountPolicies": b'{"accountPolicies":[{"policyDocument":"{}"}]}'}.get

    (reason,) = scene.discover().values()

    assert "logs:DescribeAccountPolicies says what is not known here" in reason


def test_a_restarted_agent_plans_by_what_the_last_run_found_and_the_first_reading_corrects_it(scene: Scene) -> None:
    kept, gone = scene.make_flow_log("/kept"), scene.make_flow_log("/gone")
    scene.subscribe("kept", "/kept")
    before = scene.discover()
    asked: list[str] = []

    def ask(action: str, _: dict[str, str]) -> None:
        asked.append(action)

    scene.aws.fault_of = ask
    assert scene.restart() == before
    assert asked == ["GetCallerIdentity"]
    state, reason = scene.condition("plan")
    assert state == "waiting"
    assert re.fullmatch(
        r"2 flow logs: 1 by Kinesis, 1 by CloudWatch, as it was at \d{4}-\d\d-\d\d \d\d:\d\d UTC; the estate is being "
        "read anew",
        reason,
    )

    scene.client("ec2").delete_flow_logs(FlowLogIds=[gone])
    scene.make_flow_log("/new")
    found = scene.discover()
    assert set(found) == {"kinesis us-east-1/kept", "cloudwatch 123456789012/us-east-1//new"}
    assert scene.condition("plan") == ("ok", "2 flow logs: 1 by Kinesis, 1 by CloudWatch")
    choices = scene.steering.details()["plan"]
    assert gone not in {one["flow_log"] for one in choices}
    assert [one["source"] for one in choices if one["flow_log"] == kept] == ["kinesis"], "reported by one source"


def test_a_restarted_agent_keeps_the_answers_of_the_last_run_where_none_comes(scene: Scene) -> None:
    scene.make_flow_log()
    scene.subscribe("flow")
    before = scene.discover()

    scene.restart()
    scene.aws.fault_of = lambda action, _: DENIED if action == "DescribeSubscriptionFilters" else None
    assert scene.discover() == before


def test_what_the_settings_say_today_counts_for_the_plan_of_the_last_run(scene: Scene) -> None:
    scene.make_flow_log()
    scene.subscribe("flow")
    scene.discover()

    found = scene.restart(streams=(StreamSettings(name="flow", region=REGION, enabled=False),))
    assert list(found) == [f"cloudwatch {GROUP}"]
    assert "stream flow is switched off in the settings" in found[f"cloudwatch {GROUP}"]


def test_a_plan_that_was_made_for_another_account_is_not_used(scene: Scene) -> None:
    scene.make_flow_log()
    scene.discover()
    other = (
        b"<GetCallerIdentityResponse><GetCallerIdentityResult><Account>999999999999</Account>"
        b"</GetCallerIdentityResult></GetCallerIdentityResponse>"
    )
    scene.aws.answer_of = lambda action: other if action == "GetCallerIdentity" else None

    assert scene.restart() == {}
    assert scene.steering.plan() is None


def test_where_nobody_says_who_we_are_the_account_of_the_last_run_counts(scene: Scene) -> None:
    scene.make_flow_log()
    before = scene.discover()
    scene.aws.fault_of = lambda action, _: DENIED

    assert scene.restart() == before


def test_an_agent_that_never_read_anything_has_no_plan_before_its_first_reading(scene: Scene) -> None:
    scene.make_flow_log()

    assert scene.restart() == {}
    assert scene.steering.plan() is None
    assert scene.steering.idle_reason() == "nothing to read yet: the estate is being discovered"

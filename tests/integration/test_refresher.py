"""The inventory of a running agent: read on a schedule and when asked, and what is said when that fails."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import boto3
import pytest

from consumer.aws.sessions import Sessions
from consumer.aws.settings import AwsSettings
from consumer.clock import SystemClock
from consumer.discovery.reading.holder import InventoryHolder
from consumer.discovery.reading.refresher import Refresher
from consumer.discovery.reading.schedule import Schedule
from consumer.discovery.settings import DiscoverySettings
from consumer.model.delivery import Origin, SourceKind
from consumer.telemetry.health import Health
from consumer.telemetry.metrics import Metrics
from tests.support.emulated_estate import DENIED, Fault, FaultyAws, MotoServer
from tests.support.estate import wait_until

REGION = "us-east-1"
THROTTLED: Fault = (503, "RequestLimitExceeded", "Request limit exceeded.")
EXPIRED: Fault = (400, "RequestExpired", "Request has expired.")


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultyAws]:
    with MotoServer() as moto, FaultyAws(moto.endpoint) as endpoint:
        monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint.endpoint)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "own")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "own")
        yield endpoint


class Running:
    """A refresher that never runs by its schedule within a test, so that only what is asked for happens."""

    def __init__(self, roles: Path, state: Path) -> None:
        self.clock = SystemClock()
        self.health = Health(self.clock.now)
        self.metrics = Metrics()
        settings = AwsSettings(region=REGION, regions=(REGION,), attempts=1, role_file=str(roles))
        discovery = DiscoverySettings(aws_ranges=False)
        file, folder = state / "assignments.sqlite", state / "inventory"
        holder = InventoryHolder(Sessions(settings), settings, discovery, file, folder, self.clock)
        self.refresher = Refresher(holder, Schedule("0 0 29 2 *", self.clock), self.clock, self.metrics, self.health)
        self.stop = threading.Event()

    def vpc_count(self) -> int:
        return len(self.refresher.inventory().vpc_numbers)

    def taken_at(self) -> float:
        return self.refresher.inventory().taken_at

    def knows(self, interface_id: str) -> bool:
        return interface_id.encode() in self.refresher.inventory().interface_rows

    def sample(self, metric: str) -> float:
        return self.metrics.registry.get_sample_value(metric) or 0.0

    def condition(self) -> tuple[str, str]:
        known = self.health.snapshot()["inventory"]
        return known.state, known.reason

    def wait_until_read(self) -> None:
        """The default VPC is known, and what is said of that reading is said: nothing later is taken for it."""
        self.wait(lambda: self.condition()[0] == "ok", "the estate was read for the first time")
        assert self.vpc_count() == 1

    def wait(self, is_so: Callable[[], bool], what: str) -> None:
        wait_until(is_so, what, 120)


@pytest.fixture
def running(aws: FaultyAws, tmp_path: Path) -> Iterator[Running]:
    (tmp_path / "roles").write_text("")
    run = Running(tmp_path / "roles", tmp_path / "state")
    run.refresher.start(run.stop)
    yield run
    run.stop.set()


def test_a_call_finds_a_new_vpc_and_a_new_account_without_a_restart(
    aws: FaultyAws, running: Running, tmp_path: Path
) -> None:
    running.wait_until_read()
    boto3.client("ec2", region_name=REGION).create_vpc(CidrBlock="10.0.0.0/16")
    (tmp_path / "roles").write_text("arn:aws:iam::222222222222:role/x\n")
    running.refresher.reread()

    running.wait(lambda: running.vpc_count() == 3, "the VPC and that of the new account are known")
    (tmp_path / "roles").write_text("")
    running.refresher.reread()
    running.wait(lambda: running.vpc_count() == 2, "what is gone is forgotten")


def test_a_reading_that_is_impossible_is_said_and_the_next_one_mends_it(
    aws: FaultyAws, running: Running, tmp_path: Path
) -> None:
    running.wait_until_read()
    (tmp_path / "roles").unlink()
    running.refresher.reread()
    running.wait(lambda: running.condition()[0] == "failing", "the missing file is seen")
    assert "aws.role_file" in running.condition()[1]
    assert running.vpc_count() == 1, "the names known so far stay"

    (tmp_path / "roles").write_text("")
    running.refresher.reread()
    running.wait(lambda: running.condition()[0] == "ok", "the next reading is good")


def test_a_wrong_line_of_the_role_file_costs_itself_and_is_said_and_counted(
    aws: FaultyAws, running: Running, tmp_path: Path
) -> None:
    running.wait_until_read()
    (tmp_path / "roles").write_text("arn:aws:iam::222222222222:role/x\nadmin\n")
    running.refresher.reread()

    running.wait(lambda: running.vpc_count() == 2, "the right line is read")
    running.wait(lambda: running.condition()[0] == "waiting", "the wrong one is seen")
    assert f"aws.role_file: {tmp_path}/roles, line 2: 'admin' is not a role" in running.condition()[1]
    assert running.metrics.registry.get_sample_value("vpcflow_inventory_problems") == 1

    (tmp_path / "roles").write_text("arn:aws:iam::222222222222:role/x\n")
    running.refresher.reread()
    running.wait(lambda: running.condition()[0] == "ok", "it is mended")
    assert running.metrics.registry.get_sample_value("vpcflow_inventory_problems") == 0


def test_a_denied_call_is_seen_in_health_and_metrics(aws: FaultyAws, running: Running) -> None:
    running.wait_until_read()
    aws.fault_of = lambda action, _: DENIED if action == "DescribeInstances" else None
    running.refresher.reread()

    running.wait(lambda: running.condition()[0] == "waiting", "the denial is seen")
    assert "ec2:DescribeInstances denied" in running.condition()[1]
    assert running.metrics.registry.get_sample_value("vpcflow_inventory_problems") == 1


MEMBER = "222222222222"
MEMBER_ROLE = f"arn:aws:iam::{MEMBER}:role/x"


def make_interface() -> str:
    """An interface in the default VPC of the own account."""
    ec2 = boto3.client("ec2", region_name=REGION)
    subnet = ec2.describe_subnets()["Subnets"][0]["SubnetId"]
    return str(ec2.create_network_interface(SubnetId=subnet)["NetworkInterface"]["NetworkInterfaceId"])


def test_an_interface_made_since_the_last_discovery_is_asked_for_when_flows_name_it(
    aws: FaultyAws, running: Running
) -> None:
    running.wait_until_read()
    made = make_interface()
    origin = Origin(
        SourceKind.KINESIS,
        account=boto3.client("sts", region_name=REGION).get_caller_identity()["Account"],
        region=REGION,
    )
    refreshes = aws.calls["DescribeVpcs"]
    running.refresher.unknown.note(origin, [made.encode(), b"eni-00000000000000000"])

    running.wait(lambda: running.knows(made), "the new interface is known")
    running.wait(lambda: running.sample("vpcflow_interfaces_looked_up_total") == 1, "it is counted")
    assert aws.calls["DescribeVpcs"] == refreshes, "nothing else was read again"


def test_a_look_up_that_is_throttled_costs_only_itself(aws: FaultyAws, running: Running) -> None:
    running.wait_until_read()
    made = make_interface()
    aws.fault_of = lambda action, _: THROTTLED if action == "DescribeNetworkInterfaces" else None
    running.refresher.unknown.note(Origin(SourceKind.KINESIS), [made.encode()])

    running.wait(lambda: running.sample("vpcflow_interface_look_up_errors_total") == 1, "the failure is counted")
    aws.fault_of = lambda action, _: None
    running.refresher.reread()
    running.wait(lambda: running.knows(made), "the next discovery finds it")


def test_a_throttled_account_keeps_its_names_and_recovers_by_itself_while_others_go_on(
    aws: FaultyAws, running: Running, tmp_path: Path
) -> None:
    running.wait_until_read()
    (tmp_path / "roles").write_text(f"{MEMBER_ROLE}\n")
    running.refresher.reread()
    running.wait(lambda: running.vpc_count() == 2, "both accounts are known")
    member_keys = set[str]()

    def throttle_member(action: str, parameters: dict[str, str]) -> Fault | None:
        is_member = not parameters.get("access_key", "own").startswith("own")
        if is_member and action.startswith("Describe"):
            member_keys.add(parameters["access_key"])
            return THROTTLED
        return None

    aws.fault_of = throttle_member
    boto3.client("ec2", region_name=REGION).create_vpc(CidrBlock="10.0.0.0/16")
    running.refresher.reread()
    running.wait(lambda: running.vpc_count() == 3, "the own account is read while the other is throttled")
    running.wait(lambda: running.condition()[0] == "waiting", "health says so")
    assert MEMBER in running.condition()[1]
    assert member_keys
    assert running.sample("vpcflow_inventory_problems") >= 1

    aws.fault_of = lambda action, _: None
    running.refresher.reread()
    running.wait(lambda: running.condition()[0] == "ok", "it recovers by itself")
    assert running.vpc_count() == 3


def test_a_session_that_aws_ended_early_is_renewed_at_once(aws: FaultyAws, running: Running, tmp_path: Path) -> None:
    running.wait_until_read()
    (tmp_path / "roles").write_text(f"{MEMBER_ROLE}\n")
    running.refresher.reread()
    running.wait(lambda: running.vpc_count() == 2, "both accounts are known")
    ended = set[str]()
    assumed = aws.calls["AssumeRole"]

    def end_first_session(action: str, parameters: dict[str, str]) -> Fault | None:
        key = parameters.get("access_key", "own")
        if key.startswith("own") or not action.startswith("Describe"):
            return None
        if not ended:
            ended.add(key)
        return EXPIRED if key in ended else None

    aws.fault_of = end_first_session
    read = running.taken_at()
    running.refresher.reread()
    running.wait(lambda: running.taken_at() > read, "the next run ends")
    assert aws.calls["AssumeRole"] == assumed + 2, "the role is assumed again in the same run"
    assert ended
    assert running.condition()[0] == "ok"
    assert running.vpc_count() == 2

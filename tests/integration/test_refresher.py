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
from consumer.discovery.inventory import InventoryKeeper
from consumer.discovery.refresher import Refresher
from consumer.discovery.schedule import Schedule
from consumer.discovery.settings import DiscoverySettings
from consumer.state.assignments import Assignments
from consumer.telemetry.health import Health
from consumer.telemetry.metrics import Metrics
from tests.support.emulated_estate import DENIED, FaultyAws, MotoServer
from tests.support.estate import wait_until

REGION = "us-east-1"


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultyAws]:
    with MotoServer() as moto, FaultyAws(moto.endpoint) as endpoint:
        monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint.endpoint)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "own")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "own")
        yield endpoint


class Running:
    """A refresher that never runs by its schedule within a test, so that only what is asked for happens."""

    def __init__(self, roles: Path) -> None:
        self.clock = SystemClock()
        self.health = Health(self.clock.now)
        self.metrics = Metrics()
        settings = AwsSettings(region=REGION, regions=(REGION,), attempts=1, role_file=str(roles))
        keeper = InventoryKeeper(Sessions(settings), DiscoverySettings(), Assignments(None), self.clock)
        self.refresher = Refresher(keeper, Schedule("0 0 29 2 *", self.clock), self.clock, self.metrics, self.health)
        self.stop = threading.Event()

    def vpc_count(self) -> int:
        return len(self.refresher.inventory().vpc_numbers)

    def condition(self) -> tuple[str, str]:
        known = self.health.snapshot()["inventory"]
        return known.state, known.reason

    def wait(self, is_so: Callable[[], bool], what: str) -> None:
        wait_until(is_so, what, 60)


@pytest.fixture
def running(aws: FaultyAws, tmp_path: Path) -> Iterator[Running]:
    (tmp_path / "roles").write_text("")
    run = Running(tmp_path / "roles")
    run.refresher.start(run.stop)
    yield run
    run.stop.set()


def test_a_call_finds_a_new_vpc_and_a_new_account_without_a_restart(
    aws: FaultyAws, running: Running, tmp_path: Path
) -> None:
    assert running.vpc_count() == 1
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
    assert running.vpc_count() == 1
    (tmp_path / "roles").unlink()
    running.refresher.reread()
    running.wait(lambda: running.condition()[0] == "failing", "the missing file is seen")
    assert "aws.role_file" in running.condition()[1]
    assert running.vpc_count() == 1, "the names known so far stay"

    (tmp_path / "roles").write_text("")
    running.refresher.reread()
    running.wait(lambda: running.condition()[0] == "ok", "the next reading is good")


def test_a_denied_call_is_seen_in_health_and_metrics(aws: FaultyAws, running: Running) -> None:
    assert running.vpc_count() == 1
    aws.fault_of = lambda action, _: DENIED if action == "DescribeInstances" else None
    running.refresher.reread()

    running.wait(lambda: running.condition()[0] == "waiting", "the denial is seen")
    assert "ec2:DescribeInstances denied" in running.condition()[1]
    assert running.metrics.registry.get_sample_value("vpcflow_inventory_problems") == 1

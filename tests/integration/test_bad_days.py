"""A minute of bad luck in one account or region: the others are read, health and metrics say what is wrong, and it
passes by itself at the next discovery."""

from __future__ import annotations

import json
import re
import socket
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import boto3
import pytest

from consumer.aws.sessions import Sessions
from consumer.aws.settings import AwsSettings
from consumer.discovery.reading.holder import InventoryHolder
from consumer.discovery.reading.refresher import Refresher
from consumer.discovery.reading.schedule import Schedule
from consumer.discovery.settings import DiscoverySettings
from consumer.telemetry.health import Health
from consumer.telemetry.metrics import Metrics
from consumer.telemetry.server import TelemetryServer
from tests.support.agent_process import AgentProcess
from tests.support.clock import ManualClock
from tests.support.emulated_estate import Fault, FaultyAws, MotoServer
from tests.support.estate import wait_until

HERE, THERE = "us-east-1", "eu-west-1"
MEMBER = "222222222222"
ROLE = f"arn:aws:iam::{MEMBER}:role/x"
SPAN_SECONDS = 60.0
LATE_SECONDS = 12.0
"""How long the region that does not answer lets a call hang; longer than the time-out of a call in these tests, which
the emulator keeps to on a busy machine, too."""


def throttled(action: str, parameters: dict[str, str]) -> Fault | None:
    """The member account is throttled, whatever it is asked."""
    is_member = parameters.get("access_key", "").startswith("ASIA")
    return (503, "RequestLimitExceeded", "Request limit exceeded.") if is_member else None


def expired(action: str, parameters: dict[str, str]) -> Fault | None:
    """Sessions of the member account are over and STS gives no new ones."""
    is_member = parameters.get("access_key", "").startswith("ASIA") or action == "AssumeRole"
    return (400, "ExpiredToken", "The security token included in the request is expired") if is_member else None


def silent(action: str, parameters: dict[str, str]) -> Fault | None:
    """One region does not answer anybody."""
    if parameters.get("region") == THERE:
        time.sleep(LATE_SECONDS)
    return None


BAD_DAYS = [
    pytest.param(throttled, {f"{MEMBER}/{HERE}", f"{MEMBER}/{THERE}"}, "RequestLimitExceeded", id="throttled"),
    pytest.param(expired, {f"{MEMBER}/{HERE}", f"{MEMBER}/{THERE}"}, "ExpiredToken", id="expired"),
    pytest.param(silent, {f"own/{THERE}", f"{MEMBER}/{THERE}"}, "Read timeout", id="silent"),
]


@pytest.fixture(scope="module")
def running_moto() -> Iterator[MotoServer]:
    with MotoServer() as server:
        yield server


@pytest.fixture
def moto(running_moto: MotoServer, monkeypatch: pytest.MonkeyPatch) -> MotoServer:
    """With nothing in it, and awake: its first answer of each kind takes seconds."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "own")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "own")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    running_moto.reset()
    for region in (HERE, THERE):
        boto3.client("ec2", region_name=region, endpoint_url=running_moto.endpoint).describe_vpcs()
    boto3.client("sts", region_name=HERE, endpoint_url=running_moto.endpoint).get_caller_identity()
    return running_moto


@pytest.fixture
def aws(moto: MotoServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultyAws]:
    with FaultyAws(moto.endpoint) as endpoint:
        monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint.endpoint)
        yield endpoint


def make_vpc(moto: MotoServer) -> None:
    """One more in our own account, where nothing is wrong."""
    boto3.client("ec2", region_name=HERE, endpoint_url=moto.endpoint).create_vpc(CidrBlock="10.0.0.0/16")


class Watched:
    """A refresher that discovers each minute of a clock that runs as fast as it can, for `until` seconds of it."""

    def __init__(self, state: Path, until: float) -> None:
        self.clock = ManualClock()
        self.clock.on_wait = self._look
        self.health, self.metrics = Health(self.clock.now), Metrics()
        settings = AwsSettings(
            region=HERE, regions=(HERE, THERE), roles=(ROLE,), attempts=1, read_timeout_seconds=LATE_SECONDS - 2
        )
        discovery = DiscoverySettings(aws_ranges=False)
        self._holder = InventoryHolder(
            Sessions(settings), settings, discovery, state / "a.sqlite", state / "inventory", self.clock
        )
        schedule = Schedule("* * * * *", self.clock)
        self.refresher = Refresher(self._holder, schedule, self.clock, self.metrics, self.health)
        self.seen: dict[int, tuple[str, str, float, int]] = {}
        """By second: what /health and /metrics say of the inventory (state, reason, problems), and how many VPCs."""
        self.at: dict[int, Callable[[], None]] = {}
        """What happens in which second."""
        self._until = until
        self._over = threading.Event()
        self._server = TelemetryServer("127.0.0.1", 0, self.metrics, self.health, dict)

    def run(self) -> None:
        stop = self._stop = threading.Event()
        self._server.start()
        self.refresher.start(stop)
        wait_until(stop.is_set, "the time is over", 240)
        self._server.close()

    def _look(self, seconds: float) -> None:
        now = int(self.clock.elapsed)
        self.at.pop(now, lambda: None)()
        if now % 10 == 9:
            condition = json.loads(self._get("/health"))["components"]["inventory"]
            (line,) = (
                one for one in self._get("/metrics").splitlines() if one.startswith("vpcflow_inventory_problems")
            )
            vpcs = len(self._holder.inventory.vpc_numbers)
            self.seen[now] = condition["state"], condition["reason"], float(line.split()[1]), vpcs
        if self.clock.elapsed >= self._until:
            self._stop.set()

    def _get(self, path: str) -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{self._server.port}{path}", timeout=30) as answer:
            return str(answer.read().decode())


@pytest.mark.parametrize(("fault", "targets", "word"), BAD_DAYS)
def test_a_minute_of_it_costs_nobody_else_anything_and_passes(
    aws: FaultyAws,
    moto: MotoServer,
    tmp_path: Path,
    fault: Callable[[str, dict[str, str]], Fault | None],
    targets: set[str],
    word: str,
) -> None:
    """Discoveries at 0, 40 and 100 s; the minute is from 30 to 90."""
    watched = Watched(tmp_path, 110)

    def begin() -> None:
        aws.fault_of = fault
        make_vpc(moto)

    def end() -> None:
        aws.fault_of = lambda action, parameters: None

    watched.at = {30: begin, 90: end}
    watched.run()

    before, during, after = (watched.seen[second] for second in (29, 59, 109))
    assert (before[0], before[2], before[3]) == ("ok", 0, 4)
    state, reason, problems, vpcs = during
    assert (state, problems) == ("waiting", 2)
    assert targets == _named(reason)
    assert word in reason
    assert vpcs == 5, "the new VPC of our own account is known, and none of the others is forgotten"
    assert watched.seen[89][:3] == during[:3], "it is still said"
    assert (after[0], after[2], after[3]) == ("ok", 0, 5)


def _bound(collector: socket.socket) -> int:
    """The port of a collector that nobody reads."""
    collector.bind(("127.0.0.1", 0))
    return int(collector.getsockname()[1])


def _named(reason: str) -> set[str]:
    """The accounts and regions that could not be read, by the words of /health."""
    return set(re.findall(r"(?:read: |; )(\w+/[a-z0-9-]+): ", reason))


def test_sessions_that_end_in_the_middle_of_a_run_are_renewed_and_nothing_is_missing(
    aws: FaultyAws, tmp_path: Path
) -> None:
    """Each session is good for seven calls, and a reading takes twelve in each of two regions."""
    calls: Counter[str] = Counter()

    def wear_out(action: str, parameters: dict[str, str]) -> Fault | None:
        key = parameters.get("access_key", "")
        if not key.startswith("ASIA"):
            return None
        calls[key] += 1
        return (400, "RequestExpired", "Request has expired.") if calls[key] > 7 else None

    aws.fault_of = wear_out
    watched = Watched(tmp_path, 10)
    watched.run()

    assert watched.seen[9][0::2] == ("ok", 0)
    assert watched.seen[9][3] == 4
    assert len(calls) > 2, "one session was enough"


AGENT = """\
[aws]
region = "{here}"
regions = ["{here}", "{there}"]
roles = ["{role}"]
read_timeout_seconds = 4.0

[discovery]
cron = "* * * * *"
"""


def test_a_restarted_agent_reads_what_the_last_run_found_while_a_region_does_not_answer(
    aws: FaultyAws, moto: MotoServer, tmp_path: Path
) -> None:
    make_polled_flow_log(moto)
    sections = f'[aws]\nregion = "{HERE}"\nregions = ["{HERE}", "{THERE}"]\n'
    over = threading.Event()

    def hang(action: str, parameters: dict[str, str]) -> None:
        if parameters.get("region") == THERE:
            over.wait(240)

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as collector:
        agent = AgentProcess(tmp_path, sections, _bound(collector), {"AWS_ENDPOINT_URL_S3": moto.endpoint})

        def plan() -> dict[str, str]:
            found: dict[str, str] = agent.health().get("components", {}).get("plan", {})
            return found

        with agent:
            wait_until(lambda: plan().get("state") == "ok", "the first discovery", 180)
            agent.terminate()
        aws.fault_of = hang
        try:
            with agent:
                wait_until(lambda: plan().get("state") == "waiting", "the plan of the last run", 180)
                wait_until(lambda: bool(agent.health().get("sources")), "what it reads", 60)
                health = agent.health()
                assert [one["source"] for one in health["sources"]] == [f"cloudwatch 123456789012/{HERE}//flow"]
                assert "reading the estate anew" in health["components"]["inventory"]["reason"], "it was not held up"
        finally:
            over.set()


def make_polled_flow_log(moto: MotoServer) -> None:
    """Of a VPC in our own account, into a log group that nothing subscribes."""
    ec2 = boto3.client("ec2", region_name=HERE, endpoint_url=moto.endpoint)
    boto3.client("logs", region_name=HERE, endpoint_url=moto.endpoint).create_log_group(logGroupName="/flow")
    ec2.create_flow_logs(
        ResourceIds=[ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]],
        ResourceType="VPC",
        TrafficType="ALL",
        LogDestinationType="cloud-watch-logs",
        LogGroupName="/flow",
        DeliverLogsPermissionArn="arn:aws:iam::123456789012:role/logs",
    )


@pytest.mark.soak
@pytest.mark.timeout(900)
@pytest.mark.parametrize(("fault", "targets", "word"), BAD_DAYS)
def test_an_agent_lives_through_a_real_minute_of_it(
    aws: FaultyAws,
    moto: MotoServer,
    tmp_path: Path,
    fault: Callable[[str, dict[str, str]], Fault | None],
    targets: set[str],
    word: str,
) -> None:
    sections = AGENT.format(here=HERE, there=THERE, role=ROLE)
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as collector,
        AgentProcess(tmp_path, sections, _bound(collector), {}) as agent,
    ):

        def inventory() -> dict[str, str]:
            found: dict[str, str] = agent.health().get("components", {}).get("inventory", {})
            return found

        wait_until(lambda: inventory().get("state") == "ok", "the estate is known", 180)
        interfaces = agent.metric('vpcflow_inventory_entities{kind="endpoint"}')
        began = time.monotonic()
        aws.fault_of = fault
        make_vpc(moto)
        seen = wait_until(lambda: inventory().get("state") == "waiting", "health says so", 180)
        reason = inventory()["reason"]
        assert _named(reason) == targets
        assert agent.metric("vpcflow_inventory_problems") == 2
        wait_until(
            lambda: agent.metric('vpcflow_inventory_entities{kind="endpoint"}') > interfaces,
            "the new VPC is known",
            180,
        )
        time.sleep(max(0.0, SPAN_SECONDS - (time.monotonic() - began)))
        aws.fault_of = lambda action, parameters: None
        mended = time.monotonic()
        wait_until(lambda: inventory().get("state") == "ok", "it passes", 180)
        assert agent.metric("vpcflow_inventory_problems") == 0
        over = time.monotonic() - mended
        print(f"\n{word}: said after {seen:.0f} s, lasted {mended - began:.0f} s, over {over:.0f} s after its end")

"""The inventory of a running agent, made by a process of its own, on good days and bad ones."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import pytest

from consumer.aws.sessions import Sessions
from consumer.aws.settings import AwsSettings
from consumer.demo.network import MEMBER_ACCOUNT, Host, Network
from consumer.discovery.reading.errand import Errand
from consumer.discovery.reading.holder import PROGRAM, InventoryHolder
from consumer.discovery.reading.keeper import InventoryKeeper
from consumer.discovery.settings import DiscoverySettings
from consumer.errors import ConfigurationError, RetryableError, Stopped
from consumer.kcl.processes import process_record
from consumer.model.inventory import Inventory
from consumer.state.assignments import Assignments
from tests.support.clock import ManualClock
from tests.support.emulated_estate import Fault, FaultyAws
from tests.support.estate import wait_until


class Holding:
    """A holder over the seeded network. `state`: its folder."""

    def __init__(
        self,
        network: Network,
        state: Path,
        discovery: DiscoverySettings | None = None,
        program: tuple[str, ...] = PROGRAM,
        session_seconds: int = 3600,
    ) -> None:
        self.aws = AwsSettings(
            region="us-east-1",
            regions=network.regions,
            roles=network.member_roles,
            attempts=1,
            session_seconds=session_seconds,
        )
        self.sessions = Sessions(self.aws)
        self.folder = state / "inventory"
        self.discovery = discovery or DiscoverySettings(aws_ranges=False)
        self.holder = InventoryHolder(
            self.sessions, self.aws, self.discovery, state / "a.sqlite", self.folder, ManualClock(), program=program
        )
        self.stop = threading.Event()


def words(inventory: Inventory, host: Host) -> dict[str, str]:
    """Strings of a host's interface."""
    row = inventory.interface_rows[host.interface_id.encode()]
    return {name: inventory.interfaces.text(name, row).decode() for name in inventory.interfaces.strings}


def test_what_the_process_reads_is_what_would_be_read_here(
    faulty_aws: FaultyAws, network: Network, tmp_path: Path
) -> None:
    holding = Holding(network, tmp_path)
    there = holding.holder.refresh(holding.stop)
    assignments = Assignments(tmp_path / "a.sqlite")
    here = InventoryKeeper(Sessions(holding.aws), holding.discovery, assignments, ManualClock()).refresh()

    assert there.problems == ()
    assert holding.holder.inventory is there.inventory
    assert set(there.parts) == set(here.parts)
    for host in network.hosts:
        assert words(there.inventory, host) == words(here.inventory, host)
    for name in ("if_index", "exporter_address"):
        mine, theirs = (one.inventory.interfaces.integers[name].tolist() for one in (there, here))
        assert mine == theirs
    for target, part in there.parts.items():
        whole = here.parts[target]
        assert [(one.id, one.name) for one in part.vpcs] == [(one.id, one.name) for one in whole.vpcs]
        assert part.flow_logs == whole.flow_logs


def test_the_agents_sessions_know_afterwards_who_is_who(
    faulty_aws: FaultyAws, network: Network, tmp_path: Path
) -> None:
    holding = Holding(network, tmp_path)
    holding.holder.refresh(holding.stop)
    faulty_aws.calls.clear()

    assert holding.sessions.targets_of(MEMBER_ACCOUNT, "us-east-1")
    assert len(holding.sessions.account_targets()) == 2
    assert not faulty_aws.calls


def test_a_session_length_that_was_refused_is_refused_once(
    faulty_aws: FaultyAws, network: Network, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    def chained(action: str, parameters: dict[str, str]) -> Fault | None:
        too_long = action == "AssumeRole" and int(parameters["DurationSeconds"]) > 3600
        text = "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining"
        return (400, "ValidationError", text) if too_long else None

    faulty_aws.fault_of = chained
    holding = Holding(network, tmp_path, session_seconds=7200)
    for assumed in (2, 3, 4):
        assert holding.holder.refresh(holding.stop).problems == ()
        assert faulty_aws.calls["AssumeRole"] == assumed

    assert capfd.readouterr().err.count("session duration refused") == 1


def test_after_a_restart_names_are_there_before_anything_is_read(
    faulty_aws: FaultyAws, network: Network, tmp_path: Path
) -> None:
    first = Holding(network, tmp_path)
    first.holder.refresh(first.stop)
    faulty_aws.calls.clear()
    again = Holding(network, tmp_path)

    assert again.holder.restore()
    assert words(again.holder.inventory, network.host("web-1"))["name"] == "web-1"
    assert not faulty_aws.calls


def test_a_stop_ends_the_process_and_the_old_snapshot_stays(
    faulty_aws: FaultyAws, network: Network, tmp_path: Path
) -> None:
    holding = Holding(network, tmp_path)
    before = holding.holder.refresh(holding.stop).inventory
    release = threading.Event()

    def hang(action: str, parameters: dict[str, str]) -> Fault | None:
        holding.stop.set()
        release.wait(30)
        return None

    faulty_aws.fault_of = hang
    with pytest.raises(Stopped):
        holding.holder.refresh(holding.stop)
    release.set()

    assert holding.holder.inventory is before


def test_a_process_that_dies_is_said_and_the_old_names_stay(
    faulty_aws: FaultyAws, network: Network, tmp_path: Path
) -> None:
    first = Holding(network, tmp_path)
    first.holder.refresh(first.stop)
    broken = Holding(network, tmp_path, program=(sys.executable, "-c", "import sys; sys.exit(7)"))
    assert broken.holder.restore()
    with pytest.raises(RetryableError, match="exit 7"):
        broken.holder.refresh(broken.stop)

    assert words(broken.holder.inventory, network.host("web-1"))["name"] == "web-1"


AGENT = """
import sys, threading
from pathlib import Path
from consumer.aws.sessions import Sessions
from consumer.aws.settings import AwsSettings
from consumer.clock import SystemClock
from consumer.discovery.reading.holder import InventoryHolder
from consumer.discovery.settings import DiscoverySettings

aws, state = AwsSettings(region="us-east-1"), Path(sys.argv[1])
holder = InventoryHolder(
    Sessions(aws), aws, DiscoverySettings(), state / "a.sqlite", state, SystemClock(), program=sys.argv[2:]
)
holder.refresh(threading.Event())
"""


def test_the_process_dies_with_its_agent(faulty_aws: FaultyAws, network: Network, tmp_path: Path) -> None:
    release, pid = threading.Event(), tmp_path / "pid"

    def hang(action: str, parameters: dict[str, str]) -> Fault | None:
        release.wait(60)
        return None

    faulty_aws.fault_of = hang
    note = f"import os; open({str(pid)!r}, 'w').write(str(os.getpid())); "
    reader = (sys.executable, "-c", note + "from consumer.discovery.reading.errand import main; main()")
    agent = subprocess.Popen([sys.executable, "-c", AGENT, str(tmp_path), *reader])
    wait_until(lambda: pid.exists() and bool(pid.read_text()) and bool(faulty_aws.calls), "the process asks AWS", 60)
    number = int(pid.read_text())
    assert process_record(number) is not None
    agent.kill()
    agent.wait()
    wait_until(lambda: process_record(number) is None, "it is gone", 30)
    release.set()


def test_a_used_up_pool_is_told_by_that_process_too(faulty_aws: FaultyAws, network: Network, tmp_path: Path) -> None:
    holding = Holding(network, tmp_path, DiscoverySettings(exporter_pool="198.18.0.0/30", aws_ranges=False))
    with pytest.raises(ConfigurationError, match=r"discovery\.exporter_pool = '198.18.0.0/30'.*larger network"):
        holding.holder.refresh(holding.stop)


def test_a_folder_that_cannot_be_written_costs_no_names(
    faulty_aws: FaultyAws, network: Network, tmp_path: Path
) -> None:
    (tmp_path / "inventory").write_text("in the way")
    holding = Holding(network, tmp_path)
    refresh = holding.holder.refresh(holding.stop)

    assert words(refresh.inventory, network.host("web-1"))["name"] == "web-1"
    assert holding.holder.inventory is refresh.inventory


def test_an_errand_holds_no_key(network: Network, tmp_path: Path) -> None:
    """It goes through a pipe; credentials are found by the process itself."""
    holding = Holding(network, tmp_path)
    errand = Errand(holding.aws, holding.discovery, tmp_path, tmp_path, holding.sessions.learned, "info", 0)

    assert "secret" not in repr(errand)

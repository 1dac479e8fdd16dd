"""The inventory of two accounts in two regions, read from an emulated EC2 through a role, on good days and bad ones."""

from __future__ import annotations

import threading
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

import orjson
import pytest

from consumer.aws.sessions import Sessions
from consumer.aws.settings import AwsSettings
from consumer.demo.network import MEMBER_ACCOUNT, Host, Network
from consumer.discovery.reading.keeper import InventoryKeeper, Refresh
from consumer.discovery.settings import DiscoverySettings
from consumer.enrich.join import Joiner
from consumer.errors import Stopped
from consumer.model.inventory import Inventory
from consumer.state.assignments import Assignments
from tests.support.clock import ManualClock
from tests.support.emulated_estate import DENIED, Fault, FaultyAws
from tests.support.flows import all_rows, flow_batch

AGENT = 1


class Keeping:
    """A keeper over the seeded network, with a clock that the test moves."""

    def __init__(
        self,
        network: Network,
        state: Path | None = None,
        discovery: DiscoverySettings | None = None,
        folder: Path | None = None,
        *,
        read_timeout_seconds: float = 60,
    ) -> None:
        """`read_timeout_seconds`: what the emulator takes for its first answers on a busy machine is no failure."""
        settings = AwsSettings(
            region="us-east-1",
            regions=network.regions,
            roles=network.member_roles,
            attempts=1,
            read_timeout_seconds=read_timeout_seconds,
        )
        self.clock = ManualClock()
        self.sessions = Sessions(settings)
        self.keeper = InventoryKeeper(
            self.sessions,
            discovery or DiscoverySettings(),
            Assignments(state),
            self.clock,
            settings.parallel_targets,
            folder,
        )

    def refresh(self) -> Refresh:
        return self.keeper.refresh()


def words(inventory: Inventory, host: Host) -> dict[str, str]:
    """Strings of a host's interface; KeyError when the inventory does not know it."""
    row = inventory.interface_rows[host.interface_id.encode()]
    return {name: inventory.interfaces.text(name, row).decode() for name in inventory.interfaces.strings}


def seen_name(inventory: Inventory, observer: Host, address: str) -> str:
    """What a flow between `observer` and `address` calls the other end."""
    record = {"interface-id": observer.interface_id, "srcaddr": observer.address, "dstaddr": address}
    batch = flow_batch([record])
    joined = Joiner(AGENT).join(batch, all_rows(batch), inventory)
    row = int(joined.words[0, joined.columns["destination"].word])
    return inventory.endpoints.text("name", row).decode()


def test_every_host_of_both_accounts_and_regions_has_its_names(faulty_aws: FaultyAws, network: Network) -> None:
    refresh = Keeping(network).refresh()

    assert refresh.problems == ()
    assert refresh.part_count == 4
    for host in network.hosts:
        found = words(refresh.inventory, host)
        assert (found["name"], found["vpc_name"], found["account_id"], found["region"], found["az_id"]) == (
            host.expected_name,
            host.vpc_name,
            host.account,
            host.region,
            host.az_id,
        )
        assert found["instance_id"] == (host.instance_id or "")


def test_the_same_address_is_another_host_in_each_vpc(faulty_aws: FaultyAws, network: Network) -> None:
    inventory = Keeping(network).refresh().inventory

    observers = {"app-1": "web-1", "shop-eu-db": "web-eu-1", "worker-2": "worker-1"}
    assert {name: seen_name(inventory, network.host(name), "10.0.1.10") for name in observers} == observers


def test_peered_vpcs_see_each_others_names_and_others_do_not(faulty_aws: FaultyAws, network: Network) -> None:
    inventory = Keeping(network).refresh().inventory

    build = network.host("build-1").address
    assert seen_name(inventory, network.host("web-1"), build) == "build-1"
    assert seen_name(inventory, network.host("build-1"), network.host("app-2").address) == "app-2"
    assert seen_name(inventory, network.host("worker-1"), build) == ""


def test_a_wrong_line_in_a_file_of_network_names_costs_that_line(
    faulty_aws: FaultyAws, network: Network, tmp_path: Path
) -> None:
    """Somebody edits it while the agent runs."""
    file = tmp_path / "names.csv"
    file.write_text("cidr,name\n203.0.113.0/24,partner\n203.0.113.300,typo\n")
    found = Keeping(network, discovery=DiscoverySettings(network_names=(str(file),))).refresh()

    assert seen_name(found.inventory, network.host("web-1"), "203.0.113.9") == "partner"
    (problem,) = found.problems
    assert f"{file} line 3" in problem.reason


def test_public_and_ipv6_addresses_are_named_for_everybody(faulty_aws: FaultyAws, network: Network) -> None:
    inventory = Keeping(network).refresh().inventory
    web, nat, worker = (network.host(name) for name in ("web-1", "shop-nat", "worker-1"))

    assert web.public_address and nat.public_address and web.ipv6_address  # noqa: PT018  the seeding gave them all
    assert seen_name(inventory, worker, web.public_address) == "web-1"
    assert seen_name(inventory, worker, nat.public_address) == "shop-nat"
    assert seen_name(inventory, network.host("app-1"), web.ipv6_address) == "web-1"


def test_services_are_recognised(faulty_aws: FaultyAws, network: Network) -> None:
    inventory = Keeping(network).refresh().inventory

    wanted = {"shop-db": "RDS", "shop-alb": "ALB shop", "shop-nat": "NAT Gateway", "web-1": "EC2"}
    assert {name: words(inventory, network.host(name))["service"] for name in wanted} == wanted


def member_fault(faulty_aws: FaultyAws, fault: Fault, *actions: str) -> None:
    """Let calls of the member account fail; `actions` empty = all of EC2. moto's keys of roles begin with ASIA."""

    def fault_of(action: str, parameters: dict[str, str]) -> Fault | None:
        is_member = parameters.get("access_key", "").startswith("ASIA")
        return fault if is_member and (not actions or action in actions) else None

    faulty_aws.fault_of = fault_of


def test_a_denied_account_leaves_the_others_as_they_are_and_says_what_to_allow(
    faulty_aws: FaultyAws, network: Network
) -> None:
    member_fault(faulty_aws, DENIED)
    refresh = Keeping(network).refresh()

    known = {host.name for host in network.hosts if host.interface_id.encode() in refresh.inventory.interface_rows}
    assert known == {host.name for host in network.hosts if host.account != MEMBER_ACCOUNT}
    assert {problem.target for problem in refresh.problems} == {
        f"{MEMBER_ACCOUNT}/{region}" for region in network.regions
    }
    assert any('allow "Action": "ec2:DescribeNetworkInterfaces"' in problem.reason for problem in refresh.problems)


def test_a_role_that_cannot_be_assumed_is_one_problem_a_region(faulty_aws: FaultyAws, network: Network) -> None:
    faulty_aws.fault_of = lambda action, _: (403, "AccessDenied", "no") if action == "AssumeRole" else None
    refresh = Keeping(network).refresh()

    assert [problem.target for problem in refresh.problems] == [f"{MEMBER_ACCOUNT}/{one}" for one in network.regions]
    assert all("sts:AssumeRole denied" in problem.reason for problem in refresh.problems)
    assert refresh.part_count == 2


def test_an_account_that_fails_later_keeps_its_old_part_with_its_age(faulty_aws: FaultyAws, network: Network) -> None:
    keeping = Keeping(network)
    keeping.refresh()
    first_read_at = keeping.clock.now()
    keeping.clock.advance(1800)
    member_fault(faulty_aws, (503, "Unavailable", "a dead region"))
    refresh = keeping.refresh()

    assert seen_name(refresh.inventory, network.host("worker-2"), "10.0.1.10") == "worker-1"
    assert {problem.kept_from for problem in refresh.problems} == {first_read_at}
    assert len(refresh.problems) == 2, "one time-out a region is enough; the other calls would wait for the same"

    member_fault(faulty_aws, DENIED, "nothing")
    assert keeping.refresh().problems == ()


def test_one_denied_call_costs_only_what_it_would_have_told(faulty_aws: FaultyAws, network: Network) -> None:
    faulty_aws.fault_of = lambda action, _: DENIED if action == "DescribeNatGateways" else None
    refresh = Keeping(network).refresh()

    assert words(refresh.inventory, network.host("web-1"))["name"] == "web-1"
    assert words(refresh.inventory, network.host("shop-nat"))["service"] == ""
    assert len(refresh.problems) == 4
    assert all("names of NAT gateways" in problem.reason for problem in refresh.problems)


def test_a_region_that_never_answers_delays_the_others_by_its_time_out_only(
    faulty_aws: FaultyAws, network: Network
) -> None:
    release = threading.Event()

    def hang(action: str, parameters: dict[str, str]) -> Fault | None:
        if parameters.get("region") == "eu-central-1":
            release.wait(60)
        return None

    Keeping(network).refresh()  # so that whoever answers does at once
    faulty_aws.fault_of = hang
    refresh = Keeping(network, read_timeout_seconds=5).refresh()
    release.set()

    assert {problem.target for problem in refresh.problems} == {"own/eu-central-1", f"{MEMBER_ACCOUNT}/eu-central-1"}
    assert words(refresh.inventory, network.host("web-1"))["name"] == "web-1"
    assert words(refresh.inventory, network.host("worker-1"))["name"] == "worker-1"


def test_a_stop_is_heard_while_aws_hangs(faulty_aws: FaultyAws, network: Network) -> None:
    keeping = Keeping(network)
    keeping.refresh()
    stop, release = threading.Event(), threading.Event()

    def hang(action: str, parameters: dict[str, str]) -> Fault | None:
        stop.set()
        release.wait(30)
        return None

    faulty_aws.fault_of = hang
    with pytest.raises(Stopped):
        keeping.keeper.refresh(stop)
    release.set()


def test_interface_numbers_and_exporter_addresses_survive_a_restart(
    faulty_aws: FaultyAws, network: Network, tmp_path: Path
) -> None:
    def numbers(inventory: Inventory, host: Host) -> tuple[int, ...]:
        row = inventory.interface_rows[host.interface_id.encode()]
        return tuple(int(inventory.interfaces.integers[name][row]) for name in ("if_index", "exporter_address"))

    state = tmp_path / "assignments.sqlite"
    first = Keeping(network, state).refresh().inventory
    again = Keeping(network, state).refresh().inventory

    assert {host.name: numbers(first, host) for host in network.hosts} == {
        host.name: numbers(again, host) for host in network.hosts
    }
    pool = IPv4Network("198.18.0.0/15")
    by_vpc = {host.vpc_id: numbers(first, host)[1] for host in network.hosts}
    assert len(set(by_vpc.values())) == len(by_vpc) == 5
    assert all(IPv4Address(address) in pool for address in by_vpc.values())
    if_indexes = [numbers(first, host)[0] for host in network.hosts]
    assert len(set(if_indexes)) == len(if_indexes)
    assert all(1 <= number < 2**31 for number in if_indexes)


def test_a_chosen_exporter_address_wins(faulty_aws: FaultyAws, network: Network) -> None:
    web = network.host("web-1")
    discovery = DiscoverySettings(exporter_addresses={web.vpc_id: "192.0.2.7"})
    inventory = Keeping(network, discovery=discovery).refresh().inventory

    row = inventory.interface_rows[web.interface_id.encode()]
    assert IPv4Address(int(inventory.interfaces.integers["exporter_address"][row])) == IPv4Address("192.0.2.7")


def test_a_refresh_costs_twelve_calls_a_region_and_one_role(faulty_aws: FaultyAws, network: Network) -> None:
    keeping = Keeping(network)
    keeping.refresh()
    keeping.refresh()

    calls = keeping.sessions.call_counts
    assert calls.pop("sts:AssumeRole") == 1
    assert calls.pop("sts:GetCallerIdentity") == 1
    assert set(calls.values()) == {8}
    assert len(calls) == 12


def test_an_account_that_fails_after_a_restart_keeps_what_the_last_run_read(
    faulty_aws: FaultyAws, network: Network, tmp_path: Path
) -> None:
    first = Keeping(network, folder=tmp_path / "inventory")
    first.refresh()
    member_fault(faulty_aws, DENIED)
    again = Keeping(network, folder=tmp_path / "inventory")
    refresh = again.refresh()

    assert seen_name(refresh.inventory, network.host("worker-2"), "10.0.1.10") == "worker-1"
    assert {problem.kept_from for problem in refresh.problems} == {first.clock.now()}


def test_an_account_that_is_not_asked_any_more_leaves_no_file(
    faulty_aws: FaultyAws, network: Network, tmp_path: Path
) -> None:
    Keeping(network, folder=tmp_path / "inventory").refresh()
    count = len(list((tmp_path / "inventory").glob("*.part")))
    alone = replace(network, member_roles=())
    Keeping(alone, folder=tmp_path / "inventory").refresh()

    assert (count, len(list((tmp_path / "inventory").glob("*.part")))) == (4, 2)


def test_a_folder_that_cannot_be_written_costs_no_names(
    faulty_aws: FaultyAws, network: Network, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("in the way")
    refresh = Keeping(network, folder=tmp_path / "file" / "inventory").refresh()

    assert words(refresh.inventory, network.host("web-1"))["name"] == "web-1"


def test_newer_address_ranges_are_fetched_for_the_next_snapshot(
    faulty_aws: FaultyAws, network: Network, tmp_path: Path
) -> None:
    newer = tmp_path / "newer.json"
    lines = [{"ip_prefix": "203.0.113.0/24", "service": "S3", "region": "us-east-1"}]
    newer.write_bytes(orjson.dumps({"createDate": "2030-01-01-00-00-00", "prefixes": lines, "ipv6_prefixes": []}))
    discovery = DiscoverySettings(aws_ranges_url="http://localhost/").model_copy(
        update={"aws_ranges_url": newer.as_uri()}
    )
    keeping = Keeping(network, discovery=discovery, folder=tmp_path / "inventory")
    shipped = keeping.keeper.ranges_made_at
    keeping.refresh()
    web = network.host("web-1")

    assert keeping.keeper.ranges_made_at > shipped > 0
    inventory = keeping.refresh().inventory
    batch = flow_batch([{"interface-id": web.interface_id, "dstaddr": "203.0.113.9"}])
    joined = Joiner(AGENT).join(batch, all_rows(batch), inventory)
    row = int(joined.words[0, joined.columns["destination"].word])
    assert inventory.endpoints.text("service", row) == b"S3"

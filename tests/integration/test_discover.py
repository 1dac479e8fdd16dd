"""`vpcflow discover` against an emulated AWS of two accounts: what it finds, says, saves and costs."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from click.testing import CliRunner, Result

from consumer.cli import main
from consumer.demo.network import LOG_GROUP, MEMBER_ACCOUNT, MEMBER_ROLE
from tests.support.discovered_estate import DiscoveredEstate, seed_estate
from tests.support.emulated_estate import DENIED, FaultyAws, MotoServer

KEYS = [
    "accounts",
    "regions",
    "vpcs",
    "flow_logs",
    "streams",
    "log_groups",
    "buckets",
    "transit_gateways",
    "plan",
    "problems",
]


@pytest.fixture(scope="module")
def estate(moto: MotoServer) -> DiscoveredEstate:
    return seed_estate(moto.endpoint)


@pytest.fixture
def aws(
    moto: MotoServer, estate: DiscoveredEstate, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[FaultyAws]:
    """Credentials and a default region in the environment, nothing else; EC2 and STS can have a bad day."""
    with FaultyAws(moto.endpoint) as endpoint:
        monkeypatch.setenv("AWS_ENDPOINT_URL", moto.endpoint)
        monkeypatch.setenv("AWS_ENDPOINT_URL_EC2", endpoint.endpoint)
        monkeypatch.setenv("AWS_ENDPOINT_URL_STS", endpoint.endpoint)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "demo")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "demo")
        monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path))
        monkeypatch.setenv("COLUMNS", "250")
        yield endpoint


def discover(*options: str, code: int = 0) -> Result:
    result = CliRunner().invoke(main, ["discover", *options])
    assert result.exit_code == code, result.output
    return result


def found(*options: str) -> dict[str, list[dict[str, Any]]]:
    report: dict[str, list[dict[str, Any]]] = orjson.loads(discover("--json", *options).stdout)
    assert list(report) == KEYS
    return report


TWO_REGIONS = ("--region", "us-east-1", "--region", "eu-central-1")
WITH_MEMBER = ("--role", f"{MEMBER_ROLE},an=id", *TWO_REGIONS)


def test_it_needs_no_configuration_file_and_finds_both_accounts(aws: FaultyAws, estate: DiscoveredEstate) -> None:
    report = found(*WITH_MEMBER)

    assert [one["id"] for one in report["accounts"]] == ["123456789012", MEMBER_ACCOUNT]
    assert [(one["account"], one["region"], one["state"]) for one in report["regions"]] == [
        ("123456789012", "us-east-1", "read"),
        ("123456789012", "eu-central-1", "read"),
        (MEMBER_ACCOUNT, "us-east-1", "read"),
        (MEMBER_ACCOUNT, "eu-central-1", "read"),
    ]
    vpcs = {one["id"]: one for one in report["vpcs"]}
    assert {host.vpc_id for host in estate.network.hosts} < set(vpcs)
    assert len({one["exporter_address"] for one in vpcs.values()}) == len(vpcs)
    assert vpcs[estate.network.host("web-1").vpc_id]["logged"] is True
    assert (vpcs[estate.bare_vpc]["logged"], vpcs[estate.bare_vpc]["reason"]) == (
        False,
        "no flow log on it, its subnets or its interfaces",
    )
    assert report["problems"] == []


def test_it_follows_flow_logs_to_streams_queues_and_gateways(aws: FaultyAws, estate: DiscoveredEstate) -> None:
    report = found(*WITH_MEMBER)

    (stream,) = report["streams"]
    assert (stream["arn"], stream["shards"], stream["consumers"][0]["name"]) == (estate.stream, 2, "somebody")
    groups = {(one["account"], one["region"]): one for one in report["log_groups"]}
    assert {one["name"] for one in groups.values()} == {LOG_GROUP}
    assert [one["stream"] for one in groups["123456789012", "us-east-1"]["subscriptions"]] == [estate.stream]
    assert groups[MEMBER_ACCOUNT, "us-east-1"]["subscriptions"] == []
    (bucket,) = report["buckets"]
    assert (bucket["name"], bucket["queues"][0]["arn"], bucket["flow_logs"]) == (
        "lake",
        estate.queue,
        [estate.subnet_log],
    )
    (gateway,) = report["transit_gateways"]
    assert (gateway["id"], gateway["logged"], len(gateway["attachments"])) == (estate.transit_gateway, False, 1)


def test_the_plan_gives_every_flow_log_a_source_and_a_reason(aws: FaultyAws, estate: DiscoveredEstate) -> None:
    report = found(*WITH_MEMBER)
    of = {one["id"]: (one["account"], one["region"]) for one in report["flow_logs"]}
    plan = {one["flow_log"]: one for one in report["plan"]}

    assert set(plan) == set(of)
    assert plan[estate.subnet_log]["source"] is None
    assert "already reported" in plan[estate.subnet_log]["reason"]
    sources = {(*of[name], one["source"]) for name, one in plan.items() if name != estate.subnet_log}
    assert sources == {
        ("123456789012", "us-east-1", "kinesis"),
        ("123456789012", "eu-central-1", "cloudwatch"),
        (MEMBER_ACCOUNT, "us-east-1", "cloudwatch"),
        (MEMBER_ACCOUNT, "eu-central-1", "cloudwatch"),
    }


def test_without_regions_all_enabled_ones_are_looked_at_and_unused_ones_cost_one_call(aws: FaultyAws) -> None:
    asked: dict[str, list[str]] = {}

    def note(action: str, parameters: dict[str, str]) -> None:
        asked.setdefault(parameters.get("region", ""), []).append(action)

    aws.fault_of = note
    regions = {one["region"]: one["state"] for one in found()["regions"]}

    assert (regions["us-east-1"], regions["eu-central-1"], regions["eu-west-1"]) == ("read", "read", "unused")
    unused = [region for region, state in regions.items() if state == "unused"]
    assert len(unused) > 10
    assert all(asked[region] == ["DescribeSubnets"] for region in unused)


def test_the_calls_are_counted_and_printed(aws: FaultyAws) -> None:
    said = discover("--json", *TWO_REGIONS).stderr

    assert f"{sum(aws.calls.values()) + 10} API calls" in said, "10 to other services than EC2 and STS"
    assert "DescribeFlowLogs 2" in said


def test_a_denied_account_is_a_problem_and_the_others_are_found(aws: FaultyAws) -> None:
    aws.fault_of = lambda action, parameters: DENIED if parameters.get("access_key", "").startswith("ASIA") else None
    report = found(*WITH_MEMBER)

    states = {(one["account"], one["state"]) for one in report["regions"]}
    assert states == {("123456789012", "read"), (MEMBER_ACCOUNT, "failed")}
    reasons = " ".join(one["reason"] for one in report["problems"])
    assert "ec2:DescribeVpcs denied → names of interfaces" in reasons
    assert 'allow "Action": "ec2:DescribeVpcs", "Resource": "*"' in reasons


def test_nothing_read_is_exit_code_one(aws: FaultyAws) -> None:
    aws.fault_of = lambda action, parameters: DENIED

    discover("--json", *TWO_REGIONS, code=1)


def test_a_missing_region_is_said_in_words(aws: FaultyAws, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_DEFAULT_REGION")

    assert "a default region is required outside AWS" in discover(code=2).stderr


def test_a_wrong_role_is_a_usage_fault(aws: FaultyAws) -> None:
    assert "--role = 'admin'" in discover("--role", "admin", code=2).stderr


def test_what_is_saved_can_be_edited_and_is_obeyed_at_the_next_run(
    aws: FaultyAws, estate: DiscoveredEstate, tmp_path: Path
) -> None:
    file = tmp_path / "discovered.toml"
    discover("--json", "--save", str(file), *TWO_REGIONS)
    first = tomllib.loads(file.read_text())
    edited = file.read_text().replace("enabled = true", "enabled = false # ours", 1)
    edited = edited.replace(first["discovery"]["exporter_addresses"][estate.bare_vpc], "192.0.2.77")
    file.write_text(edited)
    report = found("--save", str(file), *TWO_REGIONS)

    assert [(one["name"], one["enabled"]) for one in first["streams"]] == [("flow", True)]
    assert first["buckets"] == [{"name": "lake", "queue": estate.queue, "enabled": True}]
    assert len(first["log_groups"]) == 2
    assert file.read_text() == edited, "nothing new was found, so nothing was written over"
    reasons = {one["reason"] for one in report["plan"] if one["source"] == "cloudwatch"}
    assert any("stream flow is switched off in the settings" in reason for reason in reasons)
    assert [one["exporter_address"] for one in report["vpcs"] if one["id"] == estate.bare_vpc] == ["192.0.2.77"]


def test_what_was_saved_stays_where_it_is_and_as_private_as_it_was(aws: FaultyAws, tmp_path: Path) -> None:
    saved, link = tmp_path / "etc" / "discovered.toml", tmp_path / "discovered.toml"
    saved.parent.mkdir()
    saved.touch(0o600)
    link.symlink_to(saved)

    discover("--save", str(link), *WITH_MEMBER)

    assert link.is_symlink()
    assert saved.stat().st_mode & 0o777 == 0o600
    assert "[[streams]]" in saved.read_text()


def test_a_place_to_save_that_is_none_is_told_before_anything_is_read(aws: FaultyAws, tmp_path: Path) -> None:
    assert "its folder is not there" in discover("--save", str(tmp_path / "none" / "x.toml"), code=2).output
    assert not aws.calls


def test_the_state_folder_of_somebody_else_is_no_matter(aws: FaultyAws, tmp_path: Path) -> None:
    """As an agent's is, where a person looks. A name that is too long refuses even root, as a mode does others."""
    config = tmp_path / "vpcflow.toml"
    config.write_text(f'[agent]\nstate_folder = "{tmp_path}/{"x" * 300}"\n[aws]\nregions = ["us-east-1"]\n')

    assert len(found("-c", str(config))["accounts"]) == 1


def test_the_saved_file_is_a_configuration_that_the_agent_includes(aws: FaultyAws, tmp_path: Path) -> None:
    discover("--json", "--save", str(tmp_path / "discovered.toml"), *TWO_REGIONS)
    config = tmp_path / "vpcflow.toml"
    config.write_text('[agent]\ninclude = ["discovered.toml"]\n[aws]\nregions = ["us-east-1"]\n')

    report = found("-c", str(config))

    assert {one["region"] for one in report["regions"]} == {"us-east-1"}


def test_a_terminal_gets_tables_in_which_what_goes_unseen_stands_out(
    aws: FaultyAws, estate: DiscoveredEstate, monkeypatch: pytest.MonkeyPatch
) -> None:
    from rich.console import Console

    from consumer.discovery.report.show import show

    report = found(*TWO_REGIONS)
    console = Console(record=True, width=250, color_system="standard", force_terminal=True)
    show(report, {"ec2:DescribeVpcs": 2}, 1.0, console)
    text = console.export_text(styles=True)

    (line,) = [line for line in text.splitlines() if estate.bare_vpc in line and "10.99.0.0/16" in line]
    assert "\x1b[31mNO: no flow log on it, its subnets or its interfaces" in line
    assert "2 API calls in 1.0 s (DescribeVpcs 2)" in text
    narrow = Console(record=True, width=80)
    show(report, {}, 1.0, narrow)
    words = set(narrow.export_text().split())
    for vpc in report["vpcs"]:
        assert {vpc["id"], vpc["account"], vpc["region"], vpc["exporter_address"]} <= words, (
            "to be copied at 80 columns"
        )
    for flow_log in report["flow_logs"]:
        assert {flow_log["id"], flow_log["resource"]} <= words

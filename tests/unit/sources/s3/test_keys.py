"""A key says whose flow log an object is, or why it is none."""

from __future__ import annotations

import pytest

from consumer.sources.s3.keys import ObjectKey, read_key

TREE = "AWSLogs/123456789012"
FILE = "123456789012_vpcflowlogs_us-east-1_fl-0123456789abcdef0_20261121T1005Z_1a2b3c4d.log.gz"
KNOWN = ObjectKey("123456789012", "us-east-1", "fl-0123456789abcdef0", is_sure=True)


@pytest.mark.parametrize(
    "key",
    [
        f"AWSLogs/123456789012/vpcflowlogs/us-east-1/2026/11/21/{FILE}",
        f"AWSLogs/123456789012/vpcflowlogs/us-east-1/2026/11/21/10/{FILE}",
        f"some/prefix/AWSLogs/123456789012/vpcflowlogs/us-east-1/2026/11/21/{FILE}",
        f"AWSLogs/aws-account-id=123456789012/aws-service=vpcflowlogs/aws-region=us-east-1/year=2026/month=11/day=21/{FILE}",
        f"p/AWSLogs/aws-account-id=123456789012/aws-service=vpcflowlogs/aws-region=us-east-1/year=2026/month=11/day=21/"
        f"hour=10/{FILE}".replace(".gz", ".parquet"),
        f"copied/by/hand/{FILE}",
        FILE,
    ],
    ids=["plain", "hourly", "prefix", "hive", "hive-hourly-parquet", "moved", "bare"],
)
def test_account_region_and_flow_log_come_from_both_layouts_and_from_the_file_name_alone(key: str) -> None:
    assert read_key(key, 100) == KNOWN


def test_a_renamed_file_in_its_folder_keeps_account_and_region() -> None:
    found = read_key("AWSLogs/123456789012/vpcflowlogs/eu-west-1/2026/11/21/mine.gz")
    assert found == ObjectKey("123456789012", "eu-west-1", "", is_sure=True)


def test_the_file_name_goes_before_the_folder_it_was_copied_into() -> None:
    found = read_key(f"AWSLogs/999999999999/vpcflowlogs/eu-west-1/2026/11/21/{FILE}")
    assert (found.account, found.region) == ("123456789012", "us-east-1")


@pytest.mark.parametrize("key", ["anything", "copy of flows.gz", "2026/11/21/part-0001.parquet", "x/fl-0badc0de/a.log"])
def test_a_copy_may_have_any_key_and_must_then_prove_itself(key: str) -> None:
    assert read_key(key, 100) == ObjectKey()


def test_an_old_short_flow_log_id_is_read() -> None:
    assert read_key("a/renamed-fl-1a2b3c4d.gz").flow_log_id == "fl-1a2b3c4d"


@pytest.mark.parametrize(
    ("key", "reason"),
    [
        ("AWSLogs/123456789012/vpcflowlogs/us-east-1/", "folder"),
        (f"{TREE}/CloudTrail/us-east-1/123456789012_CloudTrail_us-east-1_20261121T1005Z_a.json.gz", "other_service"),
        ("AWSLogs/o-abc123/123456789012/CloudTrail/us-east-1/2026/11/21/x.json.gz", "other_service"),
        (f"{TREE}/elasticloadbalancing/123456789012_elasticloadbalancing_us-east-1_app.log.gz", "other_service"),
        (f"{TREE}/vpcdnsquerylogs/vpc-1/vpc-1_vpcdnsquerylogs_123456789012_20261121T0005Z_x.log.gz", "other_service"),
        ("copy/123456789012_CloudTrail_us-east-1_20261121T1005Z_a.json.gz", "other_service"),
        ("AWSLogs/123456789012/ELBAccessLogTestFile", "other_file"),
        ("reports/cost.csv", "other_file"),
        ("data/_SUCCESS", "other_file"),
    ],
    ids=["folder", "trail", "organisation-trail", "balancer", "dns", "copied-trail", "test-file", "table", "marker"],
)  # fmt: skip
def test_other_objects_are_skipped_with_a_reason(key: str, reason: str) -> None:
    assert read_key(key, 100).skip == reason


def test_an_empty_object_is_skipped() -> None:
    assert read_key(f"AWSLogs/123456789012/vpcflowlogs/us-east-1/2026/11/21/{FILE}", 0).skip == "empty"

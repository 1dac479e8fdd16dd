"""Rules that every template keeps, and cfn-lint over all of them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from consumer.decode.fields import FIELDS
from consumer.kcl.settings import KclSettings
from tests.support.templates import FILES, FOLDER, Template

KEEPS_DATA = {"AWS::Logs::LogGroup", "AWS::Kinesis::Stream", "AWS::DynamoDB::Table", "AWS::S3::Bucket"}
every_template = pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)


def test_cfn_lint_has_nothing_to_say() -> None:
    done = subprocess.run(
        [Path(sys.executable).with_name("cfn-lint"), "--include-checks", "I", "--ignore-checks", "I3042", "--", *FILES],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@every_template
def test_a_parameter_says_what_it_is_and_what_is_wrong(file: Path) -> None:
    for name, parameter in Template(file).body["Parameters"].items():
        assert parameter.get("Description"), name
        is_bounded = {"AllowedPattern", "AllowedValues", "MinValue", "MinLength"} & set(parameter)
        is_typed = parameter["Type"].startswith(("AWS::", "List<AWS::"))
        assert is_bounded or is_typed, f"{name} takes anything"
        assert parameter.get("ConstraintDescription") or not is_bounded, name


@every_template
def test_nothing_that_keeps_data_goes_by_surprise(file: Path) -> None:
    for name, resource in Template(file).body["Resources"].items():
        if resource["Type"] in KEEPS_DATA:
            assert {"DeletionPolicy", "UpdateReplacePolicy"} <= set(resource), name
        if resource["Type"] == "AWS::Logs::LogGroup":
            assert resource["DeletionPolicy"] == "RetainExceptOnCreate", name
            assert "RetentionInDays" in resource["Properties"], name


@pytest.mark.parametrize("key", ["", "arn:aws:kms:us-east-1:123456789012:key/1"])
@every_template
def test_a_stream_is_encrypted_with_or_without_a_key_of_your_own(file: Path, key: str) -> None:
    template = Template(file, {"KmsKeyArn": key})
    for name in template.of_kind("AWS::Kinesis::Stream"):
        encryption = template.properties(name)["StreamEncryption"]
        assert encryption == {"EncryptionType": "KMS", "KeyId": key or "alias/aws/kinesis"}
    for name in template.of_kind("AWS::Logs::LogGroup"):  # CloudWatch Logs always encrypts; the key is what differs
        assert template.properties(name).get("KmsKeyId", "") == key


def region(**parameters: str) -> Template:
    return Template(FOLDER / "flow-logs-region.yaml", parameters)


def test_defaults_are_a_day_of_stream_and_a_month_of_logs() -> None:
    template = region()
    assert template.properties("LogGroup")["RetentionInDays"] == 30
    assert template.properties("Stream")["RetentionPeriodHours"] == 24
    assert template.properties("Stream")["ShardCount"] == 1
    assert not template.of_kind("AWS::EC2::FlowLog")


def test_an_on_demand_stream_has_no_number_of_shards() -> None:
    properties = region(StreamMode="ON_DEMAND").properties("Stream")
    assert properties["StreamModeDetails"] == {"StreamMode": "ON_DEMAND"}
    assert "ShardCount" not in properties


def test_a_region_that_sends_to_another_account_has_no_stream() -> None:
    destination = "arn:aws:logs:us-east-1:999999999999:destination:vpc-flow-logs"
    template = region(DestinationArn=destination)
    assert not template.of_kind("AWS::Kinesis::Stream")
    assert template.properties("Subscription")["DestinationArn"] == destination
    assert template.properties("SilentAlarm")["MetricName"] == "IncomingLogEvents"


def test_the_recommended_format_is_fields_that_the_decoder_knows() -> None:
    words = region().values["LogFormat"].split(" ")
    names = [word.removeprefix("${").removesuffix("}") for word in words]
    assert set(names) <= set(FIELDS)
    assert len(names) == len(set(names)) == 29


def test_every_alarm_the_manual_names_is_there() -> None:
    def alarm(name: str) -> Any:
        return region(AlarmTopicArn="arn:aws:sns:us-east-1:123456789012:t").properties(name)

    assert alarm("IteratorAgeAlarm")["Metrics"][1]["MetricStat"]["Metric"]["MetricName"].endswith("AgeMilliseconds")
    assert "DeliveryErrors" in alarm("DeliveryAlarm")["Metrics"][0]["Expression"]
    assert alarm("ThrottledAlarm")["MetricName"] == "WriteProvisionedThroughputExceeded"
    assert alarm("SilentAlarm")["TreatMissingData"] == "breaching"
    for name in region().of_kind("AWS::CloudWatch::Alarm"):
        assert alarm(name)["AlarmActions"] == alarm(name)["OKActions"] == ["arn:aws:sns:us-east-1:123456789012:t"]


def test_names_differ_by_region_where_iam_knows_no_region() -> None:
    template = region(Name="two")
    names = [template.properties(name)["RoleName"] for name in template.of_kind("AWS::IAM::Role")]
    assert names == ["two-publish-us-east-1", "two-subscribe-us-east-1"]
    longest = region(Name="n" * 30)
    longest.values["AWS::Region"] = "ap-southeast-99"
    assert all(len(longest.properties(name)["RoleName"]) <= 64 for name in longest.of_kind("AWS::IAM::Role"))


def test_the_agents_tables_are_the_ones_its_policy_names() -> None:
    assert Template(FOLDER / "agent-role.yaml").values["ApplicationName"] == KclSettings().application

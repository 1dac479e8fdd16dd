"""The rendered properties file, read back as Java reads it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer.errors import ConfigurationError
from consumer.kcl.properties import (
    FIXED_PROPERTIES,
    Placement,
    application_name,
    read_template,
    render_properties,
    worker_id,
)
from consumer.kcl.settings import KclSettings, StreamSettings

PLACEMENT = Placement("/bin/sh /run/child", "agent-1-us-east-1-flow", 1_700_000_000)


def stream(**settings: object) -> StreamSettings:
    return StreamSettings.model_validate({"name": "flow", "region": "us-east-1", **settings})


def rendered(
    stream: StreamSettings, environment: Mapping[str, str] | None = None, kcl: KclSettings | None = None
) -> dict[str, str]:
    return load(render_properties(kcl or KclSettings(), stream, PLACEMENT, environment or {}))


def load(text: str) -> dict[str, str]:
    """java.util.Properties.load, by its documentation: the last of equal keys wins, escapes are undone."""
    found = {}
    for line in text.splitlines():
        line = line.lstrip()
        if not line or line[0] in "#!":
            continue
        at = next(i for i, letter in enumerate(line) if letter in "=: " and not _is_escaped(line, i))
        found[_unescape(line[:at])] = _unescape(line[at:].lstrip(" ").removeprefix("=").lstrip(" "))
    return found


def _is_escaped(text: str, at: int) -> bool:
    return (len(text[:at]) - len(text[:at].rstrip("\\"))) % 2 == 1


def _unescape(text: str) -> str:
    units, at = b"", 0
    while at < len(text):
        if text[at] != "\\":
            units, at = units + text[at].encode("utf-16-be"), at + 1
        elif text[at + 1] == "u":
            units, at = units + bytes.fromhex(text[at + 2 : at + 6]), at + 6
        else:
            units, at = units + text[at + 1].encode("utf-16-be"), at + 2
    return units.decode("utf-16-be", errors="surrogatepass")


def test_everything_whose_default_is_wrong_for_us_is_set() -> None:
    found = rendered(stream())
    assert found["workerId"] == "agent-1-us-east-1-flow"
    assert found["retrievalMode"] == "POLLING"
    assert found["metricsLevel"] == "NONE"
    assert found["shutdownGraceMillis"] == "12000"
    assert found["failoverTimeMillis"] == "10000"
    assert found["maxRecords"] == "500"
    assert found["callProcessRecordsEvenForEmptyRecordList"] == "true"
    assert found["shardSyncIntervalMillis"] == "1000"
    assert found["executableName"] == "/bin/sh /run/child"


def test_a_new_application_starts_at_the_first_start_and_nothing_else_says_where() -> None:
    found = rendered(stream())
    assert found["initialPositionInStreamExtended"] == "1700000000"
    assert "initialPositionInStream" not in found


@pytest.mark.parametrize(("setting", "expected"), [("latest", "LATEST"), ("trim_horizon", "TRIM_HORIZON")])
def test_another_initial_position_replaces_the_moment(setting: str, expected: str) -> None:
    found = rendered(stream(initial_position=setting))
    assert found["initialPositionInStream"] == expected
    assert "initialPositionInStreamExtended" not in found


def test_fan_out_is_opt_in() -> None:
    assert rendered(stream(retrieval="fanout"))["retrievalMode"] == "FANOUT"


def test_without_endpoint_variables_aws_is_asked_itself() -> None:
    assert not {"kinesisEndpoint", "dynamoDBEndpoint"} & set(rendered(stream()))


def test_endpoints_follow_the_standard_variables() -> None:
    environment = {"AWS_ENDPOINT_URL": "http://all", "AWS_ENDPOINT_URL_KINESIS": "https://kinesis:1"}
    found = rendered(stream(), environment)
    assert (found["kinesisEndpoint"], found["dynamoDBEndpoint"]) == ("https://kinesis:1", "http://all")


def test_endpoint_variables_can_be_ignored_as_the_sdks_do() -> None:
    environment = {"AWS_ENDPOINT_URL": "http://all", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true"}
    assert "kinesisEndpoint" not in rendered(stream(), environment)


def test_the_streams_own_properties_are_passed_through_and_win() -> None:
    found = rendered(stream(properties={"maxRecords": "7", "anythingNew": "yes"}))
    assert (found["maxRecords"], found["anythingNew"]) == ("7", "yes")
    text = render_properties(KclSettings(), stream(properties={"maxRecords": "7"}), PLACEMENT, {})
    assert text.count("maxRecords = ") == 1


def test_an_initial_position_given_as_property_removes_our_moment() -> None:
    found = rendered(stream(properties={"initialPositionInStream": "TRIM_HORIZON"}))
    assert "initialPositionInStreamExtended" not in found


@pytest.mark.parametrize("key", [*FIXED_PROPERTIES, "workerid"])
def test_a_property_that_would_break_us_is_a_fault_that_says_what_to_do(key: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        rendered(stream(properties={key: "x", "maxRecords": "1"}))
    (fault,) = caught.value.faults
    assert key in fault.key
    assert fault.fix


@given(value=st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
def test_any_value_is_read_back_unchanged(value: str) -> None:
    assert rendered(stream(properties={"some.key": value}))["some.key"] == value


@given(key=st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
def test_any_key_is_read_back_unchanged(key: str) -> None:
    if key.casefold() not in {name.casefold() for name in FIXED_PROPERTIES}:
        assert rendered(stream(properties={key: "value"}))[key] == "value"


def test_the_application_is_named_after_account_region_and_stream() -> None:
    assert application_name(KclSettings(), stream()) == "vpcflow-us-east-1-flow"
    assert application_name(KclSettings(), stream(account="123456789012")) == "vpcflow-123456789012-us-east-1-flow"


def test_a_long_application_name_is_cut_to_the_limit_and_stays_distinct() -> None:
    names = {application_name(KclSettings(), stream(name="x" * 127 + end)) for end in "ab"}
    assert len(names) == 2
    assert {len(name) for name in names} == {128}


def test_worker_ids_differ_by_agent_and_by_stream() -> None:
    ids = {
        worker_id(agent, stream(name=name, region=region))
        for agent in ("agent-1", "agent-2")
        for name in ("a", "b")
        for region in ("us-east-1", "eu-west-1")
    }
    assert len(ids) == 8


def test_the_templates_exist_once_at_the_top() -> None:
    top = Path(__file__).resolve().parents[3] / "properties"
    for name in ("kinesis.properties", "logback.xml"):
        assert read_template(name) == (top / name).read_text(encoding="utf-8")
    assert not (top.parent / "consumer" / "kcl" / "templates").exists()


def test_every_active_line_of_the_template_has_a_comment_above_its_block() -> None:
    lines = read_template("kinesis.properties").splitlines()
    for number, line in enumerate(lines):
        if line and not line.startswith("#"):
            above = next(each for each in reversed(lines[:number]) if not each or each.startswith("#"))
            assert above.startswith("#"), f"{line} is not explained"

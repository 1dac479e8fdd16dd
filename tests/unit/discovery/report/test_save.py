"""What was found, in a file that the user edits."""

from __future__ import annotations

import tomllib

import pytest

from consumer.discovery.report.save import HEADER, Entry, add_to

STREAM = Entry(
    "streams", {"name": "flow", "region": "eu-west-1"}, {"enabled": True, "retrieval": "polling"}, "a remark"
)
GROUP = Entry("log_groups", {"name": "/flow", "account": "1", "region": "eu-west-1"}, {"enabled": True})
EXPORTERS = {"vpc-1": ("198.18.0.1", "shop")}


def test_a_new_file_holds_everything_and_says_what_it_is() -> None:
    saved = add_to("", [STREAM, GROUP], EXPORTERS)

    assert saved.text.startswith(HEADER)
    assert tomllib.loads(saved.text) == {
        "streams": [{"name": "flow", "region": "eu-west-1", "enabled": True, "retrieval": "polling"}],
        "log_groups": [{"name": "/flow", "account": "1", "region": "eu-west-1", "enabled": True}],
        "discovery": {"exporter_addresses": {"vpc-1": "198.18.0.1"}},
    }
    assert "# a remark" in saved.text
    assert "# shop" in saved.text
    assert len(saved.added) == 3


def test_saving_twice_changes_nothing() -> None:
    first = add_to("", [STREAM, GROUP], EXPORTERS)
    again = add_to(first.text, [STREAM, GROUP], EXPORTERS)

    assert (again.text, again.added, again.missing) == (first.text, (), ())


def test_edits_and_remarks_survive_beside_what_is_new() -> None:
    edited = (
        add_to("", [STREAM, GROUP], EXPORTERS)
        .text.replace("enabled = true\n", "enabled = false  # ask Ann first\n", 1)
        .replace("198.18.0.1", "192.0.2.9")
    )
    other = Entry("streams", {"name": "flow", "region": "us-east-1"}, {"enabled": True})
    saved = add_to(edited, [STREAM, other, GROUP], EXPORTERS | {"vpc-2": ("198.18.0.2", "")})
    settings = tomllib.loads(saved.text)

    assert "enabled = false  # ask Ann first" in saved.text
    assert [(one["region"], one["enabled"]) for one in settings["streams"]] == [
        ("eu-west-1", False),
        ("us-east-1", True),
    ]
    assert settings["discovery"]["exporter_addresses"] == {"vpc-1": "192.0.2.9", "vpc-2": "198.18.0.2"}
    assert saved.added == ("streams flow/us-east-1", "exporter address 198.18.0.2 of vpc-2")


def test_what_is_gone_stays_in_the_file_and_is_named() -> None:
    first = add_to("", [STREAM, GROUP], EXPORTERS)
    other = Entry("streams", {"name": "new", "region": "us-east-1"}, {"enabled": True})
    saved = add_to(first.text, [other, GROUP], {})

    assert saved.missing == ("streams flow/eu-west-1", "exporter address of vpc-1")
    assert len(tomllib.loads(saved.text)["streams"]) == 2


def test_a_name_of_several_lines_is_one_remark() -> None:
    saved = add_to("", [], {"vpc-1": ("198.18.0.1", "shop\n[agent]\x07\u2028x")})

    assert saved.text.rstrip().endswith('vpc-1 = "198.18.0.1" # shop [agent] x')
    assert list(tomllib.loads(saved.text)) == ["discovery"]


@pytest.mark.parametrize(
    "text",
    [
        "streams = []\n",
        'streams = [{name = "flow", region = "us-east-1"}]\n',
        "discovery.exporter_addresses = {}\n",
        'discovery = {exporter_addresses = {vpc-0 = "192.0.2.1"}}\n',
        "discovery = {enabled = true}\n",
        "discovery.enabled = true\n",
    ],
)
def test_a_file_that_is_written_in_another_way_stays_one_that_reads(text: str) -> None:
    saved = add_to(text, [STREAM, GROUP], EXPORTERS)
    before, settings = tomllib.loads(text), tomllib.loads(saved.text)

    assert settings["streams"][-1] == {**STREAM.identity, **STREAM.further}
    assert settings["streams"][:-1] == before.get("streams", [])
    assert settings["discovery"]["exporter_addresses"]["vpc-1"] == "198.18.0.1"
    assert settings["discovery"].get("enabled") == before.get("discovery", {}).get("enabled")
    assert add_to(saved.text, [STREAM, GROUP], EXPORTERS).text == saved.text

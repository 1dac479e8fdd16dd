"""A configuration of several files."""

from __future__ import annotations

from pathlib import Path

import pytest

from consumer.config import load_settings
from consumer.errors import ConfigurationError

MAIN = """
[agent]
include = ["found.toml"]

[[streams]]
name = "flow"
region = "eu-west-1"
enabled = false
"""
FOUND = """
[discovery.exporter_addresses]
vpc-1 = "192.0.2.1"

[[streams]]
name = "flow"
region = "eu-west-1"
account = "111111111111"
enabled = true

[[streams]]
name = "flow"
region = "us-east-1"
"""


def files(folder: Path, main: str = MAIN, found: str = FOUND) -> Path:
    (folder / "found.toml").write_text(found)
    (folder / "main.toml").write_text(main)
    return folder / "main.toml"


def test_an_included_file_adds_and_the_main_file_goes_before(tmp_path: Path) -> None:
    settings = load_settings(files(tmp_path), {})

    assert settings.discovery.exporter_addresses == {"vpc-1": "192.0.2.1"}
    assert [(one.region, one.account, one.enabled) for one in settings.streams] == [
        ("eu-west-1", "111111111111", False),
        ("us-east-1", "", True),
    ]


def test_a_file_given_beside_the_main_one_is_included(tmp_path: Path) -> None:
    main = files(tmp_path, main="")

    assert len(load_settings(main, {}, (tmp_path / "found.toml",)).streams) == 2
    assert load_settings(main, {}).streams == ()


def test_an_included_file_that_is_not_there_is_a_fault(tmp_path: Path) -> None:
    main = files(tmp_path)
    (tmp_path / "found.toml").unlink()

    with pytest.raises(ConfigurationError, match=r"agent\.include.*found\.toml"):
        load_settings(main, {})


@pytest.mark.parametrize("main", ["agent = 1", "[agent]\ninclude = 1"])
def test_nonsense_in_place_of_include_is_a_fault(tmp_path: Path, main: str) -> None:
    with pytest.raises(ConfigurationError, match="agent"):
        load_settings(files(tmp_path, main=main), {})

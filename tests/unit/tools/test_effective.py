"""The configuration as it counts: complete, readable again, without secrets."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from consumer.config import Settings, load_settings
from consumer.tools.effective import MASK, effective_toml, summary

_FILE = """
[aws]
roles = ["arn:aws:iam::222222222222:role/reader,top=secret,id", "arn:aws:iam::333333333333:role/reader"]
[discovery]
cron = "5 * * * *"
[discovery.exporter_addresses]
vpc-0abc = "192.0.2.7"
[[collectors]]
name = "main"
address = "192.0.2.1:4739"
[[streams]]
name = "flow"
region = "eu-west-1"
role = "arn:aws:iam::222222222222:role/reader,top=secret,id"
"""


def _load(tmp_path: Path, **environment: str) -> Settings:
    file = tmp_path / "vpcflow.toml"
    file.write_text(_FILE, encoding="utf-8")
    return load_settings(file, environment)


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_nulls(one) for name, one in value.items() if one is not None}
    return [_without_nulls(one) for one in value] if isinstance(value, list) else value


def test_every_setting_is_there_with_the_value_that_counts(tmp_path: Path) -> None:
    settings = _load(tmp_path, VPCFLOW__COLLECTORS__0__RATE="5000")
    shown = tomllib.loads(effective_toml(settings))
    wanted = {name: value for name, value in _without_nulls(settings.model_dump(mode="json")).items() if value != []}
    wanted["aws"]["roles"][0] = wanted["streams"][0]["role"] = f"arn:aws:iam::222222222222:role/reader,{MASK}"
    assert shown == wanted
    assert shown["collectors"][0]["rate"] == 5000


def test_what_differs_from_the_default_is_marked(tmp_path: Path) -> None:
    lines = effective_toml(_load(tmp_path)).splitlines()
    assert 'cron = "5 * * * *" # set' in lines
    assert "enabled = true" in lines


def test_a_switch_that_was_turned_is_marked_like_any_other_setting(tmp_path: Path) -> None:
    shown = effective_toml(_load(tmp_path, VPCFLOW__STREAMS__0__ENABLED="false", VPCFLOW__FALLBACK__ENABLED="false"))
    assert shown.splitlines().count("enabled = false # set") == 2


def test_an_external_id_is_not_shown(tmp_path: Path) -> None:
    assert "top=secret" not in effective_toml(_load(tmp_path))


def test_the_summary_counts_what_would_be_used(tmp_path: Path) -> None:
    assert summary(_load(tmp_path)) == "1 collector, 1 stream, 2 roles"

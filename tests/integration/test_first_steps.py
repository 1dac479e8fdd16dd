"""The first steps with one's own accounts: `init`, `config`, `check` with nothing after it."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest
from click.testing import CliRunner, Result

from consumer.cli import main
from consumer.config import load_settings
from consumer.demo.network import MEMBER_ROLE
from tests.support.discovered_estate import seed_estate
from tests.support.emulated_estate import MotoServer
from tests.support.udp import receiver, unused_port

REGION = "us-east-1"


@pytest.fixture(scope="module")
def moto() -> Iterator[MotoServer]:
    with MotoServer() as server:
        seed_estate(server.endpoint)
        yield server


@pytest.fixture
def aws(moto: MotoServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", moto.endpoint)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "demo")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "demo")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path / "state"))
    for name in ("AWS_DEFAULT_REGION", "AWS_REGION"):
        monkeypatch.delenv(name, raising=False)


def vpcflow(*arguments: str, code: int = 0) -> Result:
    result = CliRunner().invoke(main, list(arguments))
    assert result.exit_code == code, result.output
    return result


def init(file: Path, *options: str, code: int = 0) -> Result:
    return vpcflow("init", str(file), *options, code=code)


def test_init_writes_a_configuration_that_check_finds_complete(aws: None, tmp_path: Path) -> None:
    file = tmp_path / "vpcflow.toml"
    with receiver() as collector:
        init(file, "--collector", collector.address, "--region", REGION, "--role", f"{MEMBER_ROLE},an-id")
        found = orjson.loads(vpcflow("check", "-c", str(file), "--json").stdout)

    assert found["ok"]
    assert found["aws"]["may_run"]
    assert found["collectors"]["main"]["is_there"]
    settings = load_settings(file, {})
    assert settings.aws.roles == (f"{MEMBER_ROLE},an-id",)
    assert settings.streams, "what discovery found is included"
    assert "an-id" not in vpcflow("config", "-c", str(file)).stdout


def test_check_says_which_collector_is_not_there(aws: None, tmp_path: Path) -> None:
    file = tmp_path / "vpcflow.toml"
    init(file, "--collector", f"127.0.0.1:{unused_port()}", "--region", REGION, "--offline")
    found = orjson.loads(vpcflow("check", "-c", str(file), "--json", code=1).stdout)

    assert not found["ok"]
    assert found["aws"]["may_run"]
    assert "nobody listens" in found["collectors"]["main"]["result"]


def test_without_an_answer_from_aws_the_configuration_is_written_all_the_same(aws: None, tmp_path: Path) -> None:
    file = tmp_path / "vpcflow.toml"
    result = init(file, "--collector", "127.0.0.1:4739", code=1)

    assert "a default region is required outside AWS" in result.output
    assert [one.address for one in load_settings(file, {}).collectors] == ["127.0.0.1:4739"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["vpcflow.toml"]


def test_an_existing_configuration_is_not_replaced_unasked(aws: None, tmp_path: Path) -> None:
    file = tmp_path / "vpcflow.toml"
    file.write_text("# mine\n", encoding="utf-8")
    assert "--force" in init(file, "--collector", "127.0.0.1:4739", "--offline", code=2).output
    assert file.read_text(encoding="utf-8") == "# mine\n"
    init(file, "--collector", "127.0.0.1:4739", "--offline", "--force")
    assert "collectors" in tomllib.loads(file.read_text(encoding="utf-8"))


def test_a_wrong_collector_is_named_and_nothing_is_written(aws: None, tmp_path: Path) -> None:
    file = tmp_path / "vpcflow.toml"
    assert "is no port" in init(file, "--collector", "127.0.0.1:x", "--offline", code=2).output
    assert not list(tmp_path.iterdir())


def test_check_config_names_every_fault_at_once(tmp_path: Path) -> None:
    file = tmp_path / "vpcflow.toml"
    file.write_text('[aws]\nregoin = "x"\nattempts = 0\n', encoding="utf-8")
    for command in (["check", "config", str(file)], ["config", "--check", str(file)]):
        output = vpcflow(*command, code=2).output
        assert "did you mean 'region'?" in output
        assert "aws.attempts" in output
    file.write_text("", encoding="utf-8")
    assert vpcflow("check", "config", str(file)).output == f"ok: {file}: 0 collectors, 0 streams, 0 roles\n"


def test_check_config_names_a_wrong_line_of_the_role_file_and_counts_the_right_ones(tmp_path: Path) -> None:
    file, roles = tmp_path / "vpcflow.toml", tmp_path / "roles"
    file.write_text(f'[aws]\nrole_file = "{roles}"\n', encoding="utf-8")
    roles.write_text("arn:aws:iam::222222222222:role/x\nadmin\n", encoding="utf-8")
    for command in (["check", "config", str(file)], ["config", "--check", str(file)]):
        assert f"{roles}, line 2" in vpcflow(*command, code=2).output
    vpcflow("config", "-c", str(file))

    roles.write_text("arn:aws:iam::222222222222:role/x\n", encoding="utf-8")
    assert vpcflow("check", "config", str(file)).output == f"ok: {file}: 0 collectors, 0 streams, 1 role\n"

"""The generated profile: written only when needed, quoted for anything, readable by nobody else."""

from __future__ import annotations

import subprocess
from configparser import ConfigParser
from pathlib import Path

import orjson
import pytest

from consumer.kcl.credentials import DEFAULT_PROVIDER, DaemonCredentials, prepare_credentials

ROLE = "arn:aws:iam::222222222222:role/reader,an=external,id"


def profiles(folder: Path) -> ConfigParser:
    parser = ConfigParser(interpolation=None)
    parser.read(folder / "credentials")
    return parser


@pytest.mark.parametrize(
    "environment",
    [{}, {"AWS_ACCESS_KEY_ID": "key", "AWS_PROFILE": "someone"}, {"AWS_WEB_IDENTITY_TOKEN_FILE": "/token"}],
)
def test_where_the_jvm_finds_the_same_keys_by_itself_nothing_is_written(
    tmp_path: Path, environment: dict[str, str]
) -> None:
    assert prepare_credentials(tmp_path, "", b"{}", environment) == DaemonCredentials()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("settings", "environment"), [(b"{}", {"AWS_PROFILE": "sso"}), (b'{"credentials_file": "/keys"}', {})]
)
def test_keys_the_jvm_might_not_find_come_from_us(tmp_path: Path, settings: bytes, environment: dict[str, str]) -> None:
    made = prepare_credentials(tmp_path, "", settings, environment)
    assert made.kinesis == made.home == "ProfileCredentialsProvider|vpcflow-home"
    assert made.environment == {"AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "credentials")}
    assert profiles(tmp_path).sections() == ["vpcflow-home"]


def test_a_role_is_for_kinesis_only(tmp_path: Path) -> None:
    made = prepare_credentials(tmp_path, ROLE, b'{"session_seconds": 900}', {"AWS_ACCESS_KEY_ID": "key"})
    assert made.kinesis == "ProfileCredentialsProvider|vpcflow-stream"
    assert made.home == "ProfileCredentialsProvider|vpcflow-home" != DEFAULT_PROVIDER
    requests = {name: orjson.loads((tmp_path / f"{name}.json").read_bytes()) for name in profiles(tmp_path).sections()}
    assert requests["vpcflow-stream"] == {"role": ROLE, "aws": {"session_seconds": 900}}
    assert requests["vpcflow-home"]["role"] == ""


def test_the_role_and_its_external_id_are_no_arguments_and_no_other_users_business(tmp_path: Path) -> None:
    prepare_credentials(tmp_path, ROLE, b"{}", {})
    assert all(ROLE not in (tmp_path / name).read_text() for name in ("credentials", "vpcflow-stream.sh"))
    assert (tmp_path / "vpcflow-stream.json").stat().st_mode & 0o077 == 0
    assert (tmp_path / "credentials").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(("theirs", "expected"), [("/their own/file", "/their own/file"), (None, "unset")])
def test_our_file_does_not_hide_the_users_own(tmp_path: Path, theirs: str | None, expected: str) -> None:
    environment = {"AWS_SHARED_CREDENTIALS_FILE": theirs} if theirs else {}
    made = prepare_credentials(tmp_path, ROLE, b"{}", environment)
    command = profiles(tmp_path)["vpcflow-stream"]["credential_process"]
    script = Path(command.removeprefix("/bin/sh "))
    restore = script.read_text().splitlines()[0]
    shown = subprocess.run(
        ["/bin/sh", "-c", f'{restore}\nprintf %s "${{AWS_SHARED_CREDENTIALS_FILE-unset}}"'],
        env=dict(made.environment),
        capture_output=True,
        text=True,
        check=True,
    )
    assert shown.stdout == expected

"""The configuration: all faults at once, each naming key, value and fix; the sample runs."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from consumer.config import AccessOptions, Settings, load_settings
from consumer.errors import ConfigurationError

ROOT = Path(__file__).resolve().parents[2]


def faults_of(text: str, folder: Path, **environment: str) -> dict[str, str]:
    file = folder / "vpcflow.toml"
    file.write_text(text)
    with pytest.raises(ConfigurationError) as caught:
        load_settings(file, environment)
    return {fault.key: str(fault) for fault in caught.value.faults}


def test_no_file_and_no_environment_is_the_default() -> None:
    assert load_settings(None, {}) == Settings()


def test_the_sample_is_valid_and_holds_every_setting_at_its_default() -> None:
    sample = ROOT / "vpcflow.example.toml"
    settings = load_settings(sample, {})
    assert settings.collectors[0].address == "127.0.0.1:4739"
    for name, info in Settings.model_fields.items():
        assert f"[{name}]" in sample.read_text(), name
        assert info.annotation is not None


def test_the_commented_defaults_of_the_sample_are_valid_too(tmp_path: Path) -> None:
    lines = (ROOT / "vpcflow.example.toml").read_text().splitlines()
    opened = [line.removeprefix("# ") if line.startswith("# [[") or " = " in line else line for line in lines]
    settings = []
    for line in opened:
        try:
            tomllib.loads(line.replace("[[", "[").replace("]]", "]") if line.startswith("[[") else line)
        except tomllib.TOMLDecodeError:
            continue
        settings.append(line)
    file = tmp_path / "all.toml"
    file.write_text("\n".join(settings))
    load_settings(file, {})


def test_all_faults_are_told_at_once_each_with_value_and_fix(tmp_path: Path) -> None:
    told = faults_of(
        """
        [agent]
        dead_letter_mb = 0
        [telemetry]
        log_level = "loud"
        [[collectors]]
        addres = "127.0.0.1:4739"
        [[collectors]]
        name = "second"
        address = "127.0.0.1"
        """,
        tmp_path,
    )
    assert set(told) == {
        "agent.dead_letter_mb",
        "telemetry.log_level",
        "collectors[0].addres",
        "collectors[0].address",
        "collectors[1].address",
    }
    assert "did you mean 'address'?" in told["collectors[0].addres"]
    assert "'loud'" in told["telemetry.log_level"]
    assert "the port is missing" in told["collectors[1].address"]


def test_the_environment_overrides_the_file(tmp_path: Path) -> None:
    file = tmp_path / "vpcflow.toml"
    file.write_text('[[collectors]]\naddress = "127.0.0.1:4739"\n')
    environment = {
        "VPCFLOW__COLLECTORS__0__RATE": "5000",
        "VPCFLOW__COLLECTORS__1__NAME": "second",
        "VPCFLOW__COLLECTORS__1__ADDRESS": "[::1]:4739",
        "VPCFLOW__AGENT__STATE_FOLDER": "/tmp/elsewhere",
        "PATH": "/bin",
    }
    settings = load_settings(file, environment)
    assert (settings.collectors[0].rate, settings.collectors[1].address) == (5000, "[::1]:4739")
    assert settings.agent.state_folder == Path("/tmp/elsewhere")


def test_a_fault_from_the_environment_is_told_like_one_of_the_file(tmp_path: Path) -> None:
    told = faults_of("", tmp_path, VPCFLOW__KCL__MAX_RECORDS="lots")
    assert "'lots'" in told["kcl.max_records"]


def test_names_that_collide_are_faults(tmp_path: Path) -> None:
    told = faults_of(
        """
        [[collectors]]
        address = "127.0.0.1:1"
        [[collectors]]
        address = "127.0.0.1:2"
        [[streams]]
        name = "flow"
        region = "eu-west-1"
        [[streams]]
        name = "flow"
        region = "eu-west-1"
        """,
        tmp_path,
    )
    assert set(told) == {"collectors", "streams"}


@pytest.mark.parametrize("text", ["[agent", "\x00"], ids=["cut off", "binary"])
def test_a_file_that_is_not_toml_says_so(tmp_path: Path, text: str) -> None:
    assert "not TOML" in faults_of(text, tmp_path)["-c"]


def test_a_file_that_is_not_there_says_so(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="name a file you can read"):
        load_settings(tmp_path / "none.toml", {})


def test_a_message_size_that_cannot_hold_the_profile_is_told_with_the_size_that_can(tmp_path: Path) -> None:
    told = faults_of(
        """
        [[collectors]]
        name = "narrow"
        address = "127.0.0.1:1"
        message_size = 512
        [[collectors]]
        name = "core"
        address = "127.0.0.1:2"
        profile = "core"
        message_size = 512
        [[collectors]]
        name = "auto"
        address = "127.0.0.1:3"
        message_size = "auto"
        """,
        tmp_path,
    )
    assert set(told) == {"collectors[0].message_size"}
    assert "cannot be split" in told["collectors[0].message_size"]


@pytest.mark.parametrize("size", ["511", "8901", '"large"', "true", "1400.5"])
def test_a_message_size_is_told_once_whatever_is_wrong_with_it(size: str, tmp_path: Path) -> None:
    told = faults_of(f'[[collectors]]\naddress = "127.0.0.1:1"\nmessage_size = {size}\n', tmp_path)
    assert list(told) == ["collectors[0].message_size"]
    assert "from 512 to 8900, or auto" in told["collectors[0].message_size"]


def test_a_fault_in_a_file_of_network_names_is_a_fault_of_the_configuration(tmp_path: Path) -> None:
    names = tmp_path / "names.csv"
    names.write_text("cidr,site\n10.0.0.0/33,Berlin\n")
    file = tmp_path / "vpcflow.toml"
    file.write_text(f'[discovery]\nnetwork_names = ["{names}"]\n')

    with pytest.raises(ConfigurationError) as refused:
        load_settings(file, {})
    (fault,) = refused.value.faults
    assert (fault.key, fault.value) == ("discovery.network_names", f"{names} line 2")


def test_faults_in_files_of_roles_and_profiles_are_told_with_all_others(tmp_path: Path) -> None:
    (tmp_path / "roles").write_text("# members\nadmin\n")
    files = f'role_file = "{tmp_path}/roles"\ncredentials_file = "{tmp_path}/none"\n'
    faults = faults_of(f"[aws]\n{files}[kcl]\nshutdown_grace_ms = 1000\n", tmp_path)

    assert faults.keys() == {"aws.role_file", "aws.credentials_file", "kcl.shutdown_grace_ms"}
    assert f"{tmp_path}/roles, line 2" in faults["aws.role_file"]


def test_a_setting_that_says_nothing_is_not_quoted(tmp_path: Path) -> None:
    faults = faults_of('[[collectors]]\nname = "c"\n', tmp_path)
    assert faults["collectors[0].address"].startswith("collectors[0].address: Field required; mend it")


def test_regions_and_roles_of_the_command_line_are_checked_like_those_of_the_file() -> None:
    with pytest.raises(ConfigurationError) as caught:
        AccessOptions(regions=("us-east-1", "us_east_1"), roles=("admin",)).settings({})
    assert [(fault.key, fault.value) for fault in caught.value.faults] == [
        ("--region", "us_east_1"),
        ("--role", "admin"),
    ]


@pytest.mark.parametrize(("text", "folder"), [("state", "/here/state"), ("~/state", "/home/me/state"), ("/s", "/s")])
def test_the_state_folder_is_absolute_whatever_was_written(
    text: str, folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A relative one named the JVM files that it looked for elsewhere, and no stream was read."""
    monkeypatch.setenv("HOME", "/home/me")
    monkeypatch.chdir(tmp_path)
    settings = load_settings(None, {"VPCFLOW__AGENT__STATE_FOLDER": text})

    assert settings.agent.state_folder == Path(folder.replace("/here", str(tmp_path)))

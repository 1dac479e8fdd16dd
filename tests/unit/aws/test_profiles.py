"""Credentials files and role lists, and the accounts that follow from them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest

from consumer.aws.operations import GET_CALLER_IDENTITY
from consumer.aws.profiles import Profile, exposure, read_lines, read_profiles
from consumer.aws.roles import Role, Target
from consumer.aws.sessions import Sessions
from consumer.aws.settings import AwsSettings
from consumer.errors import ConfigurationError
from tests.support.emulated_estate import DENIED, FaultyAws, MotoServer


@pytest.fixture(scope="module")
def moto() -> Iterator[MotoServer]:
    with MotoServer() as server:
        yield server


@pytest.fixture
def aws(moto: MotoServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultyAws]:
    """An endpoint that answers; no credentials in the environment."""
    with FaultyAws(moto.endpoint) as endpoint:
        monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint.endpoint)
        monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
            monkeypatch.delenv(name, raising=False)
        yield endpoint


def member_section(name: str, account: str, moto: MotoServer, **further: str) -> str:
    """A profile with keys that moto gave for a role of `account`."""
    own = boto3.Session("own", "own", region_name="us-east-1")
    sts = own.client("sts", endpoint_url=moto.endpoint)
    keys = sts.assume_role(RoleArn=f"arn:aws:iam::{account}:role/x", RoleSessionName="test")["Credentials"]
    lines = {
        "aws_access_key_id": keys["AccessKeyId"],
        "aws_secret_access_key": keys["SecretAccessKey"],
        "aws_session_token": keys["SessionToken"],
        **further,
    }
    return f"[{name}]\n" + "".join(f"{key} = {value}\n" for key, value in lines.items())


def test_every_profile_is_read_and_default_comes_first(tmp_path: Path) -> None:
    file = tmp_path / "credentials"
    file.write_text("[b]\naws_access_key_id=1\n[default]\naws_access_key_id=2\n[profile a]\n")

    assert read_profiles(file) == tuple(Profile(str(file), name) for name in ("default", "b", "a"))


@pytest.mark.parametrize(
    ("text", "word"), [("", "no profile"), ("key = hidden", "line 1"), ("[a]\nx=1\nhidden", "line 3")]
)
def test_a_file_that_is_not_one_is_a_fault_that_quotes_no_line_of_it(tmp_path: Path, text: str, word: str) -> None:
    file = tmp_path / "credentials"
    file.write_text(text)

    with pytest.raises(ConfigurationError, match=word) as fault:
        read_profiles(file)
    assert "hidden" not in str(fault.value)


def test_a_missing_file_names_its_setting(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"aws\.credentials_file"):
        read_profiles(tmp_path / "none")
    with pytest.raises(ConfigurationError, match=r"aws\.role_file"):
        read_lines(tmp_path / "none")


def test_each_profile_is_an_account_and_the_first_one_is_our_own(
    aws: FaultyAws, moto: MotoServer, tmp_path: Path
) -> None:
    file = tmp_path / "credentials"
    file.write_text(
        member_section("shop", "222222222222", moto, region="eu-central-1")
        + member_section("lab", "333333333333", moto)
    )
    ours = Sessions(AwsSettings(credentials_file=str(file), regions=("us-east-1",), attempts=1))

    targets = ours.account_targets()

    assert ours.region == "eu-central-1", "the first profile's"
    assert [ours.account(one.access) for one in targets] == ["222222222222", "333333333333"]
    answer = ours.call(GET_CALLER_IDENTITY, Target(targets[1].access, "us-east-1"))
    assert answer["Account"] == "333333333333"
    assert Target(targets[1].access, "us-east-1").label() == "lab/us-east-1"


def test_of_two_profiles_of_one_account_the_first_is_used_with_a_warning(
    aws: FaultyAws, moto: MotoServer, tmp_path: Path
) -> None:
    file = tmp_path / "credentials"
    file.write_text("".join(member_section(name, "222222222222", moto) for name in ("first", "second")))
    file.chmod(0o400)
    ours = Sessions(AwsSettings(credentials_file=str(file), region="us-east-1", regions=("us-east-1",), attempts=1))

    assert [one.access for one in ours.account_targets()] == [None]
    assert ours.warnings == ("profile second is left out: profile first is the same account",)


def test_a_profile_that_does_not_work_hides_no_other_two_of_one_account(
    aws: FaultyAws, moto: MotoServer, tmp_path: Path
) -> None:
    file = tmp_path / "credentials"
    members = [member_section(name, "333333333333", moto) for name in ("third", "again")]
    file.write_text("".join([member_section("own", "222222222222", moto), "[broken]\naws_access_key_id=1\n", *members]))
    file.chmod(0o400)
    ours = Sessions(AwsSettings(credentials_file=str(file), region="us-east-1", regions=("us-east-1",), attempts=1))

    assert [one.access and one.access.name for one in ours.account_targets()] == [None, "broken", "third"]  # type: ignore[union-attr]
    assert ours.warnings == ("profile again is left out: profile third is the same account",)


def test_a_role_list_adds_to_the_roles_and_a_wrong_line_costs_itself(aws: FaultyAws, tmp_path: Path) -> None:
    arn = "arn:aws:iam::222222222222:role/x"
    file = tmp_path / "roles"
    file.write_text(f"# members\n\n{arn},a=b\n{arn},a=b\n")
    settings = AwsSettings(role_file=str(file), region="us-east-1", regions=("us-east-1",))

    assert [one.access for one in Sessions(settings).account_targets()] == [None, Role(arn, "a=b")]
    file.write_text(f"admin\n{arn}\n{arn},\n")
    ours = Sessions(settings)
    assert [one.access for one in ours.account_targets()] == [None, Role(arn)]
    assert [fault.value for fault in ours.role_faults] == [f"{file}, line 1", f"{file}, line 3"]
    assert "'admin' is not a role" in str(ours.role_faults[0])

    file.write_text(f"{arn}\n")
    ours.account_targets(again=True)
    assert ours.role_faults == ()


def test_a_role_list_in_which_no_line_is_a_role_is_a_fault(aws: FaultyAws, tmp_path: Path) -> None:
    file = tmp_path / "roles"
    file.write_text("admin\nnobody\n")
    settings = AwsSettings(role_file=str(file), region="us-east-1", regions=("us-east-1",))

    with pytest.raises(ConfigurationError) as error:
        Sessions(settings).account_targets()
    assert [fault.value for fault in error.value.faults] == [f"{file}, line 1", f"{file}, line 2"]
    file.write_text("# nobody yet\n")
    assert [one.access for one in Sessions(settings).account_targets()] == [None]


def test_without_regions_every_enabled_one_is_read_and_only_the_default_is_named(
    aws: FaultyAws, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "own")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "own")
    (own,) = Sessions(AwsSettings(region="eu-central-1", attempts=1)).account_targets()

    assert own.regions[0] == "eu-central-1"
    assert {"us-east-1", "eu-west-1"} < set(own.regions)
    assert (own.named, own.problem) == (frozenset({"eu-central-1"}), "")


def test_regions_that_may_not_be_listed_leave_the_default_and_a_problem(
    aws: FaultyAws, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "own")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "own")
    aws.fault_of = lambda action, _: DENIED if action == "DescribeRegions" else None
    (own,) = Sessions(AwsSettings(region="eu-central-1", attempts=1)).account_targets()

    assert own.regions == ("eu-central-1",)
    assert "only the default region is read: ec2:DescribeRegions denied" in own.problem


@pytest.mark.parametrize(
    ("mode", "words"), [(0o400, ""), (0o600, ""), (0o440, "its group"), (0o604, "everybody"), (0o644, "everybody")]
)
def test_a_file_of_secrets_that_others_may_read_is_named_with_the_command_that_mends_it(
    tmp_path: Path, mode: int, words: str
) -> None:
    file = tmp_path / "credentials"
    file.touch()
    file.chmod(mode)

    said = exposure(file)
    assert (words in said and f"chmod 0400 {file}" in said) if words else said == ""


def test_a_file_that_is_not_there_is_exposed_to_nobody(tmp_path: Path) -> None:
    assert exposure(tmp_path / "nowhere") == ""


def test_a_user_without_a_home_has_no_files_in_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """systemd's DynamicUser on a machine without nss-systemd: there is no HOME, and nobody in /etc/passwd."""

    def nobody(number: int) -> None:
        raise KeyError(number)

    monkeypatch.delenv("HOME")
    monkeypatch.setattr("pwd.getpwuid", nobody)

    assert exposure(Path("~/.aws/credentials")) == ""
    with pytest.raises(ConfigurationError, match="home"):
        read_lines(Path("~/roles"))


def test_a_profile_of_another_partition_is_asked_in_its_own_region_and_has_its_own_regions(
    aws: FaultyAws, moto: MotoServer, tmp_path: Path
) -> None:
    file = tmp_path / "credentials"
    file.write_text(
        member_section("default", "222222222222", moto)
        + member_section("china", "333333333333", moto, region="cn-north-1")
    )
    file.chmod(0o400)
    asked: list[str] = []

    def note(action: str, parameters: dict[str, str]) -> None:
        if action == "GetCallerIdentity":
            asked.append(parameters["region"])

    aws.fault_of = note
    regions = ("us-east-1", "cn-north-1", "eu-west-1")
    settings = AwsSettings(credentials_file=str(file), region="us-east-1", regions=regions, attempts=1)

    assert [one.regions for one in Sessions(settings).account_targets()] == [
        ("us-east-1", "eu-west-1"),
        ("cn-north-1",),
    ]
    assert asked == ["cn-north-1", "us-east-1"]
    everywhere = Sessions(settings.model_copy(update={"regions": ()})).account_targets()
    assert [one.regions[0] for one in everywhere] == ["us-east-1", "cn-north-1"], "where enabled ones are asked for"

"""Credentials, roles and clients against an endpoint that answers as STS and EC2 do."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest

from consumer.aws.operations import DESCRIBE_VPCS, GET_CALLER_IDENTITY
from consumer.aws.paging import items
from consumer.aws.roles import Role, Target
from consumer.aws.sessions import Sessions
from consumer.aws.settings import AwsSettings
from consumer.errors import ConfigurationError, PermissionDeniedError, ProtocolError, RetryableError
from tests.support.emulated_estate import DENIED, THROTTLED, Fault, FaultyAws, MotoServer

ROLE = Role("arn:aws:iam::222222222222:role/vpcflow-read", "a=b")
OWN = Target(None, "us-east-1")
MEMBER = Target(ROLE, "us-east-1")


@pytest.fixture(scope="module")
def moto() -> Iterator[MotoServer]:
    with MotoServer() as server:
        yield server


@pytest.fixture
def aws(moto: MotoServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultyAws]:
    with FaultyAws(moto.endpoint) as endpoint:
        monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint.endpoint)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "own")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
        monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        yield endpoint


def sessions(**settings: object) -> Sessions:
    return Sessions(AwsSettings.model_validate({"region": "us-east-1", "attempts": 1} | settings))


def test_an_operation_outside_the_table_never_leaves_the_machine(aws: FaultyAws) -> None:
    client = sessions().client("ec2", OWN)

    with pytest.raises(ProtocolError, match="ec2:DeleteVpc is not in the table"):
        client.delete_vpc(VpcId="vpc-1")  # type: ignore[attr-defined]  # clients get their methods at run time

    assert not aws.calls


def test_a_role_is_assumed_once_with_its_external_id_and_duration_however_many_ask(aws: FaultyAws) -> None:
    asked: list[dict[str, str]] = []

    def note(action: str, parameters: dict[str, str]) -> Fault | None:
        if action == "AssumeRole":
            asked.append(parameters)
        return None

    aws.fault_of = note
    ours = sessions(session_seconds=7200)
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: ours.call(GET_CALLER_IDENTITY, MEMBER), range(8)))

    assert {answer["Account"] for answer in answers} == {"222222222222"}
    assert [(one["ExternalId"], one["DurationSeconds"]) for one in asked] == [("a=b", "7200")]


def test_a_session_longer_than_a_role_allows_falls_back_to_one_hour_and_is_remembered(aws: FaultyAws) -> None:
    asked: list[str] = []

    def refuse_long(action: str, parameters: dict[str, str]) -> Fault | None:
        if action == "AssumeRole":
            asked.append(parameters["DurationSeconds"])
            if int(parameters["DurationSeconds"]) > 3600:
                text = (
                    "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining"
                )
                return (400, "ValidationError", text)
        return None

    aws.fault_of = refuse_long
    ours = sessions(session_seconds=43_200)
    ours.call(GET_CALLER_IDENTITY, MEMBER)
    again = ours._roles.credentials(ROLE)

    assert asked == ["43200", "3600", "3600"]
    assert not again.refresh_needed()


def test_credentials_near_their_end_are_renewed_while_they_still_work(aws: FaultyAws) -> None:
    ours = sessions(session_seconds=900)
    credentials = ours._roles.credentials(ROLE)
    before = credentials.get_frozen_credentials()
    assert not credentials.refresh_needed()

    credentials._expiry_time = credentials._time_fetcher()  # type: ignore[attr-defined]  # the end of their life, now
    after = credentials.get_frozen_credentials()

    assert after.access_key != before.access_key
    assert aws.calls["AssumeRole"] == 2


def test_a_denied_role_names_what_to_allow_and_is_tried_again_next_time(aws: FaultyAws) -> None:
    aws.fault_of = lambda action, _: (403, "AccessDenied", "no") if action == "AssumeRole" else None
    ours = sessions()
    with pytest.raises(PermissionDeniedError, match="sts:AssumeRole denied") as denial:
        ours.call(GET_CALLER_IDENTITY, MEMBER)

    assert f'"Resource": "{ROLE.arn}"' in str(denial.value)
    aws.fault_of = lambda action, _: None
    assert ours.call(GET_CALLER_IDENTITY, MEMBER)["Account"] == "222222222222"


def test_keys_for_another_process_are_the_roles_with_their_end_and_never_shown(aws: FaultyAws) -> None:
    ours = sessions(session_seconds=900)
    member, own = ours.keys(ROLE), ours.keys()

    assert member.access_key.startswith("ASIA")
    assert member.token
    assert 0 < (datetime.fromisoformat(member.expires_at) - datetime.now(UTC)).total_seconds() <= 900
    assert (own.access_key, own.secret_key, own.expires_at) == ("own", "secret", "")
    assert "secret" not in repr(own)
    assert member.token not in repr(member)


def test_our_own_account_is_asked_once(aws: FaultyAws) -> None:
    ours = sessions()

    assert [ours.account(), ours.account(), ours.account(ROLE)] == ["123456789012", "123456789012", "222222222222"]
    assert aws.calls["GetCallerIdentity"] == 1


def test_throttling_is_retried_before_anybody_hears_of_it(aws: FaultyAws) -> None:
    aws.fault_of = lambda action, _: THROTTLED if aws.calls[action] < 3 else None

    assert len(list(items(sessions(attempts=4), DESCRIBE_VPCS, OWN))) == 1
    assert aws.calls["DescribeVpcs"] == 3


def test_throttling_without_end_is_retryable_and_denial_is_not_retried(aws: FaultyAws) -> None:
    aws.fault_of = lambda action, _: THROTTLED
    with pytest.raises(RetryableError, match="own/us-east-1"):
        list(items(sessions(attempts=2), DESCRIBE_VPCS, OWN))
    assert aws.calls["DescribeVpcs"] == 2

    aws.fault_of = lambda action, _: DENIED
    with pytest.raises(PermissionDeniedError):
        list(items(sessions(attempts=5), DESCRIBE_VPCS, OWN))
    assert aws.calls["DescribeVpcs"] == 3


def test_an_endpoint_that_does_not_answer_is_given_up_after_the_time_out(aws: FaultyAws) -> None:
    release = threading.Event()

    def hang(action: str, parameters: dict[str, str]) -> Fault | None:
        release.wait(20)
        return None

    aws.fault_of = hang
    with pytest.raises(RetryableError, match="timeout"):
        list(items(sessions(read_timeout_seconds=0.2), DESCRIBE_VPCS, OWN))
    release.set()


def test_calls_are_counted_by_action(aws: FaultyAws) -> None:
    ours = sessions()
    ours.account()
    list(items(ours, DESCRIBE_VPCS, OWN))
    list(items(ours, DESCRIBE_VPCS, OWN))

    assert ours.call_counts == {"sts:GetCallerIdentity": 1, "ec2:DescribeVpcs": 2}


def test_a_client_is_made_once_for_role_region_and_service(aws: FaultyAws) -> None:
    ours = sessions()

    assert ours.client("ec2", OWN) is ours.client("ec2", OWN)
    assert ours.client("ec2", OWN) is not ours.client("ec2", Target(None, "eu-central-1"))
    assert ours.client("ec2", OWN) is not ours.client("ec2", MEMBER)


@pytest.mark.parametrize("variable", ["AWS_REGION", "AWS_DEFAULT_REGION"])
def test_the_default_region_comes_from_the_environment(variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv(variable, "ap-south-1")

    assert Sessions(AwsSettings()).region == "ap-south-1"


def test_a_missing_default_region_says_exactly_that(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")

    with pytest.raises(ConfigurationError, match=r"aws\.region.*a default region is required outside AWS"):
        _ = Sessions(AwsSettings()).region


def test_missing_credentials_are_a_fault_of_the_configuration(aws: FaultyAws, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")

    with pytest.raises(ConfigurationError, match="credentials"):
        list(items(sessions(), DESCRIBE_VPCS, OWN))


def test_a_profile_that_is_not_there_is_a_fault_of_the_configuration(
    aws: FaultyAws, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_PROFILE", "nobody")

    with pytest.raises(ConfigurationError, match="nobody"):
        list(items(sessions(), DESCRIBE_VPCS, OWN))
    with pytest.raises(ConfigurationError, match="nobody"):
        _ = Sessions(AwsSettings()).region


def test_every_role_is_a_target_in_every_region_after_our_own_account_once() -> None:
    ours = sessions(regions=["us-east-1", "eu-central-1", "us-east-1"], roles=[ROLE.arn, ROLE.arn])

    assert [(one.access, one.regions) for one in ours.account_targets()] == [
        (None, ("us-east-1", "eu-central-1")),
        (Role(ROLE.arn), ("us-east-1", "eu-central-1")),
    ]


def test_an_account_is_read_as_whoever_of_ours_it_is(aws: FaultyAws) -> None:
    asked = sessions(roles=[f"{ROLE.arn},{ROLE.external_id}"])

    assert asked.targets_of("123456789012", "eu-west-1") == [Target(None, "eu-west-1")]
    assert asked.targets_of("222222222222", "eu-west-1") == [Target(ROLE, "eu-west-1")]
    assert asked.targets_of("333333333333", "eu-west-1") == []

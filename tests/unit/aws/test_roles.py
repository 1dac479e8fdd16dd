"""Roles as users write them."""

from __future__ import annotations

import pytest

from consumer.aws.roles import AccountTarget, Role, Target

ARN = "arn:aws:iam::222222222222:role/vpcflow-read"


@pytest.mark.parametrize(
    ("text", "role"),
    [
        (ARN, Role(ARN)),
        (f" {ARN} ", Role(ARN)),
        (f"{ARN},secret-1", Role(ARN, "secret-1")),
        (f"{ARN},a=b,c=d", Role(ARN, "a=b,c=d")),
        ("arn:aws-cn:iam::222222222222:role/path/x", Role("arn:aws-cn:iam::222222222222:role/path/x")),
        ("arn:aws-us-gov:iam::222222222222:role/x", Role("arn:aws-us-gov:iam::222222222222:role/x")),
    ],
)
def test_a_role_is_read_with_and_without_external_id_in_every_partition(text: str, role: Role) -> None:
    assert Role.from_text(text) == role


@pytest.mark.parametrize(
    "text",
    [
        "",
        "vpcflow-read",
        "arn:aws:iam::22:role/x",
        "arn:aws:iam::222222222222:user/x",
        f"{ARN},",
        f"{ARN},x",
        f"{ARN},a b",
    ],
)
def test_what_is_not_a_role_is_refused_with_the_spelling_to_use(text: str) -> None:
    with pytest.raises(ValueError, match=r"write arn|external id"):
        Role.from_text(text)


def test_the_account_and_partition_come_from_the_arn() -> None:
    role = Role.from_text("arn:aws-cn:iam::222222222222:role/x")

    assert (role.account, role.partition) == ("222222222222", "aws-cn")


def test_an_account_target_is_one_target_a_region() -> None:
    role = Role(ARN)

    assert AccountTarget(role, ("us-east-1", "eu-west-1")).targets() == (
        Target(role, "us-east-1"),
        Target(role, "eu-west-1"),
    )
    assert Target(role, "us-east-1").label() == "222222222222/us-east-1"
    assert Target(None, "us-east-1").label() == "own/us-east-1"

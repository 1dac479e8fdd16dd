"""Which unknown interfaces are asked for, of whom, and how often."""

from __future__ import annotations

from consumer.aws.roles import Role, Target
from consumer.discovery.reading.look_up import CALL_SECONDS, FORGET_SECONDS, IDS_PER_CALL, UnknownInterfaces
from consumer.model.delivery import Origin, SourceKind
from tests.support.clock import ManualClock

OWN = Target(None, "us-east-1")
OWN_IRELAND = Target(None, "eu-west-1")
MEMBER = Target(Role("arn:aws:iam::222222222222:role/x"), "us-east-1")
ACCOUNTS = {OWN: "111111111111", OWN_IRELAND: "111111111111", MEMBER: "222222222222"}


def _origin(account: str | None = "111111111111", region: str | None = "us-east-1") -> Origin:
    return Origin(SourceKind.KINESIS, account=account, region=region)


def _take(unknown: UnknownInterfaces) -> dict[Target, list[str]]:
    return dict(unknown.take(ACCOUNTS))


def test_only_the_account_and_region_of_the_record_are_asked() -> None:
    unknown = UnknownInterfaces(ManualClock())
    unknown.note(_origin(), [b"eni-1"])
    unknown.note(_origin("222222222222"), [b"eni-2"])
    assert _take(unknown) == {OWN: ["eni-1"], MEMBER: ["eni-2"]}
    assert _take(unknown) == {}


def test_a_record_of_unknown_region_means_every_region_of_its_account() -> None:
    unknown = UnknownInterfaces(ManualClock())
    unknown.note(_origin(region=None), [b"eni-1"])
    assert _take(unknown) == {OWN: ["eni-1"], OWN_IRELAND: ["eni-1"]}


def test_an_account_that_nobody_can_read_is_not_waited_for() -> None:
    unknown = UnknownInterfaces(ManualClock())
    unknown.note(_origin("333333333333"), [b"eni-1"])
    assert _take(unknown) == {}


def test_a_place_is_asked_at_most_once_in_ten_seconds_and_nothing_is_forgotten_meanwhile() -> None:
    clock = ManualClock()
    unknown = UnknownInterfaces(clock)
    unknown.note(_origin(), [b"eni-1"])
    assert _take(unknown) == {OWN: ["eni-1"]}
    unknown.note(_origin(), [b"eni-2"])
    assert _take(unknown) == {}
    clock.advance(CALL_SECONDS)
    assert _take(unknown) == {OWN: ["eni-2"]}


def test_an_id_is_not_asked_for_again_before_it_is_forgotten() -> None:
    clock = ManualClock()
    unknown = UnknownInterfaces(clock)
    unknown.note(_origin(), [b"eni-1"])
    _take(unknown)
    clock.advance(FORGET_SECONDS - 1)
    unknown.note(_origin(), [b"eni-1"])
    assert _take(unknown) == {}
    clock.advance(2)
    unknown.note(_origin(), [b"eni-1"])
    assert _take(unknown) == {OWN: ["eni-1"]}


def test_more_ids_than_one_call_takes_wait_for_the_next() -> None:
    clock = ManualClock()
    unknown = UnknownInterfaces(clock)
    ids = [f"eni-{number}" for number in range(IDS_PER_CALL + 5)]
    unknown.note(_origin(), [name.encode() for name in ids])
    assert _take(unknown) == {OWN: ids[:IDS_PER_CALL]}
    clock.advance(CALL_SECONDS)
    assert _take(unknown) == {OWN: ids[IDS_PER_CALL:]}

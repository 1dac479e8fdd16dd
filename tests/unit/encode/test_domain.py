"""Observation domain ids."""

from __future__ import annotations

from consumer.encode.domain import observation_domain


def test_the_id_of_an_account_and_region_never_changes() -> None:
    """Sequence numbers and templates hang on it; these values are published."""
    assert observation_domain("123456789012", "eu-central-1") == 1_396_644_877
    assert observation_domain(None, None) == 152_755_827


def test_accounts_and_regions_are_told_apart() -> None:
    places = [(str(account), region) for account in range(100) for region in ("us-east-1", "eu-west-1", None)]
    ids = {observation_domain(account, region) for account, region in places}
    assert len(ids) == len(places)
    assert all(0 < number < 1 << 32 for number in ids)

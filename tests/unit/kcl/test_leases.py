"""Which shards have a living worker, by what their lease table shows; what is not understood says nothing."""

from __future__ import annotations

from typing import Any

import pytest

from consumer.kcl.leases import Lease, Leased, LeaseWatch, leases_in


def item(shard: str, owner: str, counter: int, checkpoint: str = "LATEST") -> dict[str, Any]:
    return {
        "leaseKey": {"S": shard},
        "leaseCounter": {"N": str(counter)},
        "checkpoint": {"S": checkpoint},
        **({"leaseOwner": {"S": owner}} if owner else {}),
    }


def test_a_lease_whose_counter_moves_has_a_living_worker() -> None:
    watch = LeaseWatch(30, "me")
    for second in range(0, 600, 20):
        found = watch.saw([Lease("a", "one", second), Lease("b", "me", second)], second)
        assert found == Leased("", second, is_shared=True, owners=frozenset(("one", "me")))


def test_leases_that_other_living_workers_hold_are_known_to_be_theirs() -> None:
    watch = LeaseWatch(30, "me")
    assert not watch.saw([Lease("a", "one", 1)], 0).are_others, "it may be dead"
    assert watch.saw([Lease("a", "one", 2)], 20) == Leased(
        "", 20, is_shared=True, are_others=True, owners=frozenset(("one",))
    )
    assert not watch.saw([Lease("a", "one", 3), Lease("b", "two", 1)], 40).are_others, "the second may be dead"
    assert watch.saw([], 60) == Leased("", 60)


def test_a_lease_that_others_took_from_us_is_theirs_at_once() -> None:
    watch = LeaseWatch(30, "me")
    assert watch.saw([Lease("a", "me", 1)], 0) == Leased("", 0, owners=frozenset(("me",)))
    assert watch.saw([Lease("a", "one", 2)], 20) == Leased(
        "", 20, is_shared=True, are_others=True, owners=frozenset(("one",))
    )


def test_a_lease_whose_counter_stands_still_has_none_whoever_owns_it() -> None:
    watch = LeaseWatch(30, "me")
    assert watch.saw([Lease("a", "one", 7), Lease("b", "two", 1)], 0).trouble == ""
    assert watch.saw([Lease("a", "one", 7), Lease("b", "two", 2)], 20).trouble == ""
    leased = watch.saw([Lease("a", "one", 7), Lease("b", "two", 3)], 40)
    assert leased.since == 0
    assert leased.trouble == "the lease of a is held by no living worker (its owner one does not renew it)"
    assert watch.saw([Lease("a", "two", 8), Lease("b", "two", 4)], 60).trouble == "", "somebody has taken it"


def test_several_shards_of_nobody_are_one_reason_since_the_first_of_them() -> None:
    watch = LeaseWatch(30, "me")
    watch.saw([Lease("a", "one", 1), Lease("b", "", 1)], 0)
    watch.saw([Lease("a", "one", 2), Lease("b", "", 1)], 20)
    watch.saw([Lease("a", "one", 2), Lease("b", "", 1)], 40)
    leased = watch.saw([Lease("a", "one", 2), Lease("b", "", 1)], 60)
    assert leased.since == 0
    assert "a is held by no living worker" in leased.trouble
    assert leased.trouble.endswith(", and 1 more")


def test_a_finished_shard_needs_nobody() -> None:
    assert list(leases_in([item("a", "", 1, "SHARD_END"), item("b", "", 1)])) == [Lease("b", "", 1)]


def test_after_a_look_that_failed_nothing_is_known() -> None:
    watch = LeaseWatch(30, "me")
    watch.saw([Lease("a", "one", 7)], 0)
    watch.missed()
    assert not watch.saw([Lease("a", "one", 7)], 40).trouble
    assert watch.saw([Lease("a", "one", 7)], 80).trouble


@pytest.mark.parametrize(
    "strange",
    [
        pytest.param({}, id="empty"),
        pytest.param({"leaseKey": {"S": "worker-1"}, "entityType": {"S": "WORKER_METRICS"}}, id="another-entity"),
        pytest.param({**item("a", "one", 1), "leaseCounter": {"S": "one"}}, id="counter-of-another-type"),
        pytest.param({**item("a", "one", 1), "checkpoint": {"M": {}}}, id="checkpoint-of-another-type"),
        pytest.param({**item("a", "one", 1), "leaseOwner": "one"}, id="another-api"),
        pytest.param({**item("a", "one", 1), "leaseCounter": {"N": "1.5"}}, id="no-count"),
    ],
)
def test_a_layout_that_is_not_understood_is_unknown_and_never_unhealthy(strange: dict[str, Any]) -> None:
    watch = LeaseWatch(30, "me")
    for second in range(0, 600, 20):
        found = watch.saw(leases_in([strange, item("b", "me", second)]), second)
        assert found == Leased("", second, owners=frozenset(("me",)))


def test_while_a_lease_is_nobodys_it_is_not_said_who_holds_them_all() -> None:
    watch = LeaseWatch(30, "me")
    assert watch.saw([Lease("a", "one", 1), Lease("b", "", 1)], 0).owners == frozenset()

"""Leases of a stream as their table shows them: which shard has a living worker, and which has none.

Belongs here: reading items and judging them. Pure. Does not: asking DynamoDB (aws/lease_table.py), what follows from it
(agent/failover.py).

A worker raises the counter of each lease it holds three times in failoverTimeMillis (KCL, LeaseRenewer). So a lease
whose counter stays as it is has nobody, whoever its owner is said to be; KCL itself decides by nothing else. The
table's layout is KCL's own affair and changes with its versions: an item that does not look like a lease is passed
over, and a table without leases says nothing. What is not understood is unknown, never unhealthy.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

FINISHED = "SHARD_END"
"""The checkpoint of a shard that is read to its end: nobody need hold its lease any more."""

LIVING_FAILOVERS = 3.0
"""A lease that was not renewed for so many times failoverTimeMillis, nine renewals, has no living worker."""

Item = Mapping[str, Any]
"""As the low-level DynamoDB API gives it: name → {type: value}."""


@dataclass(frozen=True, slots=True)
class Lease:
    """An unfinished one. `owner`: worker id, empty = nobody's."""

    shard: str
    owner: str
    counter: int


@dataclass(frozen=True, slots=True)
class Leased:
    """What the leases of a stream say. `trouble`: shards without a living worker, in words; empty = none is known.
    `since`: monotonic moment at which it was otherwise last. `is_shared`: another worker holds some; `are_others`:
    other living workers hold all of them. `owners`: every worker that holds one, empty = a lease is nobody's."""

    trouble: str = ""
    since: float = 0.0
    is_shared: bool = False
    are_others: bool = False
    owners: frozenset[str] = frozenset()


def leases_in(items: Iterable[Item]) -> Iterator[Lease]:
    """Unfinished leases among the items of a lease table."""
    for item in items:
        try:
            key, counter = item["leaseKey"]["S"], int(item["leaseCounter"]["N"])
            is_finished = item["checkpoint"]["S"] == FINISHED
            owner = item.get("leaseOwner", {}).get("S", "")
        except (KeyError, TypeError, ValueError, AttributeError):
            continue
        if not is_finished:
            yield Lease(str(key), str(owner), counter)


@dataclass(frozen=True, slots=True)
class _Seen:
    """A lease, since when it looks like this (monotonic), and whether it was ever seen to change."""

    lease: Lease
    since: float
    has_moved: bool


class LeaseWatch:
    """The leases of one table through time. Mutable, one thread.

    `living_seconds`: a lease that looked the same for so long has no living worker. One that was never seen to change
    is judged, too, from the first look on. `worker`: our own worker id.
    """

    def __init__(self, living_seconds: float, worker: str) -> None:
        self._living_seconds = living_seconds
        self._worker = worker
        self._seen: dict[str, _Seen] = {}

    def saw(self, leases: Iterable[Lease], now: float) -> Leased:
        """A look at the whole table."""
        before, self._seen = self._seen, {}
        for lease in leases:
            known = before.get(lease.shard)
            is_same = known is not None and known.lease == lease
            since = known.since if known is not None and is_same else now
            has_moved = known is not None and (known.has_moved or not is_same)
            self._seen[lease.shard] = _Seen(lease, since, has_moved)
        every = [one for _, one in sorted(self._seen.items())]
        dead = [one for one in every if now - one.since >= self._living_seconds]
        others = [one for one in every if one.lease.owner not in ("", self._worker)]
        owners = frozenset(one.lease.owner for one in every)
        owners = frozenset() if "" in owners else owners
        if dead:
            return Leased(_reason(dead), min(one.since for one in dead), bool(others), owners=owners)
        are_others = bool(every) and len(others) == len(every) and all(one.has_moved for one in every)
        return Leased("", now, bool(others), are_others, owners)

    def missed(self) -> None:
        """A look that failed: nothing is known, and the next look is the first."""
        self._seen = {}


def _reason(dead: list[_Seen]) -> str:
    first = dead[0].lease
    who = f"its owner {first.owner} does not renew it" if first.owner else "it has no owner"
    more = f", and {len(dead) - 1} more" if len(dead) > 1 else ""
    return f"the lease of {first.shard} is held by no living worker ({who}){more}"

"""What each agent of a fleet has heard of log groups by a stream whose shards they share, in the fleet's table.

Belongs here: the items, and joining them. Does not: when to say and to ask (agent/hearing.py), what follows from it
(agent/failover.py). The items lie apart from those of the fleet, which every beat reads whole.
"""

from __future__ import annotations

import gzip
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import orjson

from consumer.state.settings import StateSettings
from consumer.state.table import Call, Partition


@dataclass(frozen=True, slots=True)
class Heard:
    """By one worker, or by several. All moments are arrivals, Unix seconds of AWS.

    `until`: what arrived in its shards until then is exported, and heard. `groups`: label of a log group → arrival of
    its newest event by the stream (0 = none came) and the moment before which nothing is known of it: that arrival,
    or when the worker began to listen.
    """

    until: float
    groups: Mapping[str, tuple[float, float]]


def joined(every: Iterable[Heard]) -> Heard:
    """What all together have heard. Groups that one of them does not know are left out: it may have heard them."""
    those = list(every)
    labels = set.intersection(*(set(one.groups) for one in those)) if those else set()
    groups = {
        label: (max(one.groups[label][0] for one in those), max(one.groups[label][1] for one in those))
        for label in labels
    }
    return Heard(min((one.until for one in those), default=0.0), groups)


class HeardTable:
    """`call` makes DynamoDB calls, and every method raises what it raises. Blocks."""

    def __init__(self, call: Call, settings: StateSettings) -> None:
        self._table = Partition(call, settings.table, f"{settings.fleet}#heard")

    def say(self, stream: str, worker: str, heard: Heard) -> None:
        """Put it in the place of what this worker said before. 10,000 groups take some 200 KB of the 400 an item may
        have (DynamoDB quotas)."""
        groups = gzip.compress(orjson.dumps(heard.groups), compresslevel=1, mtime=0)
        change = "SET #heard_until = :until, #heard_groups = :groups"
        self._table.change(f"{stream}#{worker}", change, {":until": heard.until, ":groups": groups})

    def everybody(self, stream: str) -> dict[str, Heard]:
        """Worker id → what it said last."""
        found: dict[str, Heard] = {}
        for name, item in self._table.items(f"{stream}#").items():
            groups = orjson.loads(gzip.decompress(bytes(item["heard_groups"]["B"])))
            heard = Heard(float(item["heard_until"]["N"]), {label: (one[0], one[1]) for label, one in groups.items()})
            found[name.rpartition("#")[2]] = heard
        return found

"""Telling the fleet what came by the shards of a shared stream, and asking what came by those of others.

Belongs here: when, and who must have answered. Does not: the items (state/heard.py), what follows (failover.py).
Where agents share a stream's shards, a log group that is silent at one may come at another. Only what all that hold a
shard have heard together shows that its subscription brings nothing.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping

from consumer.agent.failover import Failover
from consumer.clock import Clock
from consumer.errors import VpcflowError
from consumer.kcl.properties import worker_id
from consumer.kcl.settings import StreamSettings
from consumer.state.heard import HeardTable, joined
from consumer.telemetry.logs import get_logger

log = get_logger("fallback")


class Hearing:
    """One thread goes over the shared ones of `streams` (by their tasks' keys), every `every_seconds`.

    `worker`: the first part of our worker ids. What an agent said long ago says little, and harms nothing: its `until`
    is old, so nothing newer is judged.
    """

    def __init__(
        self,
        failover: Failover,
        table: HeardTable,
        streams: Callable[[], Mapping[str, StreamSettings]],
        worker: Callable[[], str],
        every_seconds: float,
        clock: Clock,
    ) -> None:
        self._failover = failover
        self._table = table
        self._streams = streams
        self._worker = worker
        self._every_seconds = every_seconds
        self._clock = clock
        self._refused = ""

    def run(self, stop: threading.Event) -> None:
        """Until `stop`; blocks."""
        while not self._clock.wait(stop, self._every_seconds):
            self.exchange()

    def exchange(self) -> None:
        """Say and ask once."""
        for key, stream in self._streams().items():
            holders = self._failover.holders(key)
            if not holders:
                self._failover.heard(key, None)
                continue
            try:
                self._table.say(key, worker_id(self._worker(), stream), self._failover.own_hearing(key))
                said = self._table.everybody(key)
            except VpcflowError as error:
                if self._refused != str(error):
                    self._refused = str(error)
                    log.info("what others hear is not known", stream=key, reason=str(error))
                self._failover.heard(key, None)
                continue
            self._refused = ""
            everybody = [said[one] for one in holders if one in said]
            self._failover.heard(key, joined(everybody) if len(everybody) == len(holders) else None)

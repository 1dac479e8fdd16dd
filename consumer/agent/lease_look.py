"""Looking, now and then, whether each shard of a stream has a living worker somewhere.

Belongs here: when to look, and at which tables. Does not: what a table shows (kcl/leases.py), what follows from it
(failover.py). The calls that KCL makes to us say how our own shards fare; a shard whose owner died, and that nobody has
taken yet, calls nobody: KCL leaves it alone for up to three minutes (after the death of a fleet's leader), or for good
where every worker holds as many as it may. And an agent of a fleet without a shard is not called at all, while all is
well.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from consumer.clock import Clock
from consumer.errors import VpcflowError
from consumer.kcl.leases import Leased, LeaseWatch, leases_in
from consumer.kcl.properties import living_seconds, worker_id
from consumer.kcl.settings import KclSettings, StreamSettings
from consumer.telemetry.logs import get_logger

log = get_logger("fallback")

Read = Callable[[StreamSettings], Iterable[Mapping[str, Any]]]
"""All items of a stream's lease table; raises the errors of consumer.errors."""


class LeaseLook:
    """One thread looks at the tables of `streams` (by their tasks' keys), every `look_seconds`; `found` hears of each.

    A look that fails says nothing of the leases: `found` hears None. `worker`: the first part of our worker ids.
    """

    def __init__(
        self,
        streams: Callable[[], Mapping[str, StreamSettings]],
        read: Read,
        found: Callable[[str, Leased | None], None],
        worker: Callable[[], str],
        kcl: KclSettings,
        look_seconds: float,
        clock: Clock,
    ) -> None:
        self._streams = streams
        self._read = read
        self._found = found
        self._worker = worker
        self._kcl = kcl
        self._look_seconds = look_seconds
        self._clock = clock
        self._watches: dict[str, LeaseWatch] = {}
        self._refused: dict[str, str] = {}

    def run(self, stop: threading.Event) -> None:
        """Until `stop`; blocks."""
        while not self._clock.wait(stop, self._look_seconds):
            self.look(stop)

    def look(self, stop: threading.Event) -> None:
        """One look at each table."""
        streams = self._streams()
        for gone in self._watches.keys() - streams.keys():
            del self._watches[gone]
            self._found(gone, None)
        for key, stream in streams.items():
            if stop.is_set():
                return
            self._found(key, self._look(key, stream))

    def _look(self, key: str, stream: StreamSettings) -> Leased | None:
        watch = self._watches.get(key)
        if watch is None:
            worker = worker_id(self._worker(), stream)
            watch = self._watches[key] = LeaseWatch(living_seconds(self._kcl, stream), worker)
        try:
            items = self._read(stream)
        except VpcflowError as error:
            # A table that is not there yet is no fault: KCL makes it at its first start.
            if self._refused.get(key) != str(error):
                self._refused[key] = str(error)
                log.info("leases are not known", stream=key, reason=str(error))
            watch.missed()
            return None
        self._refused.pop(key, None)
        return watch.saw(leases_in(items), self._clock.monotonic())

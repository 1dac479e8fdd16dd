"""Keeps traffic flowing into the emulated log groups, on a thread of its own.

Belongs here: the rhythm. Does not: the lines (traffic.py) or the way they take (bridge.py).
"""

from __future__ import annotations

import threading
import time

from consumer.demo.balance import Balance
from consumer.demo.bridge import Bridge
from consumer.demo.traffic import Traffic

FORGET_SECONDS = 60.0
"""Log groups are emptied this often, so that a demo without end does not fill the memory."""


class Feed:
    """From `start` to `stop`; `error` is what ended it early. `lock` guards `balance`, which others use as well.

    `flows_per_second` may be changed at any time.
    """

    def __init__(
        self, traffic: Traffic, bridge: Bridge, balance: Balance, lock: threading.Lock, flows_per_second: int
    ) -> None:
        self._traffic = traffic
        self._bridge = bridge
        self._balance = balance
        self._lock = lock
        self.flows_per_second = flows_per_second
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="feed", daemon=True)
        self.error: Exception | None = None

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """End after the second at hand; everything announced to the balance has been written then."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        try:
            self._bridge.open()
            forgotten_at = time.monotonic()
            while not self._stop.is_set():
                next_at = time.monotonic() + 1.0
                self._write_one_second()
                if time.monotonic() - forgotten_at > FORGET_SECONDS:
                    self._bridge.forget()
                    forgotten_at = time.monotonic()
                self._stop.wait(max(0.0, next_at - time.monotonic()))
        except Exception as error:  # noqa: BLE001  the edge of a thread: the demo asks for it and ends
            self.error = error

    def _write_one_second(self) -> None:
        entries = self._traffic.lines(time.time(), self.flows_per_second)
        with self._lock:
            self._balance.wrote(entry.key for entry in entries if entry.key is not None)
        self._bridge.write(entries)

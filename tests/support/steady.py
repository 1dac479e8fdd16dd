"""Something done again and again on a thread of its own while a test goes on."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from typing import Self


class Steady(ABC):
    """`turn` every `every_seconds`, from `__enter__` to `__exit__`, which raises what a turn raised."""

    def __init__(self, every_seconds: float) -> None:
        self._every_seconds = every_seconds
        self._stop = threading.Event()
        self.error: Exception | None = None
        self._thread = threading.Thread(target=self._run, name=type(self).__name__)

    @abstractmethod
    def turn(self) -> None:
        """Once."""

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None = None, *_: object) -> None:
        self.end()
        if kind is None and self.error is not None:
            raise self.error

    def end(self) -> None:
        """No turn is under way any more, and none comes; as often as one likes."""
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        try:
            while not self._stop.wait(self._every_seconds):
                self.turn()
        except Exception as error:  # noqa: BLE001  the edge of the thread: `__exit__` raises it
            self.error = error

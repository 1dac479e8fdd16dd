"""What runs: one thread a source, started when it is wanted and stopped when it is not.

Belongs here: comparing what should be read with what is being read, and the life of the threads. Does not: deciding
what should be read (steering.py), or reading (sources/). Starting or stopping one source leaves the others alone.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from consumer.clock import Clock
from consumer.errors import ProtocolError
from consumer.model.delivery import SourceKind
from consumer.sources.base import Process, Source
from consumer.telemetry.health import Health
from consumer.telemetry.logs import get_logger

FIRST_DELAY_SECONDS, LONGEST_DELAY_SECONDS = 5.0, 300.0
"""A source that fails is tried again, later each time."""

log = get_logger("conductor")


@dataclass(frozen=True, slots=True)
class Task:
    """One thing that should be read. `key` tells it from others of its kind; `what`: all that its factory needs, of a
    type that is the factory's business (another value under the same key means another source); `reason`: words."""

    kind: SourceKind
    key: str
    what: Any
    reason: str = field(default="", compare=False)

    def label(self) -> str:
        return f"{self.kind} {self.key}"


def _nothing() -> None:
    return None


def _ignore(reason: str) -> None:  # noqa: ARG001
    return None


@dataclass(frozen=True, slots=True)
class Made:
    """A source; what removes its traces from health and metrics once nobody wants it any more; who hears that it
    failed."""

    source: Source
    forget: Callable[[], None] = _nothing
    failed: Callable[[str], None] = _ignore


Factory = Callable[[Any], Made]
"""Makes the source of a task out of its `what`; inert, so it may raise for a wrong configuration only."""


@dataclass(slots=True)
class _Run:
    task: Task
    made: Made | None
    stop: threading.Event = field(default_factory=threading.Event)
    thread: threading.Thread | None = None
    error: Exception | None = None

    @property
    def is_alive(self) -> bool:
        return self.thread is not None and self.thread.is_alive()


@dataclass(slots=True)
class _Failure:
    error: Exception
    count: int
    again_at: float


class Conductor:
    """Mutable; `keep`, `end` belong to one thread, `status` to any.

    `factories`: the table of what can be read at all. A source that fails is tried again with a growing delay.
    """

    def __init__(self, factories: Mapping[SourceKind, Factory], process: Process, clock: Clock, health: Health) -> None:
        self._factories = factories
        self._process = process
        self._clock = clock
        self._health = health
        self._runs: dict[str, _Run] = {}
        self._failures: dict[str, _Failure] = {}
        self._wanted: dict[str, Task] = {}

    def keep(self, tasks: Iterable[Task]) -> None:
        """Start what is missing and stop what is too much; returns at once.

        A source that is told to stop ends at its next record boundary; its successor under the same key waits for it.
        """
        self._wanted = {task.label(): task for task in tasks if task.kind in self._factories}
        for label, run in list(self._runs.items()):
            if not run.is_alive:
                self._bury(label, run)
            elif self._wanted.get(label) != run.task and not run.stop.is_set():
                log.info("source stops", source=label, reason="it is read otherwise or gone")
                run.stop.set()
        for label in set(self._failures) - set(self._wanted):
            del self._failures[label]
            self._health.remove(label)
        now = self._clock.monotonic()
        for label, task in self._wanted.items():
            failure = self._failures.get(label)
            if label not in self._runs and (failure is None or now >= failure.again_at):
                self._start(label, task)

    def end(self) -> None:
        """Stop everything and wait until all has ended."""
        for run in list(self._runs.values()):
            run.stop.set()
        for run in list(self._runs.values()):
            if run.thread is not None:
                run.thread.join()

    @property
    def error(self) -> Exception | None:
        """Why nothing at all is being read, though something is wanted; None while anything runs."""
        if not self._wanted or set(self._wanted) != set(self._failures) or any(r.is_alive for r in self._runs.values()):
            return None
        return next(iter(self._failures.values())).error

    def is_running(self, kind: SourceKind, key: str) -> bool:
        """Whether that source has a living thread that was not told to stop."""
        run = self._runs.get(f"{kind} {key}")
        return run is not None and run.is_alive and not run.stop.is_set()

    def has_thread(self, kind: SourceKind, key: str) -> bool:
        """Whether that source still has a thread, told to stop or not."""
        run = self._runs.get(f"{kind} {key}")
        return run is not None and run.is_alive

    def status(self) -> list[dict[str, str]]:
        """For /health: each source with its state in a word and the reason it is read."""
        rows = []
        for label, task in sorted(self._wanted.items()):
            run, failure = self._runs.get(label), self._failures.get(label)
            state = "reading" if run is not None and run.is_alive else "failing" if failure else "starting"
            rows.append({"source": label, "state": state, "reason": str(failure.error) if failure else task.reason})
        ending = [run.task for run in list(self._runs.values()) if run.stop.is_set() and run.is_alive]
        return rows + [{"source": one.label(), "state": "ending", "reason": ""} for one in ending]

    def _start(self, label: str, task: Task) -> None:
        run = self._runs[label] = _Run(task, None)
        try:
            run.made = self._factories[task.kind](task.what)
        except Exception as error:  # noqa: BLE001  one source that cannot be made must not end the others
            self._failed(run, error)
            return
        run.thread = threading.Thread(target=self._work, args=(run, run.made.source), name=run.made.source.name)
        log.info("source starts", source=label, reason=task.reason)
        run.thread.start()

    def _work(self, run: _Run, source: Source) -> None:
        try:
            source.run(self._process, run.stop)
        except Exception as error:  # noqa: BLE001
            # The edge of a source's thread: one source's fault must not end the others, and must be seen.
            self._failed(run, error)

    def _failed(self, run: _Run, error: Exception) -> None:
        run.error = error
        log.exception("source failed", source=run.task.label())
        self._health.set(run.task.label(), "failing", str(error))
        if run.made is not None:
            run.made.failed(str(error))

    def _bury(self, label: str, run: _Run) -> None:
        """Its thread has ended: by our wish, or by a fault."""
        del self._runs[label]
        if run.error is None and not run.stop.is_set():
            run.error = ProtocolError(f"{label} ended by itself")
        if run.error is None:
            self._failures.pop(label, None)
            self._health.remove(label)
        else:
            old = self._failures.get(label)
            count = old.count + 1 if old else 1
            delay = min(LONGEST_DELAY_SECONDS, FIRST_DELAY_SECONDS * 2.0 ** (count - 1))
            self._failures[label] = _Failure(run.error, count, self._clock.monotonic() + delay)
        if run.made is not None and label not in self._wanted:
            run.made.forget()

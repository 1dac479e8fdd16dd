"""What every source must do, as one suite: acknowledge after export, take a refusal, survive a crash, keep the order.

A source's test class inherits `SourceBehaviour` and gives the fixture `subject`; see tests/integration/
test_source_behaviour.py. Records are told apart by their number, which is their `bytes` field.
"""

from __future__ import annotations

import threading
from collections import Counter
from typing import Protocol

from consumer.errors import Stopped
from consumer.model.delivery import Delivery
from consumer.sources.base import Process, Source
from tests.support.estate import wait_until

PATIENCE_SECONDS = 300.0
COUNT = 40_000
"""Records of a test: several deliveries of any source."""


class Subject(Protocol):
    """One source with something to read. `keeps_position`: whether another run goes on where the last one ended."""

    keeps_position: bool

    def put(self, start: int, count: int) -> None:
        """Make so many records readable, in order."""

    def source(self) -> Source:
        """A source that knows what earlier ones left behind, as after a restart."""

    def numbers(self, delivery: Delivery) -> list[int]:
        """The records of a delivery."""

    def is_settled(self) -> bool:
        """Whether everything is acknowledged where positions are kept."""


class Running:
    """A source on a thread of its own."""

    def __init__(self, source: Source, process: Process) -> None:
        self.stop = threading.Event()
        self.error: Exception | None = None
        self._thread = threading.Thread(target=self._run, args=(source, process))
        self._thread.start()

    def _run(self, source: Source, process: Process) -> None:
        try:
            source.run(process, self.stop)
        except Stopped as error:
            self.error = error

    def end(self) -> None:
        self.stop.set()
        self._thread.join(PATIENCE_SECONDS)
        assert not self._thread.is_alive(), "the source did not end"


class Collector:
    """A `process`: keeps the numbers of what was exported, and those of deliveries that were acknowledged as well."""

    def __init__(self, subject: Subject) -> None:
        self._subject = subject
        self._lock = threading.Lock()
        self.exported: list[int] = []
        self.deliveries = 0
        self.refuse_from = -1
        """The delivery (from 0) from which on every one is refused before it is exported."""
        self.crash_at = -1
        """The delivery that is exported and then not acknowledged, as if the process ended between the two."""
        self.is_over = threading.Event()
        self.gate: threading.Event | None = None
        """Deliveries wait here."""

    def __call__(self, delivery: Delivery) -> None:
        with self._lock:
            number = self.deliveries
            self.deliveries += 1
        if self.gate is not None:
            assert self.gate.wait(PATIENCE_SECONDS)
        if 0 <= self.refuse_from <= number or self.is_over.is_set():
            self.is_over.set()
            raise Stopped("no collector takes it")
        with self._lock:
            self.exported += self._subject.numbers(delivery)
        if number == self.crash_at:
            self.is_over.set()
            raise Stopped("the process ends here")
        delivery.acknowledge()


class SourceBehaviour:
    """Inherit, and give `subject`."""

    def test_every_record_is_exported_once_in_its_order(self, subject: Subject) -> None:
        subject.put(0, COUNT)
        collector = Collector(subject)
        running = Running(subject.source(), collector)
        wait_until(lambda: len(collector.exported) >= COUNT and subject.is_settled(), "everything", PATIENCE_SECONDS)
        running.end()
        assert collector.exported == list(range(COUNT))

    def test_nothing_is_acknowledged_before_it_is_exported(self, subject: Subject) -> None:
        subject.put(0, COUNT)
        collector = Collector(subject)
        collector.gate = threading.Event()
        running = Running(subject.source(), collector)
        wait_until(lambda: collector.deliveries > 0, "a delivery", PATIENCE_SECONDS)
        assert not subject.is_settled() or not subject.keeps_position
        collector.gate.set()
        wait_until(lambda: len(collector.exported) >= COUNT and subject.is_settled(), "everything", PATIENCE_SECONDS)
        running.end()
        assert collector.exported == list(range(COUNT))

    def test_what_was_refused_comes_again_and_nothing_else_does(self, subject: Subject) -> None:
        subject.put(0, COUNT)
        first = Collector(subject)
        first.refuse_from = 2
        running = Running(subject.source(), first)
        wait_until(first.is_over.is_set, "the refusal", PATIENCE_SECONDS)
        running.end()
        assert 0 < len(first.exported) < COUNT

        found = first.exported + self._rest(subject, first)
        assert set(found) == set(range(COUNT))
        if subject.keeps_position:
            assert found == list(range(COUNT))

    def test_a_crash_between_export_and_acknowledgement_repeats_that_delivery_only(self, subject: Subject) -> None:
        subject.put(0, COUNT)
        first = Collector(subject)
        first.crash_at = 1
        running = Running(subject.source(), first)
        wait_until(first.is_over.is_set, "the crash", PATIENCE_SECONDS)
        running.end()

        found = Counter(first.exported + self._rest(subject, first))
        assert set(found) == set(range(COUNT)), "lost"
        repeated = sum(count - 1 for count in found.values())
        print(f"{repeated} of {COUNT} records were exported twice")
        assert 0 < repeated < COUNT
        if subject.keeps_position:
            assert max(found.values()) == 2

    def test_a_stop_ends_it_while_there_is_nothing_to_read(self, subject: Subject) -> None:
        running = Running(subject.source(), Collector(subject))
        running.end()
        assert running.error is None

    def _rest(self, subject: Subject, first: Collector) -> list[int]:
        """What the next run exports."""
        collector = Collector(subject)
        wanted = set(range(COUNT)) - set(first.exported) if subject.keeps_position else set(range(COUNT))
        running = Running(subject.source(), collector)
        wait_until(lambda: wanted <= set(collector.exported) and subject.is_settled(), "the rest", PATIENCE_SECONDS)
        running.end()
        return collector.exported

"""How far a backfill is: a bar on a terminal, a plain line every ten seconds otherwise.

Belongs here: what a person reads on standard error while it runs. Does not: the summary (sending.py).
"""

from __future__ import annotations

import sys
import threading
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from consumer.clock import Clock
from consumer.sources.s3.access import Refusal

LINE_SECONDS = 10.0


class Progress:
    """Implements the observer of objects. Thread-safe."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._said: set[str] = set()
        self._expected_count = self._expected_bytes = self._ended_count = self._ended_bytes = self._exported = 0
        self._line_at = clock.monotonic()
        self._bar: Bar | None = None
        if sys.stderr.isatty():
            self._bar = Bar(
                TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn(),
                console=Console(stderr=True), transient=True,
            )  # fmt: skip
            self._task = self._bar.add_task("listing")

    def __enter__(self) -> Self:
        if self._bar:
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar:
            self._bar.stop()
        else:
            self._print_line()

    def expect(self, size_bytes: int) -> None:
        """One more object was listed."""
        with self._lock:
            self._expected_count += 1
            self._expected_bytes += size_bytes
        if self._bar:
            self._bar.update(self._task, total=self._expected_bytes, description=f"{self._expected_count:,} objects")

    def ended(self, size_bytes: int, exported: int) -> None:
        """One object needs no further work in this run."""
        with self._lock:
            self._ended_count += 1
            self._ended_bytes += size_bytes
        self.show(exported)

    def show(self, exported: int) -> None:
        """`exported`: records in all. Cheap: called after every chunk."""
        with self._lock:
            self._exported = exported
            is_due = self._clock.monotonic() - self._line_at >= LINE_SECONDS
            if is_due:
                self._line_at = self._clock.monotonic()
        if self._bar:
            self._bar.update(self._task, completed=self._ended_bytes, description=self._words())
        elif is_due:
            self._print_line()

    def say(self, text: str) -> None:
        """One line, each text once."""
        with self._lock:
            if text in self._said:
                return
            self._said.add(text)
        if self._bar:
            self._bar.console.print(f"vpcflow: {text}", markup=False, highlight=False, soft_wrap=True)
        else:
            print(f"vpcflow: {text}", file=sys.stderr, flush=True)

    def _words(self) -> str:
        return f"{self._ended_count:,} of {self._expected_count:,} objects, {self._exported:,} records"

    def _print_line(self) -> None:
        sizes = f"{self._ended_bytes / 1e6:,.1f} of {self._expected_bytes / 1e6:,.1f} MB"
        print(f"vpcflow: {self._words()}, {sizes}", file=sys.stderr, flush=True)

    # What the reader of objects tells

    def object(self, outcome: str) -> None:
        """Counted by whoever asked for it."""

    def read(self, size_bytes: int, retries: int) -> None:
        """The bar moves by whole objects: their packed sizes are what the listing knows."""

    def refused(self, refusal: Refusal) -> None:
        """AWS does not let us read there."""
        self.say(f"{refusal.component}: {refusal.reason}")

    def allowed(self, bucket: str, folder: str) -> None:
        """Nothing to say."""

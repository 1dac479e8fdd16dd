"""What the demo shows while it runs: a live table on a terminal, plain lines elsewhere.

Belongs here: when something is drawn. Does not: how a flow looks (collect/show.py).
"""

from __future__ import annotations

import random
import time

from rich.console import Console
from rich.live import Live

from consumer.collect.flow import Flow
from consumer.collect.show import FlowTable, flow_line
from consumer.demo.balance import Report

REDRAW_SECONDS = 1.0
"""Slow enough to read a row."""
PLAIN_SECONDS = 5.0
_LINES_AROUND_TABLE = 9
_PLAIN_SAMPLES = 3
"""Flows shown per plain summary, of kinds not shown before: a reader wants to see the variety."""
_KEPT_KINDS = 1_000

_Kind = tuple[str, str, str]
"""Names of source and destination, verdict."""


class View:
    """Mutable, used by the demo's main thread only."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console()
        self._is_live = self._console.is_terminal
        self._rows = max(5, min(25, self._console.height - _LINES_AROUND_TABLE))
        self._table = FlowTable("flows by name, as the collector gets them", shown_rows=self._rows)
        self._new: dict[_Kind, Flow] = {}
        self._shown: set[_Kind] = set()
        self._live: Live | None = None
        self._drawn_at = 0.0
        self._began_at = time.monotonic()

    def say(self, text: str) -> None:
        """One line, with the seconds since the demo began."""
        elapsed = time.monotonic() - self._began_at
        self._console.print(f"{elapsed:5.1f} s  {text}", markup=False, highlight=False, soft_wrap=True)

    def add(self, flow: Flow) -> None:
        # Flows come by the interface, hundreds at once: a sample of each second shows who else talks.
        now = time.monotonic()
        flows_per_second, _ = self._table.rates(now)
        self._table.add(flow, now, is_shown=random.random() * flows_per_second < self._rows * REDRAW_SECONDS)
        kind = (flow.source_name, flow.destination_name, flow.verdict)
        if not self._is_live and kind not in self._shown and len(self._new) < _KEPT_KINDS:
            self._new[kind] = flow

    def draw(self, report: Report, note: str = "") -> None:
        """Show the state of things, when it is time to."""
        now = time.monotonic()
        if now - self._drawn_at < (REDRAW_SECONDS if self._is_live else PLAIN_SECONDS):
            return
        self._drawn_at = now
        if self._is_live:
            if self._live is None:
                self._live = Live(console=self._console, auto_refresh=False)
                self._live.start()
            self._live.update(self._table.render(now, balance_line(report), note), refresh=True)
            return
        for kind in random.sample(sorted(self._new), min(_PLAIN_SAMPLES, len(self._new))):
            self.say("    " + flow_line(self._new.pop(kind)))
            self._shown.add(kind)
        self.say(f"{self._table.summary(now)}; {balance_line(report)}")

    def close(self) -> None:
        """Leave the table as it stands; `say` goes on below it."""
        if self._live is not None:
            self._live.stop()
            self._live = None

    def say_balance(self, report: Report) -> None:
        """The last word."""
        self._console.print("\nbalance of flows, by 5-tuple and interface", highlight=False)
        for name in ("written", "received", "missing", "repeated", "unexpected"):
            self._console.print(f"  {name:<10} {getattr(report, name):>10,}", highlight=False)


def balance_line(report: Report) -> str:
    """`balance: 1,203 written, 1,100 received, 103 on the way`"""
    line = f"balance: {report.written:,} written, {report.received:,} received, {report.missing:,} on the way"
    if report.repeated or report.unexpected:
        line += f", {report.repeated:,} repeated, {report.unexpected:,} unexpected"
    return line

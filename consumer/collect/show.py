"""Flows for people: one line each, or a live table with rates.

Belongs here: how a flow looks. Does not: what it is (flow.py) or the command that prints it (dump.py). Everything
shown came from the network, so control characters are replaced and nothing is read as markup.
"""

from __future__ import annotations

from collections import deque
from datetime import UTC, datetime

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from consumer.collect.flow import Flow

RATE_SECONDS = 10
"""Rates are those of the last ten seconds: VPC Flow Logs arrive in bursts."""
_VERDICT_STYLES = {"ACCEPT": "green", "REJECT": "bold red"}
_STEPS = ("B", "kB", "MB", "GB", "TB", "PB", "EB")


def plain(text: str) -> str:
    """Without characters that could move the cursor or hide text: they become U+FFFD."""
    return "".join(character if character.isprintable() else "\ufffd" for character in text)


def size_text(octets: float) -> str:
    """1,234,567 → `1.2 MB` (SI steps)."""
    for unit in _STEPS:
        if octets < 1000 or unit == _STEPS[-1]:
            return f"{octets:.0f} {unit}" if unit == "B" else f"{octets:.1f} {unit}"
        octets /= 1000
    raise AssertionError("the last step always answers")


def time_text(moment_ms: int) -> str:
    """UTC time of day; empty for a moment that is not there or beyond the calendar."""
    try:
        return datetime.fromtimestamp(moment_ms / 1000, UTC).strftime("%H:%M:%S") if moment_ms else ""
    except (OverflowError, OSError, ValueError):
        return ""


def flow_line(flow: Flow) -> str:
    """`12:30:01 ACCEPT TCP web-1 → nat-gateway → 203.0.113.9:443, 1.2 kB in 9 packets`."""
    start = time_text(flow.start_ms)
    amount = f"{size_text(flow.octets)} in {flow.packets} packet{'' if flow.packets == 1 else 's'}"
    words = (start, plain(flow.verdict) or "?", flow.protocol_name, plain(flow.way))
    return " ".join(word for word in words if word) + ", " + amount


class FlowTable:
    """The newest flows and the rates. Mutable, used by one thread."""

    def __init__(self, title: str, shown_rows: int = 20) -> None:
        self._title = title
        self._newest: deque[Flow] = deque(maxlen=shown_rows)
        self._seconds: deque[tuple[int, int, int]] = deque(maxlen=RATE_SECONDS + 1)
        """(second, flows, octets)"""
        self._started_at: float | None = None
        self.flow_count = 0
        self.named_count = 0
        self.octets = 0

    def add(self, flow: Flow, now: float, *, is_shown: bool = True) -> None:
        """A flow arrived at `now` (monotonic seconds); one that is not shown only counts."""
        if self._started_at is None:
            self._started_at = now
        if is_shown:
            self._newest.append(flow)
        self.flow_count += 1
        self.octets += flow.octets
        if flow.source_name or flow.destination_name:
            self.named_count += 1
        second = int(now)
        if self._seconds and self._seconds[-1][0] == second:
            _, flows, octets = self._seconds.pop()
            self._seconds.append((second, flows + 1, octets + flow.octets))
        else:
            self._seconds.append((second, 1, flow.octets))

    def rates(self, now: float) -> tuple[float, float]:
        """Flows and octets a second over the last RATE_SECONDS, or since the first flow when that is shorter."""
        if self._started_at is None:
            return 0.0, 0.0
        recent = [entry for entry in self._seconds if entry[0] > int(now) - RATE_SECONDS]
        span = min(RATE_SECONDS, max(1.0, now - self._started_at))
        return sum(entry[1] for entry in recent) / span, sum(entry[2] for entry in recent) / span

    def summary(self, now: float) -> str:
        """One line of totals and rates."""
        flows_a_second, octets_a_second = self.rates(now)
        return (
            f"{self.flow_count:,} flows ({self.named_count:,} named), {flows_a_second:,.0f}/s; "
            f"{size_text(self.octets)} of traffic, {size_text(octets_a_second)}/s"
        )

    def render(self, now: float, *notes: str) -> RenderableType:
        """The table, the newest flow last, `notes` below it."""
        table = Table(title=Text(self._title), expand=True, title_justify="left")
        table.add_column("start", no_wrap=True)
        table.add_column("verdict", no_wrap=True)
        table.add_column("protocol", no_wrap=True)
        table.add_column("flow", ratio=1, overflow="fold")
        table.add_column("bytes", justify="right", no_wrap=True)
        table.add_column("packets", justify="right", no_wrap=True)
        for flow in self._newest:
            table.add_row(
                time_text(flow.start_ms),
                Text(plain(flow.verdict) or "?", style=_VERDICT_STYLES.get(flow.verdict, "dim")),
                flow.protocol_name,
                Text(plain(flow.way)),
                size_text(flow.octets),
                f"{flow.packets:,}",
            )
        return Group(table, Text(self.summary(now)), *(Text(plain(note), style="dim") for note in notes))

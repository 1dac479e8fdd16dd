"""What the demo prints: plain lines without a terminal, a table on one, the same verdict on both."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from consumer.collect.flow import Flow
from consumer.demo.balance import Report
from consumer.demo.view import View, balance_line


def flow(number: int, source_name: str = "web-1") -> Flow:
    return Flow(
        source="10.0.1.10",
        destination="10.0.11.10",
        source_port=40_000 + number,
        destination_port=9000,
        protocol=6,
        octets=1_000,
        packets=10,
        start_ms=1_795_000_000_000,
        end_ms=1_795_000_060_000,
        verdict="ACCEPT",
        interface_id="eni-1",
        observer=source_name,
        source_name=source_name,
        destination_name="app-1",
        packet_source="10.0.1.10",
        packet_destination="10.0.11.10",
    )


@pytest.fixture
def screen() -> io.StringIO:
    return io.StringIO()


def test_without_a_terminal_there_are_plain_lines_with_a_sample_of_flows(screen: io.StringIO) -> None:
    view = View(Console(file=screen, force_terminal=False, width=200))
    for number in range(50):
        view.add(flow(number))
    view.draw(Report(written=60, received=50, repeated=0, unexpected=0))
    view.close()
    lines = screen.getvalue().splitlines()
    assert "\x1b" not in screen.getvalue()
    assert sum("web-1 → app-1:9000" in line for line in lines) == 1, "fifty of a kind are shown once"
    assert "50 flows (50 named)" in lines[-1]
    assert "60 written, 50 received, 10 on the way" in lines[-1]


def test_plain_lines_show_a_kind_of_flow_only_once(screen: io.StringIO, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("consumer.demo.view.PLAIN_SECONDS", 0.0)
    view = View(Console(file=screen, force_terminal=False, width=200))
    for name in ("web-1", "web-2"):
        view.add(flow(1, "web-1"))
        view.add(flow(2, name))
        view.draw(Report(2, 2, 0, 0))
    assert screen.getvalue().count("web-1 → app-1") == 1
    assert screen.getvalue().count("web-2 → app-1") == 1


def test_on_a_terminal_the_flows_stand_in_a_table_with_the_balance_below(screen: io.StringIO) -> None:
    view = View(Console(file=screen, force_terminal=True, width=160, height=40))
    view.add(flow(1))
    view.draw(Report(written=2, received=1, repeated=0, unexpected=0), "Ctrl-C ends it")
    view.close()
    shown = screen.getvalue()
    assert "web-1 → app-1:9000" in shown
    assert "2 written, 1 received, 1 on the way" in shown
    assert "Ctrl-C ends it" in shown


def test_the_last_word_names_every_count(screen: io.StringIO) -> None:
    view = View(Console(file=screen, force_terminal=False, width=200))
    view.say_balance(Report(written=27_104, received=27_100, repeated=3, unexpected=1))
    rows = dict(line.split() for line in screen.getvalue().splitlines() if line.startswith("  "))
    assert rows == {"written": "27,104", "received": "27,100", "missing": "4", "repeated": "3", "unexpected": "1"}


def test_repeats_and_strangers_are_only_mentioned_when_there_are_some() -> None:
    assert "repeated" not in balance_line(Report(5, 5, 0, 0))
    assert "2 repeated, 1 unexpected" in balance_line(Report(5, 5, 2, 1))

"""What the commands share that send something once and sum it up: replay and backfill.

Belongs here: collectors as options name them, the counts of all deliveries, the summary. Does not: what is read
(replay.py, backfill.py), the way of a record (pipeline.py).
"""

from __future__ import annotations

import os
import sys
import threading
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import orjson
from pydantic import ValidationError
from rich.console import Console
from rich.table import Table

from consumer.assembly import Outlet
from consumer.encode.settings import REVERSE_ENTERPRISE_NUMBER
from consumer.enrich.join import JoinCounts
from consumer.errors import Fault
from consumer.export.settings import CollectorSettings
from consumer.model.delivery import Origin
from consumer.model.tally import Tally
from consumer.select.log_status import NO_ADDRESS_FIELDS
from consumer.telemetry.reasons import MEANINGS

DEAD_LETTER_LIMIT_BYTES = 1 << 30
EXIT_INTERRUPTED = 130
"""What shells say of a command that Ctrl-C ended."""
_NO_FAULTS = frozenset({"control_message", "empty"})
_UNUSABLE = frozenset({NO_ADDRESS_FIELDS})
"""Reasons that lines are dropped for and that somebody can mend."""


def collectors_named(
    command: str,
    addresses: Sequence[str],
    *,
    profile: str,
    message_size: int | Literal["auto"],
    rate: float,
    on_refused: str,
) -> tuple[tuple[CollectorSettings, ...], list[Fault]]:
    """The collectors of `--collector`, and what is wrong with the options that describe them."""
    settings, faults = [], []
    for number, address in enumerate(addresses):
        name = "main" if number == 0 else f"collector-{number + 1}"
        given = {"name": name, "address": address, "profile": profile, "message_size": message_size}
        try:
            settings.append(CollectorSettings.model_validate({**given, "rate": rate, "on_refused": on_refused}))
        except ValidationError as error:
            faults += [
                _option_fault(command, detail["loc"][0], detail["input"], detail["msg"]) for detail in error.errors()
            ]
    return tuple(settings), faults


def _option_fault(command: str, key: int | str, value: object, problem: str) -> Fault:
    option = {"address": "--collector", "message_size": "--message-size"}.get(str(key), f"--{key}")
    return Fault(option, value, problem.removeprefix("Value error, ").removeprefix("Input "), f"see {command} --help")


def number_faults(pen: int, domain: int) -> list[Fault]:
    """What is wrong with `--pen` and `--domain`."""
    faults = [
        Fault(option, value, "is not a number of 32 bits", "give one from 1 to 4294967295")
        for option, value in (("--pen", pen), ("--domain", domain))
        if not (option == "--domain" or value) or not 0 <= value <= 0xFFFF_FFFF
    ]
    if pen == REVERSE_ENTERPRISE_NUMBER:
        faults.append(Fault("--pen", pen, "means reverse direction (RFC 5103)", "use your own enterprise number"))
    return faults


def dead_letter_faults(file: Path | None) -> list[Fault]:
    """What is wrong with the file of `--dead-letter`, told before anything is read."""
    if file is None:
        return []
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        is_writable = not file.is_dir() and os.access(file if file.exists() else file.parent, os.W_OK)
    except OSError:
        is_writable = False
    hint = "name a file in a folder you may write"
    return [] if is_writable else [Fault("--dead-letter", str(file), "cannot be written", hint)]


class Ledger:
    """Implements the pipeline's Ledger: adds every delivery's counts up. Thread-safe."""

    def __init__(self) -> None:
        self.total = Tally()
        self.cut_strings = 0
        self.first_at: dict[str, str] = {}
        """Reason → where it was met first."""
        self._lock = threading.Lock()
        self._held_by = ""

    def count(self, origin: Origin, tally: Tally, cut_strings: int, unnamed: JoinCounts) -> None:  # noqa: ARG002
        with self._lock:
            self.total += tally
            self.cut_strings += cut_strings
            for reason in (*tally.quarantined, *tally.payloads, *tally.dropped.keys() & _UNUSABLE):
                self.first_at.setdefault(reason, origin.path or f"{origin.bucket}/{origin.key}")

    def dead_letter_holds(self, error: OSError | None) -> None:
        held_by, self._held_by = self._held_by, str(error or "")
        if error and held_by != str(error):
            sys.stderr.write(f"vpcflow: the dead letter cannot be written ({error}); waiting until it can\n")

    @property
    def is_clean(self) -> bool:
        """True when every line and payload could be read and was of use; a control message is no fault, nor is a record
        of an interval in which nothing was."""
        total = self.total
        return not (total.quarantined or total.payloads.keys() - _NO_FAULTS or total.dropped.keys() & _UNUSABLE)


def summary_of(ledger: Ledger, outlet: Outlet, seconds: float) -> dict[str, Any]:
    """What was read and sent; the sums balance."""
    counts = outlet.first_counts()
    tally = ledger.total
    return {
        "lines": tally.lines,
        "exported": tally.exported,
        "dropped": dict(tally.dropped),
        "quarantined": dict(tally.quarantined),
        "payloads": dict(tally.payloads),
        "records": counts.records,
        "messages": counts.messages,
        "bytes": counts.octets,
        "cut_strings": ledger.cut_strings,
        "seconds": round(seconds, 3),
    }


def explain(ledger: Ledger) -> None:
    """A line on standard error for each reason that something could not be read: where, what it means, what to do."""
    total = ledger.total
    unusable = Counter({reason: total.dropped[reason] for reason in total.dropped.keys() & _UNUSABLE})
    for reason, count in sorted((total.quarantined + total.payloads + unusable).items()):
        if reason not in _NO_FAULTS:
            where = "standard input" if ledger.first_at[reason] == "-" else ledger.first_at[reason]
            place = where if count == 1 else f"{count:,} times, first in {where}"
            sys.stderr.write(f"vpcflow: {reason} ({place}): {MEANINGS.get(reason, 'it cannot be read')}\n")


def print_summary(title: str, summary: dict[str, Any], dead_letter: Path) -> None:
    """A table on a terminal, one line of JSON when piped."""
    if not sys.stdout.isatty():
        sys.stdout.buffer.write(orjson.dumps(summary, option=orjson.OPT_APPEND_NEWLINE))
        sys.stdout.flush()
        return
    table = Table(title=title, show_header=False, title_justify="left")
    for name, value in summary.items():
        if isinstance(value, dict):
            for reason, count in sorted(value.items()):
                table.add_row(f"{name}: {reason}", f"{count:,}")
        elif isinstance(value, bool):
            table.add_row(name, "yes" if value else "no")
        else:
            table.add_row(name, f"{value:,}")
    rate = summary["exported"] / summary["seconds"] if summary["seconds"] else 0
    table.add_row("records per second", f"{rate:,.0f}")
    Console().print(table)
    if summary["quarantined"] or summary["payloads"]:
        Console().print(f"what could not be read is kept in {dead_letter}")

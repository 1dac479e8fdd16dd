"""`vpcflow replay`: flow log files to IPFIX, once, with a summary whose sums balance.

Belongs here: the command's options, progress and summary. Does not: the way of a record (pipeline.py).
"""

from __future__ import annotations

import os
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import orjson
from pydantic import ValidationError
from rich.console import Console
from rich.table import Table

from consumer.assembly import Outlet, build_lanes, own_address
from consumer.clock import SystemClock
from consumer.config import AgentSettings
from consumer.encode.settings import REVERSE_ENTERPRISE_NUMBER
from consumer.enrich.join import JoinCounts
from consumer.errors import ConfigurationError, Fault, Stopped
from consumer.export.report import LineObserver
from consumer.export.settings import CollectorSettings
from consumer.model.delivery import Delivery, Origin
from consumer.model.inventory import empty_inventory
from consumer.model.log_format import LogFormat
from consumer.model.tally import Tally
from consumer.pipeline import Pipeline
from consumer.sources.files import FileSource
from consumer.state.dead_letter import DeadLetter

DEAD_LETTER_LIMIT_BYTES = 1 << 30


@dataclass(frozen=True, slots=True)
class ReplayOptions:
    """The command line, checked."""

    files: tuple[str, ...]
    collectors: tuple[CollectorSettings, ...]
    log_format: LogFormat | None
    private_enterprise_number: int
    domain: int
    dead_letter: Path
    strict: bool

    @classmethod
    def from_command_line(
        cls,
        *,
        files: tuple[str, ...],
        collectors: tuple[str, ...],
        log_format: str | None,
        profile: str,
        message_size: int | Literal["auto"],
        rate: float,
        pen: int,
        domain: int,
        on_refused: str,
        dead_letter: Path | None,
        strict: bool,
    ) -> ReplayOptions:
        """Read the options. Raises ConfigurationError with all faults of the command line at once."""
        faults = [
            Fault("FILE", file, "cannot be read", "name a file that exists and is yours to read")
            for file in files
            if file != "-" and not (Path(file).is_file() and os.access(file, os.R_OK))
        ]
        settings: list[CollectorSettings] = []
        for number, address in enumerate(collectors):
            name = "main" if number == 0 else f"collector-{number + 1}"
            given = {"name": name, "address": address, "profile": profile, "message_size": message_size}
            try:
                settings.append(CollectorSettings.model_validate({**given, "rate": rate, "on_refused": on_refused}))
            except ValidationError as error:
                faults += [_option_fault(detail["loc"][0], detail["input"], detail["msg"]) for detail in error.errors()]
        parsed: LogFormat | None = None
        if log_format is not None:
            try:
                parsed = LogFormat.from_text(log_format)
            except ValueError as error:
                faults.append(Fault("--format", log_format, str(error), "quote it: '${version} ${account-id} …'"))
        for option, value in (("--pen", pen), ("--domain", domain)):
            if not (option == "--domain" or value) or not 0 <= value <= 0xFFFF_FFFF:
                faults.append(Fault(option, value, "is not a number of 32 bits", "give one from 1 to 4294967295"))
        if pen == REVERSE_ENTERPRISE_NUMBER:
            faults.append(Fault("--pen", pen, "means reverse direction (RFC 5103)", "use your own enterprise number"))
        target = dead_letter or AgentSettings().state_folder / "replay-dead-letter.jsonl"
        if any(file != "-" and Path(file).resolve() == target.resolve() for file in files):
            faults.append(
                Fault("--dead-letter", str(target), "is also read", "name another file: reading would never end")
            )
        if faults:
            raise ConfigurationError(list(dict.fromkeys(faults)))
        return cls(files, tuple(settings), parsed, pen, domain, target, strict)


def _option_fault(key: int | str, value: object, problem: str) -> Fault:
    option = {"address": "--collector", "message_size": "--message-size"}.get(str(key), f"--{key}")
    return Fault(option, value, problem.removeprefix("Value error, ").removeprefix("Input "), "see replay --help")


class _Progress:
    """One live line on a terminal, about four times a second; nothing when piped, but for a collector that holds."""

    def __init__(self, outlet: Outlet) -> None:
        self._outlet = outlet
        self._is_terminal = sys.stderr.isatty()
        self._shown_at = 0.0

    def show(self, tally: Tally) -> None:
        moment = time.monotonic()
        if not self._is_terminal or moment - self._shown_at < 0.25:
            return
        self._shown_at = moment
        sys.stderr.write(f"\r\x1b[K{tally.lines:,} lines read, {tally.exported:,} exported")
        sys.stderr.flush()

    def end(self) -> None:
        if self._is_terminal:
            sys.stderr.write("\r\x1b[K")


class _Ledger:
    """Adds every delivery's counts up."""

    def __init__(self) -> None:
        self.total = Tally()
        self.cut_strings = 0

    def count(self, origin: Origin, tally: Tally, cut_strings: int, unnamed: JoinCounts) -> None:  # noqa: ARG002
        self.total += tally
        self.cut_strings += cut_strings

    def dead_letter_holds(self, error: OSError | None) -> None:
        if error:
            sys.stderr.write(f"vpcflow: the dead letter cannot be written ({error}); waiting\n")


def run_replay(options: ReplayOptions) -> int:
    """Read, send, summarize. Exit code: 0; 1 when something was unreadable and --strict."""
    abort = threading.Event()
    clock = SystemClock()
    ledger = _Ledger()
    letter = DeadLetter(options.dead_letter, DEAD_LETTER_LIMIT_BYTES)
    with Outlet(options.collectors, options.private_enterprise_number, clock, LineObserver()) as outlet:
        pipeline = Pipeline(
            build_lanes(outlet, 1, own_address(options.collectors)),
            formats=lambda _: [options.log_format] if options.log_format else [],
            inventory=empty_inventory,
            exporter=outlet.exporting_process,
            keep_rejects=letter.write,
            ledger=ledger,
            clock=clock,
            abort=abort,
            domain=options.domain,
        )
        progress = _Progress(outlet)
        source = FileSource(list(options.files), clock, options.log_format)
        began = time.monotonic()

        def process(delivery: Delivery) -> None:
            pipeline.process(delivery)
            progress.show(ledger.total)

        try:
            source.run(process, abort)
        except Stopped:
            pass
        finally:
            progress.end()
        seconds = time.monotonic() - began
        summary = _summary(ledger, outlet, seconds)
    _print_summary(summary, options)
    is_clean = not (ledger.total.quarantined or _faults(ledger.total))
    return 0 if is_clean or not options.strict else 1


def _faults(tally: Tally) -> dict[str, int]:
    """Payloads that could not be read; a control message is none."""
    return {reason: count for reason, count in tally.payloads.items() if reason not in ("control_message", "empty")}


def _summary(ledger: _Ledger, outlet: Outlet, seconds: float) -> dict[str, Any]:
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


def _print_summary(summary: dict[str, Any], options: ReplayOptions) -> None:
    if not sys.stdout.isatty():
        os.write(sys.stdout.fileno(), orjson.dumps(summary, option=orjson.OPT_APPEND_NEWLINE))
        return
    table = Table(title="replay", show_header=False, title_justify="left")
    for name, value in summary.items():
        if isinstance(value, dict):
            for reason, count in sorted(value.items()):
                table.add_row(f"{name}: {reason}", f"{count:,}")
        else:
            table.add_row(name, f"{value:,}")
    rate = summary["exported"] / summary["seconds"] if summary["seconds"] else 0
    table.add_row("records per second", f"{rate:,.0f}")
    Console().print(table)
    if summary["quarantined"] or summary["payloads"]:
        Console().print(f"what could not be read is kept in {options.dead_letter}")

"""`vpcflow replay`: flow log files to IPFIX, once, with a summary whose sums balance.

Belongs here: the command's options, progress and summary. Does not: the way of a record (pipeline.py).
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from consumer.assembly import Outlet, build_lanes, own_address
from consumer.clock import SystemClock
from consumer.config import AgentSettings
from consumer.errors import ConfigurationError, Fault, Stopped
from consumer.export.report import LineObserver
from consumer.export.settings import CollectorSettings
from consumer.model.delivery import Delivery
from consumer.model.inventory import empty_inventory
from consumer.model.log_format import LogFormat
from consumer.model.tally import Tally
from consumer.pipeline import Pipeline
from consumer.sources.files import FileSource
from consumer.state.dead_letter import DeadLetter
from consumer.tools.sending import (
    DEAD_LETTER_LIMIT_BYTES,
    EXIT_INTERRUPTED,
    Ledger,
    collectors_named,
    dead_letter_faults,
    explain,
    number_faults,
    print_summary,
    summary_of,
)


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
        found = {file: _files_of(file) for file in files}
        empty = [folder for folder, inside in found.items() if not inside]
        files = tuple(inside for file in files for inside in found[file])
        faults = [
            Fault("FILE", file, "cannot be read", "name a file that exists and is yours to read")
            for file in files
            if file != "-" and not (Path(file).is_file() and os.access(file, os.R_OK))
        ]
        faults += [Fault("FILE", folder, "holds no files", "name a folder with flow log files") for folder in empty]
        settings, problems = collectors_named(
            "replay", collectors, profile=profile, message_size=message_size, rate=rate, on_refused=on_refused
        )
        faults += problems
        parsed: LogFormat | None = None
        if log_format is not None:
            try:
                parsed = LogFormat.from_text(log_format)
            except ValueError as error:
                faults.append(Fault("--format", log_format, str(error), "quote it: '${version} ${account-id} …'"))
        faults += number_faults(pen, domain)
        faults += dead_letter_faults(dead_letter)
        target = dead_letter or AgentSettings().state_folder / "replay-dead-letter.jsonl"
        if any(file != "-" and Path(file).resolve() == target.resolve() for file in files):
            faults.append(
                Fault("--dead-letter", str(target), "is also read", "name another file: reading would never end")
            )
        if faults:
            raise ConfigurationError(list(dict.fromkeys(faults)))
        return cls(files, settings, parsed, pen, domain, target, strict)


def _files_of(path: str) -> list[str]:
    """The file itself; of a folder every file in and below it, in order of their names."""
    if path == "-" or not Path(path).is_dir():
        return [path]
    return sorted(str(file) for file in Path(path).rglob("*") if file.is_file())


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


@contextmanager
def _ended_by_sigterm() -> Iterator[None]:
    """SIGTERM ends it as Ctrl-C does, also where it waits for its input or for a collector."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def run_replay(options: ReplayOptions) -> int:
    """Read, send, summarize. Exit code: 0; 1 when something was unreadable and --strict; 130 when interrupted."""
    abort = threading.Event()
    clock = SystemClock()
    ledger = Ledger()
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

        is_interrupted = False
        try:
            with _ended_by_sigterm():
                source.run(process, abort)
        except (Stopped, KeyboardInterrupt):
            is_interrupted = True
        finally:
            progress.end()
        seconds = time.monotonic() - began
        summary = summary_of(ledger, outlet, seconds)
    summary["interrupted"] = is_interrupted
    print_summary("replay", summary, options.dead_letter)
    explain(ledger)
    if is_interrupted:
        return EXIT_INTERRUPTED
    return 0 if ledger.is_clean or not options.strict else 1

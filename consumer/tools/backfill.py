"""`vpcflow backfill`: flow log objects of the past out of a bucket, once, however often it has to be started.

Belongs here: the workers, what becomes of each object, the summary. Does not: the options (backfill_options.py),
finding objects (sources/s3/listing.py), reading one and remembering how far (sources/s3/objects.py,
state/object_journal.py), the way of a record (pipeline.py). Nothing is deleted and no queue is touched.
"""

from __future__ import annotations

import os
import queue
import signal
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from ipaddress import IPv4Address
from pathlib import Path

from consumer.assembly import Outlet, build_lanes, own_address
from consumer.aws.roles import Target
from consumer.aws.sessions import Sessions
from consumer.aws.stored_object import Place
from consumer.clock import Clock, SystemClock
from consumer.config import Settings
from consumer.discovery.inventory.snapshot_file import load_snapshot
from consumer.errors import ConfigurationError, Fault, RefusedError, VpcflowError
from consumer.export.report import LineObserver
from consumer.model.delivery import Delivery
from consumer.model.inventory import Inventory, empty_inventory
from consumer.pipeline import Pipeline
from consumer.sources.s3.listing import Listed, list_objects
from consumer.sources.s3.notices import Notice
from consumer.sources.s3.objects import ObjectReader
from consumer.state.dead_letter import DeadLetter
from consumer.state.object_journal import ObjectJournal
from consumer.telemetry.logs import set_up_logs
from consumer.tools.backfill_options import BackfillOptions
from consumer.tools.backfill_progress import Progress
from consumer.tools.sending import DEAD_LETTER_LIMIT_BYTES, EXIT_INTERRUPTED, Ledger, explain, print_summary, summary_of

TRY_COUNT = 5
"""Times an object is tried that AWS is too busy for, or that changes while it is read."""
_LONGEST_WAIT_SECONDS = 30.0
_KEEP_SECONDS, _KEEP_COUNT = 10 * 365 * 86_400.0, 50_000_000
_LEFT_BEHIND = frozenset({"denied", "later", "failed", "replaced", "busy", "interrupted"})
"""Outcomes of objects that another run may still export."""


def run_backfill(options: BackfillOptions) -> int:
    """List, read, send, summarize. 0: everything is exported; 1: objects are left behind, or something was unreadable
    and --strict; 130: interrupted, and the next run goes on. ConfigurationError when there is no such bucket."""
    set_up_logs(options.settings.telemetry.log_level)
    clock = SystemClock()
    stop, abort = threading.Event(), threading.Event()
    ledger = Ledger()
    if options.is_anew:
        for suffix in ("", "-wal", "-shm"):
            Path(f"{options.journal_file()}{suffix}").unlink(missing_ok=True)
    journal = ObjectJournal(options.journal_file(), clock.now, _KEEP_SECONDS, _KEEP_COUNT)
    began = clock.monotonic()
    with (
        journal,
        _stopped_by_signals(stop, abort, options.settings.agent.stop_grace_seconds),
        Outlet(options.collectors, options.private_enterprise_number, clock, LineObserver()) as outlet,
    ):
        pipeline = _pipeline(options, outlet, ledger, clock, abort)
        run = _Run(options, Sessions(options.settings.aws), journal, pipeline, ledger, clock, stop)
        problem = run.work()
        summary = {"objects": dict(run.outcomes), **summary_of(ledger, outlet, clock.monotonic() - began)}
    summary["interrupted"] = stop.is_set()
    print_summary("backfill", summary, options.dead_letter)
    explain(ledger)
    if problem is not None:
        raise problem
    if stop.is_set():
        return EXIT_INTERRUPTED
    is_complete = not run.outcomes.keys() & _LEFT_BEHIND
    return 0 if is_complete and (ledger.is_clean or not options.strict) else 1


def _pipeline(
    options: BackfillOptions, outlet: Outlet, ledger: Ledger, clock: Clock, abort: threading.Event
) -> Pipeline:
    chosen = options.settings.agent.exporter_address
    address = int(IPv4Address(chosen)) if chosen else own_address(options.collectors)
    inventory = _inventory(options.settings)
    return Pipeline(
        build_lanes(outlet, min(options.concurrency, os.cpu_count() or 1), address),
        formats=lambda _: [],
        inventory=lambda: inventory,
        exporter=outlet.exporting_process,
        keep_rejects=DeadLetter(options.dead_letter, DEAD_LETTER_LIMIT_BYTES).write,
        ledger=ledger,
        clock=clock,
        abort=abort,
        domain=options.domain,
    )


def _inventory(settings: Settings) -> Inventory:
    """The names that an agent with this state folder knows; past ones included, as far as it remembers."""
    return load_snapshot(settings.agent.state_folder / "inventory" / "snapshot") or empty_inventory()


@contextmanager
def _stopped_by_signals(stop: threading.Event, abort: threading.Event, grace_seconds: float) -> Iterator[None]:
    """Ctrl-C and SIGTERM end the run between two chunks, and after the grace wherever it waits for a collector."""

    def end(*_: object) -> None:
        stop.set()
        give_up = threading.Timer(grace_seconds, abort.set)
        give_up.daemon = True
        give_up.start()

    before = {number: signal.signal(number, end) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class _Run:
    """One run: lists twice, to know how much there is and then to read it; several objects at a time."""

    def __init__(
        self,
        options: BackfillOptions,
        sessions: Sessions,
        journal: ObjectJournal,
        pipeline: Pipeline,
        ledger: Ledger,
        clock: Clock,
        stop: threading.Event,
    ) -> None:
        self.outcomes: Counter[str] = Counter()
        self._options = options
        self._sessions = sessions
        self._pipeline = pipeline
        self._ledger = ledger
        self._clock = clock
        self._stop = stop
        self._lock = threading.Lock()
        rules = options.rules()
        access = rules.access if rules.has_access and options.access is None else options.access
        region = sessions.region
        self._place = Place(
            Target(access, region), options.bucket, options.prefix, rules.requester_pays, rules.expected_owner
        )
        self.progress = Progress(clock)
        self._reader = ObjectReader(
            sessions, self._place.target, lambda _: replace(rules, has_access=False), journal, clock, self.progress,
            lambda flow_log: not options.flow_log_ids or flow_log in options.flow_log_ids,
        )  # fmt: skip

    def work(self) -> VpcflowError | None:
        """Until everything is exported or `stop`; what ended the listing early."""
        waiting: queue.Queue[Listed | None] = queue.Queue(2 * self._options.concurrency)
        workers = [
            threading.Thread(target=self._worker, args=(waiting,), name=f"backfill {number}")
            for number in range(self._options.concurrency)
        ]
        problem: VpcflowError | None = None
        with self.progress:
            try:
                for found in self._listed():
                    self.progress.expect(found.size_bytes)
            except VpcflowError as error:
                if isinstance(error, RefusedError) and error.code == "NoSuchBucket":
                    raise _no_such_bucket(self._options.bucket) from error
                return error
            for worker in workers:
                worker.start()
            try:
                for found in self._listed():
                    self._hand_over(waiting, found)
            except VpcflowError as error:
                problem = error
            for _ in workers:
                self._hand_over(waiting, None)
            for worker in workers:
                worker.join()
            self._say_the_end(problem)
        return problem

    def _say_the_end(self, problem: VpcflowError | None) -> None:
        if self._stop.is_set():
            self.progress.say("interrupted; the same command goes on from here")
        elif problem is None and not self.outcomes:
            where = f"{self._options.bucket}/{self._options.prefix}"
            self.progress.say(f"{where} holds no flow log object of that time; `vpcflow discover` shows where they are")

    def _listed(self) -> Iterator[Listed]:
        for found in list_objects(self._sessions, self._place, self._options.span):
            if self._stop.is_set():
                return
            yield found

    def _hand_over(self, waiting: queue.Queue[Listed | None], found: Listed | None) -> None:
        while not self._stop.is_set():
            try:
                waiting.put(found, timeout=0.25)
            except queue.Full:
                continue
            return

    def _worker(self, waiting: queue.Queue[Listed | None]) -> None:
        while not self._stop.is_set():
            try:
                found = waiting.get(timeout=0.25)
            except queue.Empty:
                continue
            if found is None:
                return
            outcome = self._export(found)
            with self._lock:
                self.outcomes[outcome] += 1
            if outcome != "interrupted":
                self.progress.ended(found.size_bytes, self._ledger.total.exported)

    def _export(self, found: Listed) -> str:
        """What became of the object, after as many tries as are worth it."""
        notice = Notice(self._options.bucket, found.key, size_bytes=found.size_bytes, etag=found.etag)
        result = self._reader.export(notice, self._process, self._stop, lambda: False)
        for number in range(1, TRY_COUNT):
            if result.outcome not in ("later", "failed", "replaced"):
                break
            if self._clock.wait(self._stop, min(float(2**number), _LONGEST_WAIT_SECONDS)):
                break
            # Whatever it is now: the announced entity tag may be that of the object before.
            result = self._reader.export(replace(notice, etag=""), self._process, self._stop, lambda: False)
        if result.outcome in _LEFT_BEHIND and not self._stop.is_set():
            self.progress.say(f"{found.key} is left behind: {result.outcome}: {result.reason}")
        return result.outcome

    def _process(self, delivery: Delivery) -> None:
        self._pipeline.process(delivery)
        self.progress.show(self._ledger.total.exported)


def _no_such_bucket(name: str) -> ConfigurationError:
    fix = "give the name as it stands in the flow log's destination; `vpcflow discover` shows it"
    return ConfigurationError([Fault("--bucket", name, "does not exist (S3 answers NoSuchBucket)", fix)])

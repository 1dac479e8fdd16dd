"""`vpcflow backfill`: flow log objects of the past out of a bucket, once, however often it has to be started.

Belongs here: the command's options, its workers, progress and summary. Does not: finding objects
(sources/s3_listing.py), reading one and remembering how far (sources/s3_objects.py, state/object_journal.py), the way
of a record (pipeline.py). Nothing is deleted and no queue is touched.
"""

from __future__ import annotations

import hashlib
import os
import queue
import signal
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any, Literal

from consumer.agent.queues import bucket_rules
from consumer.assembly import Outlet, build_lanes, own_address
from consumer.aws.roles import Access, Role, Target
from consumer.aws.sessions import Sessions
from consumer.aws.stored_object import Place
from consumer.clock import Clock, SystemClock
from consumer.config import AccessOptions, Settings
from consumer.discovery.snapshot_file import load_snapshot
from consumer.errors import ConfigurationError, Fault, VpcflowError
from consumer.export.report import LineObserver
from consumer.export.settings import CollectorSettings
from consumer.model.delivery import Delivery
from consumer.model.inventory import Inventory, empty_inventory
from consumer.pipeline import Pipeline
from consumer.sources.notices import Notice
from consumer.sources.s3_listing import Listed, Span, list_objects
from consumer.sources.s3_objects import BucketRules, ObjectReader
from consumer.state.dead_letter import DeadLetter
from consumer.state.object_journal import ObjectJournal
from consumer.telemetry.logs import set_up_logs
from consumer.tools.backfill_progress import Progress
from consumer.tools.sending import (
    DEAD_LETTER_LIMIT_BYTES,
    Ledger,
    collectors_named,
    number_faults,
    print_summary,
    summary_of,
)

TRY_COUNT = 5
"""Times an object is tried that AWS is too busy for, or that changes while it is read."""
_LONGEST_WAIT_SECONDS = 30.0
_KEEP_SECONDS, _KEEP_COUNT = 10 * 365 * 86_400.0, 50_000_000
_LEFT_BEHIND = frozenset({"denied", "later", "failed", "replaced", "busy", "interrupted"})
"""Outcomes of objects that another run may still export."""
EXIT_INTERRUPTED = 130


@dataclass(frozen=True, slots=True)
class BackfillOptions:
    """The command line with the configuration, checked."""

    settings: Settings
    access: Access
    bucket: str
    prefix: str
    span: Span
    flow_log_ids: frozenset[str]
    collectors: tuple[CollectorSettings, ...]
    private_enterprise_number: int
    domain: int
    concurrency: int
    dead_letter: Path
    is_anew: bool
    strict: bool

    @classmethod
    def from_command_line(
        cls,
        environment: Mapping[str, str],
        *,
        bucket: str,
        prefix: str,
        first: datetime,
        last: datetime | None,
        flow_logs: tuple[str, ...],
        collectors: tuple[str, ...],
        profile: str,
        message_size: int | Literal["auto"],
        rate: float | None,
        pen: int | None,
        domain: int,
        on_refused: str,
        concurrency: int,
        dead_letter: Path | None,
        anew: bool,
        strict: bool,
        **access: Any,
    ) -> BackfillOptions:
        """Read the options; what they leave open the configuration says. Raises ConfigurationError with all faults."""
        settings = AccessOptions(**access).settings(environment)
        agent = settings.agent
        number = agent.private_enterprise_number if pen is None else pen
        faults = number_faults(number, domain)
        named, problems = collectors_named(
            "backfill",
            collectors,
            profile=profile,
            message_size=message_size,
            rate=20_000.0 if rate is None else rate,
            on_refused=on_refused,
        )
        faults += problems
        if not collectors:
            # The agent may be sending from its own port to the same collector right now.
            changed = {"source_port": 0} | ({} if rate is None else {"rate": rate})
            named = tuple(one.model_copy(update=changed) for one in settings.collectors)
        if not named and not problems:
            faults.append(Fault("--collector", None, "there is none", "give --collector HOST:PORT or a configuration"))
        span = Span(_in_utc(first), _in_utc(last) if last else datetime.now(UTC))
        if span.first >= span.last:
            faults.append(Fault("--from", first.isoformat(), "is not before --to", "give the earlier time first"))
        if faults:
            raise ConfigurationError(faults)
        roles = access.get("roles") or ()
        return cls(
            settings,
            Role.from_text(roles[0]) if roles else None,
            bucket,
            prefix,
            span,
            frozenset(flow_logs),
            named,
            number,
            domain or agent.observation_domain,
            concurrency or settings.s3.concurrency,
            dead_letter or agent.state_folder / "backfill-dead-letter.jsonl",
            anew,
            strict,
        )

    def journal_file(self) -> Path:
        """One for each bucket and set of collectors: what one collector was given, another may still want."""
        key = "\0".join((self.bucket, *sorted(one.address for one in self.collectors)))
        digest = hashlib.blake2b(key.encode(), digest_size=6).hexdigest()
        return self.settings.agent.state_folder / "backfill" / f"{self.bucket}-{digest}.sqlite"

    def rules(self) -> BucketRules:
        """[[buckets]] of the configuration, but nothing is ever deleted, and what is asked for is read."""
        found = next((one for one in bucket_rules(self.settings) if one.name == self.bucket), BucketRules())
        return replace(found, enabled=True, delete_prefix="")


def _in_utc(moment: datetime) -> datetime:
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


def run_backfill(options: BackfillOptions) -> int:
    """List, read, send, summarize. 0: everything is exported; 1: objects are left behind, or something was unreadable
    and --strict; 130: interrupted, and the next run goes on."""
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
        return problem

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

"""Source 1: a Kinesis stream, read by the Kinesis Client Library.

Belongs here: turning the records of the leased shards into deliveries, in order, and answering with what is exported.
Does not: the daemon, its children and their socket (kcl/). One thread a leased shard, so a shard moves at the pace of
the collectors and no queue grows.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping
from pathlib import Path

from consumer.clock import Clock
from consumer.errors import Stopped
from consumer.kcl.channel import Batch, Channel, Child, Record
from consumer.kcl.credentials import prepare_credentials
from consumer.kcl.daemon import Daemon
from consumer.kcl.launch import Launch, first_start, prepare_launch
from consumer.kcl.properties import Placement, application_name, worker_id
from consumer.kcl.run_folder import RunFolder
from consumer.kcl.settings import KclSettings, StreamSettings
from consumer.model.delivery import Delivery, Origin, SourceKind
from consumer.sources.base import Process
from consumer.sources.kinesis.shard_memory import ShardMemory, ShardProgress
from consumer.sources.kinesis.status import StreamObserver, StreamStatus
from consumer.telemetry.logs import get_logger

log = get_logger("kinesis")


class KinesisSource:
    """One stream. `state_folder` keeps what outlives a restart; `agent_id` is unique to it (state/identity.py).

    `environment`: what the daemon inherits; endpoints, trust and credentials follow the AWS SDKs' variables in it.
    `aws_settings`: the agent's [aws] as JSON, for the daemon's keys (kcl/credentials.py).
    """

    def __init__(
        self,
        settings: StreamSettings,
        kcl: KclSettings,
        state_folder: Path,
        agent_id: str,
        clock: Clock,
        observer: StreamObserver,
        environment: Mapping[str, str] = os.environ,
        aws_settings: bytes = b"{}",
    ) -> None:
        self.name = f"kinesis {settings.region}/{settings.name}"
        self._settings = settings
        self._kcl = kcl
        self._folder = state_folder / "kinesis" / application_name(kcl, settings)
        self._agent_id = agent_id
        self._clock = clock
        self._environment = environment
        self._aws_settings = aws_settings
        self._memory = ShardMemory()
        self._status = StreamStatus(settings.name, observer, clock)

    def run(self, process: Process, stop: threading.Event) -> None:
        """Read until `stop`; blocks. Raises MissingPrerequisiteError or ConfigurationError before anything started.

        At `stop` every shard's thread ends at a record boundary and answers its child at once; the daemon gets
        SIGTERM, the children checkpoint, and it ends, at the latest when its grace is over.
        """
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with RunFolder(self._folder / "run", self._environment) as run_folder:
            launch = self._launch(run_folder)
            daemon = Daemon(
                launch,
                self._folder / "daemon.json",
                self._kcl.shutdown_grace_ms / 1000,
                self._clock,
                self._status,
            )
            channel = Channel(run_folder.socket, self._kcl.checkpoint_seconds)

            def serve(child: Child) -> None:
                self._serve(child, process, stop)

            def ended(child: Child) -> None:
                self._status.child_left(child)
                if child.ended is None and not stop.is_set():
                    daemon.restart(child.daemon_pid, f"the child of {child.shard} died (process {child.pid})")

            watch = threading.Thread(target=channel.run, args=(serve, ended), name=f"{self.name} children")
            watch.start()
            try:
                daemon.run(stop)
            finally:
                channel.close()
                watch.join()

    def _launch(self, run_folder: RunFolder) -> Launch:
        keys = prepare_credentials(run_folder.path, self._settings.role, self._aws_settings, self._environment)
        placement = Placement(
            executable=run_folder.write_launcher(),
            worker_id=worker_id(self._agent_id, self._settings),
            first_start=first_start(self._folder, self._clock.now()),
            kinesis_credentials=keys.kinesis,
            home_credentials=keys.home,
        )
        environment = {**self._environment, **keys.environment}
        return prepare_launch(self._kcl, self._settings, self._folder, placement, environment)

    def _serve(self, child: Child, process: Process, stop: threading.Event) -> None:
        """One shard, on its own thread, until its child ends."""
        self._status.child_came(child)
        progress = self._memory.enter(child.shard, child.start)

        arrivals: list[float] = []

        def export(record: Record) -> None:
            process(self._delivery(record, child.shard))
            arrivals.append(record.arrived_at)

        def is_over() -> bool:
            return stop.is_set() or child.is_closed.is_set()

        with progress.turn:
            try:
                for batch in child.batches():
                    self._status.called(child, batch.behind_ms)
                    arrivals.clear()
                    complete = export_batch(batch, progress, export, is_over)
                    first, last = (arrivals[0], arrivals[-1]) if arrivals else (0.0, 0.0)
                    is_caught_up = complete and batch.behind_ms == 0
                    self._status.exported(child, first, last, is_caught_up=is_caught_up)
                    child.answer(progress.exported, complete=complete)
            except Exception as error:
                # The edge of the thread. The child ends without a checkpoint, the daemon is started again with
                # back-off, and the record comes again: nothing is lost, and the reason is seen.
                log.exception("shard failed", stream=self._settings.name, shard=child.shard)
                self._status.failed(f"{child.shard} failed: {error}")
                child.close()

    def _delivery(self, record: Record, shard: str) -> Delivery:
        origin = Origin(
            SourceKind.KINESIS,
            account=self._settings.account or None,
            region=self._settings.region,
            stream=self._settings.name,
            shard=shard,
        )
        return Delivery(origin, (record.data,), record.arrived_at or self._clock.now())


def export_batch(
    batch: Batch, progress: ShardProgress, export: Callable[[Record], None], is_over: Callable[[], bool]
) -> bool:
    """Export the records one after the other, noting each in `progress`; false when it ended early, between two.

    What `progress` holds already is left out. `export` raises Stopped for a record that could not be exported whole.
    """
    for record in batch.records():
        if progress.exported is not None and record.position <= progress.exported:
            continue
        if is_over():
            return False
        try:
            export(record)
        except Stopped:
            return False
        progress.exported = record.position
    return True

"""The composition root: the only place where rooms meet.

Belongs here: making the parts of an agent, connecting them, starting and stopping them in order. Does not: any
decision about a record.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from ipaddress import IPv4Address
from pathlib import Path
from types import FrameType
from typing import Any

from consumer.agent.basis import Basis
from consumer.agent.conductor import Conductor, Factory
from consumer.agent.factories import GroupFactory, StreamFactory
from consumer.agent.failover import Failover
from consumer.agent.fleet import Fleet
from consumer.agent.hearing import Hearing
from consumer.agent.lease_look import LeaseLook
from consumer.agent.ledger import AgentLedger
from consumer.agent.probing import Prober
from consumer.agent.queues import QueueFactory, queue_tasks
from consumer.agent.readings import GroupReading
from consumer.agent.repeats import build_repeats
from consumer.agent.source_ports import keep_ports, with_kept_port
from consumer.agent.standing_in import StandingIn
from consumer.agent.steering import Steering
from consumer.agent.switches import Switches
from consumer.assembly import Outlet, build_lanes, own_address, warm_up
from consumer.aws.lease_table import scan_leases
from consumer.aws.log_events import LogEvents
from consumer.aws.roles import Target
from consumer.clock import Clock, SystemClock
from consumer.config import Settings
from consumer.discovery.reading.formats import FormatFinder
from consumer.discovery.reading.holder import InventoryHolder
from consumer.discovery.reading.refresher import Refresher
from consumer.discovery.reading.schedule import Schedule
from consumer.errors import ConfigurationError, Fault, LostSlotError, Stopped
from consumer.export.report import TelemetryObserver
from consumer.kcl.properties import lease_table
from consumer.kcl.settings import StreamSettings
from consumer.model.delivery import SourceKind
from consumer.model.inventory import empty_inventory
from consumer.model.place import LogGroupKey
from consumer.pipeline import Pipeline, claim_every_row
from consumer.select.fallback import Rules
from consumer.state.cursors import Cursors, Positions
from consumer.state.dead_letter import DeadLetter
from consumer.state.identity import StateFolder
from consumer.telemetry.logs import get_logger, set_up_logs
from consumer.telemetry.server import TelemetryServer

CONDUCT_SECONDS = 1.0
HEARD_IN_PROBE = 5
"""How often in fallback.probe_seconds an agent tells its fleet what it heard."""
SIGNAL_SECONDS = 1.0
"""A signal that the kernel gives to another thread is handled when the main thread wakes."""


class Agent:
    """One running agent. `run` blocks until `stop` is set."""

    def __init__(self, settings: Settings, state: StateFolder, clock: Clock) -> None:
        self._settings = settings
        self._basis = basis = Basis.of(settings, state, clock)
        self._log = get_logger("agent")
        self.stop = threading.Event()
        self._abort = threading.Event()
        self._error: Exception | None = None
        self._conductor: Conductor | None = None

        # Where positions live: on this machine's disk, and a fleet's in its table.
        self._cursors = Cursors(state.path / "cursors.sqlite", clock, self._positions_problem)
        has_fleet = settings.state.backend == "dynamodb"
        self._fleet = Fleet(basis, self._cursors, self._slot_lost, self._table_problem) if has_fleet else None
        positions: Positions = self._fleet.shared if self._fleet else self._cursors

        # What should be read: by health, and by what is found.
        rules = Rules(settings.fallback.failover_after_seconds, float(settings.repeats.margin_seconds))
        switches = Switches(basis)
        self._failover = Failover(basis, rules, positions, switches)
        standing_in = StandingIn(basis, rules, self._failover.trouble_of, switches)
        found = state.path / "inventory"
        self._steering = Steering(basis, self._failover, standing_in, found)
        self._refresher = self._finder(found)
        self._formats = FormatFinder(
            basis.sessions if settings.discovery.enabled else None,
            settings.discovery,
            settings.log_formats,
            clock,
            self._steering.plan,
        )

        # Where records leave, and those that do not.
        self._outlet = Outlet(
            [with_kept_port(collector, state) for collector in settings.collectors],
            settings.agent.private_enterprise_number,
            clock,
            TelemetryObserver(basis.metrics, basis.health),
        )
        self._letter = DeadLetter(state.path / "dead-letter.jsonl", settings.agent.dead_letter_mb * 1_000_000)
        self._repeats = build_repeats(settings, state.path, clock)

        # Who reads.
        self._streams = StreamFactory(basis, self._failover, self._worker)
        self._groups = GroupFactory(basis, positions, standing_in, self._pollers)
        self._queues = QueueFactory(basis, self._letter.write, self._steering.plan, self._steering.is_wanted)

    def run(self) -> None:
        """Start everything, wait for `stop`, end everything in order: sources, then collectors, then telemetry."""
        with ExitStack() as running:
            server = self._telemetry()
            server.start()
            running.callback(server.close)
            running.enter_context(self._outlet)
            running.callback(keep_ports, self._outlet, self._basis.state)
            running.callback(self._queues.journal.close)
            if self._repeats is not None:
                running.callback(self._repeats.close)
                self._basis.metrics.read_gauge("vpcflow_remembered_events", self._repeats.remembered)
                self._basis.metrics.read_gauge("vpcflow_forgotten_events", self._repeats.forgotten)
            # Kernels and inventory are loaded while we wait for a slot, and for the daemon's first record.
            warming = threading.Thread(target=warm_up, name="warm-up")
            warming.start()
            running.callback(warming.join)
            running.callback(self.stop.set)
            if self._settings.discovery.enabled:
                self._refresher.start(self.stop)
            if self._fleet is not None:
                running.callback(self._fleet.leave)
                if not self._enter(self._fleet):
                    return
            pipeline = self._pipeline()
            self._conductor = conductor = Conductor(
                self._factories(), pipeline.process, self._basis.clock, self._basis.health
            )
            conducting = threading.Thread(target=self._conduct, args=(conductor,), name="conductor")
            conducting.start()
            for name, look in self._looks().items():
                threading.Thread(target=look, args=(self.stop,), name=name, daemon=True).start()
            warming.join()
            self._log.info(
                "agent started",
                agent=self._basis.state.agent_id,
                sources=[task.label() for task in self._steering.tasks()],
                collectors=[f"{item.name} {item.address}" for item in self._settings.collectors],
                telemetry_port=server.port,
            )
            while not self.stop.wait(SIGNAL_SECONDS):
                pass
            self._end_sources(conducting)
            self._failover.save()
            self._cursors.close()
        self._log.info("agent stopped")
        if self._error is not None:
            raise self._error

    def reread(self) -> None:
        """Read the estate anew now; returns at once. May be called by a signal handler."""
        self._refresher.reread()

    def _finder(self, folder: Path) -> Refresher:
        """Who has the estate read, and lets it be planned anew. `folder`: for what was found."""
        settings, basis = self._settings, self._basis
        holder = InventoryHolder(
            basis.sessions,
            settings.aws,
            settings.discovery,
            basis.state.path / "assignments.sqlite",
            folder,
            basis.clock,
            settings.telemetry.log_level,
        )
        return Refresher(
            holder,
            Schedule(settings.discovery.cron, basis.clock),
            basis.clock,
            basis.metrics,
            basis.health,
            self._steering.refreshed,
            self._steering.restore,
        )

    def _factories(self) -> Mapping[SourceKind, Factory]:
        """What can be read at all. A new source is a factory, and a line here."""
        return {
            SourceKind.KINESIS: self._streams.make,
            SourceKind.CLOUDWATCH: self._groups.make,
            SourceKind.S3: self._queues.make,
        }

    def _looks(self) -> Mapping[str, Callable[[threading.Event], None]]:
        """Who looks, beside what is read, whether streams are well: each runs until the stop, by its thread's name."""
        failover, streams, clock = self._failover, self._steering.streams, self._basis.clock
        kcl, fallback = self._settings.kcl, self._settings.fallback
        prober = Prober(failover, self._calls_of, self._groups.share, fallback.probe_seconds, clock)
        leases = LeaseLook(
            streams, self._leases_of, failover.leased, self._worker, kcl, fallback.lease_look_seconds, clock
        )
        looks = {"prober": prober.run, "leases": leases.run}
        if self._fleet is not None:
            every_seconds = fallback.probe_seconds / HEARD_IN_PROBE
            hearing = Hearing(failover, self._fleet.heard, streams, self._worker, every_seconds, clock)
            looks["hearing"] = hearing.run
        return looks

    def _pipeline(self) -> Pipeline:
        return Pipeline(
            build_lanes(self._outlet, os.cpu_count() or 1, self._exporter_address()),
            formats=self._formats,
            inventory=self._refresher.inventory if self._settings.discovery.enabled else empty_inventory,
            exporter=self._outlet.exporting_process,
            keep_rejects=self._letter.write,
            ledger=AgentLedger(self._basis.metrics, self._basis.health),
            note_unknown=self._refresher.unknown.note,
            clock=self._basis.clock,
            abort=self._abort,
            domain=self._settings.agent.observation_domain,
            reporting=self._steering.reporting,
            claim=self._repeats.claim if self._repeats else claim_every_row,
        )

    def _exporter_address(self) -> int:
        chosen = self._settings.agent.exporter_address
        return int(IPv4Address(chosen)) if chosen else own_address(self._settings.collectors)

    def _telemetry(self) -> TelemetryServer:
        host, _, port = self._settings.telemetry.listen.rpartition(":")
        return TelemetryServer(host.strip("[]"), int(port), self._basis.metrics, self._basis.health, self._details)

    def _details(self) -> dict[str, Any]:
        """What /health says beside the conditions."""
        sources = self._conductor.status() if self._conductor else []
        slot = {"slot": self._fleet.slot} if self._fleet else {}
        return {
            "agent": self._basis.state.agent_id,
            **slot,
            "sources": sources,
            **self._steering.details(),
            **self._groups.details(),
        }

    def _enter(self, fleet: Fleet) -> bool:
        """Claim a slot; false when a stop came first."""
        self._basis.health.set(
            "slot", "waiting", "claims a slot of the fleet; that of a dead agent is free after its lease"
        )
        try:
            fleet.enter(self.stop)
        except Stopped:
            if self._error is not None:
                raise self._error from None
            return False
        self._outlet.exporting_process.may_send = fleet.may_send
        self._basis.health.set("slot", "ok", f"slot {fleet.slot} of fleet {self._settings.state.fleet} is ours")
        return True

    def _worker(self) -> str:
        """The first part of our KCL worker ids."""
        return self._fleet.worker if self._fleet else self._basis.state.agent_id

    def _pollers(self, account: str, region: str) -> int:
        """How many agents poll groups of this account and region."""
        return self._fleet.pollers(account, region) if self._fleet else 1

    def _table_problem(self, problem: str) -> None:
        if problem:
            self._basis.health.set("state table", "waiting", f"{problem}; after a lease without it this agent ends")
        else:
            self._basis.health.remove("state table")

    def _slot_lost(self, reason: str) -> None:
        """Called on the fleet's thread: nothing may be sent or checkpointed any more."""
        self._log.error("this agent ends, for another one may have its place", reason=reason)
        self._basis.health.set("slot", "failing", reason)
        self._error = LostSlotError(reason)
        self._abort.set()
        self.stop.set()

    def _conduct(self, conductor: Conductor) -> None:
        """The conductor's thread: once a second, let run what should run."""
        try:
            while True:
                self._steering.step()
                tasks = self._steering.tasks()
                if tasks:
                    self._basis.health.remove("sources")
                else:
                    self._basis.health.set("sources", "waiting", self._steering.idle_reason())
                conductor.keep(tasks)
                if conductor.error is not None and not self._settings.discovery.enabled:
                    self._error = conductor.error  # nothing is left to do; whoever supervises us may try again
                    self.stop.set()
                if self._basis.clock.wait(self.stop, CONDUCT_SECONDS):
                    return
        except Exception as error:  # noqa: BLE001  the edge of the thread
            self._log.exception("conductor failed")
            self._error = error
            self.stop.set()
        finally:
            conductor.end()

    def _calls_of(self, group: LogGroupKey) -> LogEvents:
        return self._groups.log_events(GroupReading(group, self._steering.access(group)))

    def _leases_of(self, stream: StreamSettings) -> Sequence[Mapping[str, Any]]:
        return scan_leases(self._basis.sessions, Target(None, stream.region), lease_table(self._settings.kcl, stream))

    def _positions_problem(self, problem: str) -> None:
        if problem:
            self._basis.health.set("positions", "failing", f"they are not being kept: {problem}")
        else:
            self._basis.health.remove("positions")

    def _end_sources(self, conducting: threading.Thread) -> None:
        """Deliveries already begun may finish for the grace; then whoever still blocks gives its delivery back."""
        give_up = threading.Timer(self._settings.agent.stop_grace_seconds, self._abort.set)
        give_up.daemon = True
        give_up.start()
        self._formats.close()
        conducting.join()
        give_up.cancel()


def run_agent(settings: Settings) -> int:
    """`vpcflow run`: until SIGTERM or SIGINT. Raises ConfigurationError before anything is started."""
    faults = []
    if not settings.collectors:
        faults.append(Fault("collectors", [], "there is no collector", 'add [[collectors]] with address = "HOST:PORT"'))
    has_stream = any(stream.enabled for stream in settings.streams)
    has_group = any(group.enabled and group.account and group.region for group in settings.log_groups)
    if not (has_stream or has_group or queue_tasks(settings) or settings.discovery.enabled):
        fix = 'add [[streams]] with name = "STREAM", or let discovery.enabled = true find what there is'
        faults.append(Fault("streams", [], "there is nothing to read", fix))
    if faults:
        raise ConfigurationError(faults)
    set_up_logs(settings.telemetry.log_level)
    with StateFolder(settings.agent.state_folder) as state:
        agent = Agent(settings, state, SystemClock())

        def ask_to_stop(number: int, frame: FrameType | None) -> None:  # noqa: ARG001
            agent.stop.set()

        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, ask_to_stop)
        signal.signal(signal.SIGHUP, lambda number, frame: agent.reread())  # noqa: ARG005
        agent.run()
    return 0

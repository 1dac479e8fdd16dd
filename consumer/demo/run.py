"""The command `vpcflow demo`: everything together, and the verdict.

Belongs here: the order of things and when it is over. Each part is elsewhere: stage.py (the emulated AWS), feed.py
(traffic), agent.py (the product), view.py (what is shown), balance.py (the verdict).
"""

from __future__ import annotations

import os
import signal
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from consumer.collect.flow import Flow, read_flow
from consumer.collect.listen import Listener
from consumer.collect.names import known_elements
from consumer.collect.session import CollectingProcess
from consumer.demo.agent import AgentProcess
from consumer.demo.balance import Balance, FlowKey, Report
from consumer.demo.bridge import Bridge
from consumer.demo.emulators import remove_folder
from consumer.demo.feed import Feed
from consumer.demo.stage import STREAM, Stage
from consumer.demo.traffic import Traffic
from consumer.demo.view import View
from consumer.encode.settings import DOCUMENTATION_ENTERPRISE_NUMBER
from consumer.errors import VpcflowError
from consumer.export.settings import Destination

SEED = 4739
TIMED_FLOWS_PER_SECOND = 900
"""With an end set: 27,000 flows in 30 s."""
ENDLESS_FLOWS_PER_SECOND = 200
"""Without: both emulators keep in memory what they were given, for hours."""
STARTING_FLOWS_PER_SECOND = 100
"""Until the first named flow came: agent and JVM need the machine to start."""
FIRST_FLOW_SECONDS = 120.0
"""Given up after this; about 10 s were seen on two cores."""
DRAIN_SECONDS = 60.0
"""Longest wait for the last flows after traffic stopped; it ends as soon as nothing is missing."""
_TAKE_SECONDS = 0.2


def run_demo(seconds: float | None) -> int:
    """Run until Ctrl-C, or `seconds` after the first named flow; the exit code: 0 when every flow arrived.

    Ended by Ctrl-C it answers 0, because flows were still on the way. Raises VpcflowError when a part fails.
    """
    _forget_own_aws_settings()
    folder = Path(tempfile.mkdtemp(prefix="vpcflow-demo-"))
    with ExitStack() as running, _sigterm_as_ctrl_c():
        code = _run_in(folder, View(), seconds, running)
    if code == 0:  # only the configuration and the agent's log are worth reading then
        remove_folder(folder / "state")
        remove_folder(folder / "aws")
    return code


def _run_in(folder: Path, view: View, seconds: float | None, running: ExitStack) -> int:
    """`running` ends what was started, in reverse order, after the verdict is printed."""
    running.callback(view.close)
    listener = running.enter_context(Listener(Destination("127.0.0.1", 0)))
    stage = Stage(folder, listener.port)
    running.callback(stage.aws.stop)
    try:
        view.say("starting the emulated AWS …")
        stage.set_up(view.say)
        demo = _Demo(stage, listener, view, TIMED_FLOWS_PER_SECOND if seconds else ENDLESS_FLOWS_PER_SECOND)
        running.callback(demo.end)
        return demo.verdict(demo.perform(seconds))
    except KeyboardInterrupt:
        view.close()
        view.say("stopping …")
        return 0


class _Demo:
    """One performance on a stage that is set."""

    def __init__(self, stage: Stage, listener: Listener, view: View, flows_per_second: int) -> None:
        self._stage = stage
        self._listener = listener
        self._view = view
        self._collecting = CollectingProcess(known_elements(DOCUMENTATION_ENTERPRISE_NUMBER))
        self._balance = Balance()
        self._lock = threading.Lock()
        self._first_named: Flow | None = None
        bridge = Bridge(stage.network, stage.aws.moto_endpoint, stage.client("kinesis"), STREAM)
        self._flows_per_second = flows_per_second
        self._feed = Feed(Traffic(stage.network, SEED), bridge, self._balance, self._lock, STARTING_FLOWS_PER_SECOND)
        log_file = stage.folder / "agent.log"
        self._agent = AgentProcess(stage.configuration_file, stage.agent_environment(), log_file)

    def perform(self, seconds: float | None) -> Report:
        """Start the agent and the traffic, watch until it is over, and let the last flows arrive."""
        self._agent.start()
        self._feed.start()
        started_at = time.monotonic()
        self._view.say(f"agent started: vpcflow run -c {self._stage.configuration_file}")
        self._view.say(f"traffic flows; the agent's log is {self._agent.log_file}")
        while self._first_named is None:
            self._watch("waiting for the first named flow")
            if time.monotonic() - started_at > FIRST_FLOW_SECONDS:
                raise VpcflowError(f"no named flow after {FIRST_FLOW_SECONDS:.0f} s; see {self._agent.log_file}")
        since_start, since_up = time.monotonic() - started_at, time.monotonic() - self._stage.up_at
        self._view.say(
            f"first named flow, {since_start:.1f} s after the agent's start, {since_up:.1f} s after the emulators "
            f"were up: {self._first_named.way}"
        )
        for line in self._agent.plan():
            self._view.say(f"plan: {line}")
        self._feed.flows_per_second = self._flows_per_second
        until = time.monotonic() + seconds if seconds else float("inf")
        while time.monotonic() < until:
            self._watch("Ctrl-C ends it")
        self._feed.stop()
        return self._drain()

    def _drain(self) -> Report:
        """Wait until everything written has arrived, or for DRAIN_SECONDS."""
        began_at = time.monotonic()
        while not (report := self._report()).is_complete and time.monotonic() - began_at < DRAIN_SECONDS:
            self._watch("traffic stopped; waiting for the last flows")
        self._view.close()
        self._view.say(f"traffic stopped, the last flows came {time.monotonic() - began_at:.1f} s later")
        return report

    def _watch(self, note: str) -> None:
        """Take what arrived, count it, show it, and see that everybody is still at work."""
        for datagram, sender in self._listener.take(_TAKE_SECONDS):
            for record in self._collecting.read(datagram, sender).records:
                flow = None if record.is_options else read_flow(record.values)
                if flow is not None:
                    self._count(flow)
        self._agent.check()
        if self._feed.error is not None:
            raise VpcflowError(f"traffic cannot be written any more: {self._feed.error}") from self._feed.error
        self._view.draw(self._report(), note)

    def _count(self, flow: Flow) -> None:
        with self._lock:
            self._balance.received(
                FlowKey(
                    flow.source,
                    flow.destination,
                    flow.source_port,
                    flow.destination_port,
                    flow.protocol,
                    flow.interface_id,
                )
            )
        self._view.add(flow)
        if self._first_named is None and flow.source_name and flow.destination_name:
            self._first_named = flow

    def _report(self) -> Report:
        with self._lock:
            return self._balance.report()

    def verdict(self, report: Report) -> int:
        """Print the balance; 0 when every flow written was received."""
        self._view.say_balance(report)
        if report.is_complete:
            self._view.say("every flow written was received")
            return 0
        for key in self._balance.missing(limit=5):
            self._view.say(f"missing: {tuple(key)}")
        dropped = self._listener.kernel_dropped + self._listener.unread
        self._view.say(f"{report.missing:,} flows are missing ({dropped} datagrams were dropped at our own socket)")
        return 1

    def end(self) -> None:
        """Traffic first, then the agent, so that it can checkpoint into an AWS that still answers."""
        self._view.say("stopping the agent, which takes its last checkpoints …")
        self._feed.stop()
        self._agent.stop()
        self._view.say("done")


def _forget_own_aws_settings() -> None:
    """No variable, profile or endpoint of a real AWS may reach any client of the demo."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        del os.environ[name]
    os.environ["AWS_CONFIG_FILE"] = os.environ["AWS_SHARED_CREDENTIALS_FILE"] = os.devnull


@contextmanager
def _sigterm_as_ctrl_c() -> Iterator[None]:
    """A service manager's stop is a user's: everything started here is ended here."""
    former = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, former)

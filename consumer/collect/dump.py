"""The command `dump`: listen for IPFIX and print what arrives.

Belongs here: the loop between listener, collecting process and printing. Does not: options of the command (cli.py).
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

import orjson
from rich.console import Console
from rich.live import Live

from consumer.collect.flow import read_flow
from consumer.collect.listen import Datagram, Listener
from consumer.collect.names import known_elements
from consumer.collect.session import CollectingProcess, Received
from consumer.collect.show import FlowTable
from consumer.collect.values import Value
from consumer.encode.settings import DOCUMENTATION_ENTERPRISE_NUMBER
from consumer.errors import ConfigurationError, Fault
from consumer.export.settings import Destination, parse_destination

_TAKE_SECONDS = 0.2
_REDRAWS_A_SECOND = 4


class Totals:
    """What arrived, for the line at the end."""

    def __init__(self) -> None:
        self.messages = 0
        self.flows = 0
        self.options = 0
        self.lost = 0
        self.problems: Counter[str] = Counter()

    def add(self, received: Received) -> None:
        self.messages += 1
        options = sum(record.is_options for record in received.records)
        self.options += options
        self.flows += len(received.records) - options
        self.lost += received.lost
        self.problems.update(received.problems)

    def text(self, listener: Listener) -> str:
        words = [f"{self.flows:,} flows, {self.options:,} options records, {self.messages:,} messages"]
        words += [f"{self.lost:,} records missing by their sequence numbers"] * bool(self.lost)
        dropped = listener.kernel_dropped + listener.unread
        words += [f"{dropped:,} datagrams dropped here (raise net.core.rmem_max or lower the rate)"] * bool(dropped)
        words += [f"{count:,} × {reason}" for reason, count in sorted(self.problems.items())]
        return "; ".join(words)


def run_dump(
    listen: str,
    *,
    count: int = 0,
    seconds: float = 0,
    as_json: bool = True,
    private_enterprise_number: int = DOCUMENTATION_ENTERPRISE_NUMBER,
) -> int:
    """Print until `count` flows or `seconds` have passed (0 = no end), Ctrl-C or SIGTERM; the exit code.

    Raises ConfigurationError when `listen` is no address or taken.
    """
    collecting = CollectingProcess(known_elements(private_enterprise_number))
    totals = Totals()
    give_up_at = time.monotonic() + seconds if seconds else float("inf")

    def is_over() -> bool:
        return stop.is_set() or (count > 0 and totals.flows >= count) or time.monotonic() >= give_up_at

    with Listener(parse_listen(listen)) as listener, _until_signal() as stop:
        print(f"listening on {listen.rpartition(':')[0]}:{listener.port} (UDP)", file=sys.stderr, flush=True)
        try:
            if as_json:
                _print_json(listener, collecting, totals, is_over)
            else:
                _print_table(listener, collecting, totals, is_over)
        except BrokenPipeError:
            # Who read us has seen enough (`| head`). The interpreter flushes stdout once more at exit: let it.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        print(totals.text(listener), file=sys.stderr, flush=True)
    return 0


@contextmanager
def _until_signal() -> Iterator[threading.Event]:
    """An event that SIGINT and SIGTERM set, also where a shell started us in the background with SIGINT ignored."""
    stop = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    former = {number: signal.signal(number, lambda *_: stop.set()) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)


def parse_listen(text: str) -> Destination:
    """HOST:PORT to listen on; port 0 lets the kernel choose. Raises ConfigurationError."""
    host, _, port = text.rpartition(":")
    try:
        if port == "0":
            return Destination(parse_destination(f"{host}:1").host, 0)
        return parse_destination(text)
    except ValueError as error:
        problem, _, fix = str(error).partition("; ")
        raise ConfigurationError([Fault("--listen", text, problem, fix)]) from error


def _print_json(listener: Listener, collecting: CollectingProcess, totals: Totals, is_over: Callable[[], bool]) -> None:
    while not is_over():
        for datagram in listener.take(_TAKE_SECONDS):
            sys.stdout.buffer.writelines(_json_lines(datagram, collecting, totals))
        sys.stdout.buffer.flush()


def _json_lines(datagram: Datagram, collecting: CollectingProcess, totals: Totals) -> Iterable[bytes]:
    """One line a record: where it came from, the flow by name, then every element as it was sent."""
    data, (address, port) = datagram
    received = collecting.read(data, (address, port))
    totals.add(received)
    for record in received.records:
        flow = None if record.is_options else read_flow(record.values)
        head: dict[str, Value] = {
            "exporter": str(Destination(address, port)),
            "observationDomain": received.domain,
            "exportTime": received.export_time,
            "template": record.template_id,
        }
        if record.is_options:
            head["isOptions"] = True
        if flow is not None:
            head |= {"flow": flow.way, "verdict": flow.verdict}
        yield orjson.dumps(head | record.values, option=orjson.OPT_APPEND_NEWLINE)


def _print_table(
    listener: Listener, collecting: CollectingProcess, totals: Totals, is_over: Callable[[], bool]
) -> None:
    table = FlowTable("flows by name")
    drawn_at = 0.0
    with Live(console=Console(), auto_refresh=False, screen=False) as live:
        while not is_over():
            for data, sender in listener.take(_TAKE_SECONDS):
                received = collecting.read(data, sender)
                totals.add(received)
                now = time.monotonic()
                for record in received.records:
                    flow = None if record.is_options else read_flow(record.values)
                    if flow is not None:
                        table.add(flow, now)
            now = time.monotonic()
            if now - drawn_at >= 1 / _REDRAWS_A_SECOND:
                live.update(table.render(now, totals.text(listener)), refresh=True)
                drawn_at = now
        live.update(table.render(time.monotonic(), totals.text(listener)), refresh=True)

"""The whole way of a record in this process, with an inventory made by hand."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from consumer.assembly import Outlet, build_lanes
from consumer.clock import SystemClock
from consumer.enrich.join import JoinCounts
from consumer.export.settings import CollectorSettings
from consumer.model.delivery import Delivery, Origin, SourceKind, TextState
from consumer.model.inventory import Inventory
from consumer.model.messages import MessageBatch
from consumer.model.tally import Reject, Tally
from consumer.pipeline import Pipeline


class Counting:
    """A ledger that adds up."""

    def __init__(self) -> None:
        self.total = Tally()

    def count(self, origin: Origin, tally: Tally, cut_strings: int, unnamed: JoinCounts) -> None:
        self.total += tally

    def dead_letter_holds(self, error: OSError | None) -> None:
        raise AssertionError(f"the dead letter holds: {error}")


def _refuse(origin: Origin, rejects: Sequence[Reject]) -> None:
    raise AssertionError(f"{origin.label()}: {rejects}")


def export_text(
    text: str,
    collectors: Sequence[CollectorSettings],
    inventory: Inventory,
    *,
    private_enterprise_number: int,
    options: Sequence[MessageBatch] = (),
    domain: int = 0,
) -> Tally:
    """Send a flow log file's text (with header) to `collectors`, `options` first. Every line must be readable."""
    clock, ledger, stop = SystemClock(), Counting(), threading.Event()
    with Outlet(collectors, private_enterprise_number, clock) as outlet:
        for batch in options:
            outlet.exporting_process.send(dict.fromkeys(outlet.encodings, batch), stop)
        pipeline = Pipeline(
            build_lanes(outlet, 1, 0),
            formats=lambda _: [],
            inventory=lambda: inventory,
            exporter=outlet.exporting_process,
            keep_rejects=_refuse,
            ledger=ledger,
            clock=clock,
            abort=stop,
            domain=domain,
        )
        pipeline.process(Delivery(Origin(SourceKind.FILE, path="test"), [text.encode()], clock.now(), TextState()))
    return ledger.total

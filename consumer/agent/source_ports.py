"""Source ports of collectors, kept over restarts.

Belongs here: recalling and keeping them. Does not: binding (export/).
"""

from __future__ import annotations

from consumer.assembly import Outlet, is_free_port
from consumer.export.settings import CollectorSettings
from consumer.state.identity import StateFolder


def with_kept_port(collector: CollectorSettings, state: StateFolder) -> CollectorSettings:
    """A collector sees a new source port as a new exporter, so the kernel's first choice is kept over restarts.

    A kept port that another program has taken meanwhile is given up: only a port the user chose must be had.
    """
    kept = state.recall(f"source_port/{collector.name}")
    if collector.source_port or not isinstance(kept, int) or not is_free_port(kept):
        return collector
    return collector.model_copy(update={"source_port": kept})


def keep_ports(outlet: Outlet, state: StateFolder) -> None:
    """Remember each collector's bound port."""
    for collector in outlet.exporting_process.collectors:
        if collector.source_port and not collector.settings.source_port:
            state.keep(f"source_port/{collector.name}", collector.source_port)

"""`vpcflow demo`: everything on one machine, without AWS."""

from __future__ import annotations

import click

from consumer.commands.common import answers


@click.command()
@click.option(
    "--for",
    "seconds",
    type=float,
    default=None,
    metavar="SECONDS",
    help="End by itself, counted from the first named flow.",
)
@answers
def demo(seconds: float | None) -> int:
    """Run everything on this machine without AWS: an emulated network, the agent, and a collector.

    With --for the exit code is 0 only if every flow written was received.
    """
    from consumer.demo.run import run_demo

    return run_demo(seconds)

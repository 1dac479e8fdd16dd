"""`vpcflow health`: ask the running agent how it is."""

from __future__ import annotations

import click

from consumer.commands.common import EXIT_FINDINGS, answers


@click.command()
@click.option(
    "--listen",
    default="127.0.0.1:9464",
    show_default=True,
    envvar="VPCFLOW__TELEMETRY__LISTEN",
    help="telemetry.listen of the agent (also from VPCFLOW__TELEMETRY__LISTEN).",
)
@answers
def health(listen: str) -> int:
    """Ask the running agent how it is: 0 up (also while it waits for a collector), 1 failing or not there.

    For container health checks and scripts; http://LISTEN/health says more.
    """
    from consumer.telemetry.probe import ask

    answer = ask(listen)
    for line in answer.lines:
        click.echo(line)
    return 0 if answer.is_up else EXIT_FINDINGS

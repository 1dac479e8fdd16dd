"""`vpcflow run`: the agent."""

from __future__ import annotations

import os
from pathlib import Path

import click

from consumer.commands.common import CONFIG_OPTION, answers


@click.command()
@CONFIG_OPTION
@click.option(
    "--since",
    default="",
    help="Where log groups begin that were never polled before: 15m, 6h, 2d, 2026-11-21T08:00:00Z. Default: now.",
)
@answers
def run(config: Path | None, since: str) -> int:
    """Run the agent until SIGTERM or Ctrl-C.

    Settings can be overridden by environment: VPCFLOW__COLLECTORS__0__ADDRESS=10.0.0.5:4739
    """
    from consumer.agent.agent import run_agent
    from consumer.config import load_settings
    from consumer.errors import ConfigurationError, Fault
    from consumer.sources.polling import moment

    settings = load_settings(config, os.environ)
    if since:
        try:
            moment(since, 0.0)
        except ValueError as error:
            raise ConfigurationError([Fault("--since", since, str(error), "write it like 6h")]) from error
        settings = settings.model_copy(update={"polling": settings.polling.model_copy(update={"since": since})})
    return run_agent(settings)

"""`vpcflow run`: the agent."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from types import FrameType

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
    # First of all: what follows takes a second, and for a process 1 without a handler the kernel ignores SIGTERM.
    signal.signal(signal.SIGTERM, _end_at_once)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # its default is death; the estate is read at start anyway
    from consumer.agent.agent import run_agent
    from consumer.config import load_settings
    from consumer.errors import ConfigurationError, Fault
    from consumer.sources.cloudwatch.settings import moment

    settings = load_settings(config, os.environ)
    if since:
        try:
            moment(since, 0.0)
        except ValueError as error:
            raise ConfigurationError([Fault("--since", since, str(error), "write it like 6h")]) from error
        settings = settings.model_copy(update={"polling": settings.polling.model_copy(update={"since": since})})
    return run_agent(settings)


def _end_at_once(number: int, frame: FrameType | None) -> None:  # noqa: ARG001
    """Until the agent has handlers of its own (agent.py). A library being loaded could lose a SystemExit."""
    os.write(2, b"vpcflow: asked to stop while starting; nothing was read yet\n")
    os._exit(0)

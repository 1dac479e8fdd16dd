"""`vpcflow run`: the agent."""

from __future__ import annotations

import os
from pathlib import Path

import click

from consumer.commands.common import CONFIG_OPTION, answers


@click.command()
@CONFIG_OPTION
@answers
def run(config: Path | None) -> int:
    """Run the agent until SIGTERM or Ctrl-C.

    Settings can be overridden by environment: VPCFLOW__COLLECTORS__0__ADDRESS=10.0.0.5:4739
    """
    from consumer.app import run_agent
    from consumer.config import load_settings

    return run_agent(load_settings(config, os.environ))

"""`vpcflow init`: the first configuration."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import click

from consumer.commands.common import PROFILE_OPTION, access_options, answers


@click.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False), default=Path("vpcflow.toml"))
@click.option("--collector", "collectors", multiple=True, metavar="HOST:PORT", help="Where flows shall go; repeatable.")
@PROFILE_OPTION
@click.option("--state-folder", default="", metavar="FOLDER", help="Where the agent keeps what outlives a restart.")
@click.option("--offline", is_flag=True, help="Do not ask AWS what is there.")
@click.option("--force", is_flag=True, help="Replace FILE when it is there already.")
@access_options
@answers
def init(
    file: Path,
    collectors: tuple[str, ...],
    profile: str,
    state_folder: str,
    offline: bool,
    force: bool,
    config: Path | None,  # noqa: ARG001  what is being written
    **access: Any,
) -> int:
    """Write a first configuration by asking AWS what is there.

    FILE (default vpcflow.toml) says where flows go and as whom AWS is asked; beside it discovered.toml lists what was
    found, with a switch for each stream, log group and bucket. Asks only for the collector, and only on a terminal.
    """
    from consumer.config import AccessOptions
    from consumer.tools.init import InitOptions, run_init

    if not collectors:
        if not sys.stdin.isatty():
            raise click.UsageError("name a collector: --collector HOST:PORT")
        collectors = (click.prompt("Collector (HOST:PORT)", err=True),)
    options = InitOptions(file, collectors, profile, state_folder, AccessOptions(**access), not offline, force)
    return run_init(options, os.environ)

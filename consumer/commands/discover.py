"""`vpcflow discover`: what is there, and who would report it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click

from consumer.commands.common import JSON_OPTION, access_options, answers, is_piped


@click.command()
@access_options
@JSON_OPTION
@click.option(
    "--save",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Add what is new to FILE (TOML) for you to edit; your edits stay.",
)
@answers
def discover(as_json: bool, save: Path | None, **access: Any) -> int:
    """Find accounts, VPCs, flow logs, streams, log groups and buckets, and say who would report what, and why.

    Without a configuration file the credentials come from the environment. Without --region every region the account
    has enabled is read. Tables on a terminal, JSON when piped; VPCs without a working flow log stand out.
    """
    from consumer.config import AccessOptions
    from consumer.tools.discover import run_discover

    return run_discover(AccessOptions(**access), os.environ, as_json=is_piped(as_json), save=save)

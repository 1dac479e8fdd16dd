"""`vpcflow config`: what a configuration file means."""

from __future__ import annotations

import os
from pathlib import Path

import click

from consumer.commands.common import CONFIG_OPTION, answers


@click.command()
@CONFIG_OPTION
@click.option(
    "--check",
    "file",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Name every fault of FILE and end; exit code 2 when there is one.",
)
@click.option("--show-effective", is_flag=True, help="Print every setting as it will be used (the default).")
@answers
def config(config: Path | None, file: Path | None, show_effective: bool) -> int:  # noqa: ARG001  it is the default
    """Show the configuration that counts: file, included files and environment together, secrets masked.

    TOML; settings that differ from their default are marked. Nothing but the files is read.
    """
    from consumer.config import check_settings, load_settings
    from consumer.tools.effective import effective_toml, summary

    if file:
        click.echo(f"ok: {file}: {summary(check_settings(file, os.environ))}")
    else:
        click.echo(effective_toml(load_settings(config, os.environ)), nl=False)
    return 0

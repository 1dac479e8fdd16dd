"""`vpcflow kcl`: the Kinesis Client Library seen from outside."""

from __future__ import annotations

import os
from pathlib import Path

import click

from consumer.commands.common import CONFIG_OPTION, answers, is_piped, print_json


@click.group()
def kcl() -> None:
    """The Kinesis Client Library: fan-out consumers, properties, keys for its JVM."""


@kcl.command()
@CONFIG_OPTION
@click.argument("stream", default="")
@answers
def properties(config: Path | None, stream: str) -> int:
    """Print the properties each stream's daemon is given (STREAM: only that one's)."""
    from consumer.config import load_settings
    from consumer.tools.kcl_tools import shown_properties

    for text in shown_properties(load_settings(config, os.environ), stream):
        click.echo(text)
    return 0


@kcl.group()
def consumers() -> None:
    """Enhanced fan-out consumers, which cost by the hour as long as they are registered."""


@consumers.command("list")
@CONFIG_OPTION
@click.argument("stream", default="")
@answers
def list_consumers(config: Path | None, stream: str) -> int:
    """List the consumers of the configured streams: ours, whether still wanted, and others'."""
    from consumer.aws.sessions import Sessions
    from consumer.config import load_settings
    from consumer.tools.kcl_tools import stream_consumers

    settings = load_settings(config, os.environ)
    rows: list[dict[str, str | bool]] = [
        {
            "stream": found.stream.name,
            "region": found.stream.region,
            "consumer": found.consumer.name,
            "status": found.consumer.status,
            "ours": found.consumer.is_ours,
            "wanted": found.is_wanted,
        }
        for found in stream_consumers(settings, Sessions(settings.aws), stream)
    ]
    if is_piped():
        print_json(rows)
        return 0
    from rich.console import Console
    from rich.table import Table

    table = Table("stream", "region", "consumer", "status", "ours", "wanted", title="fan-out consumers")
    for row in rows:
        table.add_row(*(value if isinstance(value, str) else "yes" if value else "no" for value in row.values()))
    Console().print(table)
    return 0


@consumers.command()
@CONFIG_OPTION
@click.option("--force", is_flag=True, help="Also the consumer of a stream that is still read by fan-out.")
@click.argument("stream", default="")
@answers
def deregister(config: Path | None, stream: str, force: bool) -> int:
    """Remove our own consumers that are not wanted any more: the stream is not read by fan-out.

    Other applications' consumers are never touched.
    """
    from consumer.aws.sessions import Sessions
    from consumer.config import load_settings
    from consumer.tools.kcl_tools import deregister, stream_consumers

    settings = load_settings(config, os.environ)
    sessions = Sessions(settings.aws)
    for found in list(stream_consumers(settings, sessions, stream)):
        if found.consumer.is_ours and (force or not found.is_wanted):
            deregister(sessions, found)
            click.echo(f"removed {found.consumer.name} from {found.stream.name}")
        elif found.consumer.is_ours:
            click.echo(f"kept {found.consumer.name}: {found.stream.name} is read by fan-out (--force removes it)")
    return 0


@kcl.command(hidden=True)
@click.argument("request", type=click.Path(path_type=Path, dir_okay=False))
@answers
def credentials(request: Path) -> int:
    """Answer a daemon's credential_process; called by the profile that the agent writes."""
    from consumer.tools.kcl_tools import daemon_keys

    click.echo(daemon_keys(request))
    return 0

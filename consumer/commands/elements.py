"""`vpcflow elements`: the information model, and what teaches it to a collector."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from consumer.commands.common import PEN_OPTION, PROFILE_OPTION, Profile, answers, is_piped, print_json

if TYPE_CHECKING:
    from consumer.encode.catalogue import Entry

TAUGHT_COLLECTORS = (
    "filebeat", "goflow2", "graylog", "ipfixcol2", "libfixbuf", "logstash", "pmacct", "telegraf", "tshark",
)  # fmt: skip
"""Those of encode/definitions, repeated here so that --help need not load them."""


@click.command()
@click.option(
    "--as",
    "form",
    type=click.Choice(["table", "json", "markdown"]),
    default=None,
    help="Table on a terminal, JSON when piped.",
)
@click.option(
    "--for", "collector", type=click.Choice(TAUGHT_COLLECTORS), help="The file that teaches a collector our names."
)
@PEN_OPTION
@PROFILE_OPTION
@answers
def elements(form: str | None, collector: str | None, pen: int, profile: Profile) -> int:
    """Print the information model: every element we send, its number, type, unit and meaning.

    With --for, the file that teaches a collector our names; docs/collectors says what to do with it.
    """
    from consumer.encode.catalogue import catalogue, elements_markdown
    from consumer.encode.definitions.collectors import definitions

    if collector and form:
        raise click.UsageError("--for writes the file as its collector reads it: leave --as away")
    if collector:
        text = definitions(collector, pen, profile)
        click.echo(text, nl=False)
        if not text:
            click.echo(f"vpcflow: {collector} knows every element of profile {profile} by itself", err=True)
        return 0
    entries = [entry for entry in catalogue(pen) if profile in entry.profiles]
    if form == "markdown":
        click.echo(elements_markdown(entries), nl=False)
    elif form == "json" or (form is None and is_piped()):
        print_json(entries)
    else:
        _print_table(entries)
    return 0


def _print_table(entries: list[Entry]) -> None:
    """Numbers and names whole, for they are what people copy; what else there is to an element stands below them."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(title="information elements", title_justify="left")
    table.add_column("element", no_wrap=True)
    table.add_column("name, type, unit", no_wrap=True)
    table.add_column("meaning, where it is from", ratio=1, overflow="fold")
    for entry in entries:
        number = f"{entry.enterprise}/{entry.number}" if entry.enterprise else str(entry.number)
        kind = f"{entry.type}, {entry.unit}" if entry.unit else entry.type
        sources = f"\nfrom {'; '.join(entry.sources)}"
        table.add_row(
            number, Text(entry.name).append(f"\n{kind}", "dim"), Text(entry.description).append(sources, "dim")
        )
    Console().print(table)

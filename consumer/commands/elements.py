"""`vpcflow elements`: the information model, and what teaches it to a collector."""

from __future__ import annotations

import click

from consumer.commands.common import PEN_OPTION, PROFILE_OPTION, Profile, answers, is_piped, print_json

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

    if collector:
        text = definitions(collector, pen, profile)
        click.echo(text, nl=False)
        if not text:
            click.echo(f"vpcflow: {collector} knows every element of profile {profile} by itself", err=True)
        return 0
    entries = [entry for entry in catalogue(pen) if profile in entry.profiles]
    if form == "markdown":
        click.echo(elements_markdown(), nl=False)
    elif form == "json" or (form is None and is_piped()):
        print_json(entries)
    else:
        from rich.console import Console
        from rich.table import Table

        table = Table("element", "enterprise", "name", "type", "unit", "from", "meaning", title="information elements")
        for entry in entries:
            number, enterprise = str(entry.number), str(entry.enterprise or "IANA")
            table.add_row(
                number, enterprise, entry.name, entry.type, entry.unit, ", ".join(entry.sources), entry.description
            )
        Console().print(table)
    return 0

"""`vpcflow dump`: listen for IPFIX and print it."""

from __future__ import annotations

import click

from consumer.commands.common import answers, is_piped


@click.command()
@click.option(
    "--listen", default="127.0.0.1:4739", show_default=True, metavar="HOST:PORT", help="UDP address to listen on."
)
@click.option(
    "--count",
    type=click.IntRange(min=0),
    default=0,
    metavar="N",
    help="End with the message that holds the Nth flow; 0 = until Ctrl-C.",
)
@click.option(
    "--seconds",
    type=click.FloatRange(min=0),
    default=0,
    metavar="S",
    help="End after S seconds; 0 = until Ctrl-C.",
)
@click.option("--json", "as_json", is_flag=True, help="JSON lines also on a terminal.")
@click.option(
    "--pen", type=int, default=32473, show_default=True, help="Enterprise number whose elements have our names."
)
@answers
def dump(listen: str, count: int, seconds: float, as_json: bool, pen: int) -> int:
    """Listen for IPFIX and print the flows: a live table on a terminal, JSON lines when piped."""
    from consumer.collect.dump import run_dump

    return run_dump(listen, count=count, seconds=seconds, as_json=is_piped(as_json), private_enterprise_number=pen)

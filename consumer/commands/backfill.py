"""`vpcflow backfill`: objects of the past to a collector."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click

from consumer.commands.common import MESSAGE_SIZE_OPTION, PROFILE_OPTION, access_options, answers

_MOMENT = click.DateTime(
    ["%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%dT%H:%M:%S%z"]
)


@click.command()
@click.option("--bucket", required=True, help="Bucket that flow logs write into.")
@click.option("--prefix", default="", help="Where in the bucket, AWSLogs/123456789012/; empty = all of it.")
@click.option("--from", "first", type=_MOMENT, required=True, help="Earliest time of an object (UTC).")
@click.option("--to", "last", type=_MOMENT, help="Objects before this time (UTC); default: now.")
@click.option("--flow-log", "flow_logs", multiple=True, metavar="FL-ID", help="Only of this flow log; repeatable.")
@click.option(
    "--collector", "collectors", multiple=True, metavar="HOST:PORT", help="Where flows go, in place of [[collectors]]."
)
@PROFILE_OPTION
@MESSAGE_SIZE_OPTION
@click.option("--rate", type=float, help="Records per second; 0 = unlimited; default: the collector's setting, 20000.")
@click.option("--pen", type=int, help="Private enterprise number of our own elements; default: the setting, 32473.")
@click.option("--domain", type=int, default=0, show_default="hash of account and region", help="Observation domain id.")
@click.option(
    "--on-refused", type=click.Choice(["hold", "send"]), default="hold", show_default=True, help="When nobody listens."
)
@click.option(
    "--concurrency", type=click.IntRange(0, 64), default=0, help="Objects at a time; default: s3.concurrency, 2."
)
@click.option("--dead-letter", type=click.Path(path_type=Path), help="File that keeps unreadable lines (JSON lines).")
@click.option("--anew", is_flag=True, help="Forget what earlier runs exported.")
@click.option(
    "--strict", is_flag=True, help="Exit 1 when a line or object could not be read, or its format has no addresses."
)
@access_options
@answers
def backfill(**options: Any) -> int:
    """Send flow log objects of the past out of a bucket, with their original timestamps.

    Text and Parquet, both layouts of keys; folders of other days are not even listed. What is exported is remembered in
    the state folder, within an object too: interrupted or killed, the same command goes on where it was. Nothing is
    deleted. Names are those that an agent with the same state folder knows.

    Ends with a summary: a table on a terminal, one JSON object when piped. Exit code 1 when objects were left behind.
    """
    from consumer.tools.backfill import run_backfill
    from consumer.tools.backfill_options import BackfillOptions

    return run_backfill(BackfillOptions.from_command_line(os.environ, **options))

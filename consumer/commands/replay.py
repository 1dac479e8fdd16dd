"""`vpcflow replay`: flow log files to a collector."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from consumer.commands.common import MESSAGE_SIZE_OPTION, PROFILE_OPTION, answers


@click.command()
@click.argument("files", nargs=-1, required=True, metavar="FILE…")
@click.option(
    "--collector", "collectors", multiple=True, required=True, metavar="HOST:PORT", help="Where flows go; repeatable."
)
@click.option(
    "--format", "log_format", metavar="'${…}'", help="Log format of lines without a header, as AWS writes it."
)
@PROFILE_OPTION
@MESSAGE_SIZE_OPTION
@click.option(
    "--rate", type=float, default=20_000, show_default=True, help="Records per second; 0 = as fast as the machine can."
)
@click.option(
    "--pen", type=int, default=32473, show_default=True, help="Private enterprise number of our own elements."
)
@click.option("--domain", type=int, default=0, show_default="hash of account and region", help="Observation domain id.")
@click.option(
    "--on-refused", type=click.Choice(["hold", "send"]), default="hold", show_default=True, help="When nobody listens."
)
@click.option("--dead-letter", type=click.Path(path_type=Path), help="File that keeps unreadable lines (JSON lines).")
@click.option(
    "--strict", is_flag=True, help="Exit 1 when a line or payload could not be read, or its format has no addresses."
)
@answers
def replay(files: tuple[str, ...], **options: Any) -> int:
    """Send flow log files to a collector as IPFIX.

    Reads S3 flow log files (text or Parquet), headerless lines, CloudWatch Logs envelopes, what Firehose and exports of
    CloudWatch Logs leave in a bucket, what `aws logs`, `aws kinesis get-records`, Athena and Logs Insights print (JSON,
    text, CSV), records as JSON objects, and our own dead letter file; plain or gzip. Of a folder every file below it is
    read; - is standard input. Lines without a header are read with --format, else as AWS's default format when they
    have its 14 fields.

    Ends with a summary: a table on a terminal, one JSON object when piped.
    """
    from consumer.tools.replay import ReplayOptions, run_replay

    return run_replay(ReplayOptions.from_command_line(files=files, **options))

"""`vpcflow check`: prove that something the agent needs works."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Literal

import click

from consumer.commands.common import (
    JSON_OPTION,
    MESSAGE_SIZE_OPTION,
    PEN_OPTION,
    PROFILE_OPTION,
    Profile,
    access_options,
    answers,
    is_piped,
)


@click.group(invoke_without_command=True)
@access_options
@JSON_OPTION
def check(as_json: bool, **access: Any) -> None:
    """Prove that what the agent needs works, and name what is missing: everything, or one thing by its name.

    Without a name: the configuration, every account and region, and each collector of the configuration, which is
    sent one marked flow. Exit code 1 when something stands in the agent's way.
    """
    if click.get_current_context().invoked_subcommand is None:
        _check_all(as_json, access)


@answers
def _check_all(as_json: bool, access: dict[str, Any]) -> int:
    from consumer.config import AccessOptions
    from consumer.tools.check_all import run_check_all

    return run_check_all(AccessOptions(**access), os.environ, as_json=is_piped(as_json))


@check.command("config")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@answers
def check_config(file: Path) -> None:
    """Read a configuration file, with the environment's overrides, and name every fault in it. Asks nobody else."""
    from consumer.config import check_settings
    from consumer.tools.effective import summary

    click.echo(f"ok: {file}: {summary(check_settings(file, os.environ))}")


@check.command("collector")
@click.argument("address", metavar="HOST:PORT")
@PROFILE_OPTION
@MESSAGE_SIZE_OPTION
@PEN_OPTION
@JSON_OPTION
@answers
def check_collector(
    address: str, profile: Profile, message_size: int | Literal["auto"], pen: int, as_json: bool
) -> int:
    """Send templates and one marked flow to a collector, and say whether somebody listens and how to look for it.

    The flow goes from 192.0.2.1 to 198.51.100.1 (addresses for documentation) and is named vpcflow-check.
    Exit code 1 when the name does not resolve, the port is refused or the host cannot be reached.
    """
    from consumer.collect.check import run_check

    return run_check(address, profile, message_size, pen, as_json=is_piped(as_json))


@check.command("aws")
@access_options
@click.option("--stack", default="", metavar="NAME", help="Only look at this CloudFormation stack of ours.")
@JSON_OPTION
@answers
def check_aws(stack: str, as_json: bool, **access: Any) -> int:
    """Try what the agent needs of every account and region, and name what is denied and the policy line that allows it.

    Nothing is changed: leases are written with a condition that cannot be met. Exit code 1 when the main job cannot
    run: no identity, a role that cannot be assumed, flow logs that cannot be found, a stream that cannot be read.

    With --stack: what a stack made with our templates (cloudformation/) lacks, wherever it is.
    """
    from consumer.config import AccessOptions
    from consumer.tools.check_aws import run_check_aws
    from consumer.tools.check_stack import run_check_stack

    if stack:
        return run_check_stack(AccessOptions(**access), os.environ, stack, as_json=is_piped(as_json))
    return run_check_aws(AccessOptions(**access), os.environ, as_json=is_piped(as_json))

"""What the commands share: options that mean the same everywhere, exit codes, and errors turned into words."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any, Literal, ParamSpec

import click

from consumer.errors import ConfigurationError, MissingPrerequisiteError, VpcflowError

P = ParamSpec("P")

EXIT_FINDINGS = 1
EXIT_USAGE = 2

Profile = Literal["core", "iana", "full"]


def answers(command: Callable[P, int | None]) -> Callable[P, None]:
    """Turn our errors into words on stderr and an exit code; everything else is a bug and keeps its traceback."""

    @wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            sys.exit(command(*args, **kwargs) or 0)
        except ConfigurationError as error:
            count = len(error.faults)
            click.echo(f"vpcflow: {count} fault{'s' if count > 1 else ''} in the configuration", err=True)
            for fault in error.faults:
                click.echo(f"  {fault}", err=True)
            sys.exit(EXIT_USAGE)
        except MissingPrerequisiteError as error:
            click.echo(f"vpcflow: {error}", err=True)
            sys.exit(EXIT_USAGE)
        except VpcflowError as error:
            click.echo(f"vpcflow: {error}", err=True)
            sys.exit(EXIT_FINDINGS)
        except KeyboardInterrupt:
            sys.exit(130)
        except BrokenPipeError:
            # The reader went away (`vpcflow elements | head`): not our fault, and nothing more to say.
            _forget_output()
            sys.exit(0)
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise
            _forget_output()
            where = f" ({error.filename})" if error.filename else ""
            click.echo(f"vpcflow: {error.strerror}{where}: what was to be written is not complete", err=True)
            sys.exit(EXIT_FINDINGS)

    return run


def _forget_output() -> None:
    """Whatever is still to be written to standard output goes nowhere; at exit it would fail once more."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def is_piped(as_json: bool = False) -> bool:
    """Whether the answer is for a program: asked for by --json, or nobody sits at a terminal."""
    return as_json or not sys.stdout.isatty()


def print_json(value: Any) -> None:
    """One indented JSON document on stdout."""
    import orjson

    click.echo(orjson.dumps(value, option=orjson.OPT_INDENT_2).decode())


def _not_reverse(context: click.Context, parameter: click.Parameter, number: int) -> int:  # noqa: ARG001
    """29305 means "reverse direction" (RFC 5103): nfdump adds such counters to the forward ones."""
    if number == 29_305:
        raise click.BadParameter("29305 means reverse direction (RFC 5103); use your own enterprise number")
    return number


CONFIG_OPTION = click.option(
    "-c", "--config", type=click.Path(path_type=Path, dir_okay=False), help="Configuration file (TOML)."
)
JSON_OPTION = click.option("--json", "as_json", is_flag=True, help="JSON also on a terminal.")
PEN_OPTION = click.option(
    "--pen",
    type=click.IntRange(1, 0xFFFF_FFFF),
    default=32473,
    show_default=True,
    callback=_not_reverse,
    help="Private enterprise number of our own elements.",
)
PROFILE_OPTION = click.option(
    "--profile", type=click.Choice(["core", "iana", "full"]), default="full", show_default=True, help="Elements sent."
)


class _MessageSize(click.ParamType[int | Literal["auto"]]):
    """A number, whose range the settings know, or `auto`."""

    name = "bytes|auto"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int | Literal["auto"]:
        if value == "auto":
            return "auto"
        try:
            return int(value)
        except ValueError:
            self.fail(f"{value!r} is neither a number nor auto", param, ctx)


MESSAGE_SIZE_OPTION = click.option(
    "--message-size",
    type=_MessageSize(),
    default=1400,
    show_default=True,
    help="Largest IPFIX message in bytes (512-8900); auto = what the path takes.",
)


def access_options(command: Callable[P, None]) -> Callable[P, None]:
    """Options that say as whom and where AWS is asked."""
    for option in (
        click.option("--region", "regions", multiple=True, metavar="REGION", help="Region to read; repeatable."),
        click.option(
            "--credentials-file",
            default="",
            metavar="FILE",
            help="AWS credentials file; every profile in it is an account.",
        ),
        click.option(
            "--role",
            "roles",
            multiple=True,
            metavar="ARN[,EXTERNAL-ID]",
            help="Role to assume for a further account; repeatable.",
        ),
        CONFIG_OPTION,
    ):
        command = option(command)
    return command

"""Commands and exit codes: 0 done, 1 unreadable lines with --strict or a failed check, 2 usage or configuration.

Belongs here: options, their help, and turning errors into one readable answer. Does not: the work (app.py, collect/,
demo/). Heavy rooms are imported inside the commands, so that --help answers at once.
"""

import ctypes
import os
import sys
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any, Literal, ParamSpec

import click

from consumer import __version__
from consumer.errors import ConfigurationError, MissingPrerequisiteError, VpcflowError

P = ParamSpec("P")

CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 100}

EXIT_FINDINGS = 1
EXIT_USAGE = 2

Profile = Literal["core", "iana", "full"]
TAUGHT_COLLECTORS = (
    "filebeat", "goflow2", "graylog", "ipfixcol2", "libfixbuf", "logstash", "pmacct", "telegraf", "tshark",
)  # fmt: skip
"""Those of encode/definitions, repeated here so that --help need not load them."""


def _not_reverse(context: click.Context, parameter: click.Parameter, number: int) -> int:  # noqa: ARG001
    """29305 means "reverse direction" (RFC 5103): nfdump adds such counters to the forward ones."""
    if number == 29_305:
        raise click.BadParameter("29305 means reverse direction (RFC 5103); use your own enterprise number")
    return number


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
MESSAGE_SIZE_OPTION = click.option(
    "--message-size", type=int, default=1400, show_default=True, help="Largest IPFIX message in bytes (512-8900)."
)


def kernel_cache_folder() -> Path:
    """Where compiled kernels are kept: beside the installation when it may be written (set-up fills it there)."""
    beside = Path(sys.prefix) / "var" / "vpcflow-kernels"
    if os.access(beside if beside.exists() else sys.prefix, os.W_OK) or (beside.exists() and any(beside.iterdir())):
        return beside
    return Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")).expanduser() / "vpcflow" / "kernels"


def prepare_process() -> None:
    """Settings of the process that must precede the first import of numba and the first large allocation."""
    os.environ.setdefault("NUMBA_CACHE_DIR", str(kernel_cache_folder()))
    try:
        # glibc maps and faults anew every buffer above 128 KiB; ours are 1-2 MiB and live for microseconds.
        # M_MMAP_THRESHOLD = -3, M_TRIM_THRESHOLD = -1 (malloc.h); measured in benchmarks/.
        libc = ctypes.CDLL(None)
        libc.mallopt(-3, 32 << 20)
        libc.mallopt(-1, 256 << 20)
    except (OSError, AttributeError):
        pass  # another libc: slower, not wrong


def _answers(command: Callable[P, int | None]) -> Callable[P, None]:
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
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            sys.exit(0)

    return run


@click.group(context_settings=CONTEXT)
@click.version_option(__version__, prog_name="vpcflow", message="%(prog)s %(version)s")
def main() -> None:
    """Make an AWS network visible to the flow collector you already run.

    vpcflow reads VPC Flow Logs out of AWS, names what they talk about, and re-emits them as IPFIX over UDP.

    \b
    Try it without AWS:        vpcflow demo
    Look at a flow log file:   vpcflow dump --listen 127.0.0.1:4739 &
                               vpcflow replay FILE --collector 127.0.0.1:4739
    Look at your accounts:     vpcflow discover --role arn:aws:iam::ACCOUNT:role/NAME
    Run the agent:             vpcflow run -c vpcflow.toml

    \b
    Exit codes: 0 done · 1 lines were unreadable and --strict, or a check failed · 2 usage or configuration
    """
    prepare_process()


@main.command()
@click.option("-c", "--config", type=click.Path(path_type=Path, dir_okay=False), help="Configuration file (TOML).")
@_answers
def run(config: Path | None) -> int:
    """Run the agent until SIGTERM or Ctrl-C.

    Settings can be overridden by environment: VPCFLOW__COLLECTORS__0__ADDRESS=10.0.0.5:4739
    """
    from consumer.app import run_agent
    from consumer.config import load_settings

    return run_agent(load_settings(config, os.environ))


@main.command()
@click.argument("files", nargs=-1, required=True, metavar="FILE…")
@click.option(
    "--collector", "collectors", multiple=True, required=True, metavar="HOST:PORT", help="Where flows go; repeatable."
)
@click.option(
    "--format", "log_format", metavar="'${…}'", help="Log format of lines without a header, as AWS writes it."
)
@click.option(
    "--profile", type=click.Choice(["core", "iana", "full"]), default="full", show_default=True, help="Elements sent."
)
@click.option(
    "--message-size", type=int, default=1400, show_default=True, help="Largest IPFIX message in bytes (512-8900)."
)
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
@click.option("--strict", is_flag=True, help="Exit 1 when a line or payload could not be read.")
@_answers
def replay(files: tuple[str, ...], **options: Any) -> int:
    """Send flow log files to a collector as IPFIX.

    Reads S3 flow log files (with header), headerless lines, CloudWatch Logs envelopes, the output of
    `aws logs filter-log-events`, and our own dead letter file; plain or gzip; - is standard input.
    Lines without a header are read with --format, else as AWS's default format when they have its 14 fields.

    Ends with a summary: a table on a terminal, one JSON object when piped.
    """
    from consumer.replay import ReplayOptions, run_replay

    return run_replay(ReplayOptions.from_command_line(files=files, **options))


@main.command()
@click.option(
    "--listen", default="127.0.0.1:4739", show_default=True, metavar="HOST:PORT", help="UDP address to listen on."
)
@click.option("--count", type=int, default=0, metavar="N", help="End after N flows; 0 = until Ctrl-C.")
@click.option("--seconds", type=float, default=0, metavar="S", help="End after S seconds; 0 = until Ctrl-C.")
@click.option("--json", "as_json", is_flag=True, help="JSON lines also on a terminal.")
@click.option(
    "--pen", type=int, default=32473, show_default=True, help="Enterprise number whose elements have our names."
)
@_answers
def dump(listen: str, count: int, seconds: float, as_json: bool, pen: int) -> int:
    """Listen for IPFIX and print the flows: a live table on a terminal, JSON lines when piped."""
    from consumer.collect.dump import run_dump

    return run_dump(
        listen, count=count, seconds=seconds, as_json=as_json or not sys.stdout.isatty(), private_enterprise_number=pen
    )


@main.command()
@click.option(
    "--for",
    "seconds",
    type=float,
    default=None,
    metavar="SECONDS",
    help="End by itself, counted from the first named flow.",
)
@_answers
def demo(seconds: float | None) -> int:
    """Run everything on this machine without AWS: an emulated network, the agent, and a collector.

    With --for the exit code is 0 only if every flow written was received.
    """
    from consumer.demo.run import run_demo

    return run_demo(seconds)


@main.command()
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
@_answers
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
    elif form == "json" or (form is None and not sys.stdout.isatty()):
        import orjson

        click.echo(orjson.dumps(entries, option=orjson.OPT_INDENT_2).decode())
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


def _access_options(command: Callable[P, None]) -> Callable[P, None]:
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
        click.option("-c", "--config", type=click.Path(path_type=Path, dir_okay=False), help="Configuration file."),
    ):
        command = option(command)
    return command


@main.command()
@_access_options
@click.option("--json", "as_json", is_flag=True, help="JSON also on a terminal.")
@click.option(
    "--save",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Add what is new to FILE (TOML) for you to edit; your edits stay.",
)
@_answers
def discover(as_json: bool, save: Path | None, **access: Any) -> int:
    """Find accounts, VPCs, flow logs, streams, log groups and buckets, and say who would report what, and why.

    Without a configuration file the credentials come from the environment. Without --region every region the account
    has enabled is read. Tables on a terminal, JSON when piped; VPCs without a working flow log stand out.
    """
    from consumer.config import AccessOptions
    from consumer.discover import run_discover

    as_json = as_json or not sys.stdout.isatty()
    return run_discover(AccessOptions(**access), os.environ, as_json=as_json, save=save)


@main.group()
def check() -> None:
    """Prove that something the agent needs works, and name what is missing."""


@check.command("collector")
@click.argument("address", metavar="HOST:PORT")
@PROFILE_OPTION
@MESSAGE_SIZE_OPTION
@PEN_OPTION
@click.option("--json", "as_json", is_flag=True, help="JSON also on a terminal.")
@_answers
def check_collector(address: str, profile: Profile, message_size: int, pen: int, as_json: bool) -> int:
    """Send templates and one marked flow to a collector, and say whether somebody listens and how to look for it.

    The flow goes from 192.0.2.1 to 198.51.100.1 (addresses for documentation) and is named vpcflow-check.
    Exit code 1 when the name does not resolve, the port is refused or the host cannot be reached.
    """
    from consumer.collect.check import run_check

    return run_check(address, profile, message_size, pen, as_json=as_json or not sys.stdout.isatty())


@check.command("aws")
@_access_options
@click.option("--json", "as_json", is_flag=True, help="JSON also on a terminal.")
@_answers
def check_aws(as_json: bool, **access: Any) -> int:
    """Try what the agent needs of every account and region, and name what is denied and the policy line that allows it.

    Nothing is changed: leases are written with a condition that cannot be met. Exit code 1 when the main job cannot
    run: no identity, a role that cannot be assumed, flow logs that cannot be found, a stream that cannot be read.
    """
    from consumer.check_aws import run_check_aws
    from consumer.config import AccessOptions

    return run_check_aws(AccessOptions(**access), os.environ, as_json=as_json or not sys.stdout.isatty())


@main.command(hidden=True)
@_answers
def kernels() -> None:
    """Compile the kernels ahead of their first use (set-up and image build call this)."""
    from consumer.assembly import warm_up

    warm_up()


@main.group()
def kcl() -> None:
    """The Kinesis Client Library: fan-out consumers, properties, keys for its JVM."""


CONFIG_OPTION = click.option(
    "-c", "--config", type=click.Path(path_type=Path, dir_okay=False), help="Configuration file (TOML)."
)


@kcl.command()
@CONFIG_OPTION
@click.argument("stream", default="")
@_answers
def properties(config: Path | None, stream: str) -> int:
    """Print the properties each stream's daemon is given (STREAM: only that one's)."""
    from consumer.config import load_settings
    from consumer.kcl_tools import shown_properties

    for text in shown_properties(load_settings(config, os.environ), stream):
        click.echo(text)
    return 0


@kcl.group()
def consumers() -> None:
    """Enhanced fan-out consumers, which cost by the hour as long as they are registered."""


@consumers.command("list")
@CONFIG_OPTION
@click.argument("stream", default="")
@_answers
def list_consumers(config: Path | None, stream: str) -> int:
    """List the consumers of the configured streams: ours, whether still wanted, and others'."""
    from consumer.aws.sessions import Sessions
    from consumer.config import load_settings
    from consumer.kcl_tools import stream_consumers

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
    if not sys.stdout.isatty():
        import orjson

        click.echo(orjson.dumps(rows, option=orjson.OPT_INDENT_2).decode())
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
@_answers
def deregister(config: Path | None, stream: str, force: bool) -> int:
    """Remove our own consumers that are not wanted any more: the stream is not read by fan-out.

    Other applications' consumers are never touched.
    """
    from consumer.aws.sessions import Sessions
    from consumer.config import load_settings
    from consumer.kcl_tools import deregister, stream_consumers

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
@_answers
def credentials(request: Path) -> int:
    """Answer a daemon's credential_process; called by the profile that the agent writes."""
    from consumer.kcl_tools import daemon_keys

    click.echo(daemon_keys(request))
    return 0


if __name__ == "__main__":
    main()

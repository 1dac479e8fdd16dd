"""What `vpcflow init` does: a configuration that runs, made of what AWS has and where flows shall go.

Belongs here: the few lines a first configuration needs. Does not: finding what is there (discover.py writes its own
file, which this one includes), every other setting (vpcflow.example.toml, `vpcflow config`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import click
import tomlkit

from consumer.config import AccessOptions, load_settings
from consumer.errors import ConfigurationError, Fault, VpcflowError
from consumer.tools.discover import run_discover

FOUND_NAME = "discovered.toml"
_HEADER = """\
# vpcflow: what `vpcflow init` wrote. Every setting with its default: vpcflow.example.toml, docs/settings.md.
# What AWS has stands in {found}, written by `vpcflow discover --save`; what stands here goes before it.
"""
_NEXT = """\
Next:
  vpcflow check -c {file}    proves permissions, paths and the collector
  vpcflow run -c {file}      runs the agent
"""


@dataclass(frozen=True, slots=True)
class InitOptions:
    """What the command line says. `asks_aws` False: write the file without asking what is there."""

    file: Path
    collectors: tuple[str, ...]
    profile: str
    state_folder: str
    access: AccessOptions
    asks_aws: bool = True
    may_replace: bool = False


def run_init(options: InitOptions, environment: Mapping[str, str]) -> int:
    """0 when both files are written, 1 when AWS could not be asked (the configuration is written all the same).

    Raises ConfigurationError when something given is wrong or a file stands there already; then nothing is written.
    """
    if options.file.exists() and not options.may_replace:
        raise ConfigurationError(
            [Fault("FILE", str(options.file), "it is there already", "name another one, or allow it with --force")]
        )
    found = options.file.with_name(FOUND_NAME)
    trial = options.file.with_name(f".{options.file.name}.trial")
    try:
        trial.write_text(first_configuration(options, include=found.exists()), encoding="utf-8")
        load_settings(trial, environment)  # the faults of what was given, before anything is replaced
        problem = _discover(replace(options.access, config=trial), environment, found) if options.asks_aws else ""
        trial.write_text(first_configuration(options, include=found.exists()), encoding="utf-8")
        trial.replace(options.file)
    except OSError as error:
        fault = Fault("FILE", str(options.file), error.strerror or str(error), "name a file you may write")
        raise ConfigurationError([fault]) from error
    finally:
        trial.unlink(missing_ok=True)
    click.echo(f"wrote {options.file}" + (f" and {found}" if found.exists() else ""), err=True)
    if problem:
        click.echo(f"AWS was not asked: {problem}", err=True)
        click.echo(f"When that is mended: vpcflow discover -c {options.file} --save {found}", err=True)
    click.echo(_NEXT.format(file=options.file), nl=False, err=True)
    return 1 if problem else 0


def _discover(access: AccessOptions, environment: Mapping[str, str], found: Path) -> str:
    """Why nothing was found, empty when something was."""
    try:
        return "" if run_discover(access, environment, as_json=False, save=found) == 0 else "no account answered"
    except ConfigurationError as error:
        return "; ".join(map(str, error.faults))
    except VpcflowError as error:
        return str(error)


def first_configuration(options: InitOptions, *, include: bool) -> str:
    """The text of the file. `include`: name what discovery wrote."""
    document = tomlkit.document()
    agent = tomlkit.table()
    if include:
        agent.add("include", [FOUND_NAME])
    if options.state_folder:
        agent.add("state_folder", options.state_folder)
    if agent:
        document.add("agent", agent)
    aws = tomlkit.table()
    regions = options.access.regions
    if regions:
        aws.add("region", regions[0])
        aws.add("regions", list(regions))
    if options.access.credentials_file:
        aws.add("credentials_file", options.access.credentials_file)
    if options.access.roles:
        aws.add("roles", list(options.access.roles))
    if aws:
        document.add("aws", aws)
    collectors = tomlkit.aot()
    for number, address in enumerate(options.collectors):
        table = tomlkit.table()
        table.add("name", "main" if number == 0 else f"collector-{number + 1}")
        table.add("address", address)
        table.add("profile", options.profile)
        table["profile"].comment("core, iana or full; what suits yours: docs/collectors")
        collectors.append(table)
    document.add("collectors", collectors)
    return _HEADER.format(found=FOUND_NAME) + "\n" + tomlkit.dumps(document)

"""What `vpcflow discover` does: look at every account and region, plan, print, save.

Belongs here: joining settings, AWS and the discovery room for this command. Does not: finding (discovery/), options
(cli.py).
"""

from __future__ import annotations

import os
import shutil
import sys
import threading
import time
from collections.abc import Mapping
from ipaddress import IPv4Address
from pathlib import Path

import orjson
from rich.console import Console
from tomlkit.exceptions import TOMLKitError

from consumer.agent.readings import wishes_of
from consumer.aws.sessions import Sessions
from consumer.clock import SystemClock
from consumer.config import AccessOptions, Settings
from consumer.discovery.plan.choosing import make_plan
from consumer.discovery.plan.survey import Survey, Surveyor
from consumer.discovery.reading.keeper import InventoryKeeper
from consumer.discovery.report.content import report
from consumer.discovery.report.save import Saved, add_to, entries_of
from consumer.discovery.report.show import show, show_problems, summary
from consumer.errors import ConfigurationError, Fault, VpcflowError
from consumer.model.inventory import Inventory
from consumer.state.assignments import Assignments
from consumer.telemetry.logs import set_up_logs


def run_discover(options: AccessOptions, environment: Mapping[str, str], *, as_json: bool, save: Path | None) -> int:
    """0 when at least one account and region was read, 1 when none was. Raises ConfigurationError."""
    settings = options.settings(environment, _standing(save) if save is not None else ())
    started = time.monotonic()
    set_up_logs("error")  # to stderr: stdout is the answer's; what may only be wrong is a problem of the answer
    sessions = Sessions(settings.aws)
    keeper = InventoryKeeper(
        sessions, settings.discovery, _assignments(settings), SystemClock(), settings.aws.parallel_targets
    )
    errors = Console(stderr=True)
    with errors.status("reading accounts and regions"):
        stop = threading.Event()
        refresh = keeper.refresh(stop)
        survey = Surveyor(sessions, settings.aws.parallel_targets).survey(refresh.parts, refresh.problems, stop)
    plan = make_plan(survey, wishes_of(settings))
    found = report(survey, plan, refresh.inventory, sessions)
    seconds = time.monotonic() - started
    if as_json:
        sys.stdout.buffer.write(orjson.dumps(found, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
        sys.stdout.flush()
        show_problems(found, errors)
        errors.print(summary(found, sessions.call_counts, seconds), soft_wrap=True, highlight=False)
    else:
        show(found, sessions.call_counts, seconds, Console())
    if save is not None:
        # What a run did not look for, or could not see, is not gone.
        is_complete = not (options.regions or survey.problems)
        _say_saved(save, _save(save, survey, refresh.inventory, sessions), errors, is_complete=is_complete)
    return 0 if refresh.parts else 1


def _assignments(settings: Settings) -> Assignments:
    """The agent's kept numbers where there are any that we may read; else this run's own, which mostly are the same (a
    hash)."""
    file = settings.agent.state_folder / "assignments.sqlite"
    return Assignments(file if os.access(file, os.R_OK) else None)


def _standing(save: Path) -> tuple[Path, ...]:
    """The file if it is there. That it cannot be written is told before minutes are spent on reading."""
    if not os.access(save.resolve().parent, os.W_OK | os.X_OK):
        problem = "its folder is not there, or not yours to write in"
        raise ConfigurationError([Fault("--save", str(save), problem, "name a file you may write")])
    return (save,) if save.exists() else ()


def _save(file: Path, survey: Survey, inventory: Inventory, sessions: Sessions) -> Saved:
    vpcs = {vpc.id: vpc.name for part in survey.parts.values() for vpc in part.vpcs}
    exporters = {
        vpc: (str(IPv4Address(int(inventory.vpc_exporters[inventory.vpc_numbers[vpc.encode()]]))), name)
        for vpc, name in sorted(vpcs.items())
    }
    try:
        own_account = sessions.account()
    except VpcflowError:
        own_account = ""
    try:
        text = file.read_text(encoding="utf-8") if file.exists() else ""
        saved = add_to(text, entries_of(survey, own_account), exporters)
        _replace(file.resolve(), saved.text)
    except OSError as error:
        fault = Fault("--save", str(file), error.strerror or str(error), "name a file you may write")
        raise ConfigurationError([fault]) from error
    except TOMLKitError as error:
        raise ConfigurationError(
            [Fault("--save", str(file), f"not TOML: {error}", "mend the line it names")]
        ) from error
    return saved


def _replace(file: Path, text: str) -> None:
    """All of it or nothing. Who may read it stays as it was: it can hold external ids of roles."""
    temporary = file.with_name(f".{file.name}.new")
    temporary.write_text(text, encoding="utf-8")
    if file.exists():
        shutil.copymode(file, temporary)
    temporary.replace(file)


def _say_saved(file: Path, saved: Saved, console: Console, *, is_complete: bool) -> None:
    console.print(f"{file}: {len(saved.added)} added", soft_wrap=True, highlight=False)
    for name in saved.missing if is_complete else ():
        console.print(f"{file}: not found any more: {name} (left as it is)", soft_wrap=True, highlight=False)

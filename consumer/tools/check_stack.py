"""What `vpcflow check aws --stack NAME` does: find our stack, and say what of it is missing.

Belongs here: joining settings, AWS and the look, and printing. Does not: the look itself (discovery/plan/stacks.py).
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import asdict

import orjson
from rich.console import Console
from rich.markup import escape

from consumer.aws.sessions import Sessions
from consumer.config import AccessOptions
from consumer.discovery.plan.stacks import StackReport, look_at_stacks
from consumer.telemetry.logs import set_up_logs


def run_check_stack(options: AccessOptions, environment: Mapping[str, str], name: str, *, as_json: bool) -> int:
    """0 when the stack is somewhere and does its job, else 1. Raises ConfigurationError."""
    settings = options.settings(environment)
    set_up_logs("warning")  # to stderr: stdout is the answer's
    sessions = Sessions(settings.aws)
    with Console(stderr=True).status(f"looking for the stack {name}"):
        targets = [target for account in sessions.account_targets() for target in account.targets()]
        reports = list(look_at_stacks(sessions, name, targets, settings.aws.roles))
    if as_json:
        answer = {"stacks": [asdict(one) for one in reports]}
        sys.stdout.buffer.write(orjson.dumps(answer, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
        sys.stdout.flush()
    else:
        show(name, reports, Console())
    return 0 if any(one.template for one in reports) and not any(one.problems for one in reports) else 1


def show(name: str, reports: list[StackReport], console: Console) -> None:
    if not any(one.template for one in reports):
        console.print(f"[red]{escape(f'no stack of ours is called {name} in any account and region that is read')}[/]")
    for one in reports:
        console.print(escape(f"{one.account} {one.region} {one.name}: {one.template or 'unknown'}"), highlight=False)
        for line in one.found:
            console.print(f"  [green]✓[/] {escape(line)}", soft_wrap=True, highlight=False)
        for line in one.problems:
            console.print(f"  [red]✗[/] {escape(line)}", soft_wrap=True, highlight=False)

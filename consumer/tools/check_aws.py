"""What `vpcflow check aws` does: try what the agent needs of AWS, and say what is missing.

Belongs here: joining settings, AWS and the check, and printing. Does not: the trials (discovery/check.py).
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any

import orjson
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from consumer.aws.sessions import Sessions
from consumer.clock import SystemClock
from consumer.config import AccessOptions, Settings
from consumer.discovery.check import AccessCheck, Finding, Verdict
from consumer.discovery.inventory import InventoryKeeper
from consumer.state.assignments import Assignments
from consumer.telemetry.logs import set_up_logs

_COLOURS = {"ok": "green", "denied": "red", "failed": "red"}


def run_check_aws(options: AccessOptions, environment: Mapping[str, str], *, as_json: bool) -> int:
    """0 when the main job can run, 1 when it cannot. Raises ConfigurationError."""
    verdict = try_aws(options.settings(environment))
    if as_json:
        sys.stdout.buffer.write(orjson.dumps(answer(verdict), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
        sys.stdout.flush()
    else:
        show(verdict, Console())
    return 0 if verdict.may_run else 1


def try_aws(settings: Settings) -> Verdict:
    """Make every call the agent makes, once. Blocks for seconds. Raises ConfigurationError."""
    set_up_logs("warning")  # to stderr: stdout is the answer's
    sessions, clock = Sessions(settings.aws), SystemClock()
    threads = settings.aws.parallel_targets
    keeper = InventoryKeeper(sessions, settings.discovery, Assignments(None), clock, threads)
    with Console(stderr=True).status("trying what the agent needs"):
        return AccessCheck(sessions, keeper, settings.kcl, settings.streams, clock, threads).run()


def answer(verdict: Verdict) -> dict[str, Any]:
    """The verdict for programs."""
    return {"may_run": verdict.may_run, **asdict(verdict)}


def show(verdict: Verdict, console: Console) -> None:
    """A table by account, region and feature, then every denial with the line that mends it, then the verdict."""
    table = Table("account", "region", "feature", "result")
    for account, region, feature, findings in _features(verdict):
        bad = [one for one in findings if one.state != "ok"]
        words = ", ".join(dict.fromkeys(f"{one.action} {one.state}" for one in bad)) or f"{len(findings)} allowed"
        colour = "green" if not bad else "red" if any(one.is_required for one in bad) else "yellow"
        table.add_row(account, region, escape(feature), f"[{colour}]{escape(words)}[/]")
    console.print(table)
    for reason, policy in dict.fromkeys((one.reason, one.policy) for one in verdict.findings if one.state != "ok"):
        console.print(escape(f"{reason} → allow {policy}" if policy else reason), soft_wrap=True, highlight=False)
    for note in verdict.notes:
        console.print(escape(note), soft_wrap=True, highlight=False)
    skew = verdict.clock_skew_seconds
    console.print("clock: AWS did not say" if skew is None else f"clock: {skew:+.1f} s against AWS", highlight=False)
    console.print(
        "[green]the main job can run[/]" if verdict.may_run else "[red]the main job cannot run as things are[/]"
    )


def _features(verdict: Verdict) -> Iterator[tuple[str, str, str, list[Finding]]]:
    groups: dict[tuple[str, str, str], list[Finding]] = {}
    for one in verdict.findings:
        groups.setdefault((one.account, one.region, one.feature), []).append(one)
    for key, findings in groups.items():
        yield *key, findings

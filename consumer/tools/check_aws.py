"""What `vpcflow check aws` does: try what the agent needs of AWS, and say what is missing.

Belongs here: joining settings, AWS and the check, and printing. Does not: the trials (discovery/access/check.py).
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import orjson
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from consumer.agent.readings import wishes_of
from consumer.aws.sessions import Sessions
from consumer.clock import SystemClock
from consumer.config import AccessOptions, Settings
from consumer.discovery.access.check import AccessCheck, Finding, Verdict
from consumer.discovery.reading.keeper import InventoryKeeper
from consumer.state.assignments import Assignments
from consumer.telemetry.logs import set_up_logs

_COLOURS = ("red", "yellow", "green")
"""By urgency."""
_PLACES_SHOWN = 4


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
    set_up_logs("error")  # to stderr: stdout is the answer's; what may only be wrong is a note of the verdict
    sessions, clock = Sessions(settings.aws), SystemClock()
    threads = settings.aws.parallel_targets
    keeper = InventoryKeeper(sessions, settings.discovery, Assignments(None), clock, threads)
    with Console(stderr=True).status("trying what the agent needs"):
        return AccessCheck(sessions, keeper, settings.kcl, wishes_of(settings), clock, threads).run()


def answer(verdict: Verdict) -> dict[str, Any]:
    """The verdict for programs."""
    return {"may_run": verdict.may_run, **asdict(verdict)}


def show(verdict: Verdict, console: Console) -> None:
    """A table by feature, what does not work first; every denial with the line that mends it; then the verdict."""
    columns = ("feature", "works in", Column("does not work", overflow="fold"))
    table = Table(*columns, box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    for feature, findings in sorted(_features(verdict).items(), key=lambda pair: _urgency(pair[1])):
        bad = [one for one in findings if one.state != "ok"]
        places, bad_places = ({_place(one) for one in some} for some in (findings, bad))
        colour = _COLOURS[_urgency(findings)]
        works = f"[{colour}]{len(places - bad_places)} of {len(places)}[/]"
        table.add_row(escape(feature), works, f"[{colour}]{escape(chr(10).join(_what_fails(bad)))}[/]")
    console.print(table)
    for reason, policy in dict.fromkeys((one.reason, one.policy) for one in verdict.findings if one.state != "ok"):
        console.print(escape(f"{reason} → allow {policy}" if policy else reason), soft_wrap=True, highlight=False)
    for note in verdict.notes:
        console.print(escape(note), soft_wrap=True, highlight=False)
    _show_clock(verdict, console)
    console.print(
        "[green]the main job can run[/]" if verdict.may_run else "[red]the main job cannot run as things are[/]"
    )


def _features(verdict: Verdict) -> dict[str, list[Finding]]:
    found: dict[str, list[Finding]] = {}
    for one in verdict.findings:
        found.setdefault(one.feature, []).append(one)
    return found


def _urgency(findings: Sequence[Finding]) -> int:
    """0 = the main job cannot run, 1 = something is missing, 2 = all is well."""
    bad = [one for one in findings if one.state != "ok"]
    return 2 if not bad else 0 if any(one.is_required for one in bad) else 1


def _place(one: Finding) -> str:
    """The file and line, for what stands in a file."""
    return f"{one.account}/{one.region}" if one.region else one.resource


def _what_fails(bad: Sequence[Finding]) -> Iterator[str]:
    """One line an action, with the first places; --json has all."""
    actions: dict[str, dict[str, None]] = {}
    for one in bad:
        actions.setdefault(f"{one.action} {one.state}", {})[_place(one)] = None
    for action, places in actions.items():
        shown = list(places)[:_PLACES_SHOWN]
        more = f" and {len(places) - len(shown)} more" if len(places) > len(shown) else ""
        yield f"{action} in {', '.join(shown)}{more}"


def _show_clock(verdict: Verdict, console: Console) -> None:
    skew = verdict.clock_skew_seconds
    if skew is None:
        console.print("clock: AWS did not say")
    elif verdict.is_late:
        console.print(
            f"[red]clock: {skew:+.1f} s against AWS[/], which refuses requests that are 5 minutes off: let NTP set it",
            soft_wrap=True,
            highlight=False,
        )
    else:
        console.print(f"clock: {skew:+.1f} s against AWS", highlight=False)

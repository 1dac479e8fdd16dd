"""What bare `vpcflow check` does: the configuration, then AWS, then every collector of it.

Belongs here: going through them in order, and one answer about all. Does not: the trials themselves (check_aws.py,
collect/check.py).
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import orjson
from rich.console import Console
from rich.markup import escape

from consumer.clock import SystemClock
from consumer.collect.check import CheckReport, check_collector, report_text
from consumer.config import AccessOptions, Settings
from consumer.discovery.access.check import Verdict
from consumer.encode.settings import EncodingSettings
from consumer.errors import VpcflowError
from consumer.tools.check_aws import answer, show, try_aws


def run_check_all(options: AccessOptions, environment: Mapping[str, str], *, as_json: bool) -> int:
    """0 when the agent can do its work with this configuration, 1 when something stands in its way.

    Raises ConfigurationError for what is wrong with the configuration itself: nothing else can be tried then.
    """
    settings = options.settings(environment)
    verdict, problem = _aws(settings)
    reports = _collectors(settings)
    is_fine = (
        verdict is not None and verdict.may_run and bool(reports) and all(one.is_there for one in reports.values())
    )
    if as_json:
        found: dict[str, Any] = {
            "ok": is_fine,
            "configuration": str(options.config or ""),
            "aws": answer(verdict) if verdict else {"may_run": False, "problem": problem},
            "collectors": {name: asdict(report) for name, report in reports.items()},
        }
        sys.stdout.buffer.write(orjson.dumps(found, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
        sys.stdout.flush()
    else:
        _show(Console(), options, verdict, problem, reports)
    return 0 if is_fine else 1


def _aws(settings: Settings) -> tuple[Verdict | None, str]:
    """The verdict, or why there is none: without credentials the collectors are still worth trying."""
    try:
        return try_aws(settings), ""
    except VpcflowError as error:
        return None, str(error)


def _collectors(settings: Settings) -> dict[str, CheckReport]:
    """Each from a port of its own: a running agent holds the configured one."""
    reports = {}
    for collector in settings.collectors:
        encoding = EncodingSettings(
            profile=collector.profile,
            message_size=collector.largest_message,
            private_enterprise_number=settings.agent.private_enterprise_number,
            include_identifiers=collector.include_identifiers,
        )
        trial = collector.model_copy(update={"source_port": 0})
        reports[collector.name] = check_collector(trial, encoding, SystemClock())
    return reports


def _show(
    console: Console, options: AccessOptions, verdict: Verdict | None, problem: str, reports: Mapping[str, CheckReport]
) -> None:
    console.rule("configuration", align="left")
    console.print(escape(f"ok: {options.config}" if options.config else "none given: the defaults"), highlight=False)
    console.rule("AWS", align="left")
    if verdict is not None:
        show(verdict, console)
    else:
        console.print(f"[red]{escape(problem)}[/]", soft_wrap=True, highlight=False)
    for name, report in reports.items():
        console.rule(f"collector {escape(name)} at {escape(report.address)}", align="left")
        console.print(escape(report_text(report)), end="", soft_wrap=True, highlight=False)
    if not reports:
        console.rule("collectors", align="left")
        console.print('none configured: add [[collectors]] with address = "HOST:PORT"', style="red", markup=False)

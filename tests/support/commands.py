"""`vpcflow COMMAND` inside the test's own process: a process of its own loads every kernel anew, seconds each time."""

from __future__ import annotations

from typing import Any, NamedTuple

import orjson
from click.testing import CliRunner

from consumer.cli import main


class Answer(NamedTuple):
    """Exit code, the summary on standard output (empty when there is none), what was said on standard error."""

    code: int
    summary: dict[str, Any]
    said: str


def run_command(*arguments: object, given: bytes | None = None) -> Answer:
    """Run to the end; an exception that the command does not turn into words is raised here. `given`: its input."""
    result = CliRunner().invoke(main, [str(one) for one in arguments], input=given, catch_exceptions=False)
    summary = orjson.loads(result.stdout) if result.stdout else {}
    return Answer(result.exit_code, summary, result.stderr)

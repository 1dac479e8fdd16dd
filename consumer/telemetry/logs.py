"""Logs: words on a terminal, one JSON object a line when piped. Always on stderr: stdout is for results.

Events are short lower-case phrases plus key=value context: `log.warning("collector refused", collector="main")`.
"""

from __future__ import annotations

import logging
import sys
from typing import Any, cast

import orjson
import structlog
from structlog.typing import FilteringBoundLogger, Processor


def set_up_logs(level: str = "info") -> None:
    """Configure once, at the start of a command. `level`: debug, info, warning or error."""
    on_terminal = sys.stderr.isatty()
    renderer: Processor = (
        structlog.dev.ConsoleRenderer(colors=True, sort_keys=False)
        if on_terminal
        else structlog.processors.JSONRenderer(serializer=_as_json)
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso" if not on_terminal else "%H:%M:%S", utc=not on_terminal),
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.PrintLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=False,
    )


def _as_json(event: Any, **_: object) -> str:
    return orjson.dumps(event, default=str).decode()


def get_logger(room: str) -> FilteringBoundLogger:
    """The logger of a room; `room` appears in every line."""
    return cast("FilteringBoundLogger", structlog.get_logger(room=room))

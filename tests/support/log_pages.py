"""A log group as a probe sees it: asked for one event, it answers with the oldest since a moment."""

from __future__ import annotations

import orjson

from consumer.aws.log_events import Page


class Pages:
    """`asked`: the moments it was asked about."""

    def __init__(self) -> None:
        self.asked: list[float] = []
        self._events: list[tuple[float, float]] = []

    def put(self, timestamp: float, ingested_at: float) -> None:
        """An event, in Unix seconds."""
        self._events.append((timestamp, ingested_at))

    def first(self, start: float, token: str | None) -> Page:
        """As FilterLogEvents with a limit of one."""
        self.asked.append(start)
        found = sorted(one for one in self._events if one[0] >= start)[:1]
        events = [{"timestamp": round(at * 1000), "ingestionTime": round(arrived * 1000)} for at, arrived in found]
        return Page(orjson.dumps({"events": events}), None, None)

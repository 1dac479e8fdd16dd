"""Pages of log events of one log group, as bytes, with just what paging needs to know of them.

Belongs here: the calls, the token, the newest timestamp and AWS's own time. Does not: when to ask for what
(sources/cloudwatch/source.py), the events (decode/). API reference: FilterLogEvents, GetLogEvents, DescribeLogStreams.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from functools import cached_property
from typing import Any

import orjson

from consumer.aws.operations import (
    DESCRIBE_LOG_GROUPS,
    DESCRIBE_LOG_STREAMS,
    FILTER_LOG_EVENTS,
    GET_LOG_EVENTS,
    Operation,
)
from consumer.aws.paging import items
from consumer.aws.raw_answers import BODY
from consumer.aws.roles import Target
from consumer.aws.sessions import Sessions
from consumer.errors import RetryableError, VpcflowError

PAGE_EVENTS = 10_000
"""The most a page may hold; AWS ends it at 1 MB as well."""
_TOKEN = re.compile(rb'(?<!\\)"(?:nextToken|nextForwardToken)"\s*:\s*("(?:[^"\\]|\\.)*")')
"""A key of ours: inside a string its quotes would be escaped."""
_TIMESTAMP = re.compile(rb'(?<!\\)"timestamp"\s*:\s*(\d{1,18})')
_NO_EVENTS = re.compile(rb'(?<!\\)"events"\s*:\s*\[\s*\]')
_NEAR_BYTES = 4 << 10
_LOOKED_AT = 32


@dataclass(frozen=True, slots=True)
class Page:
    """`body`: the answer as it came. `token`: for the next page, None = this was the last. `answered_at`: AWS's own
    clock (Unix seconds, of the Date header), None when it did not say."""

    body: bytes
    token: str | None
    answered_at: float | None

    @property
    def is_empty(self) -> bool:
        """Without events: AWS gives such pages, with a token, while it looks further."""
        return _NO_EVENTS.search(self.body[:_NEAR_BYTES]) is not None or b'"events"' not in self.body

    def newest(self, until: float) -> float:
        """Unix seconds of the newest event that is not later than `until`, 0 when none of the last few is.

        Events come in order of their timestamps, so the last ones are looked at.
        """
        end = len(self.body)
        for _ in range(_LOOKED_AT):
            end = self.body.rfind(b'"timestamp"', 0, end)
            if end < 0:
                break
            found = _TIMESTAMP.match(self.body, end)
            if found and (seconds := int(found[1]) / 1000) <= until:
                return seconds
        return 0.0


@dataclass(frozen=True, slots=True)
class LogStream:
    """One log stream. `last_ingestion_at`: Unix seconds, up to an hour late (API reference), 0 = AWS does not say."""

    name: str
    last_ingestion_at: float


class LogEvents:
    """The calls for one log group; thread-safe. Every method blocks, and raises the errors of consumer.errors only."""

    def __init__(self, sessions: Sessions, find_target: Callable[[], Target], log_group: str) -> None:
        """`find_target`: as whom and where; asked before the first call, and again when it raised."""
        self._sessions = sessions
        self._find_target = find_target
        self._log_group = log_group

    @cached_property
    def _target(self) -> Target:
        return self._find_target()

    def filter(self, start: float, end: float | None, token: str | None) -> Page:
        """A page of all streams' events with start ≤ timestamp < end (Unix seconds); None = whatever is there."""
        # The end of FilterLogEvents is inclusive, that of GetLogEvents exclusive.
        last = {} if end is None else {"endTime": round(end * 1000) - 1}
        return self._page(FILTER_LOG_EVENTS, {"limit": PAGE_EVENTS, **last}, start, token)

    def first(self, start: float, token: str | None) -> Page:
        """One event with start ≤ timestamp: whether there is any."""
        return self._page(FILTER_LOG_EVENTS, {"limit": 1}, start, token)

    def of_stream(self, stream: str, start: float, end: float | None, token: str | None) -> Page:
        """A page of one stream's events with start ≤ timestamp < end, oldest first."""
        last = {} if end is None else {"endTime": round(end * 1000)}
        wanted = {"logStreamName": stream, "startFromHead": True, "limit": PAGE_EVENTS, **last}
        page = self._page(GET_LOG_EVENTS, wanted, start, token)
        # It always gives a token; the one that was sent says that there is no more.
        return Page(page.body, None if page.token == token else page.token, page.answered_at)

    def streams(self) -> Iterator[LogStream]:
        """Every log stream of the group."""
        for one in items(self._sessions, DESCRIBE_LOG_STREAMS, self._target, logGroupName=self._log_group):
            yield LogStream(one["logStreamName"], one.get("lastIngestionTime", 0) / 1000)

    def storage_class(self) -> str:
        """STANDARD, INFREQUENT_ACCESS, DELIVERY; empty when we may not know."""
        try:
            for one in items(self._sessions, DESCRIBE_LOG_GROUPS, self._target, logGroupNamePrefix=self._log_group):
                if one["logGroupName"] == self._log_group:
                    return str(one.get("logGroupClass", ""))
        except VpcflowError:
            pass
        return ""

    def _page(self, operation: Operation, wanted: dict[str, Any], start: float, token: str | None) -> Page:
        following = {"nextToken": token} if token else {}
        answer = self._sessions.call(
            operation,
            self._target,
            logGroupName=self._log_group,
            startTime=max(0, round(start * 1000)),
            **wanted,
            **following,
        )
        body: bytes = answer[BODY]
        if not (body[:1] == b"{" and body.rstrip()[-1:] == b"}"):
            raise RetryableError(f"{operation.action} in {self._target.label()}: the answer is no JSON object")
        return Page(body, _token(body), _answered_at(answer))


def _token(body: bytes) -> str | None:
    """It stands before the events or after them; all between is skipped by looking at both ends first."""
    place = max(body.rfind(b'"nextToken"'), body.rfind(b'"nextForwardToken"'))
    while place > 0:
        found = _TOKEN.match(body, place)
        if found and body[place - 1 : place] != b"\\":
            return str(orjson.loads(found[1]))
        place = max(body.rfind(b'"nextToken"', 0, place), body.rfind(b'"nextForwardToken"', 0, place))
    return None


def _answered_at(answer: dict[str, Any]) -> float | None:
    try:
        said = answer["ResponseMetadata"]["HTTPHeaders"]["date"]
        return parsedate_to_datetime(said).timestamp()
    except (KeyError, ValueError, TypeError):
        return None

"""The flow log objects of a bucket in a span of time, without listing what lies outside of it.

Belongs here: walking the folders of both layouts of keys, days first. Does not: reading objects (objects.py) or
knowing which were exported (state/object_journal.py). VPC user guide, "Flow log files":
`…/vpcflowlogs/REGION/YYYY/MM/DD[/HH]/` or `…/aws-region=REGION/year=YYYY/month=MM/day=DD[/hour=HH]/`; the stamp in a
file's name is the end of its five minutes. Copies elsewhere are found too, folder by folder, by when they were written.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from consumer.aws.operations import LIST_OBJECTS
from consumer.aws.sessions import Sessions
from consumer.aws.stored_object import Place

_DATE = re.compile(
    r"(?:^|/)(?:year=)?(?P<year>20\d\d)/(?:(?:month=)?(?P<month>\d\d)/(?:(?:day=)?(?P<day>\d\d)/(?:(?:hour=)?\d\d/)?)?)?$"
)
_STAMP = re.compile(r"_(?P<stamp>\d{8}T\d{4})Z_[^/]*$")
_SERVICE = re.compile(r"AWSLogs/(?:o-[a-z0-9]+/)?(?:aws-account-id=)?\d{12}/(?:aws-service=)?(?P<service>[^/]+)/$")
_MARGIN = timedelta(hours=1)
"""Around a folder's day, for whoever files objects by a clock of their own."""


@dataclass(frozen=True, slots=True)
class Listed:
    """One object of a listing. `at`: the stamp in its name, else when it was written."""

    key: str
    size_bytes: int
    etag: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Span:
    """From `first` on, before `last`."""

    first: datetime
    last: datetime

    def overlaps(self, other: Span) -> bool:
        return self.first < other.last and other.first < self.last


def list_objects(sessions: Sessions, place: Place, span: Span) -> Iterator[Listed]:
    """Objects below the prefix `place.key` whose time is in `span`, in the order of their keys. Blocks between pages;
    raises what Sessions.call raises."""
    yield from _walk(sessions, place, place.key, span)


def _walk(sessions: Sessions, place: Place, prefix: str, span: Span) -> Iterator[Listed]:
    days = span_of(prefix)
    is_day = days is not None and days.last - days.first <= timedelta(days=1) + 2 * _MARGIN
    for page in _pages(sessions, place, prefix, "" if is_day else "/"):
        # Objects first: a folder of dates holds folders only, and any other order is nobody's business.
        for found in page.get("Contents", ()):
            listed = _listed(found)
            if span.first <= listed.at < span.last:
                yield listed
        for folder in page.get("CommonPrefixes", ()):
            if _is_wanted(str(folder["Prefix"]), span):
                yield from _walk(sessions, place, str(folder["Prefix"]), span)


def _is_wanted(folder: str, span: Span) -> bool:
    service = _SERVICE.search(folder)
    if service and service["service"] != "vpcflowlogs":
        return False
    days = span_of(folder)
    return days is None or days.overlaps(span)


def span_of(folder: str) -> Span | None:
    """The time that a folder's date says, with a margin; None when it says none."""
    match = _DATE.search(folder)
    if match is None:
        return None
    year, month, day = int(match["year"]), match["month"], match["day"]
    try:
        first = datetime(year, int(month or 1), int(day or 1), tzinfo=UTC)
    except ValueError:
        return None
    if day:
        last = first + timedelta(days=1)
    elif month:
        last = first.replace(year=year + first.month // 12, month=first.month % 12 + 1)
    else:
        last = first.replace(year=year + 1)
    return Span(first - _MARGIN, last + _MARGIN)


def _pages(sessions: Sessions, place: Place, prefix: str, delimiter: str) -> Iterator[dict[str, Any]]:
    parameters = {name: value for name, value in place.parameters().items() if name != "Key"}
    parameters |= {"Prefix": prefix, "MaxKeys": LIST_OBJECTS.page_size}
    if delimiter:
        parameters["Delimiter"] = delimiter
    while True:
        page = sessions.call(LIST_OBJECTS, place.target, **parameters)
        yield page
        if not page.get("IsTruncated"):
            return
        parameters["ContinuationToken"] = page["NextContinuationToken"]


def _listed(found: dict[str, Any]) -> Listed:
    stamp = _STAMP.search(found["Key"])
    at = found["LastModified"]
    if stamp:
        with suppress(ValueError):  # digits, but no time
            at = datetime.strptime(stamp["stamp"], "%Y%m%dT%H%M").replace(tzinfo=UTC)
    return Listed(found["Key"], int(found["Size"]), str(found.get("ETag", "")).strip('"'), at)

"""Which folders of a bucket are looked into."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from consumer.sources.s3.listing import Span, span_of

HOUR = timedelta(hours=1)


def day(year: int, month: int, number: int) -> datetime:
    return datetime(year, month, number, tzinfo=UTC)


@pytest.mark.parametrize(
    ("folder", "first", "last"),
    [
        ("AWSLogs/1/vpcflowlogs/us-east-1/2026/", day(2026, 1, 1), day(2027, 1, 1)),
        ("AWSLogs/1/vpcflowlogs/us-east-1/2026/12/", day(2026, 12, 1), day(2027, 1, 1)),
        ("AWSLogs/1/vpcflowlogs/us-east-1/2026/02/28/", day(2026, 2, 28), day(2026, 3, 1)),
        ("x/aws-region=us-east-1/year=2026/month=11/", day(2026, 11, 1), day(2026, 12, 1)),
        ("x/aws-region=us-east-1/year=2026/month=11/day=30/", day(2026, 11, 30), day(2026, 12, 1)),
        ("x/year=2026/month=11/day=30/hour=05/", day(2026, 11, 30), day(2026, 12, 1)),
    ],
)
def test_a_folders_date_is_its_span_with_a_margin(folder: str, first: datetime, last: datetime) -> None:
    assert span_of(folder) == Span(first - HOUR, last + HOUR)


@pytest.mark.parametrize(
    "folder", ["", "AWSLogs/", "AWSLogs/111122223333/", "1999/", "2026/13/", "2026/02/31/", "my/2026x/"]
)
def test_a_folder_without_a_date_is_looked_into(folder: str) -> None:
    assert span_of(folder) is None


def test_spans_that_only_touch_do_not_overlap() -> None:
    assert not Span(day(2026, 1, 1), day(2026, 1, 2)).overlaps(Span(day(2026, 1, 2), day(2026, 1, 3)))
    assert Span(day(2026, 1, 1), day(2026, 1, 3)).overlaps(Span(day(2026, 1, 2), day(2026, 1, 4)))

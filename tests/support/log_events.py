"""Log events made by hand, as decode gives them."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

from consumer.decode.events import Event, Events, events_of
from consumer.model.delivery import Origin, SourceKind
from consumer.select.identity import Intern

ORIGIN = Origin(SourceKind.KINESIS, account="123456789012", region="us-east-1", log_group="/vpc", log_stream="eni-own")


def events_with(ids: Sequence[tuple[str, str | None]], message: bytes = b"a line", timestamp: int = 0) -> Events:
    """An event for each (id, log stream); the stream None = the origin's."""
    return events_of([Event(message, identity.encode(), timestamp, stream) for identity, stream in ids])


def interning() -> Intern:
    """Numbers in order of first sight."""
    numbers: dict[tuple[Hashable, ...], int] = {}
    return lambda place: numbers.setdefault(place, len(numbers) + 1)

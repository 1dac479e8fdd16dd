"""A page of FilterLogEvents or GetLogEvents as the API answers it, read without a Python object per event.

Belongs here: recognising the page and what surrounds its events. Does not: the kernel (cut_page.py), any other layout
(documents.py). API reference: FilterLogEvents and GetLogEvents, response syntax.
"""

from __future__ import annotations

import re

import numpy as np
import orjson

from consumer.decode import cut, cut_page
from consumer.decode.events import Events
from consumer.decode.inflate import Text

_EVENTS_KEY = re.compile(rb'"events"[ \t\r\n]*:[ \t\r\n]*\[')
_HEAD_LIMIT_BYTES = 8 << 10
"""Longer than a page's token, should it come before the events."""
_TYPICAL_EVENT_BYTES = 250
_OTHER_KINDS = ("messageType", "logEvents")
"""A document with one of these is an envelope (documents.py asks for them first)."""


def read_page(text: Text) -> Events | None:
    """The events of a page, none for an empty one; None for any other layout. Both readers give the same events.

    What stands before and after the list is closed by us and must be JSON by itself, so the bytes found were no part
    of a string or of an inner object.
    """
    head = text.data[: min(text.size, _HEAD_LIMIT_BYTES)].tobytes()
    found = _EVENTS_KEY.search(head)
    if not head.lstrip(b" \t\r\n").startswith(b"{") or found is None:
        return None
    before = _surroundings(head[: found.end()] + b"]}")
    if before is None or "events" not in before:
        return None
    cut_out = _cut(text, found.end())
    if cut_out is None:
        return None
    events, end = cut_out
    after = _surroundings(b'{"":0' + text.data[end : text.size].tobytes())
    if after is None or "events" in after or any(key in before or key in after for key in _OTHER_KINDS):
        return None
    return events


def _surroundings(raw: bytes) -> dict[str, object] | None:
    try:
        value = orjson.loads(raw)
    except orjson.JSONDecodeError:
        return None
    return value if isinstance(value, dict) else None


def _cut(text: Text, position: int) -> tuple[Events, int] | None:
    """All events and where their list ended; None when one is laid out otherwise. About 60 bytes an event."""
    room = (text.size - position) // _TYPICAL_EVENT_BYTES + 16
    while True:
        starts, ends, id_starts, id_ends, numbers, name_starts, name_ends = np.empty((7, room), dtype=np.int32)
        timestamps, ingestion_times = np.empty((2, room), dtype=np.int64)
        table = np.full(1 << (2 * room - 1).bit_length(), -1, dtype=np.int32)
        count, names, end, ended = cut_page.cut_page(
            text.data, position, text.size,
            starts, ends, id_starts, id_ends, timestamps, ingestion_times, numbers, name_starts, name_ends, table,
        )  # fmt: skip
        if ended == cut.IRREGULAR or end > text.size:
            return None
        if ended == cut.REGULAR:
            break
        room *= 4
    places = zip(name_starts[:names].tolist(), name_ends[:names].tolist(), strict=True)
    events = Events(
        text.data,
        starts[:count],
        ends[:count],
        id_starts[:count],
        id_ends[:count],
        timestamps[:count],
        stream_numbers=numbers[:count],
        stream_names=tuple(
            text.data[start:stop].tobytes().decode("utf-8", "surrogateescape") for start, stop in places
        ),
        ingestion_times=ingestion_times[:count],
    )
    return events, end

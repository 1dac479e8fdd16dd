"""What a payload that stands alone holds: log events, plain text, or a fault.

Belongs here: recognising the payload and reading CloudWatch's envelope as CloudWatch lays it out. Does not: other
layouts (documents.py), lines (text.py).
AWS: "Log group-level subscription filters" in the CloudWatch Logs user guide (the envelope); the record of a stream
is the gzip of one such object.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import groupby

import numpy as np
import orjson

from consumer.decode import cut
from consumer.decode.documents import (
    EventRun,
    Fault,
    Nested,
    Part,
    documents_of,
    has_too_many_values,
    kind_fault,
    load_json,
    read_document,
    refine,
)
from consumer.decode.events import Events, events_of
from consumer.decode.inflate import GZIP_MAGIC, TEXT_LIMIT_BYTES, Text, gunzip, plain
from consumer.decode.page import read_page
from consumer.model.delivery import Origin
from consumer.model.log_format import LogFormat

_EVENTS_KEY = b'"logEvents":['
_HEAD_LIMIT_BYTES = 8 << 10
"""Longer than any envelope's head: names of groups, streams and filters have at most 512 characters each."""
_TYPICAL_EVENT_BYTES = 160
_NESTING_LIMIT = 3
"""A dead letter of a Lambda event of an envelope; deeper is nonsense."""
BYTE_ORDER_MARK = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True, eq=False)
class Lines:
    """Log events of one origin; `log_format` is set where the events themselves say it."""

    origin: Origin
    events: Events
    log_format: LogFormat | None = None


def read_payload(payload: bytes, origin: Origin, depth: int = 0) -> Iterator[Lines | Text | Fault]:
    """What the payload holds, in order. Never raises for bad bytes; memory is bounded by the 64 MiB of a text."""
    if not payload:
        yield Fault("empty", is_expected=True)
        return
    text = gunzip(payload) if payload.startswith(GZIP_MAGIC) else _bounded(payload)
    if isinstance(text, str):
        yield Fault(text)
        return
    regular = read_regular(text, origin)
    if regular is not None:
        yield regular
        return
    page = read_page(text)
    if page is not None:
        yield Lines(origin, page) if len(page) else Fault("empty", is_expected=True)
        return
    raw = bytes(text.view()).removeprefix(BYTE_ORDER_MARK).strip(b" \t\r\n")
    if not raw:
        yield Fault("empty", is_expected=True)
    elif raw[:1] not in (b"{", b"["):
        yield plain(raw)
    else:
        yield from _read_json(raw, origin, depth)


def read_regular(text: Text, origin: Origin) -> Lines | Fault | None:
    """The events of an envelope in CloudWatch's own layout; None for any other, which documents.py reads.

    Both readers give the same events. The head is everything before the events: closed by us it must be JSON by
    itself with `logEvents` as its own key, so the bytes found were no part of a string or of an inner object.
    """
    head = text.data[: min(text.size, _HEAD_LIMIT_BYTES)].tobytes()
    position = head.find(_EVENTS_KEY) + len(_EVENTS_KEY)
    if not head.startswith(b"{") or position < len(_EVENTS_KEY):
        return None
    try:
        envelope = orjson.loads(head[:position] + b"]}")
    except orjson.JSONDecodeError:
        return None
    if "logEvents" not in envelope or kind_fault(envelope) is not None:
        return None
    events = _cut(text, position)
    return None if events is None else Lines(refine(envelope, origin), events)


def _cut(text: Text, position: int) -> Events | None:
    """All events, None when one of them is laid out otherwise. 24 bytes of positions an event."""
    room = (text.size - position) // _TYPICAL_EVENT_BYTES + 16
    while True:
        starts, ends, id_starts, id_ends = np.empty((4, room), dtype=np.int32)
        timestamps = np.empty(room, dtype=np.int64)
        count, ended = cut.cut_events(text.data, position, text.size, starts, ends, id_starts, id_ends, timestamps)
        if ended == cut.IRREGULAR:
            return None
        if ended == cut.REGULAR:
            return Events(
                text.data, starts[:count], ends[:count], id_starts[:count], id_ends[:count], timestamps[:count]
            )
        room *= 4


def _bounded(payload: bytes) -> Text | str:
    return "too_large" if len(payload) > TEXT_LIMIT_BYTES else plain(payload)


def _read_json(raw: bytes, origin: Origin, depth: int) -> Iterator[Lines | Text | Fault]:
    """One JSON document, or many."""
    if has_too_many_values(raw):
        yield Fault("too_large")
        return
    try:
        parts = list(read_document(load_json(raw), origin))
    except ValueError:
        parts = list(_documents(raw, origin))
    for part in _joined(parts):
        if isinstance(part, Nested):
            yield from _read_nested(part, depth + 1)
        elif isinstance(part, EventRun):
            yield Lines(part.origin, events_of(part.events), part.log_format)
        else:
            yield part


def _read_nested(nested: Nested, depth: int) -> Iterator[Lines | Text | Fault]:
    """A payload within a payload. What is refused is the inner one: the outer may hold more."""
    if depth > _NESTING_LIMIT:
        yield Fault("not_an_envelope", payload=nested.payload)
        return
    for part in read_payload(nested.payload, nested.origin, depth):
        if isinstance(part, Fault) and part.payload is None:
            yield Fault(part.reason, part.is_expected, nested.payload)
        else:
            yield part


def _documents(raw: bytes, origin: Origin) -> Iterator[Part]:
    """Many documents: envelopes, or our own dead letter. When already the first is none, nothing is."""
    for number, (document, text) in enumerate(documents_of(raw)):
        if not isinstance(document, ValueError):
            yield from (
                replace(part, payload=text) if isinstance(part, Fault) and part.payload is None else part
                for part in read_document(document, origin)
            )
        elif number:
            yield Fault("not_json", payload=text)
        else:
            yield Fault("not_json")
            return


def _joined(parts: list[Part]) -> Iterator[Part]:
    """Neighbours of one origin and format as one run: a dead letter has one line a document."""
    for key, neighbours in groupby(parts, _run_key):
        if key is None:
            yield from neighbours
        else:
            yield EventRun(key[0], [event for run in neighbours for event in run.events], key[1])  # type: ignore[union-attr]


def _run_key(part: Part) -> tuple[Origin, LogFormat | None] | None:
    return (part.origin, part.log_format) if isinstance(part, EventRun) else None

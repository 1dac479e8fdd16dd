"""Compiles the decode kernels ahead, so that no record waits for a compiler.

Belongs here: running each kernel once on the types of real work. numba keeps the result in NUMBA_CACHE_DIR.
"""

from __future__ import annotations

import gzip

import numpy as np

from consumer.decode.decoder import Decoder
from consumer.model.delivery import EqualLines, Origin, SourceKind, TextState
from consumer.model.row_slice import Numbers, Part, RowSlice, Strings

_LINE = b"2 123456789012 eni-0a 10.0.0.1 2001:db8::1 1 2 6 1 40 1 2 ACCEPT OK"
_PAGE = b'{"events":[{"eventId":"1","ingestionTime":1,"logStreamName":"s","message":"' + _LINE + b'","timestamp":1}]}'
_ENVELOPE = (
    b'{"messageType":"DATA_MESSAGE","owner":"1","logGroup":"g","logStream":"s","subscriptionFilters":[],'
    b'"logEvents":[{"id":"1","timestamp":1,"message":"' + _LINE + b'"}]}'
)


def warm_up() -> None:
    """Read one envelope, one page, one line of text, and the strings of a column."""
    decoder = Decoder()
    origin = Origin(SourceKind.FILE)
    for payload, text in ((gzip.compress(_ENVELOPE), None), (_PAGE, None), (_LINE, TextState())):
        for _ in decoder.decode(payload, origin, text, lambda _: (), EqualLines()):
            pass
    _warm_up_columns(decoder, origin)


def _warm_up_columns(decoder: Decoder, origin: Origin) -> None:
    """Rows of a columnar object, of which one is no record."""
    line = np.frombuffer(bytearray(_LINE + bytes(64)), dtype=np.uint8)
    tokens = _LINE.split()
    starts = [_LINE.index(token) for token in tokens]
    names = ("srcaddr", "dstaddr", "interface_id", "ecs_cluster_name", "srcport")
    places = (3, 4, 2, 0, 5)
    columns = []
    for name, place in zip(names, places, strict=True):
        start = np.array([starts[place]] * 2, dtype=np.int32)
        values: Strings | Numbers = Strings(line, start, start + np.int32(len(tokens[place])))
        if name == "srcport":
            values = Numbers(np.array([80, 70_000], dtype=np.int64))
        columns.append([Part(values, 2)])
    indices = np.zeros((len(names), 2), dtype=np.int32)
    indices[:] = (0, 1)
    for _ in decoder.decode_columns(RowSlice(names, columns, indices), origin):
        pass

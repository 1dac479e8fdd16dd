"""Compiles the decode kernels ahead, so that no record waits for a compiler.

Belongs here: running each kernel once on the types of real work. numba keeps the result in NUMBA_CACHE_DIR.
"""

from __future__ import annotations

import gzip

import numpy as np

from consumer.decode import columns
from consumer.decode.decoder import Decoder
from consumer.decode.inflate import plain
from consumer.model.delivery import EqualLines, Origin, SourceKind, TextState
from consumer.model.vocabulary import Vocabulary

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
    _warm_up_columns()


def _warm_up_columns() -> None:
    """The kernels of columnar objects, without the library that reads those (parquet.py)."""
    vocabulary = Vocabulary()
    text, offsets = plain(b"10.0.0.1").data, np.array([0, 8], dtype=np.int32)
    words, flags, numbers = np.zeros((5, 1), dtype=np.uint64), np.zeros(1, dtype=np.bool_), np.zeros(1, dtype=np.int64)
    bit = np.uint64(1)
    columns.read_addresses(text, offsets, flags, words[0], words[1], words[2], words[3], bit, flags)
    frozen = numbers.copy()
    frozen.flags.writeable = False  # as Arrow's are; numbers of another width are copies
    columns.place_strings(frozen.view(np.int32)[:1], flags, numbers, words[0], words[1], bit, flags)
    columns.place_strings(offsets[:1], flags, numbers, words[0], words[1], bit, flags)
    columns.place_numbers(frozen, flags, np.uint64(1), words[0], words[1], bit, flags)
    columns.place_numbers(numbers, flags, np.uint64(1), words[0], words[1], bit, flags)
    columns.turn(words.ravel(), 1, 1, 5, words.ravel())
    columns.intern_values(
        text, offsets, numbers, numbers, 0, True, np.zeros(256, dtype=np.uint8), vocabulary.table.ravel(),
        vocabulary.arena, vocabulary.starts, vocabulary.sizes, vocabulary.used,
    )  # fmt: skip

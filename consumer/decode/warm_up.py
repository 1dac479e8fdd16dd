"""Compiles the decode kernels ahead, so that no record waits for a compiler.

Belongs here: running each kernel once on the types of real work. numba keeps the result in NUMBA_CACHE_DIR.
"""

from __future__ import annotations

import gzip

from consumer.decode.decoder import Decoder
from consumer.model.delivery import Origin, SourceKind, TextState

_LINE = b"2 123456789012 eni-0a 10.0.0.1 2001:db8::1 1 2 6 1 40 1 2 ACCEPT OK"
_PAGE = b'{"events":[{"eventId":"1","ingestionTime":1,"logStreamName":"s","message":"' + _LINE + b'","timestamp":1}]}'
_ENVELOPE = (
    b'{"messageType":"DATA_MESSAGE","owner":"1","logGroup":"g","logStream":"s","subscriptionFilters":[],'
    b'"logEvents":[{"id":"1","timestamp":1,"message":"' + _LINE + b'"}]}'
)


def warm_up() -> None:
    """Read one envelope, one page and one line of text."""
    decoder = Decoder()
    origin = Origin(SourceKind.FILE)
    for payload, text in ((gzip.compress(_ENVELOPE), None), (_PAGE, None), (_LINE, TextState())):
        for _ in decoder.decode(payload, origin, text, lambda _: ()):
            pass

"""Does an object begin like a flow log? Asked where its key does not say so.

Belongs here: the rule. Pure. Does not: reading it (decode/). A bucket holds much else, and a photograph must not become
a million quarantined lines.
"""

from __future__ import annotations

import re

_FIRST_BYTES = 8 << 10
_NAME = re.compile(rb"[a-z][a-z0-9_-]*")
_TELLING = frozenset(
    {b"account-id", b"interface-id", b"srcaddr", b"dstaddr", b"pkt-srcaddr", b"pkt-dstaddr", b"tgw-id", b"resource-id"}
)
_RECORD = re.compile(rb"(?:[2-9]|1\d) \S+ \S+(?: \S+){11,}")
"""A record without a header: the version first, as in the default format."""
_JSON_SIGNS = (b'"logEvents"', b'"messageType"', b'"events"', b'"message"')


def is_flow_log(text: bytes) -> bool:
    """`text`: how the unpacked object begins: a header, a record of the default format, an envelope of log events."""
    head = text[:_FIRST_BYTES].lstrip(b"\xef\xbb\xbf \t\r\n")
    if head[:1] in (b"{", b"["):
        return any(sign in head for sign in _JSON_SIGNS)
    words = head.partition(b"\n")[0].rstrip(b"\r").split(b" ")
    if all(_NAME.fullmatch(word) for word in words):
        return any(word.replace(b"_", b"-") in _TELLING for word in words)
    return _RECORD.match(head) is not None

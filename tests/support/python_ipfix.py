"""The Python package `ipfix`, a decoder nobody here wrote, with the registry it needs.

The package keeps one registry a process: an element first met in a template is entered with that template's length,
and reading the IANA list after that fails. So the list is read here, before anything is decoded.
"""

from __future__ import annotations

import io
from typing import Any

import ipfix.ie
import ipfix.reader

ipfix.ie.use_iana_default()


def read_records(stream: bytes) -> list[dict[str, Any]]:
    """Data and options records of whole messages, by element name."""
    return list(ipfix.reader.from_stream(io.BytesIO(stream)).namedict_iterator())


def element(name: str) -> Any:
    """What that registry knows of an IANA element."""
    return ipfix.ie.for_spec(name)

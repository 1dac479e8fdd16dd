"""Graylog, IPFIX input ("IPFIX field definitions": the path of this file).

Belongs here: its JSON, run with the parser of Graylog 6.1.0 by itself. Does not: anything of other collectors.

JSON has no comments, and the loader wants nothing but these keys. Without the file Graylog throws away every message
that holds one of our own elements: its parser raises on an enterprise number nobody defined, and on an element its file
lacks, so every element we may send is here.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from consumer.encode.catalogue import Entry
from consumer.encode.definitions.parts import enterprise_number, own


def write(entries: Sequence[Entry]) -> str:
    """The whole file; empty when Graylog knows every element."""
    elements = own(entries)
    if not elements:
        return ""
    definitions = [
        json.dumps({"element_id": entry.number, "name": entry.name, "data_type": entry.type}) for entry in elements
    ]
    listed = ",\n".join(f"    {definition}" for definition in definitions)
    number = enterprise_number(entries)
    return f'{{\n  "enterprise_number": {number},\n  "information_elements": [\n{listed}\n  ]\n}}\n'

"""XML for libfixbuf (element files in IANA's shape) and for ipfixcol2 (libfds user elements).

Belongs here: both formats. libfixbuf's was run (ipfixDump 2.4.1 `--element-file`) and its parser read; that of
libfds was read. Does not: anything of other collectors.
"""

from __future__ import annotations

from collections.abc import Sequence
from xml.sax.saxutils import escape

from consumer.encode.catalogue import Entry
from consumer.encode.definitions.parts import enterprise_number, heading, own

_LIBFDS_SCOPE = "vpcflow"
"""Prefix of our names in ipfixcol2 (`vpcflow:sourceName`); two scopes of one name make its start fail."""


def write_libfixbuf(entries: Sequence[Entry]) -> str:
    """An element file; empty when libfixbuf knows every element. `description` is for readers: it is not parsed."""
    elements = own(entries)
    if not elements:
        return ""
    lines = [
        _DECLARATION,
        *_comment("libfixbuf", entries),
        '<registry xmlns="http://www.iana.org/assignments" id="ipfix">',
    ]
    for entry in elements:
        fields = {
            "name": entry.name,
            "dataType": entry.type,
            "dataTypeSemantics": entry.semantics,
            "units": entry.unit,
            "enterpriseId": str(entry.enterprise),
            "elementId": str(entry.number),
            "description": entry.description,
        }
        lines += _block("record", fields)
    return "\n".join([*lines, "</registry>"]) + "\n"


def write_ipfixcol2(entries: Sequence[Entry]) -> str:
    """User elements of libfds; empty when libfds knows every element. `biflow` must be said, and we have none."""
    elements = own(entries)
    if not elements:
        return ""
    scope = {"pen": str(enterprise_number(entries)), "name": _LIBFDS_SCOPE}
    lines = [_DECLARATION, *_comment("ipfixcol2", entries), "<ipfix-elements>", *_block("scope", scope)]
    lines.insert(-1, '    <biflow mode="none"></biflow>')
    for entry in elements:
        fields = {
            "id": str(entry.number),
            "name": entry.name,
            "dataType": entry.type,
            "dataSemantics": entry.semantics,
            "units": entry.unit,
        }
        lines += _block("element", fields)
    return "\n".join([*lines, "</ipfix-elements>"]) + "\n"


_DECLARATION = '<?xml version="1.0" encoding="utf-8"?>'


def _comment(collector: str, entries: Sequence[Entry]) -> list[str]:
    """The heading. Two hyphens end a comment (XML 1.0 §2.5), so options are spelt with a long dash here."""
    return ["<!--", *(line.replace("--", "—") for line in heading(collector, entries)), "-->"]


def _block(tag: str, fields: dict[str, str]) -> list[str]:
    """An element with one child a field; empty fields are left out."""
    children = [f"    <{name}>{escape(text)}</{name}>" for name, text in fields.items() if text]
    return [f"  <{tag}>", *children, f"  </{tag}>"]

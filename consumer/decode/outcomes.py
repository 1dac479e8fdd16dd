"""What can be found in a line, as the kernel counts it and as people read it.

Belongs here: the numbers and their names. Does not: the faults of whole payloads (documents.py).
A wrong token count comes before all others but `line_too_long`; then the first field at fault, from the left.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

(
    FITS,
    TOKEN_COUNT,
    BAD_NUMBER,
    BAD_ADDRESS,
    NUMBER_OUT_OF_RANGE,
    INVALID_UTF8,
    LINE_TOO_LONG,
    MIXED_ADDRESS_FAMILIES,
) = range(8)

NEEDS_TABLE, NEEDS_VOCABULARY = 100, 101
"""Not the line's fault: a new string has no room, the line will be read again."""

LINE_REASONS: Mapping[int, str] = MappingProxyType(
    {
        TOKEN_COUNT: "token_count",
        BAD_NUMBER: "bad_number",
        BAD_ADDRESS: "bad_address",
        NUMBER_OUT_OF_RANGE: "number_out_of_range",
        INVALID_UTF8: "invalid_utf8",
        LINE_TOO_LONG: "line_too_long",
        MIXED_ADDRESS_FAMILIES: "mixed_address_families",
    }
)

UNKNOWN_FORMAT = "unknown_format"
AMBIGUOUS_FORMAT = "ambiguous_format"
"""Said by candidates.py of lines whose format could not be told."""

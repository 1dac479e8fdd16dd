"""What each reason means that a line or a payload was not exported for, and what to do about it.

Belongs here: the words. Does not: finding reasons (decode/, select/, sources/), counting them (metrics.py). A reason
without words fails a test.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

DROPPED: Mapping[str, str] = MappingProxyType(
    {
        "nodata": "the interface had no traffic in the interval (log-status NODATA)",
        "skipdata": "AWS itself skipped records of the interval (log-status SKIPDATA)",
        "no_addresses": "the record has `-` for srcaddr or dstaddr, so it is no flow",
        "no_address_fields": "the log format lacks srcaddr or dstaddr, so its records are no flows; choose both in it",
        "repeat": "the flow went out before, by an earlier delivery",
        "exported_by_polling": "the flow went out before, by polling in place of its stream",
        "not_chosen": "another source reports this flow log; `vpcflow discover` says which, and why",
    }
)
"""Left out on purpose."""

QUARANTINED: Mapping[str, str] = MappingProxyType(
    {
        "token_count": "the line has more or fewer values than its log format, or an empty one",
        "bad_number": "a value is no number where the log format has one",
        "bad_address": "a value is no address where the log format has one",
        "number_out_of_range": "a number is larger than its field can be (a port of 70,000)",
        "invalid_utf8": "the line holds bytes that are no UTF-8",
        "line_too_long": "the line is longer than 64 KiB",
        "mixed_address_families": "one address is IPv4 and the other IPv6",
        "unknown_format": "the line fits no known log format; name its own: --format of `replay`, [[log_formats]]",
        "ambiguous_format": "the line fits several log formats of its log group; give each a group of its own",
    }
)
"""Lines that cannot be read; they are kept in the dead letter file."""

PAYLOADS: Mapping[str, str] = MappingProxyType(
    {
        "control_message": "CloudWatch tested the subscription; nothing is wrong",
        "empty": "it holds no log events; nothing is wrong",
        "bad_gzip": "it is damaged or ends early; every whole line before that was read: fetch it anew",
        "bad_parquet": "it is damaged, ends early, or is Parquet packed once more; fetch it anew, or unpack it",
        "not_text": "it is no text; unpack zip, bzip2, xz and zstd first, gzip is read as it is",
        "not_json": "it begins like JSON and is none",
        "not_an_envelope": "it is JSON, but of something other than flow logs",
        "not_flow_logs": "its columns are not those of flow logs",
        "unknown_message_type": "its messageType is neither DATA_MESSAGE nor CONTROL_MESSAGE",
        "too_large": "it has more than 64 MiB unpacked (a document of JSON) or 512 MiB in a column (Parquet); split it",
    }
)
"""Faults of a whole payload: nobody can say how many lines it held."""

MEANINGS: Mapping[str, str] = MappingProxyType({**DROPPED, **QUARANTINED, **PAYLOADS})

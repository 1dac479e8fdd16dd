"""Flow log records read in the plainest way there is: what the decode kernel is held against.

Nothing here is shared with the kernel but the table of fields. Slow and obvious on purpose.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

from consumer.decode.fields import Field, field_named
from consumer.model.flow_batch import FlowBatch, Kind
from consumer.model.log_format import LogFormat

Address = tuple[int, int]
"""(family, the address as an integer)."""
Value = int | bytes | Address | None
Row = dict[str, Value]


@dataclass(frozen=True, slots=True)
class Refusal(Exception):  # noqa: N818  it is an answer, not an error
    """Why a line is no record."""

    reason: str


def read_line(line: bytes, log_format: LogFormat) -> Row | str:
    """The record's values by field, or the reason why it is none."""
    if len(line) > 65_535:
        return "line_too_long"
    tokens = line.split(b" ")
    if len(tokens) != len(log_format.fields) or b"" in tokens:
        return "token_count"
    try:
        row = {name: _value(token, field_named(name)) for name, token in zip(log_format.fields, tokens, strict=True)}
    except Refusal as refusal:
        return refusal.reason
    source, destination = row.get("srcaddr"), row.get("dstaddr")
    if isinstance(source, tuple) and isinstance(destination, tuple) and source[0] != destination[0]:
        return "mixed_address_families"
    return row


def _value(token: bytes, field: Field) -> Value:
    if token == b"-":
        return None
    if field.kind is Kind.UNSIGNED:
        return _number(token, field.maximum)
    if field.kind is Kind.ADDRESS:
        return _address(token)
    text = unquote_to_bytes(token) if field.is_percent_encoded else token
    try:
        text.decode()
    except UnicodeDecodeError:
        raise Refusal("invalid_utf8") from None
    return text


def _number(token: bytes, maximum: int) -> int:
    if not token.isdigit():
        raise Refusal("bad_number")
    # int() refuses thousands of digits; leading zeros say nothing.
    digits = token.lstrip(b"0") or b"0"
    if len(digits) > 20 or int(digits) > maximum:
        raise Refusal("number_out_of_range")
    return int(digits)


def _address(token: bytes) -> Address:
    try:
        text = token.decode("ascii")
        if "%" in text:
            raise Refusal("bad_address")  # a zone index means nothing outside its machine
        address = ipaddress.ip_address(text)
    except ValueError:
        raise Refusal("bad_address") from None
    return address.version, int(address)


def rows_of(batch: FlowBatch) -> list[Row]:
    """All rows of a batch in the same form, read through the batch's public shape."""
    found: list[Row] = [{} for _ in range(batch.row_count)]
    for name, column in batch.columns.items():
        words = batch.words[:, column.word : column.word + column.word_count].tolist()
        for row, own, is_null in zip(found, words, batch.is_null(name).tolist(), strict=True):
            row[name] = _stored(batch, column.kind, own, is_null)
    return found


def _stored(batch: FlowBatch, kind: Kind, words: list[int], is_null: bool) -> Value:
    if is_null:
        assert not any(words), "the words of a null are not 0"
        return None
    if kind is Kind.UNSIGNED:
        return words[0]
    if kind is Kind.ADDRESS:
        return words[2], words[0] << 64 | words[1]
    return batch.vocabulary.text(words[0])

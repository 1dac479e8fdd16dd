"""Lines of flow logs as other programs wrote them down, back to lines as AWS writes them.

Belongs here: what stands around records: the time that CloudWatch's export and `aws logs tail` put in front, tables of
values between commas or tabs (Athena, Logs Insights, `--output text`), blanks that an editor added. Does not: where
text is cut (cutters.py), what a line says (decode/). Pure.

How the text begins settles it for all of it, so that an object gives the same rows however it is cut. Where nothing
stands around records, and in S3 that is so as a rule, not a byte is touched; nor is one of a line that is too long.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

from consumer.model.log_format import LogFormat
from consumer.sources.chunks.cutters import LINE_LIMIT_BYTES

Unwrap = Callable[[bytes], bytes]
"""Whole lines in, whole lines out."""

_DEFAULT_WIDTH = 14
"""Fields of AWS's default format, which lines without a header have when nobody says otherwise."""
_LOOKED_AT = 20
"""Lines whose columns are compared; the first may be a heading."""
_RECORD_WORDS = 4
"""A column of so many words is a record: a flow needs two addresses and two counts, and a date has two words."""
_TIME = rb"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[^ \n]* "
_STAMP = re.compile(_TIME, re.MULTILINE)
_STAMP_AND_STREAM = re.compile(_TIME + rb"[^ \n]+ ", re.MULTILINE)
_TABLE = re.compile(rb'"|[^ ,\t]+,|[^\t]+\t')
"""Begins quoted, has a comma before the first blank, or a tab."""
_LABEL = re.compile(rb"[A-Z]+\t")
"""`SEARCHEDLOGSTREAMS`, and whatever else `--output text` prints beside `EVENTS`."""
_BLANKS_AROUND = re.compile(rb"[ \t]{2}|^[ \t]|[ \t]$", re.MULTILINE)
_BLANKS = re.compile(rb"[ \t]+")
_BLANK_ENDS = re.compile(rb"^ | (?=\r?$)", re.MULTILINE)


def unwrapping(head: bytes, log_format: LogFormat | None) -> Unwrap | None:
    """How lines of the text that begins with `head` become records; None where they are.

    `log_format`: of lines without a header, when it is known.
    """
    lines = [line for line in head.splitlines() if line.strip()][:_LOOKED_AT]
    if not lines:
        return None
    if stamp := _STAMP.match(lines[0]):
        width = len(log_format.fields) if log_format else _DEFAULT_WIDTH
        has_stream = len(lines[0][stamp.end() :].split()) == width + 1
        return partial((_STAMP_AND_STREAM if has_stream else _STAMP).sub, b"")
    if _TABLE.match(lines[0]):
        return _Table.of(lines).records
    return _without_blanks if _BLANKS_AROUND.search(b"\n".join(lines)) else None


def _without_blanks(text: bytes) -> bytes:
    """One blank between two values and none around a line, as AWS writes it."""
    return b"".join(
        line if len(line) > LINE_LIMIT_BYTES else _BLANK_ENDS.sub(b"", _BLANKS.sub(b" ", line))
        for line in text.splitlines(keepends=True)
    )


@dataclass(frozen=True, slots=True)
class _Table:
    """`column`: the one that holds records, None = each holds one; without `has_records` a row is a record."""

    delimiter: str
    has_records: bool
    column: int | None
    heading: bytes

    @classmethod
    def of(cls, lines: list[bytes]) -> _Table:
        delimiter = "\t" if b"\t" in lines[0] else ","
        rows = [_cells(line, delimiter) for line in lines]
        records = [[place for place, cell in enumerate(row) if len(cell.split()) >= _RECORD_WORDS] for row in rows]
        places = {place for found in records for place in found}
        return cls(delimiter, bool(places), min(places) if len(places) == 1 else None, b"" if records[0] else lines[0])

    def records(self, text: bytes) -> bytes:
        """A heading above a column of records is left out; names above values are the header."""
        return b"".join(record + b"\n" for line in text.splitlines() for record in self._records(line))

    def _records(self, line: bytes) -> Iterator[bytes]:
        if len(line) > LINE_LIMIT_BYTES:
            yield line
            return
        cells = _cells(line, self.delimiter)
        if not self.has_records:
            yield b" ".join(cell or b"-" for cell in cells)
        elif self.column is None:
            yield from cells
        elif self.column < len(cells) and line != self.heading:
            yield cells[self.column]
        elif line != self.heading and not _LABEL.match(line):
            yield line  # what it is can nobody say: it counts as unreadable


def _cells(line: bytes, delimiter: str) -> list[bytes]:
    """Line by line, so that a lone quote costs its line; a byte is a character on the way, whatever it means."""
    row = next(csv.reader([line.decode("latin-1")], delimiter=delimiter), [])
    return [cell.encode("latin-1") for cell in row]

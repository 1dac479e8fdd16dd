"""A template as it was received, compiled into a reader of its records.

Belongs here: reading (options) template records, RFC 7011 §3.4, and running data records through them. Does not:
remembering templates (session.py).

Speed: neighbouring fixed-length fields are one `struct` call, so that 20,000 records a second and more are decoded
without leaving Python.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from consumer.collect.values import Reader, Value, read_hex, read_unsigned, reader_of

MAX_FIELD_COUNT = 1024
"""Fields of one template; a record that fits a message can hardly have more, and an honest one never does."""
VARIABLE_LENGTH = 0xFFFF
_PADDING_OCTETS = 210
_ENTERPRISE_BIT = 0x8000
_WORDS = {1: "B", 2: "H", 4: "I", 8: "Q"}
_FIELD = struct.Struct("!HH")
_PEN = struct.Struct("!I")


class MalformedError(Exception):
    """Bytes that are not what they should be; `args[0]` is the reason, short enough for a label."""


@dataclass(frozen=True, slots=True)
class KnownElement:
    """What is needed to know of an information element. `data_type`: IANA's spelling, `unsigned32`."""

    name: str
    data_type: str


Lookup = Callable[[int, int], KnownElement | None]
"""(enterprise number or 0, element id) → the element; None when nobody knows it."""


@dataclass(frozen=True, slots=True)
class FieldSpecifier:
    """One field of a template, RFC 7011 §3.2. `length` 65535 = variable; `pen` 0 = IANA's element."""

    element_id: int
    length: int
    pen: int

    @property
    def label(self) -> str:
        """The name of an element that has none: `1234/32473`, IANA's without the number behind."""
        return f"{self.element_id}/{self.pen}" if self.pen else str(self.element_id)


@dataclass(frozen=True, slots=True)
class _Fixed:
    """Neighbouring fixed-length fields: one struct. `columns`: name and reader (None: the number as it is)."""

    layout: struct.Struct
    columns: tuple[tuple[str, Reader | None], ...]


@dataclass(frozen=True, slots=True)
class _Variable:
    """One variable-length field."""

    name: str
    read: Reader
    is_shown: bool


class Template:
    """Immutable. `scope_count`: 0 = data, else an options template with so many scope fields in front."""

    __slots__ = ("_parts", "fields", "minimum_bytes", "number", "scope_count")

    def __init__(self, number: int, fields: Sequence[FieldSpecifier], scope_count: int, lookup: Lookup) -> None:
        self.number = number
        self.fields = tuple(fields)
        self.scope_count = scope_count
        self.minimum_bytes = sum(1 if field.length == VARIABLE_LENGTH else field.length for field in fields)
        if self.minimum_bytes == 0:
            raise MalformedError("template_of_nothing")  # its set would hold endlessly many records
        self._parts = tuple(_compile(self.fields, lookup))

    def records(self, data: bytes, start: int, end: int) -> Iterator[dict[str, Value]]:
        """Data records in `data[start:end]`, a set's content. What is shorter than a record is padding (§3.3.1).

        Raises MalformedError at the record that runs past the end; those before it were given.
        """
        while end - start >= self.minimum_bytes:
            record: dict[str, Value] = {}
            for part in self._parts:
                if isinstance(part, _Fixed):
                    if start + part.layout.size > end:
                        raise MalformedError("record_too_long")
                    for (name, read), raw in zip(part.columns, part.layout.unpack_from(data, start), strict=True):
                        record[name] = raw if read is None else read(raw)
                    start += part.layout.size
                else:
                    content, start = _variable(data, start, end)
                    if part.is_shown:
                        record[part.name] = part.read(content)
            yield record


def _variable(data: bytes, start: int, end: int) -> tuple[bytes, int]:
    """Content of a variable-length field and where the next one starts, RFC 7011 §7."""
    if start >= end:
        raise MalformedError("record_too_long")
    size = data[start]
    start += 1
    if size == 0xFF:
        if start + 2 > end:
            raise MalformedError("record_too_long")
        size = data[start] << 8 | data[start + 1]
        start += 2
    if start + size > end:
        raise MalformedError("record_too_long")
    return data[start : start + size], start + size


def _compile(fields: Sequence[FieldSpecifier], lookup: Lookup) -> Iterator[_Fixed | _Variable]:
    names: dict[str, int] = {}
    layout, columns = "!", list[tuple[str, Reader | None]]()
    for field in fields:
        element = lookup(field.pen, field.element_id)
        name, read = (element.name, reader_of(element.data_type)) if element else (field.label, read_hex)
        # Nothing to show in fields of no length either; counting them out bounds a record by its bytes.
        is_shown = field.length > 0 and not (field.pen == 0 and field.element_id == _PADDING_OCTETS)
        names[name] = names.get(name, 0) + 1
        if names[name] > 1:
            name = f"{name}#{names[name]}"  # the same element twice is legal (RFC 7011 §8), and both are shown
        if field.length == VARIABLE_LENGTH:
            if columns or layout != "!":
                yield _Fixed(struct.Struct(layout), tuple(columns))
                layout, columns = "!", []
            yield _Variable(name, read, is_shown)
        elif not is_shown:
            layout += f"{field.length}x"
        elif read is read_unsigned and field.length in _WORDS:
            layout += _WORDS[field.length]
            columns.append((name, None))
        else:
            layout += f"{field.length}s"
            columns.append((name, read))
    if columns or layout != "!":
        yield _Fixed(struct.Struct(layout), tuple(columns))


def read_templates(data: bytes, start: int, end: int, *, is_options: bool, lookup: Lookup) -> Iterator[Template | int]:
    """Template records in the content of a template set; an int is the id of a withdrawn one (§8.1).

    Raises MalformedError; templates before the fault were given. Up to 3 zero octets at the end are padding.
    """
    while end - start >= 4 and any(data[start:end]):
        number, field_count = _FIELD.unpack_from(data, start)
        start += 4
        if field_count == 0:
            yield number
            continue
        if number < 256:
            raise MalformedError("template_id_below_256")
        if field_count > MAX_FIELD_COUNT:
            raise MalformedError("template_too_long")
        scope_count = 0
        if is_options:
            if start + 2 > end:
                raise MalformedError("template_too_long")
            scope_count = int.from_bytes(data[start : start + 2], "big")
            start += 2
            if not 1 <= scope_count <= field_count:
                raise MalformedError("bad_scope_count")
        fields, start = _read_fields(data, start, end, field_count)
        yield Template(number, fields, scope_count, lookup)


def _read_fields(data: bytes, start: int, end: int, count: int) -> tuple[list[FieldSpecifier], int]:
    fields: list[FieldSpecifier] = []
    for _ in range(count):
        if start + 4 > end:
            raise MalformedError("template_too_long")
        element_id, length = _FIELD.unpack_from(data, start)
        start += 4
        pen = 0
        if element_id & _ENTERPRISE_BIT:
            if start + 4 > end:
                raise MalformedError("template_too_long")
            (pen,) = _PEN.unpack_from(data, start)
            start += 4
        fields.append(FieldSpecifier(element_id & ~_ENTERPRISE_BIT, length, pen))
    return fields, start

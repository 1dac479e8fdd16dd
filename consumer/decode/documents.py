"""Log events out of any JSON: every layout that the kernel in cut.py does not read at a glance.

Belongs here: envelopes laid out otherwise (escapes, other order, extractedFields), what the `aws logs` commands print,
what Firehose and queries leave in buckets, records of streams with an envelope inside, our own dead letter. Does not:
unpacking (inflate.py), lines (text.py).
Python per event, so slow on purpose: CloudWatch's own layout never comes here.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import orjson

from consumer.decode.events import Event
from consumer.decode.fields import FIELDS
from consumer.model.delivery import Origin, SourceKind
from consumer.model.log_format import LogFormat

VALUE_LIMIT = 1 << 21
"""JSON values in one payload. Each becomes a Python object of about 100 bytes, so a bomb of `{},{},…` must end here;
CloudWatch's own layout makes no objects and knows no such limit."""

_FIELD_OF = {name.replace("-", ""): name for name in FIELDS}
"""`accountid` → `account-id`: log transformers write `accountId` (parseVPC), Parquet `account_id`."""
_NAME = re.compile(r"[a-z][a-z0-9-]*")
_BETWEEN_DOCUMENTS = re.compile(rb'\n(?=[{[])|(?<=})(?={"[A-Za-z@_])')


@dataclass(frozen=True, slots=True)
class EventRun:
    """Consecutive log events of one origin; `log_format` is set where the events name their own fields."""

    origin: Origin
    events: Sequence[Event]
    log_format: LogFormat | None = None


@dataclass(frozen=True, slots=True)
class Fault:
    """The payload as a whole holds no lines: `reason`; `is_expected` when nothing is wrong with it.

    `payload`: what was refused, when it is less than the whole payload (one of many JSON lines).
    """

    reason: str
    is_expected: bool = False
    payload: bytes | None = None


@dataclass(frozen=True, slots=True)
class Nested:
    """A payload within the payload, to be read from the start."""

    payload: bytes
    origin: Origin


Part = EventRun | Fault | Nested


def load_json(text: bytes | memoryview) -> object:
    """The JSON value. ValueError when it is none. A byte that is no UTF-8 costs only the line it stands in."""
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        try:
            return json.loads(bytes(text).decode("utf-8", "surrogateescape"))
        except RecursionError as error:
            raise ValueError("nested too deeply") from error


def has_too_many_values(text: bytes) -> bool:
    """True when reading it into Python objects would take too much memory."""
    return text.count(b",") + text.count(b"{") + text.count(b"[") > VALUE_LIMIT


def documents_of(raw: bytes) -> Iterator[tuple[object, bytes]]:
    """The documents of a text that is more than one, each with its bytes; ValueError in place of what is none.

    One begins with its line, or right behind another (Firehose puts no line end between them): behind `{"` stands a
    letter then, which nothing does that follows the end of a string.
    """
    for text in _BETWEEN_DOCUMENTS.split(raw):
        try:
            yield load_json(text), text
        except ValueError as error:
            line, _, rest = text.partition(b"\n")
            try:
                yield load_json(line), line
            except ValueError:
                rest = text
            if rest.strip():
                yield error, rest


def read_document(document: object, origin: Origin) -> Iterator[Part]:
    """The parts of one JSON document that stands alone."""
    if isinstance(document, list):
        yield from _listed(document, origin)
    elif not isinstance(document, dict):
        yield Fault("not_an_envelope")
    elif "messageType" in document or "logEvents" in document:
        yield from read_envelope(document, origin)
    elif isinstance(document.get("events"), list):
        yield from _filtered_events(document["events"], origin)
    elif isinstance(document.get("results"), list):
        yield from _listed([_query_result(row) for row in document["results"]], origin)
    elif isinstance(packed := document.get("Records", document.get("records")), list):
        yield from _all_or_none([_stream_record(record, origin) for record in packed])
    elif isinstance(document.get("awslogs"), dict):
        yield _packed(document["awslogs"].get("data"), origin)
    elif "reason" in document and ("line" in document or "line_base64" in document):
        yield _dead_letter(document, origin)
    elif "message" in document or _is_record(document):
        yield from _filtered_events([document], origin)
    else:
        yield Fault("not_an_envelope")


def _listed(found: list[object], origin: Origin) -> Iterator[Part]:
    """Many documents in one: what `--query` and `jq` make of log events. A text is a message."""
    parts: list[Part] = []
    for item in found:
        document = {"message": item} if isinstance(item, str) else item
        for part in [Fault("not_an_envelope")] if isinstance(item, list) else read_document(document, origin):
            parts.append(_kept(part, item))
    yield from _all_or_none(parts)


def _kept(part: Part, item: object) -> Part:
    """The part; a fault keeps the item alone, not all of the payload."""
    return replace(part, payload=_json(item)) if isinstance(part, Fault) and part.payload is None else part


def _all_or_none(parts: list[Part]) -> list[Part]:
    """The parts; one fault where none of them is what we read: then the whole is something else."""
    if not parts:
        return [Fault("empty", is_expected=True)]
    is_foreign = all(isinstance(part, Fault) and part.reason == "not_an_envelope" for part in parts)
    return [Fault("not_an_envelope")] if is_foreign else parts


def _is_record(document: Mapping[str, object]) -> bool:
    """True for a flow log record with its fields by name; other logs have a source address, but not both."""
    fields = {_field_of(key) for key in document}
    return {"srcaddr", "dstaddr"} <= fields


def _query_result(row: object) -> object:
    """A row of CloudWatch Logs Insights (GetQueryResults): the message, or the fields that the query named."""
    cells = [cell for cell in row if isinstance(cell, dict)] if isinstance(row, list) else []
    pairs = [(cell.get("field"), cell.get("value")) for cell in cells]
    named = {name: value for name, value in pairs if isinstance(name, str) and isinstance(value, str)}
    return named.get("@message", named)


def refine(envelope: Mapping[str, object], origin: Origin) -> Origin:
    """The origin with what the envelope says of it: owner, log group, log stream, and system fields if emitted.

    The system fields beat the owner: they name the source account of a centralised log group
    (PutSubscriptionFilter: emitSystemFields). A subscription has no region otherwise.
    """
    return replace(
        origin,
        account=_said(envelope, "@aws.account") or _said(envelope, "owner") or origin.account,
        region=_said(envelope, "@aws.region") or origin.region,
        log_group=_said(envelope, "logGroup") or origin.log_group,
        log_stream=_said(envelope, "logStream") or origin.log_stream,
    )


def _said(envelope: Mapping[str, object], name: str) -> str:
    value = envelope.get(name)
    return value if isinstance(value, str) else ""


def kind_fault(envelope: Mapping[str, object]) -> Fault | None:
    """Why the envelope holds no flow logs, None when it may."""
    kind = envelope.get("messageType")
    if kind == "CONTROL_MESSAGE":
        return Fault("control_message", is_expected=True)
    if not isinstance(kind, str):
        return Fault("not_an_envelope")
    return None if kind == "DATA_MESSAGE" else Fault("unknown_message_type")


def read_envelope(envelope: Mapping[str, object], origin: Origin) -> Iterator[Part]:
    """The events of a subscription's envelope, whatever its layout."""
    fault = kind_fault(envelope)
    if fault:
        yield fault
        return
    found = envelope.get("logEvents")
    if not isinstance(found, list):
        yield Fault("not_an_envelope")
        return
    refined = refine(envelope, origin)
    for extracted in (event.get("extractedFields") for event in found[:1] if isinstance(event, dict)):
        if isinstance(extracted, dict):
            system = {name: extracted[name] for name in ("@aws.account", "@aws.region") if name in extracted}
            refined = refine(system, refined)
    yield from _runs(found, refined, "id")


def _filtered_events(found: list[object], origin: Origin) -> Iterator[Part]:
    """FilterLogEvents or GetLogEvents, as boto3 and the AWS CLI print it; streams are named event by event."""
    yield from _runs(found, origin, "eventId")


def _runs(found: list[object], origin: Origin, identity: str) -> Iterator[Part]:
    """Events in order, cut where the fields they name change. Blank messages are no lines."""
    run: list[Event] = []
    run_format: LogFormat | None = None
    for item in found:
        message, log_format = _message(item)
        line = message.strip(b" \t\r\n")
        if not line:
            continue
        if run and log_format != run_format:
            yield EventRun(origin, run, run_format)
            run = []
        run_format = log_format
        run.append(_event(item, line if log_format else message.rstrip(b"\r\n"), identity))
    if run:
        yield EventRun(origin, run, run_format)
    else:
        yield Fault("empty", is_expected=True)


def _event(item: object, message: bytes, identity: str) -> Event:
    if not isinstance(item, dict):
        return Event(message)
    number, timestamp, log_stream = item.get(identity), item.get("timestamp"), item.get("logStreamName")
    is_id = isinstance(number, str | int) and not isinstance(number, bool)
    return Event(
        message=message,
        identity=_bytes(str(number)) if is_id else b"",
        timestamp=_milliseconds(timestamp),
        log_stream=log_stream if isinstance(log_stream, str) else None,
        ingestion_time=_milliseconds(item.get("ingestionTime")),
    )


def _milliseconds(said: object) -> int:
    return said if isinstance(said, int) and not isinstance(said, bool) and abs(said) < 1 << 63 else 0


def _message(item: object) -> tuple[bytes, LogFormat | None]:
    """The line of a log event, and its format when a transformer made it an object that names its fields.

    Something that is no log event at all becomes a line of its JSON: it will fit no format and be quarantined alone.
    """
    message = item.get("message", item) if isinstance(item, dict) else None
    if isinstance(message, str):
        if not message.lstrip().startswith("{"):
            return _bytes(message), None
        raw = _bytes(message)
        try:
            named = load_json(raw)
        except ValueError:
            return raw, None
        return _named_fields(named) or (raw, None)
    if isinstance(message, dict):
        return _named_fields(message) or (_json(message), None)
    return _json(item), None


def _named_fields(value: object) -> tuple[bytes, LogFormat] | None:
    """The record as a line in the order of its own keys; None when no key is a field's name.

    Keys that cannot be a field's name (`@timestamp`) are what the transformer added, not part of the record.
    """
    if not isinstance(value, dict):
        return None
    known = {key: _field_of(key) for key in value}
    named = [(name or key, value[key]) for key, name in known.items() if name or _NAME.fullmatch(key)]
    if not any(known.values()) or len({name for name, _ in named}) < len(named):
        return None
    return b" ".join(_token(token) for _, token in named), LogFormat(tuple(name for name, _ in named))


def _field_of(key: str) -> str | None:
    """The field that a key names, however it is spelled."""
    return _FIELD_OF.get(key.replace("-", "").replace("_", "").lower())


def _token(value: object) -> bytes:
    """A value as flow logs write it; a blank inside would make two tokens, so the line will be quarantined."""
    if value is None or value == "":
        return b"-"
    return _bytes(value) if isinstance(value, str) else _json(value)


def _bytes(text: str) -> bytes:
    """Back to the bytes that came in; lone surrogates written as escapes become bytes that are no UTF-8."""
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogatepass")


def _json(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def _packed(data: object, origin: Origin) -> Part:
    """What a record of a stream or an event of a Lambda function carries as base64: the same gzip envelope."""
    try:
        packed = base64.b64decode(data, validate=True) if isinstance(data, str) else b""
    except (binascii.Error, ValueError):
        return Fault("not_an_envelope")
    return Nested(packed, origin) if packed else Fault("not_an_envelope")


def _stream_record(record: object, origin: Origin) -> Part:
    """A record of GetRecords (`Data`), of a Lambda function's event (`kinesis`) or of Firehose's (`data`)."""
    if not isinstance(record, dict):
        return Fault("not_an_envelope")
    inner = record.get("kinesis")
    data = inner.get("data") if isinstance(inner, dict) else record.get("Data", record.get("data"))
    return _kept(_packed(data, origin), record)


def _dead_letter(entry: Mapping[str, object], origin: Origin) -> Part:
    """One line of the dead letter, under the origin it had; a payload that was rejected whole is read again."""
    line, packed = entry.get("line"), entry.get("line_base64")
    try:
        raw = _bytes(line) if isinstance(line, str) else base64.b64decode(packed if isinstance(packed, str) else "")
    except (binascii.Error, ValueError):
        return Fault("not_an_envelope")
    before = _origin(entry.get("origin"), origin)
    if entry.get("reason") in PAYLOAD_REASONS:
        return Nested(raw, before)
    number = entry.get("id")
    return EventRun(before, [Event(raw, _bytes(number) if isinstance(number, str) else b"")])


PAYLOAD_REASONS = frozenset({"bad_gzip", "too_large", "not_json", "not_an_envelope", "unknown_message_type"})
"""Faults of a whole payload: its bytes lie in the dead letter as one line."""


def _origin(said: object, origin: Origin) -> Origin:
    """The origin a dead letter names; what it does not name stays ours."""
    if not isinstance(said, dict):
        return origin
    known = {name: value for name, value in said.items() if name in Origin.__slots__ and isinstance(value, str)}
    kind = known.pop("kind", None)
    return replace(origin, kind=SourceKind(kind) if kind in set(SourceKind) else origin.kind, **known)

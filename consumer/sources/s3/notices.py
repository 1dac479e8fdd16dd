"""What an SQS message says: which objects are new.

Belongs here: every shape in which AWS (and people) announce objects, as one value. Pure. Does not: which objects are
flow logs (keys.py), queues and messages (queue.py). Shapes: S3 user guide, "Event message structure"; EventBridge
user guide, "S3 event"; SNS developer guide, "Message and JSON formats". Keys are URL-encoded by S3 itself and verbatim
through EventBridge.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote_plus

import orjson

_DEPTH_LIMIT = 4
"""SNS in SQS is one envelope; a topic that forwards to a topic is two. More is somebody's joke."""
_PLAIN_BUCKETS = ("bucket", "bucketName", "bucket_name", "Bucket", "s3Bucket", "s3_bucket")
_PLAIN_KEYS = ("key", "objectKey", "object_key", "Key", "keys", "Keys", "s3ObjectKey", "s3_key")


@dataclass(frozen=True, slots=True)
class Notice:
    """One announced object. Empty or None = the message does not say.

    `other_key`: how the key reads when it was not encoded after all (hand-made messages differ); empty = the same.
    `account`: of the bucket's owner, never of the flow log. `event_at`: Unix seconds by the clock of whoever announced.
    """

    bucket: str
    key: str
    other_key: str = ""
    size_bytes: int | None = None
    etag: str = ""
    version: str = ""
    sequencer: str = ""
    event_at: float | None = None
    region: str = ""
    account: str = ""


@dataclass(frozen=True, slots=True)
class Announcement:
    """What a message body holds. `skipped`: parts that announce no object, by reason."""

    notices: tuple[Notice, ...] = ()
    skipped: Counter[str] = field(default_factory=Counter)


def read_body(body: str | bytes) -> Announcement:
    """Objects in the order of the message. Any bytes are fine: what is no announcement is counted.

    Reasons: `test_event` (S3 sends one when a notification is saved), `not_created` (an object was removed, tagged,
    restored…), `no_records`, `subscription` (SNS asks to confirm), `not_json`, `unknown_shape`, `no_object` (a record
    without bucket or key).
    """
    skipped: Counter[str] = Counter()
    notices = tuple(_body(body, skipped, 0))
    return Announcement(notices, skipped)


def _body(body: object, skipped: Counter[str], depth: int) -> Iterator[Notice]:
    if isinstance(body, str | bytes):
        try:
            body = orjson.loads(body)
        except orjson.JSONDecodeError:
            skipped["not_json"] += 1
            return
    if depth > _DEPTH_LIMIT or not isinstance(body, dict | list):
        skipped["unknown_shape"] += 1
    elif isinstance(body, list):
        yield from _records(body, skipped, depth)
    elif "Records" in body:
        yield from _records(body["Records"], skipped, depth)
    elif body.get("Event") == "s3:TestEvent":
        skipped["test_event"] += 1
    elif isinstance(body.get("Message"), str) and ("TopicArn" in body or "Type" in body):
        if body.get("Type", "Notification") == "Notification":
            yield from _body(body["Message"], skipped, depth + 1)
        else:
            skipped["subscription"] += 1
    elif body.get("source") == "aws.s3" or "detail-type" in body:
        yield from _event_bridge(body, skipped)
    else:
        yield from _plain(body, skipped)


def _records(records: object, skipped: Counter[str], depth: int) -> Iterator[Notice]:
    if not isinstance(records, list):
        skipped["unknown_shape"] += 1
        return
    if not records:
        skipped["no_records"] += 1
    for record in records:
        if not isinstance(record, dict):
            skipped["unknown_shape"] += 1
        elif isinstance(_at(record, "Sns"), dict):
            # What a function subscribed to a topic is given, put into a queue as it is.
            yield from _body(_text(record, "Sns", "Message"), skipped, depth + 1)
        elif "s3" in record or "eventName" in record:
            yield from _record(record, skipped)
        else:
            yield from _plain(record, skipped)


def _record(record: Mapping[str, Any], skipped: Counter[str]) -> Iterator[Notice]:
    """One record of S3's own. Hand-made ones often hold bucket and key only; they are taken at their word."""
    event = _text(record, "eventName").removeprefix("s3:")
    if event and not event.startswith("ObjectCreated"):
        skipped["not_created"] += 1
        return
    bucket, raw = _text(record, "s3", "bucket", "name"), _text(record, "s3", "object", "key")
    if not bucket or not raw:
        skipped["no_object"] += 1
        return
    key = unquote_plus(raw)
    yield Notice(
        bucket,
        key,
        raw if raw != key else "",
        _size(_at(record, "s3", "object", "size")),
        _text(record, "s3", "object", "eTag").strip('"'),
        _text(record, "s3", "object", "versionId"),
        _text(record, "s3", "object", "sequencer"),
        _moment(_text(record, "eventTime")),
        _text(record, "awsRegion"),
    )


def _event_bridge(body: Mapping[str, Any], skipped: Counter[str]) -> Iterator[Notice]:
    if body.get("source") != "aws.s3":
        skipped["unknown_shape"] += 1
        return
    if body.get("detail-type") != "Object Created":
        skipped["not_created"] += 1
        return
    bucket, key = _text(body, "detail", "bucket", "name"), _text(body, "detail", "object", "key")
    if not bucket or not key:
        skipped["no_object"] += 1
        return
    yield Notice(
        bucket,
        key,
        "",
        _size(_at(body, "detail", "object", "size")),
        _text(body, "detail", "object", "etag").strip('"'),
        _text(body, "detail", "object", "version-id"),
        _text(body, "detail", "object", "sequencer"),
        _moment(_text(body, "time")),
        _text(body, "region"),
        _text(body, "account"),
    )


def _plain(body: Mapping[str, Any], skipped: Counter[str]) -> Iterator[Notice]:
    """`{"bucket": …, "key": …}`, `{"bucket": …, "keys": […]}` or `{"s3": {…}}`, as people's own senders write."""
    if isinstance(body.get("s3"), dict):
        yield from _record(body, skipped)
        return
    bucket = next((_text(body, name) for name in _PLAIN_BUCKETS if _text(body, name)), "")
    found = next((body[name] for name in _PLAIN_KEYS if body.get(name)), None)
    keys = [key for key in (found if isinstance(found, list) else [found]) if isinstance(key, str) and key]
    if not bucket and not keys:
        skipped["unknown_shape"] += 1
        return
    if not bucket or not keys:
        skipped["no_object"] += 1
        return
    for key in keys:
        decoded = unquote_plus(key)
        yield Notice(bucket, key, decoded if decoded != key else "", region=_text(body, "region"))


def _at(value: object, *path: str) -> object:
    for name in path:
        if not isinstance(value, dict):
            return None
        value = value.get(name)
    return value


def _text(value: object, *path: str) -> str:
    found = _at(value, *path)
    return found if isinstance(found, str) else ""


def _size(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def _moment(text: str) -> float | None:
    """Unix seconds of ISO 8601; a moment without a zone is UTC."""
    try:
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None

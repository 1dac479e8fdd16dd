"""Every shape in which an object is announced gives the same notice, and nothing else gives any."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer.sources.s3.notices import Notice, read_body

BUCKET = "flow-logs"
KEY = (
    "pre fix/AWSLogs/aws-account-id=123456789012/aws-service=vpcflowlogs/aws-region=us-east-1/year=2026/month=11/"
    "day=21/123456789012_vpcflowlogs_us-east-1_fl-0123456789abcdef0_20261121T1005Z_ab+é.log.gz"
)
EVENT_AT = 1_795_255_513.619


def direct(key: str = KEY, event: str = "ObjectCreated:Put", **more: Any) -> dict[str, Any]:
    thing = {
        "key": quote_plus(key),
        "size": 1797,
        "eTag": "1638e127fe977dac",
        "sequencer": "005F63A9DAF94F4D9E",
        **more,
    }
    return {
        "eventVersion": "2.1",
        "eventSource": "aws:s3",
        "awsRegion": "us-east-1",
        "eventTime": "2026-11-21T10:05:13.619Z",
        "eventName": event,
        "s3": {"s3SchemaVersion": "1.0", "bucket": {"name": BUCKET, "arn": f"arn:aws:s3:::{BUCKET}"}, "object": thing},
    }


def event_bridge(key: str = KEY) -> dict[str, Any]:
    thing = {"key": key, "size": 1797, "etag": "1638e127fe977dac", "sequencer": "005F63A9DAF94F4D9E"}
    return {
        "version": "0",
        "detail-type": "Object Created",
        "source": "aws.s3",
        "account": "210987654321",
        "time": "2026-11-21T10:05:13.619Z",
        "region": "us-east-1",
        "detail": {"bucket": {"name": BUCKET}, "object": thing, "reason": "PutObject"},
    }


def through_sns(body: object) -> dict[str, Any]:
    return {"Type": "Notification", "TopicArn": "arn:aws:sns:us-east-1:1:topic", "Message": json.dumps(body)}


SHAPES = {
    "direct": {"Records": [direct()]},
    "sns": through_sns({"Records": [direct()]}),
    "sns-twice": through_sns(through_sns({"Records": [direct()]})),
    "event-bridge": event_bridge(),
    "event-bridge-sns": through_sns(event_bridge()),
    "lambda-sns": {"Records": [{"EventSource": "aws:sns", "Sns": {"Message": json.dumps({"Records": [direct()]})}}]},
}


@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape_gives_the_decoded_key_and_the_identity_of_the_object(shape: str) -> None:
    found = read_body(json.dumps(SHAPES[shape]))
    (notice,) = found.notices
    assert (notice.bucket, notice.key, notice.size_bytes) == (BUCKET, KEY, 1797)
    assert (notice.etag, notice.sequencer, notice.region) == ("1638e127fe977dac", "005F63A9DAF94F4D9E", "us-east-1")
    assert notice.event_at == pytest.approx(EVENT_AT)
    assert notice.account == ("210987654321" if "event-bridge" in shape else "")
    assert not found.skipped


def test_a_record_with_bucket_and_key_only_is_taken_at_its_word() -> None:
    body = {"Records": [{"s3": {"bucket": {"name": BUCKET}, "object": {"key": "a/b+c%3Dd.log.gz"}}}]}
    assert read_body(json.dumps(body)).notices == (Notice(BUCKET, "a/b c=d.log.gz", "a/b+c%3Dd.log.gz"),)


@pytest.mark.parametrize(
    "body",
    [{"bucket": BUCKET, "key": "a=1/b.gz"}, {"bucketName": BUCKET, "objectKey": "a=1/b.gz"}],
    ids=["plain", "camel"],
)
def test_hand_made_bodies_name_their_keys_verbatim(body: dict[str, str]) -> None:
    assert read_body(json.dumps(body)).notices == (Notice(BUCKET, "a=1/b.gz"),)


def test_a_hand_made_body_may_name_several_keys_and_a_key_that_looks_encoded_keeps_its_other_reading() -> None:
    found = read_body(json.dumps({"bucket": BUCKET, "keys": ["a", "b%3D1"]}))
    assert found.notices == (Notice(BUCKET, "a"), Notice(BUCKET, "b%3D1", "b=1"))


def test_several_records_keep_their_order_and_what_is_no_new_object_is_counted() -> None:
    records = [
        direct("one"),
        direct("two", "ObjectRemoved:Delete"),
        direct("three", "s3:ObjectCreated:Copy"),
        direct(""),
    ]
    found = read_body(json.dumps({"Records": records}))
    assert [notice.key for notice in found.notices] == ["one", "three"]
    assert found.skipped == {"not_created": 1, "no_object": 1}


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ({"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": BUCKET}, "test_event"),
        (through_sns({"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": BUCKET}), "test_event"),
        ({"Records": []}, "no_records"),
        ({"Records": {"a": 1}}, "unknown_shape"),
        ({"Type": "SubscriptionConfirmation", "TopicArn": "t", "Message": "You have chosen"}, "subscription"),
        ({**event_bridge(), "detail-type": "Object Deleted"}, "not_created"),
        ({**event_bridge(), "source": "aws.ec2"}, "unknown_shape"),
        ({**event_bridge(), "detail": {}}, "no_object"),
        ({"bucket": BUCKET}, "no_object"),
        ({"hello": "world"}, "unknown_shape"),
        ([], "no_records"),
        ({"Records": [{"hello": "world"}]}, "unknown_shape"),
        (None, "unknown_shape"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_announces_nothing_is_counted_by_reason(body: object, reason: str) -> None:
    found = read_body(json.dumps(body))
    assert found.notices == ()
    assert found.skipped == {reason: 1}


def test_a_version_and_a_time_without_zone_are_read() -> None:
    record = direct(versionId="3HL4kqtJlcpXroDTDmJ")
    record["eventTime"] = "2026-11-21T10:05:13.619"
    (notice,) = read_body(json.dumps({"Records": [record]})).notices
    assert notice.version == "3HL4kqtJlcpXroDTDmJ"
    assert notice.event_at == pytest.approx(EVENT_AT)


@given(st.text(min_size=1))
def test_any_key_survives_s3s_encoding_and_event_bridges_lack_of_it(key: str) -> None:
    key = key.encode("utf-8", "replace").decode()
    for body in ({"Records": [direct(key)]}, event_bridge(key)):
        (notice,) = read_body(json.dumps(body)).notices
        assert notice.key == key


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                ["Records", "s3", "bucket", "object", "key", "name", "Message", "Type", "detail", "source", "Sns"]
            )
            | st.text(),
            inner,
            max_size=5,
        )
    ),
    max_leaves=12,
)


@given(JSON)
def test_any_json_gives_notices_or_a_reason(body: object) -> None:
    found = read_body(json.dumps(body))
    assert found.notices or found.skipped
    assert all(notice.bucket and notice.key for notice in found.notices)


@given(st.binary())
def test_any_bytes_give_notices_or_a_reason(body: bytes) -> None:
    found = read_body(body)
    assert found.notices or found.skipped


@pytest.mark.parametrize(
    "body",
    [
        [{"bucket": BUCKET, "key": "a"}, {"bucket": BUCKET, "key": "b"}],
        {"Records": [{"bucket": BUCKET, "keys": ["a", "b"]}]},
        {"Records": [{"s3Bucket": BUCKET, "s3ObjectKey": ["a", "b"]}]},
        [{"s3_bucket": BUCKET, "s3_key": "a"}, {"s3": {"bucket": {"name": BUCKET}, "object": {"key": "b"}}}],
    ],
)
def test_lists_of_hand_made_announcements_are_read(body: object) -> None:
    found = read_body(json.dumps(body))

    assert [(notice.bucket, notice.key) for notice in found.notices] == [(BUCKET, "a"), (BUCKET, "b")]
    assert not found.skipped


def test_every_thing_of_a_list_that_is_no_announcement_is_counted() -> None:
    assert read_body("[1, 2]").skipped == {"unknown_shape": 2}

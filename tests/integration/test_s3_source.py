"""Objects announced by a queue, on moto's S3 and SQS: exported once, deleted after export only."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from consumer.errors import Stopped
from consumer.model.delivery import Delivery
from consumer.model.log_format import LogFormat
from consumer.sources.s3.objects import BucketRules
from consumer.sources.s3.settings import S3Settings
from consumer.state.object_journal import ObjectJournal
from tests.support.emulated_estate import MotoServer
from tests.support.faulty_storage import CutAfter, FaultyStorage, Refuse, Request, Trouble
from tests.support.flow_bucket import ACCOUNT, HEADER, REGION, Exported, FlowBucket, ReadingAgent, key, lines, packed
from tests.support.parquet_files import parquet_object

WAIT_SECONDS = 300.0


@pytest.fixture
def endpoint(moto: MotoServer, monkeypatch: pytest.MonkeyPatch) -> str:
    for name, value in (
        ("AWS_ENDPOINT_URL", moto.endpoint),
        ("AWS_ACCESS_KEY_ID", "test"),
        ("AWS_SECRET_ACCESS_KEY", "test"),
        ("AWS_EC2_METADATA_DISABLED", "true"),
    ):
        monkeypatch.setenv(name, value)
    return moto.endpoint


Make = Callable[..., tuple[FlowBucket, ReadingAgent]]


@pytest.fixture
def make(endpoint: str, tmp_path: Path) -> Iterator[Make]:
    agents: list[ReadingAgent] = []

    def made(*, dead_letter_after: int = 0, announces: bool = True, **more: Any) -> tuple[FlowBucket, ReadingAgent]:
        bucket = FlowBucket(endpoint, announces=announces, dead_letter_after=dead_letter_after)
        agents.append(ReadingAgent(bucket, tmp_path, endpoint, **more))
        return bucket, agents[-1]

    yield made
    for agent in agents:
        if hasattr(agent, "_thread"):
            agent.end()


def until(condition: Callable[[], bool], what: str = "it") -> None:
    deadline = time.monotonic() + WAIT_SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"{what} did not come"
        time.sleep(0.05)


def test_every_record_of_announced_objects_is_exported_once_and_the_messages_are_deleted(make: Make) -> None:
    bucket, agent = make()
    for number in range(5):
        bucket.put(key(number), packed(number * 1000, 1000))
    exported = Exported()
    agent.start(exported)
    until(bucket.is_drained, "the end of the queue")
    agent.end()
    assert sorted(exported.numbers()) == list(range(5000))
    assert agent.heard.objects == ["exported"] * 5
    assert agent.heard.parts == ["test_event"]
    assert agent.heard.messages == ["deleted"] * 6
    origin = exported.origins[0]
    assert (origin.account, origin.region, origin.flow_log_id) == (ACCOUNT, REGION, "fl-0123456789abcdef0")


class Holding:
    """A `process` that stops the world at one delivery: `reached` is set there, and it goes on at `go_on`."""

    def __init__(self, exported: Exported, at: int = 1, then: Callable[[], None] = lambda: None) -> None:
        self.reached, self.go_on = threading.Event(), threading.Event()
        self._exported, self._at, self._then = exported, at, then
        self._count = 0

    def __call__(self, delivery: Delivery) -> None:
        self._count += 1
        if self._count == self._at:
            self.reached.set()
            assert self.go_on.wait(WAIT_SECONDS)
            self._then()
        self._exported(delivery)


BIG = 60_000
"""Records of an object of several chunks."""


def test_a_message_is_not_deleted_before_its_last_delivery_is_exported(make: Make) -> None:
    bucket, agent = make()
    exported = Exported()
    holding = Holding(exported, at=3)
    bucket.put(key(1), packed(0, BIG))
    agent.start(holding)
    assert holding.reached.wait(WAIT_SECONDS)
    until(lambda: agent.heard.messages == ["deleted"], "the deletion of the test event")
    assert bucket.left() == (0, 1)
    holding.go_on.set()
    until(bucket.is_drained)
    assert exported.numbers() == list(range(BIG))


def test_an_object_that_a_stop_interrupts_goes_on_behind_its_last_exported_chunk(
    make: Make, endpoint: str, tmp_path: Path
) -> None:
    bucket, agent = make()
    exported = Exported()

    def refuse() -> None:
        raise Stopped("the agent ends")

    holding = Holding(exported, at=3, then=refuse)
    bucket.put(key(1), packed(0, BIG))
    agent.start(holding)
    assert holding.reached.wait(WAIT_SECONDS)
    agent.stop.set()
    holding.go_on.set()
    agent.end()
    assert 0 < len(exported.lines) < BIG
    assert "given_back" in agent.heard.messages
    assert bucket.left() == (1, 0)

    second = ReadingAgent(bucket, tmp_path, endpoint)
    second.start(exported)
    until(bucket.is_drained)
    second.end()
    assert exported.numbers() == list(range(BIG))


@pytest.mark.parametrize("is_large", [False, True], ids=["whole", "by-ranges"])
def test_parquet_objects_are_read_and_a_broken_one_is_kept(
    make: Make, monkeypatch: pytest.MonkeyPatch, is_large: bool
) -> None:
    if is_large:
        monkeypatch.setattr("consumer.sources.chunks.stored._WHOLE_BYTES", 1)
    bucket, agent = make()
    text = HEADER + lines(0, 40_000)
    rows = text.decode().splitlines()
    content = parquet_object(rows[1:], LogFormat.from_text(rows[0]))
    bucket.put(key(1).replace(".log.gz", ".log.parquet"), content)
    bucket.put(key(2).replace(".log.gz", ".log.parquet"), content[:-9])
    exported = Exported()
    agent.start(exported)
    until(bucket.is_drained, "the end of the queue")
    agent.end()
    assert sorted(exported.byte_counts) == list(range(40_000))
    assert sorted(agent.heard.objects) == ["exported", "faulty"]
    assert [reject.reason for _, reject in agent.rejects] == ["object_faulty: bad_parquet"]


def test_a_stop_ends_a_long_poll_within_a_second(make: Make) -> None:
    _, agent = make(settings=S3Settings(wait_seconds=18))
    agent.start(Exported())
    until(lambda: agent.heard.messages == ["deleted"], "the test event")
    began = time.monotonic()
    agent.end()
    seconds = time.monotonic() - began
    print(f"ended within {seconds:.2f} s")
    assert seconds < 9  # the long poll alone takes 18


def test_the_same_object_announced_again_is_recognised_whoever_announces_it(make: Make) -> None:
    bucket, agent = make()
    bucket.put(key(1), packed(0, 100))
    exported = Exported()
    agent.start(exported)
    until(lambda: "exported" in agent.heard.objects)
    bucket.announce(key(1))
    bucket.send(
        {
            "source": "aws.s3",
            "detail-type": "Object Created",
            "region": REGION,
            "detail": {"bucket": {"name": bucket.bucket}, "object": {"key": key(1)}},
        }
    )
    until(lambda: agent.heard.objects.count("repeated") == 2)
    agent.end()
    assert exported.numbers() == list(range(100))


def test_a_replaced_object_is_another_one(make: Make) -> None:
    bucket, agent = make()
    exported = Exported()
    bucket.put(key(1), packed(0, 100))
    agent.start(exported)
    until(lambda: agent.heard.objects == ["exported"])
    bucket.put(key(1), packed(100, 100))
    until(lambda: agent.heard.objects == ["exported"] * 2)
    assert exported.numbers() == list(range(200))


def test_one_message_with_several_objects_is_deleted_when_all_are_done(make: Make) -> None:
    bucket, agent = make(announces=False)
    for number in range(3):
        bucket.put(key(number), packed(number * 10, 10))
    bucket.announce(key(0), key(1), "gone.log.gz", key(2))
    exported = Exported()
    agent.start(exported)
    until(bucket.is_drained)
    agent.end()
    assert exported.numbers() == list(range(30))
    assert agent.heard.objects == ["exported", "exported", "gone", "exported"]
    assert agent.heard.messages == ["deleted"]


def test_objects_that_are_no_flow_logs_or_not_ours_are_counted_and_their_messages_deleted(make: Make) -> None:
    bucket, agent = make(is_wanted=lambda flow_log: flow_log != "fl-0badc0de0badc0de0")
    bucket.put(f"AWSLogs/{ACCOUNT}/CloudTrail/{REGION}/2026/11/21/x.json.gz", b"{}")
    bucket.put(key(1, "fl-0badc0de0badc0de0"), packed(0, 10))
    bucket.put("holiday.bin", bytes(range(256)) * 100)
    bucket.put("notes.txt", b"to be or not to be\n" * 1000)
    bucket.put("copied/by hand=1+é", packed(10, 10))
    exported = Exported()
    agent.start(exported)
    until(bucket.is_drained)
    agent.end()
    assert exported.numbers() == list(range(10, 20))
    assert sorted(agent.heard.objects) == [
        "exported",
        "skipped_not_a_flow_log",
        "skipped_not_a_flow_log",
        "skipped_not_chosen",
        "skipped_other_service",
    ]
    assert agent.rejects == []


def test_a_truncated_object_gives_what_can_be_read_and_is_then_quarantined(make: Make) -> None:
    bucket, agent = make()
    bucket.put(key(1), packed(0, 5000)[:-2000])
    exported = Exported()
    agent.start(exported)
    until(bucket.is_drained)
    agent.end()
    assert exported.numbers() == list(range(len(exported.lines)))
    assert exported.lines
    assert exported.faults == ["bad_gzip"]
    assert agent.heard.objects == ["faulty"]
    ((origin, reject),) = agent.rejects
    assert (origin.bucket, origin.key) == (bucket.bucket, key(1))
    assert reject.reason == "object_faulty: bad_gzip"
    assert key(1).encode() in reject.line.replace(b"%2F", b"/")


def test_with_a_dead_letter_queue_a_damaged_object_goes_there_by_awss_own_rule_and_its_lines_once(make: Make) -> None:
    bucket, agent = make(dead_letter_after=2)
    bucket.put(key(1), packed(0, 5000)[:-2000])
    exported = Exported()
    agent.start(exported)
    until(lambda: bucket.left(bucket.dead_letter_url)[0] == 1, "the dead letter")
    agent.end()
    assert agent.rejects == []
    assert exported.numbers() == list(range(len(exported.lines)))
    assert exported.faults == ["bad_gzip"]
    assert max(agent.heard.receive_counts) == 2
    assert "AWS moves a message" in agent.heard.states[0][1]


def test_a_message_that_is_no_announcement_is_kept_and_deleted(make: Make) -> None:
    bucket, agent = make()
    bucket.send("hello")
    agent.start(Exported())
    until(bucket.is_drained)
    agent.end()
    assert [(reject.reason, reject.line) for _, reject in agent.rejects] == [("object_unclear: not_json", b"hello")]


def test_an_object_that_fails_again_and_again_is_quarantined_and_the_others_go_on(make: Make) -> None:
    bucket, agent = make(settings=S3Settings(wait_seconds=1, max_receives=1))
    exported = Exported()

    def fail(delivery: Delivery) -> None:
        if delivery.origin.key == key(1):
            raise ValueError("our bug")
        exported(delivery)

    bucket.put(key(1), packed(0, 10))
    bucket.put(key(2), packed(10, 10))
    agent.start(fail)
    until(bucket.is_drained)
    agent.end()
    assert exported.numbers() == list(range(10, 20))
    assert [reject.reason for _, reject in agent.rejects] == ["object_failed: our bug"]


@pytest.fixture
def storage(moto: MotoServer, endpoint: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultyStorage]:
    with FaultyStorage(moto.endpoint) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.endpoint)
        yield proxy


def test_a_throttled_and_broken_read_goes_on_at_the_byte_where_it_broke(make: Make, storage: FaultyStorage) -> None:
    bucket, agent = make()
    content = packed(0, BIG)
    bucket.put(key(1), content)
    seen: list[str] = []

    def trouble(request: Request) -> Trouble:
        if not request.is_get_object:
            return None
        seen.append(request.headers.get("range", ""))
        if len(seen) in (2, 3):
            return Refuse(503, "SlowDown")
        return CutAfter(300_000) if len(seen) in (1, 4) else None

    storage.trouble = trouble
    exported = Exported()
    agent.start(exported)
    until(bucket.is_drained)
    agent.end()
    assert exported.numbers() == list(range(BIG))
    assert agent.heard.objects == ["exported"]
    assert agent.heard.retries >= 3
    assert [text for text in seen if not text.startswith("bytes=")] == [""]
    starts = [int(text.removeprefix("bytes=").partition("-")[0]) for text in seen[1:]]
    assert starts == sorted(starts)
    assert starts[0] > 0
    conditions = {request.headers.get("if-match") for request in storage.requests if "range" in request.headers}
    assert len(conditions) == 1
    assert None not in conditions


def test_an_object_replaced_while_it_is_read_is_not_mixed(make: Make, storage: FaultyStorage) -> None:
    bucket, agent = make()
    bucket.put(key(1), packed(0, BIG))
    gets = 0

    def trouble(request: Request) -> Trouble:
        nonlocal gets
        if not request.is_get_object:
            return None
        gets += 1
        if gets == 1:
            return CutAfter(300_000)
        if gets == 2:
            bucket.put(key(1), packed(BIG, 100))
            return Refuse(412, "PreconditionFailed")
        return None

    storage.trouble = trouble
    exported = Exported()
    agent.start(exported)
    until(lambda: BIG + 99 in exported.numbers(), "the new object")
    agent.end()
    found = exported.numbers()
    assert [number for number in found if number >= BIG] == list(range(BIG, BIG + 100))
    old = [number for number in found if number < BIG]
    assert old == list(range(len(old)))
    assert "replaced" in agent.heard.objects


def denied(code: str = "AccessDenied", message: str = "no") -> Callable[[Request], Trouble]:
    return lambda request: Refuse(403, code, message) if request.is_get_object else None


def test_a_denied_object_is_one_state_and_its_message_is_left_until_it_is_allowed(
    make: Make, storage: FaultyStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("consumer.sources.s3.objects.DENIED_SECONDS", 1)
    bucket, agent = make()
    for number in range(3):
        bucket.put(key(number), packed(number * 10, 10))
    storage.trouble = denied()
    exported = Exported()
    agent.start(exported)
    until(lambda: agent.heard.objects.count("denied") >= 3)
    components = {refusal.component for refusal in agent.heard.refusals}
    assert components == {f"bucket {bucket.bucket}/AWSLogs/{ACCOUNT}/vpcflowlogs/{REGION}"}
    assert "s3:GetObject" in agent.heard.refusals[0].reason
    storage.trouble = lambda _: None
    until(bucket.is_drained)
    agent.end()
    assert sorted(exported.numbers()) == list(range(30))
    assert agent.heard.allowances
    assert agent.rejects == []


def test_a_key_of_kms_that_is_denied_is_one_state_with_its_arn(make: Make, storage: FaultyStorage) -> None:
    bucket, agent = make()
    arn = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/11111111-2222-3333-4444-555555555555"
    message = f"User: x is not authorized to perform: kms:Decrypt on resource: {arn} because no policy allows it"
    storage.trouble = denied(message=message)
    bucket.put(key(1), packed(0, 10))
    agent.start(Exported())
    until(lambda: bool(agent.heard.refusals))
    agent.end()
    (refusal,) = agent.heard.refusals
    assert refusal.component == f"key {arn}"
    assert "kms:Decrypt" in refusal.reason
    assert sum(bucket.left()) == 1


@pytest.mark.parametrize("may_list", [True, False], ids=["may-list", "may-not-list"])
def test_a_missing_object_that_answers_403_is_gone_where_we_may_list(
    make: Make, storage: FaultyStorage, may_list: bool
) -> None:
    bucket, agent = make(announces=False)
    bucket.announce(key(1))

    def trouble(request: Request) -> Trouble:
        is_listing = request.method == "GET" and "list-type=2" in request.path
        return Refuse(403, "AccessDenied") if request.is_get_object or (is_listing and not may_list) else None

    storage.trouble = trouble
    agent.start(Exported())
    until(lambda: bool(agent.heard.objects))
    agent.end()
    assert agent.heard.objects == ["gone" if may_list else "denied"]


def test_who_pays_and_who_must_own_the_bucket_is_said_in_every_request(make: Make, storage: FaultyStorage) -> None:
    bucket, agent = make(rules=BucketRules(requester_pays=True, expected_owner=ACCOUNT))
    bucket.put(key(1), packed(0, 10))
    agent.start(Exported())
    until(lambda: agent.heard.objects == ["exported"])
    agent.end()
    (request,) = [one for one in storage.requests if one.is_get_object]
    assert request.headers["x-amz-request-payer"] == "requester"
    assert request.headers["x-amz-expected-bucket-owner"] == ACCOUNT


@pytest.mark.parametrize("is_versioned", [True, False], ids=["versioned", "not-versioned"])
@pytest.mark.parametrize("is_forced", [True, False], ids=["forced", "not-forced"])
def test_exported_objects_are_deleted_under_the_prefix_only_and_where_it_can_be_taken_back(
    make: Make, is_versioned: bool, is_forced: bool
) -> None:
    bucket, agent = make(rules=BucketRules(delete_prefix="AWSLogs/", delete_unversioned=is_forced))
    if is_versioned:
        bucket.s3.put_bucket_versioning(Bucket=bucket.bucket, VersioningConfiguration={"Status": "Enabled"})
    bucket.put(key(1), packed(0, 10))
    bucket.put("other/" + key(2), packed(10, 10))
    exported = Exported()
    agent.start(exported)
    until(bucket.is_drained)
    agent.end()
    assert sorted(exported.numbers()) == list(range(20))
    left = [one["Key"] for one in bucket.s3.list_objects_v2(Bucket=bucket.bucket).get("Contents", ())]
    if is_versioned or is_forced:
        assert left == ["other/" + key(2)]
        assert agent.heard.objects.count("deleted") == 1
    else:
        assert sorted(left) == sorted([key(1), "other/" + key(2)])
        assert "delete_unversioned" in agent.heard.refusals[0].reason


def test_an_object_that_was_replaced_after_it_was_exported_is_not_deleted(make: Make, storage: FaultyStorage) -> None:
    bucket, agent = make(rules=BucketRules(delete_prefix="AWSLogs/", delete_unversioned=True))
    storage.trouble = lambda one: Refuse(412, "PreconditionFailed") if one.method == "DELETE" else None
    bucket.put(key(1), packed(0, 10))
    agent.start(Exported())
    until(bucket.is_drained)
    agent.end()
    (request,) = [one for one in storage.requests if one.method == "DELETE"]
    (stored,) = bucket.s3.list_objects_v2(Bucket=bucket.bucket)["Contents"]
    assert request.headers["if-match"] == stored["ETag"]
    assert sorted(agent.heard.objects) == ["exported", "not_deleted"]
    assert agent.heard.refusals == []


def test_a_message_lost_in_the_middle_of_its_object_is_read_on_by_whoever_has_it_then(
    make: Make, storage: FaultyStorage, moto: MotoServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    quick = S3Settings(wait_seconds=1, visibility_seconds=3)
    bucket, agent = make(settings=quick)
    exported = Exported()
    holding = Holding(exported, at=2)
    bucket.put(key(1), packed(0, BIG))
    storage.trouble = lambda one: Refuse(503, "ServiceUnavailable") if "Visibility" in one.action else None
    agent.start(holding)
    assert holding.reached.wait(WAIT_SECONDS)
    over_at = time.monotonic() + quick.visibility_seconds  # received before it was reached, so its time is over then
    # The other one would lose it, too, if its renewals were refused as well, or late on a busy machine.
    monkeypatch.setenv("AWS_ENDPOINT_URL", moto.endpoint)
    patient = S3Settings(wait_seconds=1, visibility_seconds=60)
    other = ReadingAgent(bucket, tmp_path / "other", moto.endpoint, patient)
    other_exported = Exported()
    other.start(other_exported)
    until(lambda: len(other_exported.lines) == BIG and time.monotonic() > over_at, "the other agent")
    holding.go_on.set()
    until(lambda: "lost" in agent.heard.messages, "the loss")
    until(bucket.is_drained)
    other.end()
    agent.end()
    assert other_exported.numbers() == list(range(BIG))
    repeated = len(exported.lines)
    print(f"{repeated} of {BIG} records were exported by both agents")
    assert repeated < BIG


@pytest.mark.parametrize("skew_seconds", [-86_400.0, 86_400.0], ids=["a-day-late", "a-day-early"])
def test_a_clock_that_is_a_day_off_neither_loses_nor_repeats(make: Make, skew_seconds: float, tmp_path: Path) -> None:
    bucket, agent = make()
    agent.journal = ObjectJournal(tmp_path / "skewed.sqlite", lambda: time.time() + skew_seconds, 86_400.0 * 14, 1000)
    bucket.put(key(1), packed(0, 100))
    exported = Exported()
    agent.start(exported)
    until(lambda: "exported" in agent.heard.objects)
    bucket.announce(key(1))
    until(bucket.is_drained)
    agent.end()
    assert exported.numbers() == list(range(100))


@pytest.mark.parametrize("way", ["sns", "sns-raw", "event-bridge"])
def test_objects_that_a_topic_or_event_bridge_announces_are_read_whatever_their_keys(make: Make, way: str) -> None:
    bucket, agent = make(announces=False)
    announce_through(bucket, way)
    odd = f"pre fix=1+é/{key(1)}"
    bucket.put(odd, packed(0, 10))
    exported = Exported()
    agent.start(exported)
    until(lambda: "exported" in agent.heard.objects, "the object")
    agent.end()
    assert exported.numbers() == list(range(10))
    assert exported.origins[0].key == odd


def announce_through(bucket: FlowBucket, way: str) -> None:
    """Lead the bucket's events into its queue by another service."""
    if way == "event-bridge":
        bucket.s3.put_bucket_notification_configuration(
            Bucket=bucket.bucket, NotificationConfiguration={"EventBridgeConfiguration": {}}
        )
        events = bucket.client("events")
        events.put_rule(Name=f"to-{bucket.bucket}", EventPattern=json.dumps({"source": ["aws.s3"]}), State="ENABLED")
        events.put_targets(Rule=f"to-{bucket.bucket}", Targets=[{"Id": "queue", "Arn": bucket.arn}])
        return
    sns = bucket.client("sns")
    topic = sns.create_topic(Name=f"topic-{bucket.bucket}")["TopicArn"]
    attributes = {"RawMessageDelivery": "true"} if way == "sns-raw" else {}
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=bucket.arn, Attributes=attributes)
    rule = {"TopicArn": topic, "Events": ["s3:ObjectCreated:*"]}
    bucket.s3.put_bucket_notification_configuration(
        Bucket=bucket.bucket, NotificationConfiguration={"TopicConfigurations": [rule]}
    )

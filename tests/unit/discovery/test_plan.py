"""Which source reports a flow log, and the words that say why."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from consumer.aws.roles import Target
from consumer.discovery.estate import Interface, Part, Subnet, Vpc
from consumer.discovery.plan import Wishes, make_plan
from consumer.discovery.settings import BucketSettings, LogGroupSettings
from consumer.discovery.survey import Bucket, LogGroup, Queue, Stream, Subscription, Survey
from consumer.kcl.settings import StreamSettings
from consumer.model.delivery import SourceKind
from consumer.model.plan import Choice, FlowLog

ACCOUNT, REGION = "111111111111", "eu-west-1"
STREAM = f"arn:aws-us-gov:kinesis:{REGION}:{ACCOUNT}:stream/flow"
QUEUE = f"arn:aws:sqs:{REGION}:{ACCOUNT}:news"
VPC = Vpc("vpc-1", "shop", ACCOUNT, ("10.0.0.0/16",))
SUBNET = Subnet("subnet-1", "a", "vpc-1", "euw1-az1", ("10.0.1.0/24",))
INTERFACE = Interface(
    "eni-1", "", ACCOUNT, "vpc-1", "subnet-1", "", "", "interface", "", "", False, ("10.0.1.5",), (), (), {}
)


def flow_log(
    number: str, resource: str = "vpc-1", traffic: str = "ALL", to: str = "group", *, fields: int = 14, error: str = ""
) -> FlowLog:
    kinds = {"group": "cloud-watch-logs", "bucket": "s3", "firehose": "kinesis-data-firehose"}
    return FlowLog(
        id=f"fl-{number}",
        account=ACCOUNT,
        region=REGION,
        resource_id=resource,
        traffic=traffic,
        log_format=" ".join(["${version}"] * fields),
        destination_type=kinds[to],
        destination={"group": "", "bucket": "arn:aws:s3:::lake/prefix", "firehose": "arn:aws:firehose:::x"}[to],
        log_group="/flow" if to == "group" else "",
        interval_seconds=60,
        delivery_status="FAILED" if error else "SUCCESS",
        delivery_error=error,
    )


def choices(
    flow_logs: Sequence[FlowLog],
    wishes: Wishes | None = None,
    *,
    subscriptions: Sequence[Subscription] = (),
    bucket: Bucket | None = None,
    streams: Sequence[str] = (STREAM,),
) -> dict[str, Choice]:
    part = Part(ACCOUNT, REGION, 0.0, (VPC,), (SUBNET,), (INTERFACE,), flow_logs=tuple(flow_logs))
    survey = Survey(
        {Target(None, REGION): part},
        tuple(flow_logs),
        (LogGroup(ACCOUNT, REGION, "/flow", tuple(subscriptions)),),
        tuple(Stream(arn) for arn in streams),
        (bucket or Bucket("lake", REGION, ACCOUNT, (Queue(QUEUE),)),),
        (),
    )
    plan = make_plan(survey, wishes or Wishes())
    return {name.removeprefix("fl-"): choice for name, choice in plan.choices.items()}


SUBSCRIBED = (Subscription("to-stream", STREAM, STREAM, ""),)


def test_a_subscribed_group_is_read_from_its_stream() -> None:
    choice = choices([flow_log("1")], subscriptions=SUBSCRIBED)["1"]

    assert (choice.source, choice.via) == (SourceKind.KINESIS, STREAM)
    assert choice.reason == "log group /flow is subscribed to stream flow"


def test_a_group_that_nothing_subscribes_to_is_polled() -> None:
    choice = choices([flow_log("1")])["1"]

    assert (choice.source, choice.via) == (SourceKind.CLOUDWATCH, "/flow")
    assert choice.reason == "log group /flow is polled: it is not subscribed to a stream"


def test_a_subscription_that_leads_elsewhere_is_named() -> None:
    elsewhere = Subscription("to-lambda", "arn:aws:lambda:::f", "", "")

    assert choices([flow_log("1")], subscriptions=(elsewhere,))["1"].reason == (
        "log group /flow is polled: subscription to-lambda leads to no stream (arn:aws:lambda:::f)"
    )


def test_a_filtering_subscription_says_what_it_lets_through() -> None:
    filtering = Subscription("some", STREAM, STREAM, "REJECT")

    assert choices([flow_log("1")], subscriptions=(filtering,))["1"].reason.endswith("only lines that match 'REJECT'")


@pytest.mark.parametrize(
    ("wishes", "source", "words"),
    [
        (
            Wishes(streams=(StreamSettings(name="flow", region=REGION, enabled=False),)),
            SourceKind.CLOUDWATCH,
            "stream flow is switched off in the settings",
        ),
        (Wishes(max_streams=0), SourceKind.CLOUDWATCH, "one more than kcl.max_streams = 0"),
        (Wishes(precedence=(SourceKind.CLOUDWATCH,)), SourceKind.CLOUDWATCH, "Kinesis is not in discovery.precedence"),
        (Wishes(precedence=(SourceKind.S3,)), None, "CloudWatch is not in discovery.precedence"),
        (
            Wishes(
                streams=(StreamSettings(name="flow", region=REGION, enabled=False),),
                log_groups=(LogGroupSettings(name="/flow", enabled=False),),
            ),
            None,
            "log group /flow is switched off in the settings",
        ),
    ],
)
def test_what_the_user_switched_off_is_not_read_and_the_reason_says_so(
    wishes: Wishes, source: SourceKind | None, words: str
) -> None:
    choice = choices([flow_log("1")], wishes, subscriptions=SUBSCRIBED)["1"]

    assert choice.source is source
    assert words in choice.reason


def test_a_stream_of_the_settings_is_never_the_one_too_many() -> None:
    earlier = STREAM.replace("stream/flow", "stream/a")
    wishes = Wishes(streams=(StreamSettings(name="flow", region=REGION),), max_streams=1)
    choice = choices([flow_log("1")], wishes, subscriptions=SUBSCRIBED, streams=(earlier, STREAM))["1"]

    assert choice.source is SourceKind.KINESIS


@pytest.mark.parametrize(
    ("bucket", "wishes", "source", "words"),
    [
        (Bucket("lake", REGION, ACCOUNT, (Queue(QUEUE),)), Wishes(), SourceKind.S3, "tells queue news"),
        (Bucket("lake", REGION, ACCOUNT), Wishes(), None, "tells no queue of new objects"),
        (Bucket("lake", REGION, ACCOUNT, others=("EventBridge",)), Wishes(), None, "(only EventBridge)"),
        (Bucket("lake", REGION, ACCOUNT, is_read=False), Wishes(), None, "name it in [[buckets]]"),
        (
            Bucket("lake", REGION, ACCOUNT, is_read=False),
            Wishes(buckets=(BucketSettings(name="lake", queue=QUEUE),)),
            SourceKind.S3,
            "tells queue news",
        ),
        (
            Bucket("lake", REGION, ACCOUNT, (Queue(QUEUE),)),
            Wishes(buckets=(BucketSettings(name="lake", enabled=False),)),
            None,
            "switched off",
        ),
    ],
)
def test_a_bucket_needs_a_queue(bucket: Bucket, wishes: Wishes, source: SourceKind | None, words: str) -> None:
    choice = choices([flow_log("1", to="bucket")], wishes, bucket=bucket)["1"]

    assert choice.source is source
    assert words in choice.reason


def test_what_goes_to_firehose_is_not_read() -> None:
    choice = choices([flow_log("1", to="firehose")])["1"]

    assert choice.source is None
    assert "kinesis-data-firehose" in choice.reason


def test_the_same_flows_are_reported_once_by_the_preferred_source() -> None:
    found = choices([flow_log("1", to="bucket"), flow_log("2")])
    turned = choices([flow_log("1", to="bucket"), flow_log("2")], Wishes((SourceKind.S3, SourceKind.CLOUDWATCH)))

    assert (found["1"].source, found["2"].source) == (None, SourceKind.CLOUDWATCH)
    assert found["1"].reason == "its flows are already reported from fl-2 by CloudWatch, which goes before"
    assert (turned["1"].source, turned["2"].source) == (SourceKind.S3, None)


def test_accept_and_reject_complement_each_other_and_all_beats_both() -> None:
    halves = choices([flow_log("1", traffic="ACCEPT"), flow_log("2", traffic="REJECT")])
    three = choices([flow_log("1", traffic="ACCEPT"), flow_log("2", traffic="REJECT"), flow_log("3")])

    assert [one.source for one in halves.values()] == [SourceKind.CLOUDWATCH] * 2
    assert [one.source for one in three.values()] == [None, None, SourceKind.CLOUDWATCH]


def test_two_halves_by_the_preferred_source_make_all_of_another_superfluous() -> None:
    found = choices(
        [flow_log("1", traffic="ACCEPT"), flow_log("2", traffic="REJECT"), flow_log("3", to="bucket")],
        subscriptions=SUBSCRIBED,
    )

    assert found["3"].source is None
    assert found["3"].covered_by == ("fl-1", "fl-2")
    assert "fl-1 and fl-2" in found["3"].reason


def test_a_subnet_inside_a_reported_vpc_is_left_out() -> None:
    found = choices([flow_log("1", "subnet-1"), flow_log("2"), flow_log("3", "eni-1")])

    assert [one.source for one in found.values()] == [None, SourceKind.CLOUDWATCH, None]


def test_a_vpc_leaves_its_subnet_to_a_better_source() -> None:
    found = choices([flow_log("1", to="bucket"), flow_log("2", "subnet-1")], subscriptions=SUBSCRIBED)

    assert (found["1"].source, found["1"].excluding) == (SourceKind.S3, ("fl-2",))
    assert found["2"].source is SourceKind.KINESIS


def test_the_richer_of_two_equal_ones_is_reported() -> None:
    found = choices([flow_log("1"), flow_log("2", fields=29)])

    assert [one.source for one in found.values()] == [None, SourceKind.CLOUDWATCH]


def test_a_delivery_that_aws_calls_failed_does_not_beat_one_that_works() -> None:
    found = choices([flow_log("1", error="Access error"), flow_log("2", to="bucket")], subscriptions=SUBSCRIBED)
    alone = choices([flow_log("1", error="Access error")])

    assert (found["1"].source, found["2"].source) == (None, SourceKind.S3)
    assert alone["1"].reason.endswith("but AWS cannot deliver it: Access error")

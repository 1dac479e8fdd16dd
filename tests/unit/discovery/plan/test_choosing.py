"""Which source reports a flow log, and the words that say why."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from consumer.aws.roles import Target
from consumer.discovery.estate.values import Interface, Part, Subnet, Vpc
from consumer.discovery.plan.buckets import Bucket, Queue
from consumer.discovery.plan.choosing import Wishes, make_plan
from consumer.discovery.plan.survey import LogGroup, Stream, Subscription, Survey, excluded_groups
from consumer.discovery.settings import BucketSettings, LogGroupSettings
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
    streams: Sequence[str | Stream] = (STREAM,),
) -> dict[str, Choice]:
    part = Part(ACCOUNT, REGION, 0.0, (VPC,), (SUBNET,), (INTERFACE,), flow_logs=tuple(flow_logs))
    survey = Survey(
        {Target(None, REGION): part},
        tuple(flow_logs),
        (LogGroup(ACCOUNT, REGION, "/flow", tuple(subscriptions)),),
        tuple(Stream(one) if isinstance(one, str) else one for one in streams),
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
    hidden = Subscription("to-logs", f"arn:aws:logs:{REGION}:222222222222:destination:flow", "", "")

    assert choices([flow_log("1")], subscriptions=(elsewhere,))["1"].reason == (
        "log group /flow is polled: subscription to-lambda leads to Lambda (arn:aws:lambda:::f), which is not read"
    )
    assert "account 222222222222 that we may not look behind" in (
        choices([flow_log("1")], subscriptions=(hidden,))["1"].reason
    )
    besides = choices([flow_log("1")], subscriptions=(elsewhere, *SUBSCRIBED))["1"]
    assert besides.source is SourceKind.KINESIS
    assert "leads to Lambda" in " ".join(besides.also)


def test_a_stream_that_discovery_cannot_see_may_be_named_in_the_settings() -> None:
    streams = (StreamSettings(name="central", region="eu-central-1"),)
    named = (LogGroupSettings(name="/flow", stream="central"),)
    choice = choices([flow_log("1")], Wishes(streams=streams, log_groups=named))["1"]
    unknown = choices([flow_log("1")], Wishes(log_groups=named))["1"]

    assert (choice.source, choice.via) == (SourceKind.KINESIS, "eu-central-1/central")
    assert "say the settings" in choice.reason
    assert unknown.source is SourceKind.CLOUDWATCH
    assert "stream central of [[log_groups]] is not in [[streams]]" in unknown.reason


def test_what_happens_when_the_source_fails_is_said() -> None:
    subscribed = choices([flow_log("1")], subscriptions=SUBSCRIBED)["1"]
    polled = choices([flow_log("1")])["1"]
    bucket = choices([flow_log("1", to="bucket")])["1"]
    only = choices([flow_log("1")], Wishes((SourceKind.KINESIS,)), subscriptions=SUBSCRIBED)["1"]

    assert subscribed.if_it_fails == "polled from log group /flow"
    assert subscribed.also == ("log group /flow can be polled",)
    assert [one.if_it_fails for one in (polled, bucket, only)] == ["nothing else delivers it"] * 3


def test_a_flow_log_in_s3_whose_queue_is_read_stands_in_for_the_one_that_is_chosen() -> None:
    both = [flow_log("1"), flow_log("2", to="bucket")]
    read = Wishes(queues={(ACCOUNT, REGION, "news"): True})
    subscribed = choices(both, read, subscriptions=SUBSCRIBED)
    polled = choices(both, read)
    then = "reported from S3, flow log fl-2 (bucket lake), from then on"

    assert subscribed["1"].if_it_fails == f"polled from log group /flow; where that fails, too, {then}"
    assert polled["1"].if_it_fails == then
    assert (subscribed["2"].source, subscribed["2"].stands_in_for) == (None, ("fl-1",))
    assert choices([flow_log("1"), flow_log("2", to="bucket", error="denied")], read)["2"].stands_in_for == ()


@pytest.mark.parametrize("queues", [{}, {(ACCOUNT, REGION, "news"): False}], ids=["unnamed", "switched-off"])
def test_a_queue_that_nobody_reads_makes_no_stand_in(queues: dict[tuple[str, str, str], bool]) -> None:
    found = choices([flow_log("1"), flow_log("2", to="bucket")], Wishes(queues=queues))

    assert found["1"].if_it_fails == "nothing else delivers it"
    assert found["2"].stands_in_for == ()


def test_a_bucket_that_is_read_for_a_vpc_stands_in_for_the_subnet_that_a_better_source_reports() -> None:
    found = choices([flow_log("1", resource="subnet-1"), flow_log("2", to="bucket")])

    assert (found["2"].source, found["2"].excluding) == (SourceKind.S3, ("fl-1",))
    assert found["2"].stands_in_for == ("fl-1",)


def test_two_subscriptions_to_one_stream_and_two_formats_in_one_group_are_said() -> None:
    twice = choices([flow_log("1")], subscriptions=(*SUBSCRIBED, Subscription("again", STREAM, STREAM, "")))["1"]
    formats = choices([flow_log("1"), flow_log("2", "vpc-2", fields=29)])

    assert "to-stream and again lead into the same stream" in twice.notes[0]
    assert all("flow logs of 2 formats" in one.notes[0] for one in formats.values())


def test_a_subscription_of_the_whole_account_is_one_and_says_so() -> None:
    policy = Subscription("all", STREAM, STREAM, "", is_accounts=True)
    choice = choices([flow_log("1")], subscriptions=(policy,))["1"]

    assert choice.source is SourceKind.KINESIS
    assert choice.reason.endswith("by a policy of the account")


def test_a_vpc_may_have_another_source_and_what_cannot_be_is_said() -> None:
    wishes = Wishes(vpc_sources={"vpc-1": SourceKind.CLOUDWATCH})
    polled = choices([flow_log("1", "subnet-1")], wishes, subscriptions=SUBSCRIBED)["1"]
    other = choices([flow_log("1", "vpc-2")], wishes, subscriptions=SUBSCRIBED)["1"]
    impossible = choices([flow_log("1")], Wishes(vpc_sources={"vpc-1": SourceKind.S3}))["1"]

    assert polled.source is SourceKind.CLOUDWATCH
    assert polled.reason == "log group /flow is polled: CloudWatch goes before Kinesis"
    assert other.source is SourceKind.KINESIS
    assert impossible.source is SourceKind.CLOUDWATCH
    assert impossible.notes == ("discovery.vpc_sources wants it by S3, which is no way for it",)


def test_the_order_of_precedence_holds_between_the_two_ways_of_one_group() -> None:
    turned = Wishes((SourceKind.CLOUDWATCH, SourceKind.KINESIS))

    assert choices([flow_log("1")], turned, subscriptions=SUBSCRIBED)["1"].source is SourceKind.CLOUDWATCH


@pytest.mark.parametrize("status", ["DENIED", "DELETED", "DELETING"])
def test_a_stream_that_cannot_be_read_is_not_begun_with_unless_the_settings_name_it(status: str) -> None:
    stream = Stream(STREAM, status)
    wished = Wishes(streams=(StreamSettings(name="flow", region=REGION),))

    polled = choices([flow_log("1")], subscriptions=SUBSCRIBED, streams=(stream,))["1"]
    assert polled.source is SourceKind.CLOUDWATCH
    assert "stream flow " in polled.reason
    assert choices([flow_log("1")], wished, subscriptions=SUBSCRIBED, streams=(stream,))["1"].source is (
        SourceKind.KINESIS
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


@pytest.mark.parametrize(
    ("criteria", "excluded"),
    [
        ("", set()),
        ('LogGroupName NOT IN ["/a", "/b c"]', {"/a", "/b c"}),
        ('loggroupname not in ["/a"]', {"/a"}),
        ("LogGroupName NOT IN [oops]", set()),
        ("something else", set()),
    ],
)
def test_a_policy_of_the_account_leaves_out_the_groups_it_names(criteria: str, excluded: set[str]) -> None:
    assert excluded_groups(criteria) == excluded

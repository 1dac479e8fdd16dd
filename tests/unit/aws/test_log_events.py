"""Pages of log events against an endpoint that answers as CloudWatch Logs does."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

import boto3
import pytest

from consumer.aws.log_events import LogEvents, Page, _token
from consumer.aws.roles import Target
from consumer.aws.sessions import Sessions
from consumer.aws.settings import AwsSettings
from consumer.errors import PermissionDeniedError, RefusedError, RetryableError
from tests.support.emulated_estate import FaultyAws, MotoServer

NOW = int(time.time())
OWN = Target(None, "us-east-1")


@pytest.fixture(scope="module")
def moto() -> Iterator[MotoServer]:
    with MotoServer() as server:
        logs = boto3.client(
            "logs",
            region_name="us-east-1",
            endpoint_url=server.endpoint,
            aws_access_key_id="own",
            aws_secret_access_key="secret",
        )
        logs.create_log_group(logGroupName="/vpc/flow")
        for stream in ("eni-0-all", "eni-1-all"):
            logs.create_log_stream(logGroupName="/vpc/flow", logStreamName=stream)
            events = [
                {"timestamp": (NOW - 60 + second) * 1000, "message": f'"nextToken": "{second}"'} for second in range(60)
            ]
            logs.put_log_events(logGroupName="/vpc/flow", logStreamName=stream, logEvents=events)  # type: ignore[arg-type]
        yield server


@pytest.fixture
def aws(moto: MotoServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultyAws]:
    with FaultyAws(moto.endpoint) as endpoint:
        monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint.endpoint)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "own")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
        monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        yield endpoint


def calls(group: str = "/vpc/flow") -> LogEvents:
    return LogEvents(Sessions(AwsSettings(region="us-east-1", attempts=1)), lambda: OWN, group)


def test_a_page_is_the_bytes_that_came_with_awss_own_time(aws: FaultyAws) -> None:
    page = calls().filter(NOW - 60, None, None)

    assert len(json.loads(page.body)["events"]) == 120
    assert page.token is None, "a token inside a message is not the page's"
    assert page.answered_at is not None
    assert abs(page.answered_at - time.time()) < 600
    assert not page.is_empty
    assert page.newest(NOW + 60) == NOW - 1
    assert page.newest(NOW - 3) == NOW - 3, "an event with a future timestamp says nothing about how far we are"


def test_the_end_of_a_window_is_not_part_of_it(aws: FaultyAws) -> None:
    whole = json.loads(calls().filter(NOW - 60, NOW - 50, None).body)["events"]
    of_stream = json.loads(calls().of_stream("eni-1-all", NOW - 60, NOW - 50.001, None).body)["events"]

    assert len(whole) == 20
    assert len(of_stream) == 10  # moto's end is inclusive there, AWS's is not


def test_tokens_lead_through_all_events_and_the_last_page_has_none() -> None:
    answer = {"events": [{"message": "2", "timestamp": 5}], "nextToken": 'b/"\\/é', "searchedLogStreams": []}
    for text in (json.dumps(answer), json.dumps(dict(reversed(answer.items())), separators=(",", ":"))):
        assert _token(text.encode()) == 'b/"\\/é'
    assert _token(b'{"events":[{"message":"\\"nextToken\\":\\"x\\""}]}') is None
    assert _token(b'{"events":[{"message":"ends in \\"nextToken"}],"searchedLogStreams":[]}') is None
    assert _token(b'{"events":[],"nextToken":null}') is None


def test_a_stream_is_read_to_the_token_that_repeats(aws: FaultyAws) -> None:
    first = calls().of_stream("eni-0-all", NOW - 60, None, None)
    assert first.token is not None
    last = calls().of_stream("eni-0-all", NOW - 60, None, first.token)

    assert len(json.loads(first.body)["events"]) == 60
    assert last.is_empty
    assert last.token is None


def test_streams_and_class_of_a_group_are_listed(aws: FaultyAws) -> None:
    assert sorted(one.name for one in calls().streams()) == ["eni-0-all", "eni-1-all"]
    assert calls().storage_class() in ("", "STANDARD")


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ((400, "ThrottlingException", "Rate exceeded"), RetryableError),
        ((400, "AccessDeniedException", "not authorized"), PermissionDeniedError),
        ((400, "InvalidParameterException", "token expired"), RefusedError),
    ],
    ids=["throttled", "denied", "refused"],
)
def test_errors_are_ours(aws: FaultyAws, fault: tuple[int, str, str], error: type[Exception]) -> None:
    aws.fault_of = lambda action, parameters: fault

    with pytest.raises(error):
        calls().filter(NOW - 60, None, None)


def test_a_throttled_page_is_asked_for_once_for_whoever_asks_has_a_budget(aws: FaultyAws) -> None:
    aws.fault_of = lambda action, parameters: (400, "ThrottlingException", "Rate exceeded")
    patient = LogEvents(Sessions(AwsSettings(region="us-east-1", attempts=4)), lambda: OWN, "/vpc/flow")
    with pytest.raises(RetryableError):
        patient.filter(NOW - 60, None, None)

    assert aws.calls["FilterLogEvents"] == 1


def test_a_group_that_is_not_there_is_refused(aws: FaultyAws) -> None:
    with pytest.raises(RefusedError) as caught:
        calls("/nothing").filter(NOW - 60, None, None)

    assert caught.value.code == "ResourceNotFoundException"


@pytest.mark.parametrize("body", [b'{"events": [ ],"nextToken":"x"}', b'{"nextToken":"x"}'], ids=["list", "nothing"])
def test_an_empty_page_is_known_without_reading_it(body: bytes) -> None:
    assert Page(body, "x", None).is_empty
    assert Page(body, "x", None).newest(9e9) == 0
